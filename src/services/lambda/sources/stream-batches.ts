/**
 * One batch of a stream until it is done with: tried again, split, cut short by what the function reports, or given up.
 * Source: Lambda guide, "Configuring error handling" of Kinesis and DynamoDB, and "Partial batch response".
 */
import { failuresOf } from "./batch-responses.ts";
import type { GivenUp } from "./failure-records.ts";
import { backoffMs, slept, type Outcome } from "./invocations.ts";
import { batchBytesMax, batchRetryMsMax, batchRetryMsMin } from "./limits.ts";
import type { SourceSettings } from "./tables.ts";
import type { StreamRecord } from "./stream-events.ts";
import type { LambdaDeps } from "../deps.ts";

export interface Batch {
  records: readonly StreamRecord[];
  /** Runs of the function on these records that have failed. */
  failures: number;
}

/** A batch that is given up, and the last run of it, if there was one. */
export interface Abandoned {
  records: readonly StreamRecord[];
  condition: GivenUp;
  invokeCount: number;
  requestId: string | undefined;
  executedVersion: string | undefined;
  payload: string;
}

export interface BatchWork {
  /** What the function is given for records. */
  eventOf(records: readonly StreamRecord[]): object;
  run(event: object): Promise<Outcome>;
  /** These are done with; rejects where that cannot be written. */
  done(records: readonly StreamRecord[]): Promise<void>;
  /** These are not tried again. */
  abandon(batch: Abandoned): Promise<void>;
  /** Looks at an answer before it counts as success; false where it is a failure. */
  accept?(payload: Uint8Array): boolean;
  note(result: string): Promise<void>;
  signal: AbortSignal;
}

export type BatchSettings = Pick<
  SourceSettings,
  "MaximumRetryAttempts" | "MaximumRecordAgeInSeconds" | "BisectBatchOnFunctionError" | "FunctionResponseTypes"
>;

/** Takes a batch to its end; false when the node ends before. */
export function batchTaker({ clock, ids }: Pick<LambdaDeps, "clock" | "ids">, settings: BatchSettings) {
  const { MaximumRetryAttempts: retriesMax = -1, MaximumRecordAgeInSeconds: ageSecondsMax = -1 } = settings;
  const bisects = settings.BisectBatchOnFunctionError === true;
  const reportsItems = settings.FunctionResponseTypes.includes("ReportBatchItemFailures");

  const halves = ({ records, failures }: Batch): Batch[] => {
    const middle = Math.ceil(records.length / 2);
    return [
      { records: records.slice(0, middle), failures },
      { records: records.slice(middle), failures },
    ];
  };

  /** Records that are too old are given up together; the rest goes on. */
  const dropOld = async (batch: Batch, last: Outcome | undefined, work: BatchWork): Promise<Batch> => {
    if (ageSecondsMax === -1) return batch;
    const before = clock.now() - ageSecondsMax * 1_000;
    const old = batch.records.filter(({ arrivalMs }) => arrivalMs < before);
    if (old.length === 0) return batch;
    await work.abandon(abandoned(old, "RecordAgeExceeded", batch.failures, last, work));
    return { ...batch, records: batch.records.filter(({ arrivalMs }) => arrivalMs >= before) };
  };

  /** What is left of a batch after an answer: nothing, or from the first record that failed on; undefined: it failed as a whole. */
  const leftOf = (batch: Batch, outcome: Outcome, work: BatchWork): readonly StreamRecord[] | undefined => {
    if (outcome.kind !== "answered" || work.accept?.(outcome.payload) === false) return undefined;
    const failures = reportsItems ? failuresOf(outcome.payload) : [];
    if (failures === "all") return undefined;
    if (failures.length === 0) return [];
    const places = failures.map((id) => batch.records.findIndex(({ sequence }) => sequence === id));
    const first = Math.min(...places);
    return first === -1 ? undefined : batch.records.slice(first);
  };

  return async (records: readonly StreamRecord[], work: BatchWork): Promise<boolean> => {
    const pending: Batch[] = [{ records, failures: 0 }];
    let last: Outcome | undefined;
    let waits = 0;
    const pause = () => slept(clock, backoffMs((waits += 1), ids, batchRetryMsMin, batchRetryMsMax), work.signal);
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      if (work.signal.aborted) return false;
      const batch = await dropOld(next, last, work);
      if (batch.records.length === 0) continue;
      const event = work.eventOf(batch.records);
      if (batch.records.length > 1 && Buffer.byteLength(JSON.stringify(event)) > batchBytesMax) {
        pending.unshift(...halves(batch));
        continue;
      }
      last = await work.run(event);
      if (last.kind === "refused") {
        await work.note(`PROBLEM: ${last.code}`);
        pending.unshift(batch);
        if (!(await pause())) return false;
        continue;
      }
      const left = leftOf(batch, last, work);
      if (left?.length === 0) {
        waits = 0;
        await work.done(batch.records);
        await work.note("OK");
        continue;
      }
      await work.note("PROBLEM: Function call failed");
      const succeeded = left === undefined ? 0 : batch.records.length - left.length;
      if (left !== undefined && succeeded > 0) {
        await work.done(batch.records.slice(0, succeeded));
        pending.unshift({ records: left, failures: 1 });
      } else if (left === undefined && bisects && batch.records.length > 1) {
        // A split is no attempt.
        pending.unshift(...halves(batch));
      } else if (retriesMax !== -1 && batch.failures >= retriesMax) {
        await work.abandon(abandoned(batch.records, "RetryAttemptsExhausted", batch.failures + 1, last, work));
        continue;
      } else {
        pending.unshift({ ...batch, failures: batch.failures + 1 });
      }
      if (!(await pause())) return false;
    }
    return true;
  };
}

function abandoned(
  records: readonly StreamRecord[],
  condition: GivenUp,
  invokeCount: number,
  last: Outcome | undefined,
  work: BatchWork,
): Abandoned {
  return {
    records,
    condition,
    invokeCount,
    requestId: last?.requestId,
    executedVersion: last === undefined || last.kind === "refused" ? undefined : last.executedVersion,
    payload: JSON.stringify(work.eventOf(records)),
  };
}
