/**
 * Handlers that stream their answer: `awslambda.streamifyResponse`, and the stream that they write to.
 * Source: Lambda guide, "Writing response streaming-enabled Lambda functions".
 */
import { Writable } from "node:stream";
import { creditBytes, frameKind } from "../frames.ts";
import { sendBytes, sendText } from "./channel.ts";
import { RuntimeError } from "./failure.ts";
import type { Handler } from "./handler.ts";

/** How AWS's runtime marks such a handler; wrappers in packages look for it, and set it. */
const marker = Symbol.for("aws.lambda.runtime.handler.streaming");
const waterMark = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
/** What a function URL or API Gateway takes apart into status, headers and body. */
const httpType = "application/vnd.awslambda.http-integration-response";
/** Between the head of a response, which is JSON, and its body. */
const separator = new Uint8Array(8);
/** A part within a frame. */
const frameBytesMax = 1024 * 1024;

type WithMarks = Handler & { [marker]?: unknown; [waterMark]?: unknown };

export function isStreaming(handler: Handler): boolean {
  return (handler as WithMarks)[marker] === "response";
}

function waterMarkOf(handler: Handler): number | undefined {
  const bytes = (handler as WithMarks)[waterMark];
  return typeof bytes === "number" && bytes > 0 ? bytes : undefined;
}

/** The stream that a handler is given. What it writes goes out at once, until the node holds too much of it. */
export class ResponseStream extends Writable {
  /** Called before the first write with a way to write before it; packages set it, as AWS's stream has it. */
  _onBeforeFirstWrite: ((write: (chunk: string | Uint8Array) => void) => void) | undefined;
  #contentType = "application/octet-stream";
  #begun = false;
  #outstanding = 0;
  #continue: (() => void) | undefined;
  readonly #onHeld: (held: boolean) => void;

  /** `onHeld` is told when the stream begins and ceases to wait for the node. */
  constructor(handler: Handler, onHeld: (held: boolean) => void) {
    const highWaterMark = waterMarkOf(handler);
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.#onHeld = onHeld;
  }

  setContentType(contentType: string): void {
    if (this.#begun) throw new RuntimeError("InvalidStreamingOperation", "Cannot set content-type, too late.");
    this.#contentType = contentType;
  }

  /** As AWS's: what is neither text nor bytes is written as JSON. */
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const part = typeof chunk === "string" || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);
    return Reflect.apply(super.write, this, [part, ...rest]) as boolean;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (!this.#begun) {
      this.#begin();
      this._onBeforeFirstWrite?.((head) => this.#send(Buffer.from(head)));
    }
    this.#send(chunk);
    if (this.#outstanding < creditBytes) return done();
    this.#continue = done;
    this.#onHeld(true);
  }

  override _final(done: () => void): void {
    this.#begin();
    done();
  }

  /** The node has taken this many bytes. */
  credit(bytes: number): void {
    // Of a former stream, whose function gave up on it, some may come late.
    this.#outstanding = Math.max(0, this.#outstanding - bytes);
    const done = this.#continue;
    if (done === undefined || this.#outstanding >= creditBytes) return;
    this.#continue = undefined;
    this.#onHeld(false);
    done();
  }

  #send(bytes: Buffer): void {
    this.#outstanding += bytes.length;
    for (let at = 0; at < bytes.length; at += frameBytesMax) {
      sendBytes(frameKind.chunk, bytes.subarray(at, at + frameBytesMax));
    }
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    sendText(frameKind.streamBegin, 0, this.#contentType);
  }
}

const HttpResponseStream = {
  /** Gives the stream a head: status, headers, cookies. The same stream is returned. */
  from(stream: ResponseStream, head: unknown): ResponseStream {
    stream.setContentType(httpType);
    const text = JSON.stringify(head);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(separator);
    };
    return stream;
  },
};

function streamifyResponse(handler: WithMarks, options?: { highWaterMark?: unknown }): Handler {
  handler[marker] = "response";
  const bytes = Number(options?.highWaterMark);
  if (Number.isInteger(bytes)) handler[waterMark] = bytes;
  return handler;
}

/** What AWS's runtime puts in reach of every function. */
export function defineGlobals(): void {
  Object.defineProperty(globalThis, "awslambda", { value: { streamifyResponse, HttpResponseStream }, writable: true });
}
