/** Why an environment came to its end, and what that means for who waited for its answer. */
import {
  type ErrorAnswer,
  type Exit,
  brokenProtocol,
  exited,
  notStarted,
  payloadOf,
  storageFull,
  timedOut,
  timedOutText,
  unavailable,
} from "../answers.ts";
import type { FailedStatus } from "../platform-events.ts";
import type { FunctionSpec, InvocationResult } from "../ports.ts";

export type Ending =
  /** The pool had no more use for it. */
  | { kind: "asked" }
  | { kind: "timeout" }
  | { kind: "init-timeout"; limitMs: number }
  /** The runtime said why it cannot start. */
  | { kind: "init-failed"; payload: Uint8Array }
  | { kind: "memory" }
  /** Its `/tmp` is too large. */
  | { kind: "storage"; limitMiB: number }
  | { kind: "broken"; reason: string }
  /** The runtime reported an error and exits; the invocation is answered already. */
  | { kind: "fatal" }
  | { kind: "exited"; exit: Exit; outOfMemory: boolean }
  | { kind: "not-started"; reason: string; retry: boolean }
  | { kind: "unavailable"; hint: string };

export interface Verdict {
  payload: Uint8Array;
  cause: NonNullable<InvocationResult["cause"]>;
  status: FailedStatus;
  /** What the platform writes to the log about it. */
  logText: string;
}

function of(answer: ErrorAnswer, cause: Verdict["cause"]): Verdict {
  const { errorType, errorMessage } = answer;
  return { payload: payloadOf(answer), cause, status: { errorType }, logText: `${errorMessage}\n${errorType}` };
}

/** The type that a runtime gave its error; a payload that is no JSON has none. */
export function errorTypeOf(payload: Uint8Array): string {
  try {
    const error = JSON.parse(Buffer.from(payload).toString("utf8")) as { errorType?: unknown } | null;
    return typeof error?.errorType === "string" ? error.errorType : "Runtime.Unknown";
  } catch {
    // A runtime of somebody else's may send what it likes; it is passed on as it came.
    return "Runtime.Unknown";
  }
}

function exitVerdict(requestId: string, exit: Exit, outOfMemory: boolean, cause: Verdict["cause"]): Verdict {
  return of(exited(requestId, exit, outOfMemory), outOfMemory ? "memory" : cause);
}

/** `cause` is that of a plain crash: `init` before the environment was ready, else `crash`. */
export function verdictOf(ending: Ending, spec: FunctionSpec, requestId: string, cause: "init" | "crash"): Verdict {
  const killed: Exit = { status: null, signal: "SIGKILL" };
  switch (ending.kind) {
    case "timeout": {
      const verdict = of(timedOut(requestId, spec.timeoutMs), "timeout");
      return { ...verdict, status: "timeout", logText: `${requestId} ${timedOutText(spec.timeoutMs)}` };
    }
    case "init-timeout": {
      const verdict = of(timedOut(requestId, ending.limitMs), "init");
      return { ...verdict, status: "timeout", logText: `${requestId} ${timedOutText(ending.limitMs)}` };
    }
    case "init-failed": {
      const errorType = errorTypeOf(ending.payload);
      return { payload: ending.payload, cause: "init", status: { errorType }, logText: errorType };
    }
    case "memory":
      return exitVerdict(requestId, killed, true, cause);
    case "storage":
      return of(storageFull(requestId, ending.limitMiB), cause);
    case "broken":
      return of(brokenProtocol(requestId, ending.reason), cause);
    case "exited":
      return exitVerdict(requestId, ending.exit, ending.outOfMemory, cause);
    case "not-started":
      return of(notStarted(requestId, ending.reason), "init");
    case "unavailable":
      return of(
        unavailable(spec.image === undefined ? `The runtime ${spec.runtime}` : "The image", ending.hint),
        "init",
      );
    case "asked":
    case "fatal":
      break;
  }
  return exitVerdict(requestId, killed, false, cause);
}

/**
 * Whether a second start may go better. AWS initialises once more whatever happened; a missing handler stays missing,
 * so an error of the runtime's own (`Runtime.ImportModuleError`) is final here, and what the function threw is not.
 */
export function mayStartBetter(ending: Ending): boolean {
  switch (ending.kind) {
    case "init-failed":
      return !errorTypeOf(ending.payload).startsWith("Runtime.");
    case "not-started":
      return ending.retry;
    case "unavailable":
      return false;
    default:
      return true;
  }
}
