/**
 * The Lambda Runtime API, for runtimes of others. Each environment has a listener of its own (environment-api.ts), as
 * clients know no more of it than `host:port`. Source: Lambda guide, "Using the Lambda runtime API for custom runtimes".
 */
import type { Instant } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import {
  type Body,
  BodyTooLarge,
  type Headers,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  bytesOf,
  headerOf,
  headersOf,
  jsonResponse,
} from "../../base/http.ts";
import { payloadOf } from "../answers.ts";
import { responseBytesMax } from "../limits.ts";
import type { Invocation } from "../ports.ts";
import { type Link, type LinkEvents, clientContextOf } from "./link.ts";

/** Serves HTTP on a free port of `address` when `port` is 0; the edge's engine in the node. */
export type ServeHttp = (
  handler: HttpHandler,
  address: string,
  port: number,
) => Promise<{ port: number; close(): Promise<void> }>;

const prefix = "/2018-06-01/runtime/";
const errorTypeTrailer = "lambda-runtime-function-error-type";
const accepted = () => jsonResponse(202, { status: "OK" });
export const refused = (status: number, errorType: string, errorMessage: string) =>
  jsonResponse(status, { errorType, errorMessage });

interface Delivery {
  invocation: Invocation;
  deadlineAt: Instant;
}

/** JSON in a header: other characters than ASCII as escapes. */
function asciiJson(text: string): string {
  return text
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replace(/[\r\n]/g, " ");
}

function deliveryResponse({ invocation, deadlineAt }: Delivery): HttpResponse {
  const clientContext = clientContextOf(invocation);
  return {
    status: 200,
    headers: [
      "Content-Type",
      "application/json",
      "Lambda-Runtime-Aws-Request-Id",
      invocation.requestId,
      "Lambda-Runtime-Deadline-Ms",
      String(Math.round(deadlineAt)),
      "Lambda-Runtime-Invoked-Function-Arn",
      invocation.invokedArn,
      "Lambda-Runtime-Trace-Id",
      invocation.traceHeader,
      ...(clientContext === undefined ? [] : ["Lambda-Runtime-Client-Context", asciiJson(clientContext)]),
    ],
    body: invocation.payload,
  };
}

/** The error of a runtime as an answer; one without a body has at least the type of its header. */
function errorPayload(body: Uint8Array, request: HttpRequest): Uint8Array {
  if (body.byteLength > 0) return body;
  const errorType = headerOf(request.headers, "lambda-runtime-function-error-type") ?? "Runtime.Unknown";
  return payloadOf({ errorType, errorMessage: "" });
}

/** A runtime says that it streams, or, as AWS's for Go does, only that an error may follow in trailers. */
function comesInParts({ headers }: HttpRequest): boolean {
  if (headerOf(headers, "lambda-runtime-function-response-mode") === "streaming") return true;
  return headersOf(headers, "trailer").some((names) => names.toLowerCase().includes(errorTypeTrailer));
}

async function* partsOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else if (body !== undefined) yield* body;
}

/** What a runtime says in trailers of an answer that it had begun; undefined when all went well. */
function midstreamError(trailers: Headers): Uint8Array | undefined {
  const errorType = headerOf(trailers, errorTypeTrailer);
  if (errorType === undefined) return undefined;
  const body = headerOf(trailers, "lambda-runtime-function-error-body") ?? "";
  return body === "" ? payloadOf({ errorType, errorMessage: "" }) : Buffer.from(body, "base64");
}

/** A page in a browser of this machine could ask for an invocation; a runtime sends none of these. */
export function fromBrowser(request: HttpRequest): boolean {
  return headerOf(request.headers, "origin") !== undefined || headerOf(request.headers, "sec-fetch-site") !== undefined;
}

