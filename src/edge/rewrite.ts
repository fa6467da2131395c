/**
 * A request's head on its way through, as the upstream gets it. Lines that stay as they are go over in runs, as slices
 * of the head's text; nothing is passed on that could not be written canonically.
 */
import type { Peer } from "../base/http.ts";
import type { ClientStream } from "./exchange.ts";
import { plainName } from "./h1/chars.ts";
import { field, fieldIds, hopByHop, isNamed } from "./h1/fields.ts";
import type { RequestHead } from "./h1/request.ts";
import { idMask, loose, spanSize } from "./h1/scan.ts";
import { hostnameOf } from "./match.ts";
import type { ForwardedHeaders } from "./ports.ts";
import { nextTrace } from "./tracing.ts";

const keep = 0;
const drop = 1;
const gather = 2;

/** More addresses than this in X-Forwarded-For: 463. */
export const forwardedForMax = 30;

export interface RequestRewriter {
  /** The head for the upstream, or a refusal by its status. */
  head(head: RequestHead, from: Sender, told?: Told): string | typeof tooManyForwarded;
  /** The fields for a function, as they would be sent to an address. */
  fields(head: RequestHead, from: Sender, told?: Told): string[] | typeof tooManyForwarded;
}

/** What the endpoint was told, for who writes that down. */
export interface Told {
  /** The value of the trace header. */
  trace: string;
}

/** Whose request it is: what the endpoint is told of the client. */
export type Sender = Pick<ClientStream, "client" | "tls">;

/** The request came through more proxies than are believed. */
export const tooManyForwarded = Symbol("463");

export interface RewriterOptions {
  forwarded: ForwardedHeaders;
  scheme: "http" | "https";
  /** The listener's. */
  port: number;
  /** Where a client names no host. */
  address: string;
  newTraceId(): string;
  /** Set on the way out: this is who passed the request on (RFC 9110 section 7.6.3), and nothing is told of its client. */
  via?: string;
}

/** What is known of one request once its fields were gone through. */
interface Gathered {
  lines: string;
  forwardedFor: string;
  trace: string | undefined;
}

