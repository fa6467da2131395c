/** An invocation whose answer is read while it runs: parts of it, then its result. */
import { asError } from "../../base/errors.ts";
import type { InvocationResult, ResponseSink } from "../../compute/ports.ts";

export interface ResponseStream {
  /** What the function says its answer is; undefined when it has ended without streaming. Rejects as the run does. */
  readonly contentType: Promise<string | undefined>;
  /** Parts as they come, to be read once; the end of the invocation is their end. */
  readonly parts: AsyncIterable<Uint8Array>;
  readonly result: Promise<InvocationResult>;
}

/** Holds parts until they are read. Its writers wait for that; what compute lets them write before is its bound. */
class Parts implements AsyncIterable<Uint8Array> {
  readonly #held: { part: Uint8Array; taken(): void }[] = [];
  #over = false;
  #wake: (() => void) | undefined;

  write(part: Uint8Array): Promise<void> | undefined {
    if (this.#over) return undefined;
    return new Promise((taken) => {
      this.#held.push({ part, taken });
      this.#wake?.();
    });
  }

  /** What is held can still be read. */
  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** Nobody reads on: the function goes on, and what it writes is dropped. */
  leave(): void {
    this.end();
    for (const { taken } of this.#held.splice(0)) taken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const next = this.#held.shift();
        if (next !== undefined) {
          yield next.part;
          next.taken();
        } else if (this.#over) return;
        else await this.#change();
      }
    } finally {
      this.leave();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/**
 * Begins `run` with a sink of its own. When `signal` aborts its reader is gone: as on AWS the function is not
 * interrupted; `lost` is told when the invocation then ends without a result.
 */
export function streamOf(
  run: (sink: ResponseSink) => Promise<InvocationResult>,
  signal: AbortSignal,
  lost: (error: unknown) => void,
): ResponseStream {
  const parts = new Parts();
  const began = Promise.withResolvers<string | undefined>();
  const gone = Promise.withResolvers<never>();
  const leave = () => {
    parts.leave();
    gone.reject(asError(signal.reason));
  };
  const running = run({ begin: began.resolve, write: (part) => parts.write(part) }).finally(() => {
    signal.removeEventListener("abort", leave);
    parts.end();
  });
  const contentType = Promise.race([began.promise, running.then(() => undefined), gone.promise]);
  const result = Promise.race([running, gone.promise]);
  // Whoever reads the stream may leave it at any point; then these are told to nobody but the log.
  for (const promise of [contentType, result, gone.promise]) promise.catch(() => undefined);
  running.catch((error: unknown) => {
    if (signal.aborted && error !== signal.reason) lost(error);
  });
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return { contentType, parts, result };
}

/** The whole answer in parts: of a function that does not stream it is one. */
export async function* wholeAnswer({ parts, result }: ResponseStream): AsyncGenerator<Uint8Array> {
  yield* parts;
  const { streamed, error, payload } = await result;
  if (streamed === undefined && error === undefined && payload.byteLength > 0) yield payload;
}
