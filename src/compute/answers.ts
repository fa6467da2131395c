/** Errors that the service gives in a function's place, word for word as AWS gives them. */

export interface ErrorAnswer {
  errorType: string;
  errorMessage: string;
}

/** `Task timed out after 3.00 seconds`. */
export function timedOutText(timeoutMs: number): string {
  return `Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`;
}

export function timedOut(requestId: string, timeoutMs: number): ErrorAnswer {
  return {
    errorType: "Sandbox.Timedout",
    errorMessage: `RequestId: ${requestId} Error: ${timedOutText(timeoutMs)}`,
  };
}

/** How a process ended: a status, or the name of a signal. */
export interface Exit {
  status: number | null;
  signal: NodeJS.Signals | null;
}

/** Go's words for the signals, which AWS's messages carry. */
const signalWords: Partial<Record<NodeJS.Signals, string>> = {
  SIGKILL: "killed",
  SIGABRT: "aborted",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated",
  SIGINT: "interrupt",
  SIGBUS: "bus error",
  SIGILL: "illegal instruction",
  SIGFPE: "floating point exception",
  SIGTRAP: "trace/breakpoint trap",
};

export function exited(requestId: string, { status, signal }: Exit, outOfMemory: boolean): ErrorAnswer {
  const reason =
    signal !== null
      ? `with error: signal: ${signalWords[signal] ?? signal.slice(3).toLowerCase()}`
      : status === 0
        ? "without providing a reason"
        : `with error: exit status ${status}`;
  // A heap that V8 gives up is an abort to AWS as well; only the sandbox's own limit has a name.
  const errorType = outOfMemory && signal === "SIGKILL" ? "Runtime.OutOfMemory" : "Runtime.ExitError";
  return { errorType, errorMessage: `RequestId: ${requestId} Error: Runtime exited ${reason}` };
}

/** The process could not even be started. */
export function notStarted(requestId: string, reason: string): ErrorAnswer {
  return { errorType: "Runtime.InvalidEntrypoint", errorMessage: `RequestId: ${requestId} Error: ${reason}` };
}

/** Not an answer of AWS: there a write fails with ENOSPC, and the function makes of that what it likes. */
export function storageFull(requestId: string, storageMiB: number): ErrorAnswer {
  const reason = `No space left on device: /tmp holds more than ${storageMiB} MB`;
  return { errorType: "Runtime.StorageFull", errorMessage: `RequestId: ${requestId} Error: ${reason}` };
}

/** What a runtime sent in violation of its protocol. */
export function brokenProtocol(requestId: string, reason: string): ErrorAnswer {
  return { errorType: "Runtime.InvalidResponse", errorMessage: `RequestId: ${requestId} Error: ${reason}` };
}

/** Not an answer of AWS: `what` runs there and not here. */
export function unavailable(what: string, hint: string): ErrorAnswer {
  return { errorType: "Runtime.NotSupported", errorMessage: `${what} is not available on this node. ${hint}` };
}

export function payloadOf(answer: ErrorAnswer): Uint8Array {
  return Buffer.from(JSON.stringify(answer));
}
