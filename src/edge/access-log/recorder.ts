/** What the access log of a listener says of each request, gathered while it is under way. Only where the log is on. */
import type { Clock } from "../../base/clock.ts";
import type { Peer } from "../../base/http.ts";
import type { Verdict } from "../desync/verdict.ts";
import type { ClientStream, RequestReport } from "../exchange.ts";
import type { RequestHead } from "../h1/request.ts";
import { spanSize, type Refusal } from "../h1/scan.ts";
import { hostnameOf } from "../match.ts";
import type { ListenerConfig } from "../ports.ts";
import type { RequestRecord } from "../record.ts";
import { nextTrace } from "../tracing.ts";
import type { TlsFacts } from "../tls/handshake.ts";
import { wantsWebSocket } from "../tunnel.ts";
import type { Batches } from "./batches.ts";
import { accessLine, unreadable, type AccessFacts } from "./line.ts";

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
  readonly #scheme: "http" | "https";
  readonly #traceName: string;
  readonly #names: ReadonlySet<string>;
  /** The head's line that tells a target of the trace, up to its value. */
  readonly #traceLine: string;
  /** By connection, which its peer stands for. */
  readonly #connections = new WeakMap<Peer, ConnectionFacts>();

  constructor(config: ListenerConfig, deps: AccessLogDeps) {
    this.#deps = deps;
    this.#config = config;
    this.#scheme = config.tls === undefined ? "http" : "https";
    this.#traceName = config.forwarded.traceHeader?.toLowerCase() ?? "";
    this.#traceLine = `\n${config.forwarded.traceHeader ?? ""}: `;
    this.#names = new Set(config.tls?.certificates.flatMap(({ names }) => names));
  }

  /** A request has begun: its line is written when its client's stream says that it is over. */
  begin(request: RequestRecord): AccessEntry {
    const { head, client } = request;
    const entry = new AccessEntry(this, request, {
      createdAt: this.#deps.clock.now(),
      userAgent: (fieldOf(head, "user-agent") ?? "").slice(0, userAgentMax),
      cameTrace: fieldOf(head, this.#traceName),
    });
    client.report = entry;
    return entry;
  }

  /** What came was no request, or not one that may be acted on. */
  refused({ client, tls }: Pick<ClientStream, "client" | "tls">, refusal: Refusal, bytes: [number, number]): void {
    const now = this.#deps.clock.now();
    const { status, reason } = refusal;
    this.#write({
      ...unknown,
      ...this.#ofConnection(client, tls),
      ...classOf(refusal.verdict),
      type: this.#scheme,
      endedAt: now,
      createdAt: now,
      status,
      reason,
      request: unreadable(this.#scheme, this.#config.address, this.#config.port),
      receivedBytes: bytes[0],
      sentBytes: bytes[1],
    });
  }

  /** The request of `entry` is over. */
  ended(entry: AccessEntry, request: RequestRecord, receivedBytes: number, sentBytes: number): void {
    const { client, endpoint, reason } = request;
    const { begun, refusal } = entry;
    this.#write({
      ...unknown,
      ...this.#ofConnection(client.client, client.tls),
      ...timesOf(request),
      ...actionOf(request),
      ...transformOf(request),
      ...classOf(refusal?.verdict ?? request.head.verdict),
      createdAt: begun.createdAt,
      userAgent: begun.userAgent,
      trace: this.#traceOf(entry),
      type: this.#typeOf(request),
      endedAt: this.#deps.clock.now(),
      target: endpoint?.kind === "address" ? addressText(endpoint.upstream.host, endpoint.upstream.port) : "",
      status: statusOf(request, refusal),
      targetStatus: request.endpointStatus,
      receivedBytes,
      sentBytes,
      request: this.#requestText(request),
      priority: request.route?.config.priority,
      reason: refusal?.reason ?? reason ?? "",
    });
  }

  /** What all requests of a connection have in common. */
  #ofConnection(peer: Peer, tls: TlsFacts | undefined): ConnectionFacts {
    let facts = this.#connections.get(peer);
    if (facts === undefined) this.#connections.set(peer, (facts = this.#factsOf(peer, tls)));
    return facts;
  }

  #factsOf(peer: Peer, tls: TlsFacts | undefined): ConnectionFacts {
    return {
      loadBalancer: loadBalancerName(this.#config.loadBalancerId ?? this.#config.id),
      client: addressText(peer.address, peer.port),
      cipher: tls?.cipher ?? "",
      tlsProtocol: tls?.protocol ?? "",
      domain: tls !== undefined && this.#isNamed(tls.serverName) ? tls.serverName : "",
      certificate: tls?.certificateId ?? "",
      connectionTrace: `TID_${this.#deps.newTraceId().slice(-24)}`,
    };
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
  #traceOf({ begun, outgoing }: AccessEntry): string {
    if (this.#traceName === "") return "";
    if (outgoing === "") return nextTrace(begun.cameTrace, this.#deps.newTraceId);
    // The edge writes it last, and as it is configured.
    const at = outgoing.lastIndexOf(this.#traceLine) + this.#traceLine.length;
    return outgoing.slice(at, outgoing.indexOf("\r", at));
  }

  #write(facts: AccessFacts): void {
    this.#deps.batches.add(this.#config.loadBalancerId ?? this.#config.id, accessLine(facts));
  }
}

type ConnectionFacts = Pick<
  AccessFacts,
  "loadBalancer" | "client" | "cipher" | "tlsProtocol" | "domain" | "certificate" | "connectionTrace"
>;

/** What is copied of a request while its head can be read. */
interface Begun {
  createdAt: number;
  userAgent: string;
  cameTrace: string | undefined;
}

/** One request under way. */
export class AccessEntry implements RequestReport {
  readonly begun: Begun;
  /** Why its body could not be read on. */
  refusal: Refusal | undefined;
  /** The head that went to a target. */
  outgoing = "";
  readonly #log: AccessLog;
  readonly #request: RequestRecord;

  constructor(log: AccessLog, request: RequestRecord, begun: Begun) {
    this.#log = log;
    this.#request = request;
    this.begun = begun;
  }

  over(receivedBytes: number, sentBytes: number): void {
    this.#log.ended(this, this.#request, receivedBytes, sentBytes);
  }
}

const unknown = {
  target: "",
  requestMs: -1,
  targetMs: -1,
  responseMs: -1,
  targetStatus: 0,
  userAgent: "",
  targetGroup: "",
  trace: "",
  priority: undefined,
  actions: "",
  redirectUrl: "",
  classification: "",
  classificationReason: "",
  transformedHost: "",
  transformedUri: "",
  transformStatus: "",
} as const;

function statusOf({ status, reason }: RequestRecord, refusal: Refusal | undefined): number {
  if (refusal !== undefined) return refusal.status;
  return status === 0 && reason === "client-closed" ? clientClosedStatus : status;
}

/** Where a target got the request, how long it took until then, until its answer, and until that went on. */
function timesOf({ startedMs, sentMs, answeredMs, reason }: RequestRecord) {
  if (sentMs === 0 || undispatched.has(reason)) return {};
  const requestMs = sentMs - startedMs;
  // What a target says goes on in the same turn.
  return answeredMs === 0 ? { requestMs } : { requestMs, targetMs: answeredMs - sentMs, responseMs: 0 };
}

function actionOf(request: RequestRecord): Partial<Pick<AccessFacts, "actions" | "redirectUrl" | "targetGroup">> {
  const { route, cluster, reason } = request;
  if (route === undefined) return {};
  const before = route.config.jwt === undefined ? "" : "jwt-validation,";
  const { action } = route.config;
  if (action.kind === "forward") {
    const targetGroup = cluster?.config.id ?? (action.targets.length === 1 ? (action.targets[0]?.clusterId ?? "") : "");
    // What a gate refused was not forwarded.
    return cluster === undefined && reason !== "no-endpoints" ? {} : { actions: `${before}forward`, targetGroup };
  }
  if (reason !== undefined || route.action.kind !== "answer") return {};
  if (action.kind === "fixed") return { actions: `${before}fixed-response` };
  const location = /^Location: (.*)\r$/m.exec(route.action.answer(request).lines)?.[1] ?? "";
  return { actions: `${before}redirect`, redirectUrl: location };
}

/** Host and URL as they were rewritten. */
function transformOf({ sent, head, route, reason }: RequestRecord) {
  if (reason === "transform-failed") return { transformStatus: "TransformFailed" };
  if (sent === undefined || route?.config.rewrites === undefined) return {};
  return {
    transformedHost: head.hostText === sent.host ? "" : head.hostText,
    transformedUri: head.target === sent.target ? "" : head.target,
    transformStatus: "TransformSuccess",
  };
}

function classOf(verdict: Verdict | undefined) {
  return verdict === undefined ? {} : { classification: verdict.class, classificationReason: verdict.reason };
}

/** `app/name/id` of an ARN; anything else as it is. */
function loadBalancerName(id: string): string {
  return id.slice(id.indexOf(":loadbalancer/") < 0 ? 0 : id.indexOf(":loadbalancer/") + ":loadbalancer/".length);
}

function addressText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The first value of a field; `name` in lower case. Only while the head's request is dispatched. */
function fieldOf({ text, spans, count }: RequestHead, name: string): string | undefined {
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const start = spans[at + 1] as number;
    const end = spans[at + 2] as number;
    if (end - start === name.length && text.slice(start, end).toLowerCase() === name)
      return text.slice(spans[at + 3], spans[at + 4]);
  }
  return undefined;
}
