/** An exchange answered by a handler in this thread. */
import { asError } from "../../base/errors.ts";
import type { Body, Headers, HttpHandler, HttpRequest, HttpResponse, Peer } from "../../base/http.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Exchange } from "../exchange.ts";
import type { ClientConnection } from "./connection.ts";
import { RequestBody } from "./request-body.ts";
import { flatHeaders, type RequestHead } from "./request.ts";
import type { Refusal } from "./scan.ts";
import { InvalidResponse, planResponse, type ResponsePlan } from "./write.ts";

export interface HandlerDeps {
  handler: HttpHandler;
  log: Log;
  /** Wall time in milliseconds. */
  now(): number;
  dateText(): string;
  bodyQueueBytesMax: number;
}

/** A long body is handed to the socket in pieces of this size, so that a slow reader is seen to make progress. */
const pieceBytesMax = 256 * 1024;

const failure: HttpResponse = {
  status: 500,
  headers: ["Content-Type", "text/plain; charset=utf-8"],
  body: Buffer.from("Internal Server Error\n"),
};

export class HandlerExchange implements Exchange {
  readonly #deps: HandlerDeps;
  readonly #connection: ClientConnection;
  readonly #method: string;
  readonly #minor: number;
  readonly #request: Omit<HttpRequest, "body" | "signal">;
  readonly #body: RequestBody | undefined;
  #trailers: Headers = [];
  #abort: AbortController | undefined;
  #gone: Error | undefined;
  #started = false;
  #drained: (() => void) | undefined;

  constructor(connection: ClientConnection, head: RequestHead, client: Peer, localHost: string, deps: HandlerDeps) {
    this.#deps = deps;
    this.#connection = connection;
    this.#method = head.method;
    this.#minor = head.minor;
    this.#request = {
      method: head.method,
      target: head.target,
      host: head.host === "" ? localHost : head.host,
      scheme: "http",
      headers: flatHeaders(head),
      client,
      startedAt: deps.now(),
    };
    const hasBody = head.framing !== "none";
    this.#body = hasBody ? new RequestBody(connection, deps.bodyQueueBytesMax) : undefined;
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.#body?.push(bytes.subarray(start, end));
  }

  requestEnd(trailers: Headers): void {
    this.#trailers = trailers;
    this.#body?.complete();
  }

  requestFlush(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(this.#body?.whole ?? this.#body);
  }

  clientDrained(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }

  clientGone(reason: string, refusal?: Refusal): void {
    this.#gone = new Error(refusal === undefined ? reason : `the request's body is malformed: ${refusal.reason}`);
    this.#abort?.abort(this.#gone);
    this.#body?.fail(this.#gone);
    this.clientDrained();
  }

  idle(): void {
    this.clientGone("idle-timeout");
    this.#connection.destroy();
  }

  /** Never rejects: what fails is answered 500, or cuts the answer off. */
  async #run(body: Body): Promise<void> {
    const request = this.#withSignal(body);
    let response: HttpResponse;
    try {
      response = await this.#deps.handler(request);
    } catch (error) {
      if (this.#gone === undefined) this.#logFailure("the handler failed", error);
      response = failure;
    }
    try {
      await this.#respond(response);
    } catch (error) {
      if (this.#gone === undefined) this.#logFailure("the answer was cut off", error);
      this.#connection.destroy();
    }
  }

  #withSignal(body: Body): HttpRequest {
    // A controller costs more than the rest of a request, and most handlers never look at it.
    const signalOf = () => {
      this.#abort ??= new AbortController();
      if (this.#gone !== undefined) this.#abort.abort(this.#gone);
      return this.#abort.signal;
    };
    return {
      ...this.#request,
      body,
      trailers: () => this.#trailers,
      get signal() {
        return signalOf();
      },
    };
  }

  #logFailure(message: string, error: unknown): void {
    const { method, target, host } = this.#request;
    this.#deps.log.error(message, { method, path: target.split("?", 1)[0], host, error: asError(error) });
  }

  async #respond(response: HttpResponse): Promise<void> {
    if (this.#gone !== undefined) {
      await endBody(response.body);
      return;
    }
    let sent = response;
    let plan: ResponsePlan;
    try {
      plan = planResponse(response, this.#method, this.#minor);
    } catch (error) {
      if (!(error instanceof InvalidResponse)) throw error;
      this.#logFailure("the handler's answer may not be sent", error);
      await endBody(response.body);
      sent = failure;
      plan = planResponse(failure, this.#method, this.#minor);
    }
    await this.#send(sent, plan);
  }

  async #send(response: HttpResponse, plan: ResponsePlan): Promise<void> {
    const connection = this.#connection;
    const { out } = connection;
    const keepAlive = connection.persistent && plan.framing.kind !== "eof";
    connection.responseBegun = true;
    let head = `HTTP/1.1 ${response.status} ${plan.reason}\r\n${plan.lines}`;
    if (!plan.hasDate) head += `Date: ${this.#deps.dateText()}\r\n`;
    if (!keepAlive) head += "Connection: close\r\n";
    else if (this.#minor === 0) head += "Connection: keep-alive\r\n";
    out.text(`${head}\r\n`);
    const { body } = response;
    if (!plan.withBody || body === undefined) await endBody(body);
    else if (body instanceof Uint8Array) await this.#sendBytes(body);
    else await this.#sendStream(body, plan, response.trailers);
    if (this.#gone !== undefined) return;
    out.flush();
    this.#body?.drop();
    connection.finish(keepAlive);
  }

  async #sendBytes(body: Uint8Array): Promise<void> {
    const bytes = bufferOf(body);
    for (let start = 0; start < bytes.length && this.#gone === undefined; start += pieceBytesMax) {
      if (start > 0) await this.#flushed();
      this.#connection.out.bytes(bytes, start, Math.min(bytes.length, start + pieceBytesMax), true);
    }
  }

  async #sendStream(
    body: AsyncIterable<Uint8Array>,
    plan: ResponsePlan,
    trailers: HttpResponse["trailers"],
  ): Promise<void> {
    const { out } = this.#connection;
    const chunked = plan.framing.kind === "chunked";
    let left = plan.framing.kind === "length" ? plan.framing.bytes : Infinity;
    // The head does not wait for the first piece, which may be long in coming.
    out.flush();
    for await (const piece of body) {
      if (this.#gone !== undefined) return;
      if (piece.byteLength === 0) continue;
      left -= piece.byteLength;
      if (left < 0) throw new InvalidResponse("the body is longer than its Content-Length");
      const bytes = bufferOf(piece);
      if (chunked) out.chunk(bytes, 0, bytes.length, true);
      else out.bytes(bytes, 0, bytes.length, true);
      await this.#flushed();
    }
    if (this.#gone !== undefined) return;
    if (left > 0 && left !== Infinity) throw new InvalidResponse("the body is shorter than its Content-Length");
    if (chunked) out.lastChunk(trailers?.() ?? []);
  }

  /** Sends what was gathered, and waits while the client is slow. */
  async #flushed(): Promise<void> {
    this.#connection.touch();
    if (this.#connection.out.flush() || this.#gone !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }
}

/** Tells a stream that is not read that nobody will. */
async function endBody(body: Body): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) return;
  await body[Symbol.asyncIterator]().return?.();
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
