/** An exchange that a function answers: the request is gathered here, and goes to the main thread as one message. */
import { assert } from "../base/errors.ts";
import type { HttpResponse } from "../base/http.ts";
import { setsCookieIn } from "./balance/cookies.ts";
import type { Cluster } from "./cluster.ts";
import type { ClientStream, Exchange, Reply } from "./exchange.ts";
import type { RequestHead } from "./h1/request.ts";
import { InvalidResponse, planResponse } from "./h1/write.ts";
import type { CallMessage } from "./messages.ts";
import type { RequestRecord } from "./record.ts";
import { goneReason, type EdgeErrorReason } from "./stats.ts";

/** What main says to a call: an answer, or why there is none. */
export type CallOutcome =
  | { status: number; reason?: string; headers: readonly string[]; body: Uint8Array | undefined; errorReason?: string }
  | { failure: string };

/** The way to main. */
export interface CallLink {
  /** Calls under way; past the limit a new one is refused. */
  readonly full: boolean;
  /** Takes room for bytes of a body that is gathered; false when all bodies together are too many. */
  reserve(bytes: number): boolean;
  release(bytes: number): void;
  /** Sends a call; `done` is called once, unless it is called off first. Gives the call's number. */
  send(message: Omit<CallMessage, "kind" | "call">, done: (outcome: CallOutcome) => void): number;
  callOff(call: number, reason: string): void;
}

export interface CallEndpoint {
  id: string;
  requestBytesMax: number;
}

export class CallExchange implements Exchange {
  readonly #request: RequestRecord;
  readonly #client: ClientStream;
  readonly #cluster: Cluster;
  readonly #endpoint: CallEndpoint;
  readonly #link: CallLink;
  readonly #message: Omit<CallMessage, "kind" | "call" | "body">;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #call = 0;
  #sentMs = 0;
  #done = false;

  constructor(
    request: RequestRecord,
    cluster: Cluster,
    endpoint: CallEndpoint,
    headers: readonly string[],
    link: CallLink,
  ) {
    const { head, client, listener } = request;
    this.#request = request;
    this.#client = client;
    this.#cluster = cluster;
    this.#endpoint = endpoint;
    this.#link = link;
    this.#message = {
      endpointId: endpoint.id,
      epoch: listener.epoch.number,
      method: head.method,
      target: head.target,
      host: head.host,
      headers,
      client: client.client,
      startedAt: listener.plane.clock.now(),
    };
    cluster.stats.begin();
    if (head.framing === "length" && head.contentLength > endpoint.requestBytesMax) {
      this.#fail("body-too-large", 413);
    } else {
      client.sendContinue();
    }
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    if (this.#done) return;
    const length = end - start;
    if (this.#bytes + length > this.#endpoint.requestBytesMax) {
      this.#fail("body-too-large", 413);
    } else if (this.#link.reserve(length)) {
      this.#bytes += length;
      this.#pieces.push(bytes.subarray(start, end));
    } else {
      this.#fail("function-busy", 503);
    }
  }

  requestEnd(): void {
    if (this.#done) return;
    if (this.#link.full) {
      this.#fail("function-busy", 503);
      return;
    }
    // Memory of its own, so that it can be handed over instead of copied.
    const body = this.#bytes === 0 ? undefined : new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      body?.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#cluster.stats.functionBytes(this.#bytes + lengthOf(this.#message.headers));
    this.#sentMs = this.#request.sentMs = this.#request.listener.plane.clock.monotonicMs();
    this.#call = this.#link.send({ ...this.#message, body }, (outcome) => this.#answer(outcome));
  }

  requestFlush(): void {}

  clientDrained(): void {}

  clientGone(reason: string, refusal?: { status: number }): void {
    if (this.#done) return;
    const why = goneReason(reason, refusal !== undefined);
    this.#request.reason = why;
    this.#cluster.stats.failed(why);
    this.#finish();
    this.#request.end();
    this.#link.callOff(this.#call, reason);
  }

  idle(): void {
    if (this.#done) return;
    this.#link.callOff(this.#call, "idle-timeout");
    if (this.#client.waitsForRequest) this.#fail("client-timeout", 408);
    else this.#fail("idle-timeout", 504);
  }

  #answer(outcome: CallOutcome): void {
    if (this.#done) return;
    if ("failure" in outcome) {
      this.#fail("function-failed", 502);
      return;
    }
    const { listener, head } = this.#request;
    if (this.#client.connectionBytes > listener.limits.connectionBytesMax) {
      this.#fail("connection-full", 503);
      return;
    }
    let reply: Reply;
    try {
      reply = this.#reply(outcome, head);
    } catch (error) {
      if (!(error instanceof InvalidResponse)) throw error;
      listener.plane.log("warn", "a function's answer may not be sent", {
        endpointId: this.#endpoint.id,
        reason: error.message,
      });
      this.#fail("function-failed", 502);
      return;
    }
    this.#cluster.stats.functionBytes(reply.lines.length + reply.body.length);
    const nowMs = listener.plane.clock.monotonicMs();
    this.#cluster.stats.answered(outcome.status, nowMs - this.#sentMs);
    this.#finish();
    this.#request.answeredMs = nowMs;
    this.#request.reason = outcome.errorReason ?? this.#request.reason;
    this.#request.status = outcome.status;
    this.#request.endpointStatus = outcome.status;
    this.#request.end();
    this.#client.reply(reply);
  }

  #reply(answer: HttpResponse, { method, minor }: RequestHead): Reply {
    const { serverName, setFields, plane } = this.#request.listener;
    const response = setFields === undefined ? answer : { ...answer, headers: setFields.without(answer.headers) };
    const plan = planResponse(response, method, minor);
    assert(plan.framing.kind !== "chunked" && plan.framing.kind !== "eof", "an answer by message is bytes");
    let { lines } = plan;
    if (!plan.hasServer && serverName !== undefined) lines += `Server: ${serverName}\r\n`;
    if (!plan.hasDate) lines += `Date: ${plane.dateText()}\r\n`;
    this.#request.answering?.(setsCookieIn(response.headers));
    lines += this.#request.responseLines;
    const { body } = response;
    const bytes = plan.withBody && body instanceof Uint8Array ? bufferOf(body) : "";
    return { status: response.status, reason: plan.reason, lines, body: bytes };
  }

  #fail(reason: EdgeErrorReason, status: number): void {
    this.#cluster.stats.failed(reason);
    this.#finish();
    this.#pieces = [];
    this.#request.refuse(status, reason);
  }

  #finish(): void {
    this.#done = true;
    this.#link.release(this.#bytes);
    this.#cluster.stats.end();
  }
}

/** As lines: a colon, a space and an end with each. */
function lengthOf(headers: readonly string[]): number {
  return headers.reduce((sum, text) => sum + text.length + 2, 0);
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
