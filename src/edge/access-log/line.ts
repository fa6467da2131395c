/**
 * A line of the access log, field by field, in AWS's format (ALB user guide, "Access logs for your Application Load
 * Balancer", "Access log entries"): 29 fields, and the four that were appended since. AWS appends more with time, so
 * whoever reads it takes the fields that it knows; the last here is Mikan's own, the reason of every answer that no
 * target made. Parsers know AWS's reason codes and fail at others, so `error_reason` has none.
 *
 * A line is made for every request: what all requests of a connection have in common is written once, and what only a
 * client could have filled with anything is looked at for characters that must be escaped.
 */
import type { Verdict } from "../desync/verdict.ts";

/** What the lines of a connection have in common. */
export interface ConnectionFacts {
  /** As its ARN has it: `app/name/id`. */
  loadBalancer: string;
  client: string;
  cipher: string;
  tlsProtocol: string;
  /** The name that the client asked for in its handshake, and was given a certificate for. */
  domain: string;
  /** ARN; `session-reused` where none was shown. */
  certificate: string;
  /** `TID_...` */
  trace: string;
}

/** {@link ConnectionFacts} as they stand in a line, in four places of it. */
export interface ConnectionText {
  who: string;
  secured: string;
  named: string;
  trace: string;
}

export interface TransformFacts {
  status: "TransformSuccess" | "TransformFailed";
  /** What came, where it was rewritten. */
  host: string;
  uri: string;
}

/** What is known of one request when it is over. Times are milliseconds. */
export interface AccessFacts {
  type: "http" | "https" | "h2" | "grpcs" | "ws" | "wss";
  /** When the answer was made; of a WebSocket, when it closed. Wall time. */
  endedAt: number;
  connection: ConnectionText;
  /** Address and port of the target; "" where none was chosen, and of functions. */
  target: string;
  /** Until it went to a target; -1 when it did not. */
  requestMs: number;
  /** Until the target began to answer; -1 when it did not. */
  targetMs: number;
  /** Until the answer went to the client; -1 when there was none. */
  responseMs: number;
  /** 0 when the client got no answer. */
  status: number;
  /** 0 when the target gave none. */
  targetStatus: number;
  receivedBytes: number;
  sentBytes: number;
  /** Method, URL and version; {@link unreadable} where it was no request. */
  request: string;
  userAgent: string;
  targetGroup: string;
  trace: string;
  /** 0 is the default rule's, -1 one that could not be evaluated; undefined: none was looked at. */
  priority: number | undefined;
  createdAt: number;
  actions: string;
  redirectUrl: string;
  /** Why there is no target's answer, in the edge's words or in AWS's. */
  reason: string;
  /** Of a request that is not compliant. */
  verdict: Verdict | undefined;
  transform: TransformFacts | undefined;
}

/** The request of a client that sent none, or one that cannot be read. */
export function unreadable(scheme: "http" | "https", host: string, port: number): string {
  return `- ${scheme}://${host}:${port}- -`;
}

export function connectionText(facts: ConnectionFacts): ConnectionText {
  return {
    who: `${plain(facts.loadBalancer)} ${facts.client}`,
    secured: `${plain(facts.cipher)} ${plain(facts.tlsProtocol)}`,
    named: `${quoted(facts.domain)} ${quoted(facts.certificate)}`,
    trace: plain(facts.trace),
  };
}

/** The line, with its end. */
export function accessLine(facts: AccessFacts): string {
  const { connection, reason, verdict, transform } = facts;
  const target = facts.target === "" ? "-" : facts.target;
  const targetStatus = facts.targetStatus === 0 ? "-" : facts.targetStatus;
  return (
    `${facts.type} ${timeText(facts.endedAt)} ${connection.who} ${target} ` +
    `${seconds(facts.requestMs)} ${seconds(facts.targetMs)} ${seconds(facts.responseMs)} ` +
    `${facts.status === 0 ? "-" : facts.status} ${targetStatus} ${facts.receivedBytes} ${facts.sentBytes} ` +
    `"${escaped(facts.request)}" ${quoted(facts.userAgent)} ${connection.secured} ` +
    `${plain(facts.targetGroup)} ${quoted(facts.trace)} ${connection.named} ` +
    `${facts.priority ?? "-"} ${timeText(facts.createdAt)} ${quoted(facts.actions)} ${quoted(facts.redirectUrl)} ` +
    `${reason === "" ? '"-"' : quoted(awsReason(reason))} "${target}" "${targetStatus}" ` +
    `${verdict === undefined ? '"-" "-"' : verdictText(verdict)} ${connection.trace} ` +
    `${transform === undefined ? '"-" "-" "-"' : transformText(transform)} ${quoted(reason)}\n`
  );
}

function verdictText(verdict: Verdict): string {
  return `${quoted(verdict.class)} ${quoted(verdict.reason)}`;
}

function transformText({ host, uri, status }: TransformFacts): string {
  return `${quoted(host)} ${quoted(uri)} "${status}"`;
}

/** AWS's codes are written like `LambdaThrottling`; the edge's own words are not. */
function awsReason(reason: string): string {
  return /^[A-Z]/.test(reason) ? reason : "";
}

/** The second and the millisecond that were written last: many lines have the same. */
let second = { at: -1, text: "" };
let millisecond = { at: -1, text: "" };

/** AWS writes microseconds; the clock has milliseconds. */
function timeText(ms: number): string {
  const whole = Math.floor(ms);
  if (whole === millisecond.at) return millisecond.text;
  const at = Math.floor(whole / 1000);
  if (at !== second.at) second = { at, text: new Date(at * 1000).toISOString().slice(0, -4) };
  millisecond = { at: whole, text: `${second.text}${thousandths[whole - at * 1000]}000Z` };
  return millisecond.text;
}

/** Seconds with three decimals, as AWS writes them; -1 stays -1. */
function seconds(ms: number): string {
  if (ms < 0) return "-1";
  const whole = Math.round(ms);
  return `${Math.floor(whole / 1000)}.${thousandths[whole % 1000]}`;
}

const thousandths: readonly string[] = Array.from({ length: 1000 }, (_, count) => String(count).padStart(3, "0"));

function plain(text: string): string {
  return text === "" ? "-" : text;
}

function quoted(text: string): string {
  return text === "" ? '"-"' : `"${escaped(text)}"`;
}

/** Nothing that a client sends ends a field or a line: what would is written as `\x22`. */
function escaped(text: string): string {
  return /[^\x20-\x7e]|["\\]/.test(text)
    ? text.replace(/[^\x20-\x7e]|["\\]/g, (character) => `\\x${hex(character.charCodeAt(0) & 0xff)}`)
    : text;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
