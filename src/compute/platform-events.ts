/**
 * What the platform itself writes to a function's log, as data and in both formats. Sources: Lambda guide, "Lambda
 * Telemetry API Event schema reference", "System log level event mapping", and the text lines of Lambda's own logs.
 */
import { createHash } from "node:crypto";
import type { FunctionSpec, InitializationType, SystemLogLevel } from "./ports.ts";

export interface PlatformEvent {
  type: `platform.${string}`;
  /** Made only when somebody reads it: a warm invocation in the text format needs none. */
  record(): object;
  level: SystemLogLevel;
  /** The line in the text format; some events have none. */
  text?: string;
}

/** `init` before an invocation needs it; `invoke` as the second try within one ("suppressed init"). */
export type InitPhase = "init" | "invoke";

/** How something ended that did not go well. */
export type FailedStatus = "timeout" | { errorType: string };

export interface InitFigures {
  initialization: InitializationType;
  phase: InitPhase;
  durationMs: number;
  status?: FailedStatus;
}

export interface ReportFigures {
  durationMs: number;
  initMs?: number;
  memoryUsedMiB: number;
  status?: FailedStatus;
  /** The function's own error: it is reported, but the environment is none the worse for it. */
  handledErrorType?: string;
}

type Named = Pick<FunctionSpec, "functionName" | "version" | "runtime" | "region">;

/** `nodejs:24.mikan`: AWS's shape, `nodejs:24.v14`, and whose runtime it is. */
export function runtimeVersionOf(runtime: string): string {
  const [, name = runtime, version = ""] = /^([a-z]+)([\d.]*?)(?:\.x)?$/.exec(runtime) ?? [];
  return `${name}:${version === "" ? "" : `${version}.`}mikan`;
}

const runtimeVersionArns = new Map<string, string>();

/** The same for the same runtime, as AWS's is. */
function runtimeVersionArnOf({ runtime, region }: Named): string {
  const key = `${region}/${runtime}`;
  let arn = runtimeVersionArns.get(key);
  if (arn === undefined) {
    arn = `arn:aws:lambda:${region}::runtime:${createHash("sha256").update(runtimeVersionOf(runtime)).digest("hex")}`;
    runtimeVersionArns.set(key, arn);
  }
  return arn;
}

const statusOf = (status: FailedStatus | undefined) =>
  status === undefined
    ? { status: "success" }
    : status === "timeout"
      ? { status }
      : { status: "error", errorType: status.errorType };

function statusText(status: FailedStatus): string {
  return status === "timeout" ? "Status: timeout" : `Status: error\tError Type: ${status.errorType}`;
}

const rounded = (ms: number) => Math.round(ms * 1000) / 1000;

export function initStart(spec: Named, initialization: InitializationType, phase: InitPhase): PlatformEvent {
  const runtimeVersion = runtimeVersionOf(spec.runtime);
  const runtimeVersionArn = runtimeVersionArnOf(spec);
  const { functionName, version: functionVersion } = spec;
  return {
    type: "platform.initStart",
    record: () => ({
      initializationType: initialization,
      phase,
      runtimeVersion,
      runtimeVersionArn,
      functionName,
      functionVersion,
    }),
    level: "INFO",
    text: `INIT_START Runtime Version: ${runtimeVersion}\tRuntime Version ARN: ${runtimeVersionArn}`,
  };
}

export function initRuntimeDone({ initialization, phase, status }: InitFigures): PlatformEvent {
  return {
    type: "platform.initRuntimeDone",
    record: () => ({ initializationType: initialization, phase, ...statusOf(status) }),
    level: status === undefined ? "DEBUG" : "WARN",
  };
}

/** As text only where it failed, or was provisioned; a start on demand that went well is in the REPORT line. */
export function initReport({ initialization, phase, durationMs, status }: InitFigures): PlatformEvent {
  const onDemand = initialization === "on-demand";
  const event: PlatformEvent = {
    type: "platform.initReport",
    record: () => ({
      initializationType: initialization,
      phase,
      ...statusOf(status),
      metrics: { durationMs: rounded(durationMs) },
    }),
    level: status === undefined ? (onDemand ? "DEBUG" : "INFO") : "WARN",
  };
  if (onDemand && status === undefined) return event;
  const end = status === undefined ? "" : statusText(status);
  return { ...event, text: `INIT_REPORT Init Duration: ${durationMs.toFixed(2)} ms\tPhase: ${phase}\t${end}` };
}

