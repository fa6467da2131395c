/** Calls a handler and settles the invocation once, by the rules of the runtime's generation. */
import { frameKind } from "../frames.ts";
import { sendText } from "./channel.ts";
import type { Context } from "./context.ts";
import { RuntimeError, failureText, toFailure } from "./failure.ts";
import type { Handler } from "./handler.ts";
import { logError, logLine } from "./output.ts";
import type { ResponseStream } from "./streaming.ts";

/** The same figure as the node's; AWS names it in the message. */
const responseBytesMax = 6_291_556;
const rssEveryMs = 100;

let rssKiB = 0;
let rssAt = -Infinity;

/** Resident memory, read at most every 100 ms: it costs more than a small answer. */
function residentKiB(): number {
  const now = performance.now();
  if (now - rssAt > rssEveryMs) {
    rssAt = now;
    rssKiB = Math.ceil(process.memoryUsage.rss() / 1024);
  }
  return rssKiB;
}

export interface Settlement {
  /** The streamed answer is complete. */
  end(): void;
  /** False once the invocation is settled; later results are dropped, as AWS does. */
  readonly open: boolean;
  succeed(result: unknown): void;
  fail(error: unknown): void;
}

/** `onSettled` runs after the frame has gone out. */
export function createSettlement(callbacks: boolean, onSettled: () => void): Settlement {
  let open = true;
  const settle = (kind: 4 | 5 | 7 | 12, text: string) => {
    open = false;
    sendText(kind, residentKiB(), text);
    onSettled();
  };
  const settlement: Settlement = {
    get open() {
      return open;
    },
    succeed(result) {
      if (!open) return;
      let text: string | undefined;
      try {
        text = JSON.stringify(result === undefined ? null : result) as string | undefined;
      } catch {
        // Circular, a BigInt, or a toJSON that throws: AWS says no more than this.
        const message = "Unable to stringify response body";
        settlement.fail(callbacks ? new Error(message) : new RuntimeError("JSONStringifyError", message));
        return;
      }
      // A function or a symbol has no JSON; AWS answers an empty body, which no client can read, so: null.
      text ??= "null";
      if (text.length * 3 <= responseBytesMax || Buffer.byteLength(text) <= responseBytesMax) {
        settle(frameKind.answer, text);
        return;
      }
      const errorMessage = `Response payload size exceeded maximum allowed payload size (${responseBytesMax} bytes).`;
      settle(frameKind.tooLarge, JSON.stringify({ errorType: "Function.ResponseSizeTooLarge", errorMessage }));
    },
    end() {
      if (open) settle(frameKind.streamEnd, "");
    },
    fail(error) {
      if (!open) return;
      logError("Invoke Error", error);
      settle(frameKind.failure, failureText(toFailure(error)));
    },
  };
  return settlement;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Node.js 24 and later: what the handler returns, or resolves to, is the answer. Returns how to end on an empty loop. */
export function callModern(handler: Handler, event: unknown, context: Context, settlement: Settlement): () => void {
  try {
    const result = handler(event, context);
    if (isThenable(result)) result.then(settlement.succeed, settlement.fail);
    else settlement.succeed(result);
  } catch (error) {
    settlement.fail(error);
  }
  return () => settlement.fail(unsettled());
}

/** Up to Node.js 22: a promise, the callback, or the context's own methods; a plain return value is not the answer. */
export function callWithCallback(
  handler: Handler,
  event: unknown,
  context: Context,
  settlement: Settlement,
): () => void {
  let onEmptyLoop: () => void = () => settlement.succeed(null);
  let called = false;
  let waitsForEmptyLoop = true;
  const done = (error: unknown, result?: unknown) => {
    if (error === undefined || error === null) settlement.succeed(result);
    else settlement.fail(error);
  };
  const callback = (error: unknown, result?: unknown) => {
    if (called) return;
    called = true;
    const atOnce = !waitsForEmptyLoop || (error !== undefined && error !== null);
    if (atOnce) done(error, result);
    else onEmptyLoop = () => settlement.succeed(result);
  };
  const legacy = Object.defineProperty(
    {
      ...context,
      done,
      succeed: (result: unknown) => done(null, result),
      fail: (error: unknown) => done(error ?? "handled"),
    },
    "callbackWaitsForEmptyEventLoop",
    {
      enumerable: true,
      get: () => waitsForEmptyLoop,
      set: (waits: unknown) => {
        waitsForEmptyLoop = Boolean(waits);
      },
    },
  );
  try {
    const result = handler(event, legacy, callback);
    if (isThenable(result)) {
      onEmptyLoop = () => settlement.fail(unsettled());
      result.then(settlement.succeed, settlement.fail);
    }
  } catch (error) {
    callback(error);
  }
  return () => onEmptyLoop();
}

/** A handler with a stream: the answer is complete when the handler is through and the stream has ended. */
export function callStreaming(
  handler: Handler,
  event: unknown,
  context: Context,
  stream: ResponseStream,
  settlement: Settlement,
): () => void {
  stream.on("error", settlement.fail);
  const ended = new Promise<void>((resolve) => {
    stream.once("finish", resolve);
  });
  try {
    const result = handler(event, stream, context);
    if (!isThenable(result)) throw new Error("Streaming does not support non-async handlers.");
    result.then((value) => {
      if (value !== undefined) logLine("WARN", "Streaming handlers ignore return values.");
      return ended.then(settlement.end);
    }, settlement.fail);
  } catch (error) {
    settlement.fail(error);
  }
  return () => settlement.fail(stream.writableFinished ? unsettled() : new Error("Response stream is not finished."));
}

function unsettled(): Error {
  return new RuntimeError(
    "NodeJsExit",
    "The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes",
  );
}