/** Compiles the rewriting of requests of one listener. */
export function compileRequestRewriter(options: RewriterOptions): RequestRewriter {
  const { forwarded, scheme, port } = options;
  const actions = new Uint8Array(fieldIds);
  for (const id of [...hopByHop, field.host]) actions[id] = drop;
  if (options.via === undefined) actions[field.forwardedProto] = actions[field.forwardedPort] = drop;
  if (forwarded.xff === "append") actions[field.forwardedFor] = gather;
  if (forwarded.xff === "remove") actions[field.forwardedFor] = drop;
  const traceName = forwarded.traceHeader?.toLowerCase() ?? "";
  const never = new Set(Object.values(forwarded.tlsFields ?? {}).map((name) => name.toLowerCase()));
  // What a caller tells a proxy is not for the destination (RFC 9110 section 11.7.2).
  if (options.via !== undefined) never.add("proxy-authorization");
  const others: Others = { dropInvalid: forwarded.dropInvalidNames, traceName, never };
  const portSuffix = port === 80 || port === 443 ? "" : `:${port}`;
  const ownHost = `${options.address.includes(":") ? `[${options.address}]` : options.address}${portSuffix}`;
  const added =
    options.via === undefined
      ? `X-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Port: ${port}\r\n`
      : `Via: 1.1 ${options.via}\r\n`;

  const hostOf = (head: RequestHead) => {
    if (head.host === "") return ownHost;
    return forwarded.preserveHost ? head.hostText : hostnameOf(head.hostText) + portSuffix;
  };
  const gatherLines = (head: RequestHead): Gathered => {
    const { text, spans, count, connectionOptions } = head;
    const gathered: Gathered = { lines: "", forwardedFor: "", trace: undefined };
    let run = -1;
    let runEnd = -1;
    for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
      const id = (spans[at] as number) & idMask;
      let action = actions[id] as number;
      if (id === field.other || connectionOptions.length > 0 || (id === field.expect && head.minor === 0)) {
        action = actionOf(head, at, action, others, gathered);
      } else if (action === gather) {
        const value = text.slice(spans[at + 3], spans[at + 4]);
        gathered.forwardedFor += gathered.forwardedFor === "" ? value : `, ${value}`;
      }
      if (action === keep && ((spans[at] as number) & loose) === 0) {
        if (run < 0) run = spans[at + 1] as number;
        runEnd = (spans[at + 4] as number) + 2;
        continue;
      }
      if (run >= 0) gathered.lines += text.slice(run, runEnd);
      run = -1;
      if (action === keep) {
        gathered.lines += `${text.slice(spans[at + 1], spans[at + 2])}: ${text.slice(spans[at + 3], spans[at + 4])}\r\n`;
      }
    }
    if (run >= 0) gathered.lines += text.slice(run, runEnd);
    return gathered;
  };
  const forwardedAs = ({ address, port: clientPort }: Peer) => {
    if (forwarded.clientPort !== true) return address;
    return address.includes(":") ? `[${address}]:${clientPort}` : `${address}:${clientPort}`;
  };
  const addedLines = (gathered: Gathered, { client, tls }: Sender, told: Told | undefined): string => {
    let lines = added;
    if (forwarded.xff === "append") {
      const before = gathered.forwardedFor === "" ? "" : `${gathered.forwardedFor}, `;
      lines = `X-Forwarded-For: ${before}${forwardedAs(client)}\r\n${added}`;
    }
    if (forwarded.tlsFields !== undefined && tls !== undefined) {
      const { version, cipherSuite } = forwarded.tlsFields;
      lines += `${version}: ${tls.protocol}\r\n${cipherSuite}: ${tls.cipher}\r\n`;
    }
    if (forwarded.traceHeader === undefined) return lines;
    const trace = nextTrace(gathered.trace, options.newTraceId);
    if (told !== undefined) told.trace = trace;
    return `${lines}${forwarded.traceHeader}: ${trace}\r\n`;
  };

  return {
    head(head, from, told) {
      const gathered = gatherLines(head);
      if (tooMany(gathered.forwardedFor)) return tooManyForwarded;
      let text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${hostOf(head)}\r\n${gathered.lines}`;
      if (head.framing === "chunked") text += "Transfer-Encoding: chunked\r\n";
      if (head.trailersWanted) text += "Connection: TE\r\nTE: trailers\r\n";
      return `${text}${addedLines(gathered, from, told)}\r\n`;
    },
    fields(head, from, told) {
      const gathered = gatherLines(head);
      if (tooMany(gathered.forwardedFor)) return tooManyForwarded;
      const lines = `Host: ${hostOf(head)}\r\n${gathered.lines}${addedLines(gathered, from, told)}`;
      return flat(lines);
    },
  };
}

interface Others {
  dropInvalid: boolean;
  /** In lower case. */
  traceName: string;
  /** In lower case: names that a client cannot set. */
  never: ReadonlySet<string>;
}

/** The rarer questions about a field: invalid names, the trace, what Connection names, Expect of HTTP/1.0. */
function actionOf(
  head: RequestHead,
  at: number,
  action: number,
  { dropInvalid, traceName, never }: Others,
  gathered: Gathered,
): number {
  const { text, spans } = head;
  const id = (spans[at] as number) & idMask;
  if (id === field.contentLength) return keep;
  if (id === field.expect && head.minor === 0) return drop;
  const start = spans[at + 1] as number;
  const end = spans[at + 2] as number;
  if (head.connectionOptions.some((option) => isNamed(text, start, end, option))) return drop;
  if (action === gather) {
    const value = text.slice(spans[at + 3], spans[at + 4]);
    gathered.forwardedFor += gathered.forwardedFor === "" ? value : `, ${value}`;
  }
  if (id !== field.other) return action;
  if (never.size > 0 && never.has(text.slice(start, end).toLowerCase())) return drop;
  if (isNamed(text, start, end, traceName)) {
    const value = text.slice(spans[at + 3], spans[at + 4]);
    gathered.trace = gathered.trace === undefined ? value : `${gathered.trace};${value}`;
    return drop;
  }
  return dropInvalid && !plainName(text.slice(start, end)) ? drop : keep;
}

function tooMany(forwardedFor: string): boolean {
  if (forwardedFor.length < forwardedForMax) return false;
  let commas = 0;
  for (let at = forwardedFor.indexOf(","); at >= 0; at = forwardedFor.indexOf(",", at + 1)) commas += 1;
  return commas >= forwardedForMax;
}

function flat(lines: string): string[] {
  const fields: string[] = [];
  for (const line of lines.split("\r\n")) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    fields.push(line.slice(0, colon), line.slice(colon + 2));
  }
  return fields;
}