/** The parts of a trace header; undefined when the request is not sampled. */
function tracedBy(traceHeader: string): { traceId: string; segmentId: string } | undefined {
  // Most are not, and this is asked with every invocation.
  if (!traceHeader.includes("Sampled=1")) return undefined;
  const traceId = /(?:^|;)\s*Root=([^;]+)/.exec(traceHeader)?.[1];
  if (traceId === undefined) return undefined;
  return { traceId, segmentId: /(?:^|;)\s*Parent=([^;]+)/.exec(traceHeader)?.[1] ?? "" };
}

function tracingOf(traceHeader: string): object {
  const traced = tracedBy(traceHeader);
  if (traced === undefined) return {};
  return { tracing: { spanId: traced.segmentId, type: "X-Amzn-Trace-Id", value: traceHeader } };
}

export function start({ version }: Named, requestId: string, traceHeader: string): PlatformEvent {
  return {
    type: "platform.start",
    record: () => ({ requestId, version, ...tracingOf(traceHeader) }),
    level: "INFO",
    text: `START RequestId: ${requestId} Version: ${version}`,
  };
}

const outcomeOf = ({ status, handledErrorType }: ReportFigures): FailedStatus | undefined =>
  status ?? (handledErrorType === undefined ? undefined : { errorType: handledErrorType });

export function runtimeDone(requestId: string, traceHeader: string, figures: ReportFigures): PlatformEvent {
  const outcome = outcomeOf(figures);
  return {
    type: "platform.runtimeDone",
    record: () => ({
      requestId,
      ...statusOf(outcome),
      metrics: { durationMs: rounded(figures.durationMs) },
      ...tracingOf(traceHeader),
    }),
    level: outcome === undefined ? "DEBUG" : "WARN",
  };
}

/** Milliseconds that AWS would bill: since August 2025 the initialisation too; a timeout as the time allowed. */
function billedMs({ timeoutMs }: FunctionSpec, initialization: InitializationType, figures: ReportFigures): number {
  const { durationMs, initMs = 0, status } = figures;
  // A provisioned environment is paid by the hour, its start too.
  const startMs = initialization === "on-demand" ? initMs : 0;
  return Math.ceil((status === "timeout" ? timeoutMs : durationMs) + startMs);
}

/** END and REPORT are two lines of text, and one event. */
export function report(
  spec: FunctionSpec,
  initialization: InitializationType,
  requestId: string,
  traceHeader: string,
  figures: ReportFigures,
): PlatformEvent {
  const { durationMs, initMs, memoryUsedMiB, status } = figures;
  const billed = billedMs(spec, initialization, figures);
  const traced = tracedBy(traceHeader);
  let text = `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\tBilled Duration: ${billed} ms\tMemory Size: ${spec.memoryMiB} MB\tMax Memory Used: ${memoryUsedMiB} MB\t`;
  if (initMs !== undefined) text += `Init Duration: ${initMs.toFixed(2)} ms\t`;
  if (status !== undefined) text += statusText(status);
  if (traced !== undefined)
    text += `\nXRAY TraceId: ${traced.traceId}\tSegmentId: ${traced.segmentId}\tSampled: true\t`;
  const metrics = () => ({
    durationMs: rounded(durationMs),
    billedDurationMs: billed,
    memorySizeMB: spec.memoryMiB,
    maxMemoryUsedMB: memoryUsedMiB,
    ...(initMs === undefined ? {} : { initDurationMs: rounded(initMs) }),
  });
  const outcome = outcomeOf(figures);
  return {
    type: "platform.report",
    record: () => ({ requestId, metrics: metrics(), ...statusOf(outcome), ...tracingOf(traceHeader) }),
    level: outcome === undefined ? "INFO" : "WARN",
    text,
  };
}

/** Not an event of AWS's text format, where the words are Mikan's own. */
export function logsDropped(droppedBytes: number, droppedRecords: number, bytesPerSecondMax: number): PlatformEvent {
  const reason = `an environment may log ${bytesPerSecondMax} bytes a second`;
  return {
    type: "platform.logsDropped",
    record: () => ({ droppedBytes, droppedRecords, reason }),
    level: "WARN",
    text: `${droppedBytes} bytes of output were dropped: ${reason}.`,
  };
}
