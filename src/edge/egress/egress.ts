/**
 * The way out: a forward proxy that speaks plain HTTP to callers on this machine and keeps connections, with TLS, to
 * where their requests go (the pattern of `chocon`: many short-lived callers, one set of warm connections).
 */
import { randomBytes } from "node:crypto";
import { Agent as HttpAgent, request as requestHttp, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { callbackify } from "node:util";
import type { Clock } from "../../base/clock.ts";
import { asError, errorCode } from "../../base/errors.ts";
import { headersOf, type Body, type HttpHandler, type HttpRequest, type HttpResponse } from "../../base/http.ts";
import type { Log } from "../../telemetry/log.ts";
import { createHttpServer, type HttpServer } from "../server.ts";
import { destinationOf, type Destination } from "./destination.ts";
import { EgressLedger, type EgressReport } from "./ledger.ts";
import { createNames, Forbidden, type Names, type Resolve } from "./names.ts";

/** Connections to one destination; a request beyond waits for one. */
const connectionsMax = 256;
/** Of these, so many rest. */
const restingMax = 64;
/** A connection rests this long, a little under what servers commonly allow (60 s). */
const restMs = 55_000;
/** From the end of the request to the head of the answer (chocon's). */
const answerMsMax = 60_000;
/** A request that met a connection's end is sent again, on another connection, at most so often. */
const retriesMax = 2;
/** Nodes of this kind that a request may pass, however they are chained. */
const hopsMax = 4;

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const hopByHop: ReadonlySet<string> = new Set(
  "connection keep-alive proxy-connection proxy-authorization te trailer transfer-encoding upgrade host".split(" "),
);

export interface EgressOptions {
  /** 0 takes a free one. */
  port: number;
  /** Default 127.0.0.1: who may call may go anywhere. */
  address?: string;
  /** Certificates are verified. Default true. */
  verify?: boolean;
  /** PEM, beside the system's. */
  ca?: string;
  /** Link-local addresses, the machine's metadata among them, are gone to. Default false. */
  allowLinkLocal?: boolean;
  answerMsMax?: number;
  clock: Clock;
  log: Log;
  /** For tests. */
  resolve?: Resolve;
}

export interface Egress {
  readonly port: number;
  report(): EgressReport[];
  close(graceMs?: number): Promise<void>;
}

/**
 * @example
 * const egress = await createEgress({ port: 9000, clock, log });
 * // curl -H 'Host: example.com.ccnproxy-https' http://127.0.0.1:9000/
 */
export async function createEgress(options: EgressOptions): Promise<Egress> {
  const { clock, log, address = "127.0.0.1" } = options;
  const ledger = new EgressLedger();
  const names = createNames({
    clock,
    allowLinkLocal: options.allowLinkLocal ?? false,
    ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
  });
  const agents = agentsOf(options, names);
  let port = 0;
  const handler = createHandler({ options, ledger, names, agents, port: () => port });
  const server: HttpServer = await createHttpServer({
    handler,
    class: "egress",
    address,
    port: options.port,
    clock,
    log,
  });
  port = server.port;
  return {
    port,
    report: () => ledger.report(),
    async close(graceMs) {
      await server.close(graceMs);
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

interface Agents {
  http: HttpAgent;
  https: HttpsAgent;
}

function agentsOf({ verify = true, ca }: EgressOptions, names: Names): Agents {
  const addressesOf = callbackify((name: string) => names.addresses(name));
  const lookup: LookupFunction = (hostname, options, done) =>
    addressesOf(hostname, (error: NodeJS.ErrnoException | null, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) done(error, "");
      else if (options.all === true) done(null, [...addresses]);
      else done(null, first.address, first.family);
    });
  const kept = { keepAlive: true, maxSockets: connectionsMax, maxFreeSockets: restingMax, timeout: restMs, lookup };
  return {
    http: new HttpAgent(kept),
    https: new HttpsAgent({ ...kept, rejectUnauthorized: verify, ...(ca === undefined ? {} : { ca }) }),
  };
}

interface HandlerParts {
  options: EgressOptions;
  ledger: EgressLedger;
  names: Names;
  agents: Agents;
  port: () => number;
}

function createHandler({ options, ledger, names, agents, port }: HandlerParts): HttpHandler {
  /** By which a request that comes back is known (RFC 9110 section 7.6.3). */
  const name = `mikan-egress-${randomBytes(6).toString("hex")}`;
  const send = async (incoming: HttpRequest, to: Destination, retries: number): Promise<HttpResponse> => {
    const tracked: Tracked = { reused: false };
    try {
      // Node asks nobody about a name that is an address.
      await names.addresses(to.hostname);
      return await exchange(incoming, to, { options, ledger, agents, name, tracked });
    } catch (error) {
      // The destination closed a connection at rest as we wrote: nothing was done, and nothing is lost by another try.
      const again = tracked.reused && incoming.body === undefined && idempotent.has(incoming.method);
      if (again && errorCode(error) === "ECONNRESET" && retries < retriesMax) return send(incoming, to, retries + 1);
      throw error;
    }
  };
  return async (incoming) => {
    const to = destinationOf(incoming.host, port());
    if (to === undefined) {
      return refusal(400, "The host must end with .ccnproxy, .ccnproxy-https, .ccnproxy-secure or .ccnproxy-ssl.");
    }
    const passed = headersOf(incoming.headers, "via").join(",");
    if (passed.includes(name) || passed.split("mikan-egress-").length > hopsMax) {
      return refusal(508, `A request to ${to.origin} came back here.`);
    }
    ledger.begun(to.origin);
    try {
      return await send(incoming, to, 0);
    } catch (error) {
      ledger.failed(to.origin);
      return failureOf(error, to, options.log);
    }
  };
}

interface Tracked {
  reused: boolean;
}

interface ExchangeParts extends Omit<HandlerParts, "port" | "names"> {
  name: string;
  tracked: Tracked;
}

/** The answer took too long. */
class Late extends Error {
  override readonly name = "Late";
}

function exchange(incoming: HttpRequest, to: Destination, parts: ExchangeParts): Promise<HttpResponse> {
  const { options, ledger, agents, tracked } = parts;
  return new Promise((resolve, reject) => {
    const startedMs = options.clock.monotonicMs();
    const common = {
      host: to.hostname,
      port: to.port,
      method: incoming.method,
      path: incoming.target,
      headers: fieldsFor(incoming, to, parts.name),
      signal: incoming.signal,
      setHost: false,
    };
    const outgoing =
      to.scheme === "https"
        ? requestHttps({ ...common, agent: agents.https })
        : requestHttp({ ...common, agent: agents.http });
    const limitMs = options.answerMsMax ?? answerMsMax;
    const timer = options.clock.after(limitMs, () => outgoing.destroy(new Late(`no answer within ${limitMs} ms`)));
    outgoing.on("socket", (socket) => {
      tracked.reused = outgoing.reusedSocket;
      if (tracked.reused) ledger.reused(to.origin);
      else
        socket.once(to.scheme === "https" ? "secureConnect" : "connect", () => {
          ledger.shook(to.origin, options.clock.monotonicMs() - startedMs, roundTripsOf(socket));
        });
    });
    outgoing.on("error", (error) => {
      timer.cancel();
      reject(error);
    });
    outgoing.on("response", (response) => {
      timer.cancel();
      resolve(responseOf(response));
    });
    void sendBody(incoming.body, outgoing);
  });
}

function roundTripsOf(socket: Socket): number {
  if (!(socket instanceof TLSSocket)) return 1;
  return socket.getProtocol() === "TLSv1.3" ? 2 : 3;
}

/** With backpressure; a failure of either side reaches the other as the end of both. */
async function sendBody(body: Body, outgoing: ClientRequest): Promise<void> {
  try {
    if (body instanceof Uint8Array) outgoing.write(body);
    else if (body !== undefined) {
      for await (const chunk of body) {
        if (outgoing.destroyed) return;
        if (!outgoing.write(chunk)) await drained(outgoing);
      }
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(asError(error));
  }
}

function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.on("drain", done);
    outgoing.on("close", done);
  });
}

function fieldsFor({ headers, body }: HttpRequest, to: Destination, name: string): string[] {
  const fields = ["Host", to.host];
  let sized = false;
  for (const [field, value] of passedOn(headers)) {
    if (field.toLowerCase() === "content-length") sized = true;
    fields.push(field, value);
  }
  fields.push("Via", `1.1 ${name}`, "Connection", "keep-alive");
  if (body !== undefined && !sized) fields.push("Transfer-Encoding", "chunked");
  return fields;
}

/** Pairs that belong to the message and not to its connection (RFC 9110 section 7.6.1). */
function passedOn(flat: readonly string[]): [string, string][] {
  const named = new Set(headersOf(flat, "connection").flatMap((value) => value.toLowerCase().split(/\s*,\s*/)));
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const field = flat[i] as string;
    const lower = field.toLowerCase();
    if (!hopByHop.has(lower) && !named.has(lower)) pairs.push([field, flat[i + 1] as string]);
  }
  return pairs;
}

function responseOf(response: IncomingMessage): HttpResponse {
  return {
    status: response.statusCode ?? 502,
    ...(response.statusMessage === undefined ? {} : { reason: response.statusMessage }),
    headers: passedOn(response.rawHeaders).flat(),
    body: response,
    trailers: () => response.rawTrailers,
  };
}

/** chocon's statuses: 504 when time ran out, 403 where nobody may go, else 502. */
function failureOf(error: unknown, { origin }: Destination, log: Log): HttpResponse {
  const { name, message } = asError(error);
  const timedOut = error instanceof Late || errorCode(error) === "ETIMEDOUT";
  const status = error instanceof Forbidden ? 403 : timedOut ? 504 : 502;
  log.info("a request did not get out", { origin, status, reason: message });
  return refusal(status, `${origin}: ${errorCode(error) ?? name}: ${message}`);
}

function refusal(status: number, message: string): HttpResponse {
  return { status, headers: ["Content-Type", "application/json"], body: Buffer.from(JSON.stringify({ message })) };
}