export class RuntimeApi implements Link {
  readonly #events: LinkEvents;
  #initialised = false;
  #closed = false;
  /** Sent by the environment, not yet fetched by the runtime. */
  #next: Delivery | undefined;
  #waiting: ((response: HttpResponse) => void) | undefined;
  /** Fetched, not yet answered. */
  #current: string | undefined;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  send(invocation: Invocation, deadlineAt: Instant): void {
    this.#next = { invocation, deadlineAt };
    this.#deliver();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting?.(refused(410, "Runtime.Ended", "the environment has ended"));
    this.#waiting = undefined;
  }

  #deliver(): void {
    if (this.#next === undefined || this.#waiting === undefined) return;
    const [delivery, waiting] = [this.#next, this.#waiting];
    this.#next = undefined;
    this.#waiting = undefined;
    this.#current = delivery.invocation.requestId;
    waiting(deliveryResponse(delivery));
  }

  async handle(request: HttpRequest, path: string): Promise<HttpResponse> {
    const { method } = request;
    if (this.#closed) return refused(410, "Runtime.Ended", "the environment has ended");
    const [noun, id, verb] = path.startsWith(prefix) ? path.slice(prefix.length).split("/") : [];
    if (method === "GET" && noun === "invocation" && id === "next" && verb === undefined) return this.#onNext(request);
    if (method === "POST" && noun === "init" && id === "error") return this.#onInitError(request);
    if (method === "POST" && noun === "invocation" && verb === "response") return this.#onAnswer(request, id);
    if (method === "POST" && noun === "invocation" && verb === "error") return this.#onError(request, id);
    return refused(501, "Runtime.NotImplemented", `Mikan's Runtime API has no ${method} ${path}`);
  }

  #onNext(request: HttpRequest): Promise<HttpResponse> | HttpResponse {
    if (this.#current !== undefined || this.#waiting !== undefined) {
      return refused(403, "InvalidStateTransition", "the former invocation is not answered yet");
    }
    const response = new Promise<HttpResponse>((resolve) => {
      this.#waiting = resolve;
      const forget = () => {
        if (this.#waiting === resolve) this.#waiting = undefined;
        resolve(refused(410, "Runtime.Ended", "the client is gone"));
      };
      request.signal.addEventListener("abort", forget, { once: true });
    });
    if (!this.#initialised) {
      this.#initialised = true;
      this.#events.ready();
    }
    this.#deliver();
    return response;
  }

  async #onInitError(request: HttpRequest): Promise<HttpResponse> {
    const body = await bytesOf(request.body, responseBytesMax);
    if (this.#initialised) return refused(403, "InvalidStateTransition", "the runtime has been initialised");
    this.#events.initFailed(errorPayload(body, request));
    return accepted();
  }

  async #onAnswer(request: HttpRequest, id: string | undefined): Promise<HttpResponse> {
    if (comesInParts(request)) return this.#onStream(request, id);
    let body: Uint8Array | undefined;
    try {
      body = await bytesOf(request.body, responseBytesMax);
    } catch (error) {
      if (!(error instanceof BodyTooLarge)) throw error;
    }
    if (!this.#take(id)) return refused(400, "InvalidRequestID", "Invalid request ID");
    if (body === undefined) {
      const errorMessage = `Response payload size exceeded maximum allowed payload size (${responseBytesMax} bytes).`;
      this.#events.failed(payloadOf({ errorType: "Function.ResponseSizeTooLarge", errorMessage }), "too-large");
      return refused(
        413,
        "RequestEntityTooLarge",
        `Exceeded maximum allowed payload size (${responseBytesMax} bytes).`,
      );
    }
    this.#events.answered(body);
    return accepted();
  }

  /** Parts as they come; the next is read when the caller has taken the last. */
  async #onStream(request: HttpRequest, id: string | undefined): Promise<HttpResponse> {
    if (!this.#take(id)) return refused(400, "InvalidRequestID", "Invalid request ID");
    this.#events.streamBegan(headerOf(request.headers, "content-type") ?? "application/octet-stream");
    try {
      for await (const chunk of partsOf(request.body)) await this.#events.streamed(chunk);
    } catch (error) {
      const errorMessage = `The response was cut off: ${asError(error).message}`;
      this.#events.failed(payloadOf({ errorType: "Runtime.TruncatedResponse", errorMessage }), "handled");
      return refused(400, "TruncatedResponse", errorMessage);
    }
    const error = midstreamError(request.trailers?.() ?? []);
    if (error === undefined) this.#events.streamEnded();
    else this.#events.failed(error, "handled");
    return accepted();
  }

  async #onError(request: HttpRequest, id: string | undefined): Promise<HttpResponse> {
    const body = await bytesOf(request.body, responseBytesMax);
    if (!this.#take(id)) return refused(400, "InvalidRequestID", "Invalid request ID");
    this.#events.failed(errorPayload(body, request), "handled");
    return accepted();
  }

  /** The invocation under way is answered by this request, if it is the one that it names. */
  #take(id: string | undefined): boolean {
    if (this.#closed || id === undefined || id !== this.#current) return false;
    this.#current = undefined;
    return true;
  }
}
