/** The log of one environment: its stream, the platform's lines around each invocation, the tail, and the bound on all of it. */
import type { Clock } from "../base/clock.ts";
import { logBytesPerSecondMax, logLineLengthMax, logTailBytesMax } from "./limits.ts";
import type { FunctionLogLine, FunctionSpec } from "./ports.ts";

export interface FunctionLogDeps {
  clock: Clock;
  onLogLine(line: FunctionLogLine): void;
}

export interface Report {
  durationMs: number;
  initMs?: number;
  memoryUsedMiB: number;
  /** `timeout`, or `error` with the type of it. */
  status?: "timeout" | { errorType: string };
}

export interface FunctionLog {
  /** `2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef`. */
  readonly stream: string;
  /** One event that the function wrote; it may hold line breaks. */
  write(text: string): void;
  /** START; the tail begins here. */
  begin(requestId: string): void;
  /** END and REPORT. Returns the tail: the last 4 KiB since `begin`. */
  end(requestId: string, report: Report): string;
}

/** `2026/11/22/[7]<32 hex>`, in UTC. Source: Lambda guide, "Sending Lambda function logs to CloudWatch Logs". */
export function logStreamName(now: number, version: string, id: string): string {
  return `${new Date(now).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${id}`;
}

function reportLine(requestId: string, spec: FunctionSpec, report: Report): string {
  const { durationMs, initMs, status } = report;
  // Since August 2025 AWS bills the initialisation too; a timeout is billed as the time allowed.
  const billedMs = Math.ceil((status === "timeout" ? spec.timeoutMs : durationMs) + (initMs ?? 0));
  let line = `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${billedMs} ms\tMemory Size: ${spec.memoryMiB} MB\tMax Memory Used: ${report.memoryUsedMiB} MB\t`;
  if (initMs !== undefined) line += `Init Duration: ${initMs.toFixed(2)} ms\t`;
  if (status === "timeout") line += "Status: timeout";
  else if (status !== undefined) line += `Status: error\tError Type: ${status.errorType}`;
  return line;
}

/** The last `logTailBytesMax` bytes of `text`, from the first whole character on. */
function lastBytes(text: string): string {
  // No character takes more than three bytes per UTF-16 unit: most tails need no counting.
  if (text.length * 3 <= logTailBytesMax) return text;
  const bytes = Buffer.from(text.slice(-logTailBytesMax));
  if (bytes.length <= logTailBytesMax) return bytes.toString("utf8");
  let from = bytes.length - logTailBytesMax;
  while (((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.toString("utf8", from);
}

/** `id` is 32 hex digits. */
export function createFunctionLog(deps: FunctionLogDeps, spec: FunctionSpec, id: string): FunctionLog {
  const { clock, onLogLine } = deps;
  const { logGroup, account, region } = spec;
  const stream = logStreamName(clock.now(), spec.version, id);
  let tail = "";
  let secondStartMs = -Infinity;
  let secondBytes = 0;
  let droppedBytes = 0;

  const emit = (text: string) => {
    tail += `${text}\n`;
    // Kept well under a megabyte while a chatty function writes; cut to its length at the end.
    if (tail.length > 64 * logTailBytesMax) tail = tail.slice(-logTailBytesMax);
    onLogLine({ logGroup, logStream: stream, account, region, timeMs: clock.now(), text });
  };
  const sayDropped = () => {
    if (droppedBytes === 0) return;
    const bytes = droppedBytes;
    droppedBytes = 0;
    emit(`${bytes} bytes of output were dropped: an environment may log ${logBytesPerSecondMax} bytes a second.`);
  };
  const write = (text: string) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - secondStartMs >= 1000) {
      secondStartMs = nowMs;
      secondBytes = 0;
      sayDropped();
    }
    secondBytes += text.length;
    if (secondBytes > logBytesPerSecondMax) droppedBytes += text.length;
    else emit(text.length > logLineLengthMax ? text.slice(0, logLineLengthMax) : text);
  };
  return {
    stream,
    write,
    begin(requestId) {
      tail = "";
      emit(`START RequestId: ${requestId} Version: ${spec.version}`);
    },
    end(requestId, report) {
      sayDropped();
      emit(`END RequestId: ${requestId}`);
      emit(reportLine(requestId, spec, report));
      const text = lastBytes(tail);
      tail = "";
      return text;
    },
  };
}
