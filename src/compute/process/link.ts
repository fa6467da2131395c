/** How an environment speaks with its runtime, whichever way: invocations in, answers and output back. */
import type { Instant } from "../../base/clock.ts";
import type { Invocation } from "../ports.ts";

/** One invocation is under way at a time; the environment sees to that. */
export interface Link {
  send(invocation: Invocation, deadlineAt: Instant): void;
  close(): Promise<void>;
}

export interface LinkEvents {
  /** The runtime waits for its first invocation. */
  ready(): void;
  /** It could not get that far; `payload` is the error as JSON. */
  initFailed(payload: Uint8Array): void;
  /** The invocation went well; `payload` is what the handler returned. */
  answered(payload: Uint8Array): void;
  failed(payload: Uint8Array, how: FailureKind): void;
  /** The answer comes in parts, until `streamEnded` or `failed`. */
  streamBegan(contentType: string): void;
  /** The promise, if there is one, resolves when more is welcome. */
  streamed(chunk: Uint8Array): Promise<void> | undefined;
  streamEnded(): void;
  /** A log event. */
  logged(text: string): void;
  /** Bytes of standard output or error. */
  wrote(fd: 1 | 2, chunk: Buffer): void;
  /** What the runtime says of its resident memory. */
  resident(kiB: number): void;
  /** The runtime did what its protocol forbids. */
  broken(reason: string): void;
}

/** `handled`: the handler's error. `fatal`: the same, and the runtime is about to exit. `too-large`: the answer was. */
export type FailureKind = "handled" | "fatal" | "too-large";

/** The JSON that the mobile SDK sent in base64; undefined without one. */
export function clientContextOf(invocation: Invocation): string | undefined {
  const { clientContext } = invocation;
  return clientContext === undefined ? undefined : Buffer.from(clientContext, "base64").toString("utf8");
}
