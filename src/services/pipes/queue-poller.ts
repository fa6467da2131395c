/**
 * Polls a queue for a pipe: one receive waits, however many batches run. A message is deleted when the target has it, or
 * when no filter wants it; else it comes back when its visibility timeout has passed.
 * Source: EventBridge guide, "Amazon SQS queue as a source".
 */
import { parseArn } from "../../base/arn.ts";
import { asError, must } from "../../base/errors.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { batchRunner } from "./batches.ts";
import { createJournal } from "./journal.ts";
import {
  batchBytesMax,
  batchesMax,
  deletionsMax,
  pollFirstMs,
  pollLastMs,
  receiveMax,
  waitSecondsMax,
} from "./limits.ts";
import { pipeArn, type PipeRef } from "./names.ts";
import { recordOf, type QueueRecord } from "./records.ts";
import { batchingOf, filterOf } from "./settings.ts";
import type { PipeRow } from "./tables.ts";

/** What runs one pipe. A stream's will be another. */
export interface Poller {
  /** Takes nothing up any more; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export function createQueuePoller(deps: Deps, row: PipeRow): Poller {
  const { clock, ids, log, metrics, peers } = deps;
  const { settings } = row;
  const ref: PipeRef = { account: row.account, region: row.region, name: row.name };
  const source = must(parseArn(settings.Source), settings.Source);
  const { size, windowMs } = batchingOf(settings);
  const isWanted = filterOf(settings.SourceParameters?.FilterCriteria);
  const runBatch = batchRunner(deps, ref, settings);
  const stopping = new AbortController();
  const { signal } = stopping;
  const counters = {
    done: metrics.counter("pipes_events", { outcome: "done" }),
    filtered: metrics.counter("pipes_events", { outcome: "filtered" }),
    left: metrics.counter("pipes_events", { outcome: "left" }),
  };
  const underWay = new Set<Promise<void>>();

  const callOf = (within?: AbortSignal): Call => {
    const principal = { kind: "service", service: "pipes.amazonaws.com" } as const;
    const call = serviceCall(deps, row.account, row.region, principal, within === undefined ? {} : { signal: within });
    const { RoleArn: roleArn } = settings;
    const account = parseArn(roleArn)?.account ?? row.account;
    return { ...call, principal: { kind: "role", account, roleArn, session: row.name } };
  };
  const journal = createJournal(deps, ref, settings, callOf);

  const queueUrl = async () => {
    const queue = { QueueName: source.resource, QueueOwnerAWSAccountId: source.account };
    const { QueueUrl } = await peers.sqs.GetQueueUrl(queue, { ...callOf(signal), region: source.region });
    return must(QueueUrl, "QueueUrl");
  };

  const receive = async (QueueUrl: string, limit: number, WaitTimeSeconds: number): Promise<QueueRecord[]> => {
    const { Messages = [] } = await peers.sqs.ReceiveMessage(
      {
        QueueUrl,
        MaxNumberOfMessages: Math.min(receiveMax, limit),
        WaitTimeSeconds,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      },
      callOf(signal),
    );
    return Messages.map((message) => recordOf(message, settings.Source, source.region));
  };

  const remove = async (QueueUrl: string, records: readonly QueueRecord[]) => {
    for (let start = 0; start < records.length; start += receiveMax) {
      let left = records.slice(start, start + receiveMax);
      for (let attempt = 1; left.length > 0 && attempt <= deletionsMax; attempt += 1) {
        const Entries = left.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
        const { Failed = [] } = await peers.sqs.DeleteMessageBatch({ QueueUrl, Entries }, callOf());
        const failed = new Set(Failed.filter(({ SenderFault }) => SenderFault !== true).map(({ Id }) => Id));
        left = left.filter((_, index) => failed.has(String(index)));
      }
    }
  };

  /** Receives until the batch is full, or its window over. */
  const gather = async (url: string): Promise<QueueRecord[]> => {
    const batch: QueueRecord[] = [];
    let bytes = 0;
    let endMs = Number.POSITIVE_INFINITY;
    // A receive may bring ten messages of any size: one that could be too much is not begun.
    while (batch.length < size && bytes < batchBytesMax / 2 && !signal.aborted) {
      const leftMs = endMs - clock.now();
      if (leftMs <= 0) break;
      const waitSeconds = Math.min(waitSecondsMax, Math.floor(leftMs / 1_000));
      const records = await receive(url, size - batch.length, waitSeconds);
      const wanted = records.filter(isWanted);
      await remove(
        url,
        records.filter((record) => !wanted.includes(record)),
      );
      counters.filtered.add(records.length - wanted.length);
      batch.push(...wanted);
      bytes += Buffer.byteLength(JSON.stringify(wanted));
      if (batch.length > 0) endMs = Math.min(endMs, clock.now() + windowMs);
      // A wait of SQS is of whole seconds.
      if (records.length === 0 && waitSeconds === 0) await clock.sleep(Math.max(1, leftMs), signal);
    }
    return batch;
  };

  const process = async (url: string, batch: readonly QueueRecord[]) => {
    const executionId = ids.uuid();
    journal.write({ level: "INFO", messageType: "ExecutionStarted", executionId, payload: batch });
    let done: readonly QueueRecord[] = [];
    try {
      done = await runBatch(batch, callOf());
    } catch (error) {
      // Its messages come back, and end where their queue says.
      const { message } = asError(error);
      log.warn("a batch of a pipe has failed", { pipe: pipeArn(ref), error: asError(error) });
      journal.write({ level: "ERROR", messageType: "ExecutionFailed", executionId, error: message });
    }
    counters.left.add(batch.length - done.length);
    counters.done.add(done.length);
    await remove(url, done);
    if (done.length === batch.length) journal.write({ level: "INFO", messageType: "ExecutionSucceeded", executionId });
    else if (done.length > 0) journal.write({ level: "ERROR", messageType: "ExecutionPartiallyFailed", executionId });
  };

  const begin = (url: string, batch: readonly QueueRecord[]) => {
    const run: Promise<void> = process(url, batch)
      .catch((error: unknown) => {
        const fields = { pipe: pipeArn(ref), error: asError(error) };
        log.warn("messages of a batch could not be deleted and will come again", fields);
      })
      .finally(() => underWay.delete(run));
    underWay.add(run);
  };

  const poll = async () => {
    const url = await queueUrl();
    while (!signal.aborted) {
      if (underWay.size >= batchesMax) await Promise.race(underWay);
      const batch = await gather(url);
      if (batch.length > 0) begin(url, batch);
    }
  };

  /** A queue that is away for a while is polled again when it is back. */
  const pollOn = async () => {
    let waitMs = pollFirstMs;
    while (!signal.aborted) {
      const beganMs = clock.now();
      try {
        await poll();
      } catch (error) {
        if (signal.aborted) return;
        log.warn("a pipe's queue could not be polled and will be again", { pipe: pipeArn(ref), error: asError(error) });
      }
      waitMs = clock.now() - beganMs > pollLastMs ? pollFirstMs : Math.min(pollLastMs, waitMs * 2);
      await clock.sleep(waitMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  };

  const polling = pollOn();
  return {
    async stop() {
      stopping.abort(new Error("the pipe is stopping"));
      await polling;
      await Promise.all(underWay);
      await journal.settled();
    },
  };
}
