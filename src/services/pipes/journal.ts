/** A pipe's log: what became of its batches, in a log group. Source: EventBridge guide, "Logging EventBridge Pipes". */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { logLineCharactersMax, logLinesMax } from "./limits.ts";
import { pipeArn, type PipeRef } from "./names.ts";
import type { Settings } from "./settings.ts";
import { putLogEvents } from "./targets.ts";

type Level = "ERROR" | "INFO" | "TRACE";
const rank: Readonly<Record<Level, number>> = { ERROR: 1, INFO: 2, TRACE: 3 };

export interface Entry {
  level: Level;
  /** `ExecutionStarted`, `ExecutionSucceeded`, `ExecutionFailed` ... */
  messageType: string;
  executionId: string;
  /** Only where the pipe includes execution data. */
  payload?: unknown;
  error?: string;
}

export interface Journal {
  write(entry: Entry): void;
  /** Resolves when what was written before is in the log group. */
  settled(): Promise<void>;
}

type JournalDeps = Pick<Deps, "peers" | "log" | "metrics"> & { clock: Clock };

/** Lines are written behind the batches, which do not wait for them. */
export function createJournal(deps: JournalDeps, ref: PipeRef, settings: Settings, callOf: () => Call): Journal {
  const { LogConfiguration } = settings;
  const groupArn = LogConfiguration?.CloudwatchLogsLogDestination?.LogGroupArn;
  const level = LogConfiguration?.Level ?? "OFF";
  const limit = level === "ERROR" || level === "INFO" || level === "TRACE" ? rank[level] : 0;
  const logGroupName = parseArn(groupArn ?? "")?.resource.split(":")[1];
  const withData = LogConfiguration?.IncludeExecutionData?.includes("ALL") ?? false;
  const dropped = deps.metrics.counter("pipes_log_lines_dropped", {});
  let waiting: { timestamp: number; message: string }[] = [];
  let writing: Promise<void> = Promise.resolve();

  const flush = async (group: string) => {
    const logEvents = waiting;
    waiting = [];
    if (logEvents.length === 0) return;
    try {
      await putLogEvents(deps.peers, { logGroupName: group, logStreamName: ref.name, logEvents }, callOf());
    } catch (error) {
      dropped.add(logEvents.length);
      deps.log.warn("a pipe's log could not be written", { pipe: pipeArn(ref), error: asError(error) });
    }
  };

  return {
    write({ payload, ...entry }) {
      if (logGroupName === undefined || rank[entry.level] > limit) return;
      if (waiting.length >= logLinesMax) {
        dropped.add();
        return;
      }
      const timestamp = deps.clock.now();
      const data = withData && payload !== undefined ? { payload: JSON.stringify(payload) } : {};
      const { level: logLevel, ...rest } = entry;
      const line = { resourceArn: pipeArn(ref), timestamp, logLevel, ...rest, ...data };
      waiting.push({ timestamp, message: JSON.stringify(line).slice(0, logLineCharactersMax) });
      writing = writing.then(() => flush(logGroupName));
    },
    settled: () => writing,
  };
}
