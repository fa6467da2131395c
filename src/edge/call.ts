/** An exchange that a function answers: the request is gathered here, and goes to the main thread as one message. */
import { assert } from "../base/errors.ts";
import type { HttpResponse } from "../base/http.ts";
import { pageOf } from "./answers.ts";
import type { Cluster } from "./cluster.ts";
import type { CompiledListener } from "./compile.ts";
import type { ClientConnection, Exchange } from "./h1/connection.ts";
import type { RequestHead } from "./h1/request.ts";
import { InvalidResponse, planResponse } from "./h1/write.ts";
import type { CallMessage } from "./messages.ts";
import { plainAddress } from "./peer.ts";
import type { EdgeErrorReason } from "./stats.ts";

/** What main says to a call: an answer, or why there is none. */
export type CallOutcome =
  | { status: number; reason?: string; headers: readonly string[]; body: Uint8Array | undefined }
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
  readonly #client: ClientConnection;
  readonly #listener: CompiledListener;
  readonly #cluster: Cluster;
  readonly #endpoint: CallEndpoint;
  readonly #link: CallLink;
  readonly #request: Omit<CallMessage, "kind" | "call" | "body">;
  readonly #minor: number;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #call = 0;
  #sentMs = 0;
  #done = false;

  constructor(
    client: ClientConnection,
    head: RequestHead,
    headers: readonly string[],
    cluster: Cluster,
    endpoint: CallEndpoint,
    listener: CompiledListener,
    link: CallLink,
  ) {
    const { socket } = client;
    this.#client = client;
    this.#listener = listener;
    this.#cluster = cluster;
    this.#endpoint = endpoint;
    this.#link = link;
    this.#minor = head.minor;
    this.#request = {
      endpointId: endpoint.id,
      epoch: listener.epoch.number,
      method: head.method,
      target: head.target,
      host: head.host,
      headers,
      client: { address: plainAddress(socket.remoteAddress ?? "0.0.0.0"), port: socket.remotePort ?? 0 },
      startedAt: listener.plane.clock.now(),
    };
    listener.epoch.active += 1;
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
    this.#sentMs = this.#listener.plane.clock.monotonicMs();
    this.#call = this.#link.send({ ...this.#request, body }, (outcome) => this.#answer(outcome));
  }

  requestFlush(): void {}

  clientDrained(): void {}

  clientGone(reason: string, refusal?: { status: number }): void {
    if (this.#done) return;
    this.#cluster.stats.failed(refusal === undefined ? "client-closed" : "bad-body");
    this.#end();
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
    const client = this.#client;
    const response: HttpResponse = outcome;
    let head: string;
    try {
      const plan = planResponse(response, this.#request.method, this.#minor);
      assert(plan.framing.kind !== "chunked" && plan.framing.kind !== "eof", "an answer by message is bytes");
      head = plan.head;
      if (!plan.hasServer) head += `Server: ${this.#listener.config.serverName}\r\n`;
      if (!plan.hasDate) head += `Date: ${this.#listener.plane.dateText()}\r\n`;
      if (!plan.withBody) outcome.body = undefined;
    } catch (error) {
      if (!(error instanceof InvalidResponse)) throw error;
      this.#listener.plane.log("warn", "a function's answer may not be sent", {
        endpointId: this.#endpoint.id,
        reason: error.message,
      });
      this.#fail("function-failed", 502);
      return;
    }
    this.#cluster.stats.answered(outcome.status, this.#listener.plane.clock.monotonicMs() - this.#sentMs);
    this.#end();
    const keepAlive = client.persistent;
    client.responseBegun = true;
    client.out.text(`${head}Connection: ${keepAlive ? "keep-alive" : "close"}\r\n\r\n`);
    const { body } = outcome;
    if (body !== undefined && body.length > 0) {
      client.out.bytes(Buffer.from(body.buffer, body.byteOffset, body.byteLength), 0, body.length, true);
    }
    client.out.flush();
    client.finish(keepAlive);
  }

  #fail(reason: EdgeErrorReason, status: number): void {
    this.#cluster.stats.failed(reason);
    this.#end();
    this.#pieces = [];
    this.#listener.answerer.answer(this.#client, pageOf(status));
  }

  #end(): void {
    this.#done = true;
    this.#link.release(this.#bytes);
    this.#cluster.stats.end();
    this.#listener.epoch.end();
  }
}
