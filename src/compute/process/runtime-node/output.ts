/** What a function writes: `console` in AWS's formats, and standard output, as frames in the order they were written. */
import { frameKind } from "../frames.ts";
import { sendText } from "./channel.ts";
import { type Level, consoleLine, errorLine, isWritten } from "./log-format.ts";

/** Longer events are cut by the node anyway; this keeps one message within a frame. */
const messageLengthMax = 1024 * 1024;

let currentRequestId: string | undefined;

/** Names the invocation in the lines to come. */
export function setRequestId(requestId: string | undefined): void {
  currentRequestId = requestId;
}

function send(text: string): void {
  sendText(frameKind.log, 0, text.length > messageLengthMax ? text.slice(0, messageLengthMax) : text);
}

export function logLine(level: Level, ...parts: readonly unknown[]): void {
  if (isWritten(level)) send(consoleLine(currentRequestId, level, parts));
}

/** An error that the runtime itself reports. */
export function logError(title: string, error: unknown): void {
  send(errorLine(currentRequestId, title, error));
}

const levels = {
  log: "INFO",
  info: "INFO",
  debug: "DEBUG",
  warn: "WARN",
  error: "ERROR",
  trace: "TRACE",
  fatal: "FATAL",
} as const satisfies Record<string, Level>;

function patchConsole(): void {
  for (const [method, level] of Object.entries(levels)) {
    Object.assign(console, { [method]: (...parts: unknown[]) => logLine(level, ...parts) });
  }
}

type Done = (error?: Error | null) => void;

/** Sends one `write` of a standard stream; text of any length goes out in frames of bounded size. */
function sendOutput(fd: number, chunk: string | Uint8Array, encoding: BufferEncoding | undefined): void {
  const text = typeof chunk !== "string" ? Buffer.from(chunk).toString("utf8") : textOf(chunk, encoding);
  for (let at = 0; at < text.length; at += messageLengthMax) {
    sendText(frameKind.output, fd, text.slice(at, at + messageLengthMax));
  }
}

function textOf(chunk: string, encoding: BufferEncoding | undefined): string {
  return encoding === undefined || encoding === "utf8" ? chunk : Buffer.from(chunk, encoding).toString("utf8");
}

/** The stream is made when the function first asks for it, as Node does itself, and then writes frames. */
function patchStream(name: "stdout" | "stderr", fd: number): void {
  const original = Object.getOwnPropertyDescriptor(process, name);
  let stream: NodeJS.WriteStream | undefined;
  const make = (): NodeJS.WriteStream => {
    const made = original?.get?.call(process) as NodeJS.WriteStream;
    made.write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Done, done?: Done) => {
      const callback = typeof encoding === "function" ? encoding : done;
      sendOutput(fd, chunk, typeof encoding === "function" ? undefined : encoding);
      if (callback !== undefined) process.nextTick(callback);
      return true;
    };
    return made;
  };
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => (stream ??= make()) });
}

export function patchOutput(): void {
  patchConsole();
  patchStream("stdout", 1);
  patchStream("stderr", 2);
}
