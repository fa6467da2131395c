/** What the access log of a listener says of each request, gathered while it is under way. Only where the log is on. */
import type { Clock } from "../../base/clock.ts";
import type { Peer } from "../../base/http.ts";
import type { ClientStream, RequestReport } from "../exchange.ts";
import { field, isNamed } from "../h1/fields.ts";
import { idMask, spanSize, type Refusal } from "../h1/scan.ts";
import { hostnameOf } from "../match.ts";
import { placeText } from "../peer.ts";
import type { ListenerConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import type { Told } from "../rewrite.ts";
import { nextTrace } from "../tracing.ts";
import type { TlsFacts } from "../tls/handshake.ts";
import { wantsWebSocket } from "../tunnel.ts";
import type { Batches } from "./batches.ts";
import {
  accessLine,
  connectionText,
  unreadable,
  type AccessFacts,
  type ConnectionText,
  type TransformFacts,
} from "./line.ts";

/** ALB cuts a longer one. */
const userAgentMax = 8 * 1024;
/** Reasons with which no target got the request, so that there are no times. */
const undispatched: ReadonlySet<string | undefined> = new Set(["connect-timeout", "connect-refused", "connect-failed"]);
/** ALB's, for a client that left before it was answered. */
const clientClosedStatus = 460;

export interface AccessLogDeps {
  clock: Clock;
  batches: Batches;
  newTraceId(): string;
}

/** The access log of one listener, in one worker. */
export class AccessLog {
  readonly #deps: AccessLogDeps;
  readonly #config: ListenerConfig;
  readonly #loadBalancerId: string;
  readonly #scheme: "http" | "https";
  readonly #traceName: string;
  readonly #names: ReadonlySet<string>;
  /** By connection, which its peer stands for. */
  readonly #connections = new WeakMap<Peer, ConnectionText>();

  constructor(config: ListenerConfig, deps: AccessLogDeps) {
    this.#deps = deps;
    this.#config = config;
    this.#loadBalancerId = config.loadBalancerId ?? config.id;
    this.#scheme = config.tls === undefined ? "http" : "https";
    this.#traceName = config.forwarded.traceHeader?.toLowerCase() ?? "";
    this.#names = new Set(config.tls?.certificates.flatMap(({ names }) => names));
  }

  /** A request has begun: its line is written when its client's stream says that it is over. */
  begin(request: RequestRecord): AccessEntry {
    const entry = new AccessEntry(this, request, this.#deps.clock.now());
    this.#keepFields(entry, request);
    request.client.report = entry;
    return entry;
  }

  /** What came was no request, or not one that may be acted on. */
  refused({ client, tls }: Pick<ClientStream, "client" | "tls">, refusal: Refusal, bytes: [number, number]): void {
    const now = this.#deps.clock.now();
    const { status, reason, verdict } = refusal;
    this.#write({
      type: this.#scheme,
      endedAt: now,
      connection: this.#ofConnection(client, tls),
      target: "",
      requestMs: -1,
      targetMs: -1,
      responseMs: -1,
      status,
      targetStatus: 0,
      receivedBytes: bytes[0],
      sentBytes: bytes[1],
      request: unreadable(this.#scheme, this.#config.address, this.#config.port),
      userAgent: "",
      targetGroup: "",
      trace: "",
      priority: undefined,
      createdAt: now,
      actions: "",
      redirectUrl: "",
      reason,
      verdict,
      transform: undefined,
    });
  }

  /** The request of `entry` is over. Of every request, so every fact is written down here, and none is gathered before. */
  ended(entry: AccessEntry, request: RequestRecord, receivedBytes: number, sentBytes: number): void {
    const { client, endpoint, reason, route, startedMs, sentMs, answeredMs } = request;
    const { refusal } = entry;
    const dispatched = sentMs !== 0 && !undispatched.has(reason);
    const answered = dispatched && answeredMs !== 0;
    const actions = actionsOf(request);
    this.#write({
      type: this.#typeOf(request),
      endedAt: this.#deps.clock.now(),
      connection: this.#ofConnection(client.client, client.tls),
      target: endpoint?.kind === "address" ? endpoint.upstream.place : "",
      requestMs: dispatched ? sentMs - startedMs : -1,
      targetMs: answered ? answeredMs - sentMs : -1,
      // What a target says goes on in the same turn.
      responseMs: answered ? 0 : -1,
      status: refusal === undefined ? statusOf(request) : refusal.status,
      targetStatus: request.endpointStatus,
      receivedBytes,
      sentBytes,
      request: this.#requestText(request),
      userAgent: entry.userAgent,
      targetGroup: actions === "" ? "" : targetGroupOf(request),
      trace: this.#traceOf(entry),
      priority: route?.config.priority,
      createdAt: entry.createdAt,
      actions,
      redirectUrl: actions === "" ? "" : redirectOf(request),
      reason: refusal?.reason ?? reason ?? "",
      verdict: refusal?.verdict ?? request.head.verdict,
      transform: transformOf(request),
    });
  }

  /** Copies what the line says of the head's fields, which can be read only now. */
  #keepFields(entry: AccessEntry, { head: { text, spans, count } }: RequestRecord): void {
    for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
      const id = (spans[at] as number) & idMask;
      if (id === field.userAgent) {
        if (entry.userAgent === "") entry.userAgent = text.slice(spans[at + 3], spans[at + 4]).slice(0, userAgentMax);
      } else if (
        id === field.other &&
        isNamed(text, spans[at + 1] as number, spans[at + 2] as number, this.#traceName)
      ) {
        entry.cameTrace ??= text.slice(spans[at + 3], spans[at + 4]);
      }
    }
  }

  /** What all requests of a connection have in common. */
  #ofConnection(peer: Peer, tls: TlsFacts | undefined): ConnectionText {
    let text = this.#connections.get(peer);
    if (text === undefined) this.#connections.set(peer, (text = this.#textOf(peer, tls)));
    return text;
  }

  #textOf(peer: Peer, tls: TlsFacts | undefined): ConnectionText {
    return connectionText({
      loadBalancer: loadBalancerName(this.#loadBalancerId),
      client: placeText(peer.address, peer.port),
      cipher: tls?.cipher ?? "",
      tlsProtocol: tls?.protocol ?? "",
      domain: tls !== undefined && this.#isNamed(tls.serverName) ? tls.serverName : "",
      certificate: tls?.certificateId ?? "",
      trace: `TID_${this.#deps.newTraceId().slice(-24)}`,
    });
  }

  #isNamed(serverName: string): boolean {
    const name = serverName.toLowerCase();
    return this.#names.has(name) || this.#names.has(`*${name.slice(name.indexOf("."))}`);
  }

  #typeOf({ client, head, status, cluster }: RequestRecord): AccessFacts["type"] {
    if (status === 101 && wantsWebSocket(head)) return this.#scheme === "https" ? "wss" : "ws";
    if (cluster?.config.protocol === "grpc") return "grpcs";
    return client.tls?.alpn === "h2" ? "h2" : this.#scheme;
  }

  /** As it came, before any rewrite. */
  #requestText({ head, client, sent }: RequestRecord): string {
    const { target, host } = sent ?? { target: head.target, host: head.hostText };
    const name = host === "" ? this.#config.address : hostnameOf(host);
    const version = client.tls?.alpn === "h2" ? "HTTP/2.0" : `HTTP/1.${head.minor}`;
    return `${head.method} ${this.#scheme}://${name}:${this.#config.port}${target} ${version}`;
  }

  /** What the target was told; what it would have been told, where there is none. */
  #traceOf({ trace, cameTrace }: AccessEntry): string {
    return trace === "" && this.#traceName !== "" ? nextTrace(cameTrace, this.#deps.newTraceId) : trace;
  }

  #write(facts: AccessFacts): void {
    this.#deps.batches.add(this.#loadBalancerId, accessLine(facts));
  }
}

