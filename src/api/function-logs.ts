/** Carries the lines that functions write to CloudWatch Logs, in batches, and never holds a function up. */
import type { Timer } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import type { FunctionLogLine } from "../compute/ports.ts";
import { serviceCall, type CallMaker } from "../kit/call.ts";
import type { Dispatcher } from "../kit/dispatch.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Lines that wait to be stored; what comes on top is dropped, and counted. */
const waitingLinesMax = 20_000;
const batchLinesMax = 4_000;
/** Lines wait this long for company, so that a busy function costs few commits. */
const gatherMs = 100;

export interface FunctionLogs {
  add(line: FunctionLogLine): void;
  /** Stores what waits. */
  flush(): Promise<void>;
}

export function createFunctionLogs(
  deps: CallMaker & { log: Log; metrics: Metrics; dispatcher: Dispatcher },
): FunctionLogs {
  const { clock, log, metrics, dispatcher } = deps;
  let waiting: FunctionLogLine[] = [];
  let timer: Timer | undefined;
  let storing: Promise<void> = Promise.resolve();
  const dropped = metrics.counter("function_log_lines_dropped");

  const store = async () => {
    while (waiting.length > 0) {
      const lines = waiting.slice(0, batchLinesMax);
      waiting = waiting.slice(batchLinesMax);
      const first = lines[0] as FunctionLogLine;
      const call = serviceCall(deps, first.account, first.region, { kind: "service", service: "lambda.amazonaws.com" });
      try {
        await dispatcher.inside("logs", "Ingest", { lines }, call);
      } catch (error) {
        dropped.add(lines.length);
        log.error("function log lines were lost", { lines: lines.length, error: asError(error) });
      }
    }
  };
  const flush = () => {
    timer?.cancel();
    timer = undefined;
    storing = storing.then(store);
    return storing;
  };

  return {
    add(line) {
      if (waiting.length >= waitingLinesMax) {
        dropped.add();
        return;
      }
      waiting.push(line);
      // `store` reports its own failures.
      timer ??= clock.after(gatherMs, () => void flush());
    },
    flush,
  };
}
