/**
 * Mikan's Node.js runtime: the program that runs in a function's process. It loads the handler, then takes one
 * invocation after the other from the framed channel. It needs nothing but Node, and runs from `src/` and from `dist/`.
 */
import { type Frame, type InvokeMeta, frameKind } from "../frames.ts";
import { type Incoming, receive, sendText } from "./channel.ts";
import { type Context, contextOf } from "./context.ts";
import { RuntimeError, failureText, toFailure } from "./failure.ts";
import { type Handler, loadHandler } from "./handler.ts";
import { type Settlement, callModern, callStreaming, callWithCallback, createSettlement } from "./invocation.ts";
import { logError, patchOutput, setRequestId } from "./output.ts";
import { routeWhenNamed } from "./route.ts";
import { ResponseStream, defineGlobals, isStreaming } from "./streaming.ts";

/** AWS's exit statuses for the two ways in which a process comes to its end by itself. */
const exitUnhandledRejection = 128;
const exitUncaughtException = 129;

const [, , generation, routedHost = "", endpoint = ""] = process.argv;
const callbacks = generation === "callbacks";
const route = routeWhenNamed(routedHost, endpoint);
let handler: Handler | undefined;
let settlement: Settlement | undefined;
let onEmptyLoop: (() => void) | undefined;
let stream: ResponseStream | undefined;

function exitWith(status: number, title: string, error: unknown): void {
  logError(title, error);
  sendText(handler === undefined ? frameKind.initError : frameKind.fatal, 0, failureText(toFailure(error)));
  process.exit(status);
}

function onSettled(): void {
  settlement = undefined;
  onEmptyLoop = undefined;
  stream?.destroy();
  stream = undefined;
  incoming.keepAlive(true);
}

function invoke(loaded: Handler, frame: Frame): void {
  const meta = JSON.parse(frame.meta) as InvokeMeta;
  setRequestId(meta.requestId);
  process.env["_X_AMZN_TRACE_ID"] = meta.traceHeader;
  incoming.keepAlive(false);
  route(frame.payload);
  const current = createSettlement(callbacks, onSettled);
  settlement = current;
  try {
    const context = contextOf(meta);
    const event: unknown = JSON.parse(frame.payload.toString("utf8"));
    const ending = call(loaded, event, context, current);
    if (current.open) onEmptyLoop = ending;
  } catch (error) {
    current.fail(error);
  }
}

function call(loaded: Handler, event: unknown, context: Context, current: Settlement): () => void {
  if (!isStreaming(loaded)) return (callbacks ? callWithCallback : callModern)(loaded, event, context, current);
  // Only the node can wake a function that waits for it.
  stream = new ResponseStream(loaded, (held) => {
    if (current.open) incoming.keepAlive(held);
  });
  return callStreaming(loaded, event, context, stream, current);
}

const incoming: Incoming = receive((frame) => {
  if (frame.kind === frameKind.credit) stream?.credit(frame.value);
  else if (handler !== undefined && settlement === undefined) invoke(handler, frame);
});

async function start(): Promise<void> {
  const loaded = await loadHandler(process.env["LAMBDA_TASK_ROOT"] ?? process.cwd(), process.env["_HANDLER"] ?? "");
  if (!callbacks && !isStreaming(loaded) && loaded.length >= 3) {
    throw new RuntimeError(
      "CallbackHandlerDeprecated",
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  handler = loaded;
  sendText(frameKind.ready, Math.ceil(process.memoryUsage.rss() / 1024), "");
}

patchOutput();
defineGlobals();
process.on("uncaughtException", (error) => exitWith(exitUncaughtException, "Uncaught Exception", error));
process.on("unhandledRejection", (reason) => {
  const error = new RuntimeError("UnhandledPromiseRejection", String(reason), { cause: reason });
  exitWith(exitUnhandledRejection, "Unhandled Promise Rejection", error);
});
process.on("beforeExit", () => onEmptyLoop?.());
// Not awaited here: a script that Node can start without its loader of modules has no top-level `await`.
start().catch((error: unknown) => exitWith(exitUncaughtException, "Uncaught Exception", error));
