/** What holds an environment's programs, and stops, wakes and ends them: a child process in its groups, or a container. */
import type { Readable, Writable } from "node:stream";
import type { Exit } from "./answers.ts";

/** Why there is nothing to start. */
export type Hindrance =
  /** `reason` in AWS's words. */
  | { kind: "impossible"; reason: string }
  /** `hint` says what to install. */
  | { kind: "unavailable"; hint: string };

/** How its runtime is spoken to, and what else there is. */
export interface Preparation {
  kind: "framed" | "runtime-api";
  /** Names of the extensions that it starts, which have to register. */
  external: readonly string[];
  /** What goes with a framed runtime may speak to the Runtime API's listener, too. */
  isBeside: boolean;
  /** The variables of its programs, but for the address of the Runtime API. */
  variables: Readonly<Record<string, string>>;
}

export interface StartError {
  /** As AWS says it: `fork/exec /var/task/bootstrap: permission denied`. */
  reason: string;
  /** The node was short of something. */
  retry: boolean;
}

export interface VesselEvents {
  wrote(fd: 1 | 2, chunk: Buffer): void;
  /** Nothing in it runs any more, and its output was read. Called once after `start`. */
  ended(how: Exit | StartError): void;
}

/** The two sockets of the framed channel. */
export interface Channel {
  input: Writable;
  output: Readable;
}

/** Its life: `prepare`, `make`, `start`, then `freeze` and `thaw` by turns, `kill`; and `remove` whatever came before. */
export interface Vessel {
  /** The directory that is its `/tmp`, where its size has to be watched. */
  readonly tmp: string | undefined;
  prepare(): Promise<Preparation | Hindrance>;
  /** Everything up to the start itself, which is not yet the function's time. */
  make(variables: Readonly<Record<string, string>>): Promise<void>;
  /** Never throws: what goes wrong is told by `ended`, later. A channel only where that was prepared. */
  start(events: VesselEvents): Channel | undefined;
  freeze(): void;
  thaw(): void;
  /** SIGKILL to all in it, frozen or not; harmless before the start and after the end. */
  kill(): void;
  /** Of all in it; 0 where it is not known. */
  residentKiB(): number;
  /** The kernel ended something in it for want of memory. Asked after `ended`. */
  ranOutOfMemory(): boolean;
  /** Clears away what is left of it. */
  remove(): Promise<void>;
}