/** One request under way, and what is copied of it while its head can be read. */
export class AccessEntry implements RequestReport, Told {
  readonly createdAt: number;
  userAgent = "";
  /** The trace that came with it. */
  cameTrace: string | undefined;
  trace = "";
  /** Why its body could not be read on. */
  refusal: Refusal | undefined;
  readonly #log: AccessLog;
  readonly #request: RequestRecord;

  constructor(log: AccessLog, request: RequestRecord, createdAt: number) {
    this.#log = log;
    this.#request = request;
    this.createdAt = createdAt;
  }

  over(receivedBytes: number, sentBytes: number): void {
    this.#log.ended(this, this.#request, receivedBytes, sentBytes);
  }
}

function statusOf({ status, reason }: RequestRecord): number {
  return status === 0 && reason === "client-closed" ? clientClosedStatus : status;
}

/** What was done with a request, in AWS's words; "" where its rule came to nothing. */
function actionsOf({ route, cluster, reason }: RequestRecord): string {
  if (route === undefined) return "";
  const { action, jwt } = route.config;
  // What a gate refused was not forwarded, nor answered as the rule says.
  const done = action.kind === "forward" ? cluster !== undefined || reason === "no-endpoints" : reason === undefined;
  if (!done) return "";
  const verb = action.kind === "fixed" ? "fixed-response" : action.kind;
  return jwt === undefined ? verb : `jwt-validation,${verb}`;
}

function targetGroupOf({ route, cluster }: RequestRecord): string {
  if (cluster !== undefined) return cluster.config.id;
  const action = route?.config.action;
  return action?.kind === "forward" && action.targets.length === 1 ? (action.targets[0]?.clusterId ?? "") : "";
}

function redirectOf(request: RequestRecord): string {
  const { route } = request;
  if (route?.config.action.kind !== "redirect" || route.action.kind !== "answer") return "";
  return /^Location: (.*)\r$/m.exec(route.action.answer(request)?.lines ?? "")?.[1] ?? "";
}

/** Host and URL as they were rewritten. */
function transformOf({ sent, head, route, reason }: RequestRecord): TransformFacts | undefined {
  if (reason === "transform-failed") return { status: "TransformFailed", host: "", uri: "" };
  if (sent === undefined || route?.config.rewrites === undefined) return undefined;
  return {
    status: "TransformSuccess",
    host: head.hostText === sent.host ? "" : head.hostText,
    uri: head.target === sent.target ? "" : head.target,
  };
}

/** `app/name/id` of an ARN; anything else as it is. */
function loadBalancerName(id: string): string {
  return id.slice(id.indexOf(":loadbalancer/") < 0 ? 0 : id.indexOf(":loadbalancer/") + ":loadbalancer/".length);
}
