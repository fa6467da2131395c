/** The log of one environment: its stream, the platform's lines around each invocation, the tail, and the bound on all of it. */
import type { Clock } from "../base/clock.ts";
import { logBytesPerSecondMax, logLineLengthMax, logTailBytesMax } from "./limits.ts";
import {
  type InitFigures,
  type InitPhase,
  type PlatformEvent,
  type ReportFigures,
  initReport,
  initRuntimeDone,
  initStart,
  logsDropped,
  report,
  runtimeDone,
  start,
} from "./platform-events.ts";
import type { FunctionLogLine, FunctionSpec, InitializationType, Invocation, SystemLogLevel } from "./ports.ts";

export interface FunctionLogDeps {
  clock: Clock;
  onLogLine(line: FunctionLogLine): void;
  /**
   * The same as data, and what the text format leaves out; for the Telemetry API. `type` is `function`, or `platform.`
   * and what happened; `record` is called when somebody wants it.
   */
  onRecord?(type: string, record: () => unknown): void;
}

/** What the log says of an invocation. */
export type Traced = Pick<Invocation, "requestId" | "traceHeader">;

export interface FunctionLog {
  /** `2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef`. */
  readonly stream: string;
  /** One event that the function wrote; it may hold line breaks. */
  write(text: string): void;
  /** INIT_START. */
  initBegin(phase: InitPhase): void;
  /** INIT_REPORT, where AWS writes one. */
  initEnd(figures: Omit<InitFigures, "initialization">): void;
  /** START; the tail begins here. */
  begin(invocation: Traced): void;
  /** Why an invocation has no answer of its own. Text only: as JSON it is in the report. */
  fault(text: string): void;
  /** END and REPORT. Returns the tail: the last 4 KiB since `begin`. */
  end(invocation: Traced, figures: ReportFigures): string;
}

/** `2026/11/22/[7]<32 hex>`, in UTC. Source: Lambda guide, "Sending Lambda function logs to CloudWatch Logs". */
export function logStreamName(now: number, version: string, id: string): string {
  return `${new Date(now).toISOString().slice(0, 10).replaceAll("-", "/")}/[${version}]${id}`;
}

const levels: Readonly<Record<SystemLogLevel, number>> = { DEBUG: 0, INFO: 1, WARN: 2 };

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

/** A line of JSON as what it says. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What a function prints itself is text also where its logs are JSON.
    return `${text}\n`;
  }
}

/** `id` is 32 hex digits. */
export function createFunctionLog(
  deps: FunctionLogDeps,
  spec: FunctionSpec,
  id: string,
  initialization: InitializationType,
): FunctionLog {
  const { clock, onLogLine, onRecord } = deps;
  const { logGroup, account, region, logFormat, systemLogLevel = "INFO" } = spec;
  const stream = logStreamName(clock.now(), spec.version, id);
  const asJson = logFormat === "JSON";
  let tail = "";
  let secondStartMs = -Infinity;
  let secondBytes = 0;
  let droppedBytes = 0;
  let droppedRecords = 0;

  const emit = (text: string) => {
    tail += `${text}\n`;
    // Kept well under a megabyte while a chatty function writes; cut to its length at the end.
    if (tail.length > 64 * logTailBytesMax) tail = tail.slice(-logTailBytesMax);
    onLogLine({ logGroup, logStream: stream, account, region, timeMs: clock.now(), text });
  };
  const say = ({ type, record, level, text }: PlatformEvent) => {
    onRecord?.(type, record);
    if (!asJson && text !== undefined) emit(text);
    if (!asJson || levels[level] < levels[systemLogLevel]) return;
    emit(JSON.stringify({ time: new Date(clock.now()).toISOString(), type, record: record() }));
  };
  const sayDropped = () => {
    if (droppedBytes === 0) return;
    const event = logsDropped(droppedBytes, droppedRecords, logBytesPerSecondMax);
    droppedBytes = 0;
    droppedRecords = 0;
    say(event);
  };
  const write = (text: string) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - secondStartMs >= 1000) {
      secondStartMs = nowMs;
      secondBytes = 0;
      sayDropped();
    }
    secondBytes += text.length;
    onRecord?.("function", () => (asJson ? jsonOr(text) : `${text}\n`));
    if (secondBytes > logBytesPerSecondMax) {
      droppedBytes += text.length;
      droppedRecords += 1;
    } else emit(text.length > logLineLengthMax ? text.slice(0, logLineLengthMax) : text);
  };
  return {
    stream,
    write,
    initBegin: (phase) => say(initStart(spec, initialization, phase)),
    initEnd(figures) {
      say(initRuntimeDone({ ...figures, initialization }));
      say(initReport({ ...figures, initialization }));
    },
    begin({ requestId, traceHeader }) {
      tail = "";
      say(start(spec, requestId, traceHeader));
    },
    fault(text) {
      if (!asJson) write(text);
    },
    end({ requestId, traceHeader }, figures) {
      sayDropped();
      say(runtimeDone(requestId, traceHeader, figures));
      if (!asJson) emit(`END RequestId: ${requestId}`);
      say(report(spec, initialization, requestId, traceHeader, figures));
      const text = lastBytes(tail);
      tail = "";
      return text;
    },
  };
}
