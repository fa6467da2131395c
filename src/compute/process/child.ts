/** A child process that leads its own session: started, listened to, and killed with everything it started. */
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import type { Clock, Timer } from "../../base/clock.ts";
import { assert, errorCode } from "../../base/errors.ts";
import type { Exit } from "../answers.ts";
import { drainMsMax } from "../limits.ts";
import type { StartError } from "../vessel.ts";

export interface ChildCommand {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Give it the two sockets of the framed channel. */
  framed: boolean;
}

export interface ChildEvents {
  wrote(fd: 1 | 2, chunk: Buffer): void;
  /** It is gone, and its output was read. Called once. */
  ended(how: Exit | StartError): void;
}

export interface Child {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Only with `framed`. */
  readonly channel: { input: Writable; output: Readable } | undefined;
  /** To it and its group. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  /** SIGKILL to it and its group. */
  kill(): void;
}

const shortages = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]);
const words: Record<string, string> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
};

function startErrorOf(command: string, error: unknown): StartError {
  const code = errorCode(error) ?? "";
  return { reason: `fork/exec ${command}: ${words[code] ?? String(error)}`, retry: shortages.has(code) };
}

/** The leader's group has the leader's id, and keeps it from being used again while a member lives. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const code = errorCode(error);
    // Nobody left. (macOS says EPERM when all that is left are zombies.)
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

function channelOf(child: ChildProcess): Child["channel"] {
  const input = child.stdio[3];
  const output = child.stdio[4];
  assert(input instanceof Writable && output instanceof Readable, "the channel of a child is two pipes");
  return { input, output };
}

/** Never throws: what goes wrong is told by `ended`, later. */
export function startChild(clock: Clock, what: ChildCommand, events: ChildEvents): Child {
  let child: ChildProcess;
  try {
    child = spawn(what.command, what.args, {
      cwd: what.cwd,
      env: what.env,
      detached: true,
      stdio: what.framed ? ["ignore", "pipe", "pipe", "pipe", "pipe"] : ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const startError = startErrorOf(what.command, error);
    setImmediate(() => events.ended(startError));
    return { pid: undefined, channel: undefined, signal() {}, kill() {} };
  }
  return follow(clock, what, child, events);
}

function follow(clock: Clock, what: ChildCommand, child: ChildProcess, events: ChildEvents): Child {
  let how: Exit | StartError | undefined;
  let drain: Timer | undefined;
  let over = false;
  const { pid } = child;

  const finish = () => {
    if (over || how === undefined) return;
    over = true;
    drain?.cancel();
    for (const stream of child.stdio) stream?.destroy();
    events.ended(how);
  };
  // A pipe that breaks says that its other end is gone; `exit` says it better.
  for (const stream of child.stdio) stream?.on("error", () => undefined);
  child.stdout?.on("data", (chunk: Buffer) => events.wrote(1, chunk));
  child.stderr?.on("data", (chunk: Buffer) => events.wrote(2, chunk));
  child.on("error", (error) => {
    if (pid !== undefined) return;
    how = startErrorOf(what.command, error);
    finish();
  });
  child.on("exit", (status, signal) => {
    how ??= { status, signal };
    if (pid !== undefined) signalGroup(pid, "SIGKILL");
    // What left the session may hold the pipes open; its output is not waited for.
    drain = clock.after(drainMsMax, finish);
  });
  child.on("close", finish);
  return {
    pid,
    channel: what.framed && pid !== undefined ? channelOf(child) : undefined,
    signal(signal) {
      if (pid !== undefined && how === undefined) signalGroup(pid, signal);
    },
    kill() {
      if (pid !== undefined && how === undefined) signalGroup(pid, "SIGKILL");
    },
  };
}
