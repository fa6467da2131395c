/**
 * Lines of `console` in AWS's two formats. Source: Lambda guide, "Log and monitor Node.js Lambda functions"; which
 * format, and what is too detailed to be written, the variables `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` say.
 */
import { format } from "node:util";
import { toLogText } from "./failure.ts";

export type Level = "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";

const levels: readonly string[] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] satisfies Level[];
const asJson = process.env["AWS_LAMBDA_LOG_FORMAT"]?.toUpperCase() === "JSON";
const lowest = levels.indexOf(process.env["AWS_LAMBDA_LOG_LEVEL"]?.toUpperCase() ?? "TRACE");

export const isWritten = (level: Level): boolean => levels.indexOf(level) >= lowest;

function members(error: Error) {
  return {
    errorType: error.constructor.name,
    errorMessage: error.message,
    stackTrace: typeof error.stack === "string" ? error.stack.split("\n") : [],
  };
}

function withErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? Object.assign(members(value), value) : value;
}

function jsonLine(requestId: string | undefined, level: Level, parts: readonly unknown[]): string {
  const head = { timestamp: new Date().toISOString(), level, requestId };
  const [only] = parts;
  if (parts.length === 1) {
    try {
      return JSON.stringify({ ...head, message: only }, withErrors);
    } catch {
      // Circular, a BigInt, or a toJSON that throws: as text, then.
      return JSON.stringify({ ...head, message: format(only) });
    }
  }
  const error = parts.find((part) => part instanceof Error);
  return JSON.stringify({ ...head, message: format(...parts), ...(error === undefined ? {} : members(error)) });
}

const textLine = (requestId: string | undefined, level: Level, message: string) =>
  `${new Date().toISOString()}\t${requestId}\t${level}\t${message}`;

/** What `console` was given, as one event. */
export function consoleLine(requestId: string | undefined, level: Level, parts: readonly unknown[]): string {
  return asJson ? jsonLine(requestId, level, parts) : textLine(requestId, level, format(...parts));
}

/** An error that the runtime reports: `Invoke Error`, `Uncaught Exception`. */
export function errorLine(requestId: string | undefined, title: string, error: unknown): string {
  if (!asJson) return textLine(requestId, "ERROR", `${title} ${toLogText(error)}`);
  return jsonLine(requestId, "ERROR", [title, error instanceof Error ? error : new Error(String(error))]);
}
