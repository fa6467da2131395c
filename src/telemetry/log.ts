/** Structured log lines, one JSON object each, with secrets taken out before they are written. */
import type { Clock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose every line carries `fields`. */
  with(fields: LogFields): Log;
}

export interface LogOptions {
  clock: Clock;
  level?: LogLevel;
  /** Receives each line, with its newline. By default standard error. */
  write?: (line: string) => void;
}

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Fields whose value never reaches a log, whatever they hold. */
const secretName = /authorization|cookie|password|secret|signature|credential|token|private.?key/i;
/** A log line longer than this is cut: a log is no place for a body. */
const lineLengthMax = 16 * 1024;

function plain(key: string, value: unknown): unknown {
  if (key !== "" && secretName.test(key)) return "***";
  if (value instanceof Error) {
    const { name, message, stack, cause } = value;
    return { name, message, stack, ...(cause === undefined ? {} : { cause: asError(cause) }) };
  }
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  return value;
}

export function createLog({
  clock,
  level = "info",
  write = (line) => void process.stderr.write(line),
}: LogOptions): Log {
  const make = (bound: LogFields): Log => {
    const line = (lineLevel: LogLevel, message: string, fields?: LogFields) => {
      if (ranks[lineLevel] < ranks[level]) return;
      const entry = { time: new Date(clock.now()).toISOString(), level: lineLevel, message, ...bound, ...fields };
      const text = JSON.stringify(entry, plain);
      write(`${text.length > lineLengthMax ? `${text.slice(0, lineLengthMax)}...` : text}\n`);
    };
    return {
      debug: (message, fields) => line("debug", message, fields),
      info: (message, fields) => line("info", message, fields),
      warn: (message, fields) => line("warn", message, fields),
      error: (message, fields) => line("error", message, fields),
      with: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

/** A log that nobody reads, for tests. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};
