/**
 * Polls a queue for a function: one receive waits, however many batches run. A message is deleted when its batch went
 * well, or when no filter wants it; else it comes back when its visibility timeout has passed.
 * Source: Lambda guide, "Using Lambda with Amazon SQS".
 */
import { asError } from "../../../base/errors.ts";
import type { LambdaDeps } from "../deps.ts";
import { failuresOf } from "./batch-responses.ts";
import { filterOf } from "./filters.ts";
import { backoffMs, batchRunner, slept, type Outcome } from "./invocations.ts";
import { deletionsMax, receiveMax, waitSecondsMax } from "./limits.ts";
import type { Mapping, Poller } from "./pollers.ts";
import { createBatch, type QueueBatch, type Received } from "./queue-batch.ts";
import { filteredRecord, recordOf, type QueueRecord } from "./queue-events.ts";
import { queueUrlOf, sourceCall } from "./readers.ts";
import { createScaling } from "./scaling.ts";

interface Queue {
  url: string;
  visibilityMs: number;
}

export function createQueuePoller(deps: LambdaDeps, mapping: Mapping): Poller {
  const { clock, ids, log, metrics, peers } = deps;
  const { row, source, roleArn } = mapping;
  const { BatchSize, MaximumBatchingWindowInSeconds, FunctionResponseTypes, FilterCriteria, ScalingConfig } =
    row.settings;
  const windowMs = MaximumBatchingWindowInSeconds * 1_000;
  const reportsItems = FunctionResponseTypes.includes("ReportBatchItemFailures");
  const isWanted = filterOf(FilterCriteria);
  const run = batchRunner(deps, mapping);
  const scaling = createScaling(clock, ScalingConfig?.MaximumConcurrency);
  const stopping = new AbortController();
  const { signal } = stopping;
  const counters = {
    deleted: metrics.counter("lambda_source_messages", { outcome: "deleted" }),
    filtered: metrics.counter("lambda_source_messages", { outcome: "filtered" }),
    left: metrics.counter("lambda_source_messages", { outcome: "left" }),
  };
  /** Received, and too many for the batch before. */
  let carried: Received[] = [];

  const callOf = (within?: AbortSignal) => sourceCall(deps, row, roleArn, row.name, within);

  const openQueue = async (): Promise<Queue> => {
    const call = callOf(signal);
    const url = await queueUrlOf(peers.sqs, source, call);
    const { Attributes = {} } = await peers.sqs.GetQueueAttributes(
      { QueueUrl: url, AttributeNames: ["VisibilityTimeout"] },
      call,
    );
    return { url, visibilityMs: Number(Attributes["VisibilityTimeout"] ?? 30) * 1_000 };
  };

  const receive = async ({ url, visibilityMs }: Queue, limit: number, waitSeconds: number): Promise<Received[]> => {
    const { Messages = [] } = await peers.sqs.ReceiveMessage(
      {
        QueueUrl: url,
        MaxNumberOfMessages: limit,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      },
      callOf(signal),
    );
    const untilMs = clock.now() + visibilityMs;
    return Messages.map((message) => {
      const record = recordOf(message, source);
      return { record, bytes: Buffer.byteLength(JSON.stringify(record)) + 1, untilMs };
    });
  };

  const remove = async ({ url }: Queue, records: readonly QueueRecord[]): Promise<void> => {
    for (let start = 0; start < records.length; start += receiveMax) {
      let left = records.slice(start, start + receiveMax);
      for (let attempt = 1; left.length > 0 && attempt <= deletionsMax; attempt += 1) {
        const Entries = left.map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
        const { Failed = [] } = await peers.sqs.DeleteMessageBatch({ QueueUrl: url, Entries }, callOf());
        const failed = new Set(Failed.filter(({ SenderFault }) => SenderFault !== true).map(({ Id }) => Id));
        left = left.filter((_, index) => failed.has(String(index)));
      }
    }
  };

  /** Puts messages into a batch, as far as filters want them and it has room. */
  const fill = async (queue: Queue, batch: QueueBatch, messages: readonly Received[]) => {
    const unwanted: QueueRecord[] = [];
    for (const message of messages) {
      if (!isWanted(filteredRecord(message.record))) unwanted.push(message.record);
      else if (!batch.add(message)) carried.push(message);
    }
    counters.filtered.add(unwanted.length);
    await remove(queue, unwanted);
  };

  /** Takes messages off `carried` and the queue until the batch is full, or its window over. */
  const gather = async (queue: Queue): Promise<readonly Received[]> => {
    const batch = createBatch(BatchSize, () => clock.now() + windowMs);
    const former = carried;
    carried = [];
    await fill(queue, batch, former);
    while (batch.room > 0 && !signal.aborted) {
      const leftMs = batch.endMs - clock.now();
      if (leftMs <= 0) break;
      const waitSeconds = Math.min(waitSecondsMax, Math.floor(leftMs / 1_000));
      const messages = await receive(queue, Math.min(receiveMax, batch.room), waitSeconds);
      await fill(queue, batch, messages);
      // A wait of SQS is of whole seconds.
      if (messages.length === 0 && waitSeconds === 0) await slept(clock, Math.max(1, leftMs), signal);
    }
    return batch.messages;
  };

  /** Runs a batch; while the function has no room, for as long as the messages are this poller's. */
  const runPatiently = async (batch: readonly Received[]): Promise<Outcome> => {
    const untilMs = Math.min(...batch.map((message) => message.untilMs));
    const traceHeader = traceHeaderOf(batch);
    const event = { Records: batch.map(({ record }) => record) };
    for (let failures = 0; ; failures += 1) {
      const outcome = await run({ event, traceHeader });
      if (outcome.kind !== "refused") return outcome;
      scaling.throttled();
      const waitMs = backoffMs(failures, ids);
      if (clock.now() + waitMs >= untilMs || !(await slept(clock, waitMs, signal))) return outcome;
    }
  };

  const process = async (queue: Queue, batch: readonly Received[]): Promise<void> => {
    const outcome = await runPatiently(batch);
    const done = outcome.kind === "answered" ? doneOf(batch, reportsItems ? outcome.payload : undefined) : [];
    counters.left.add(batch.length - done.length);
    await remove(queue, done);
    counters.deleted.add(done.length);
  };

  const dispatch = (queue: Queue, batch: readonly Received[]) => {
    process(queue, batch)
      .catch((error: unknown) => {
        log.warn("messages of a batch could not be deleted and will come again", {
          queue: source.arn,
          error: asError(error),
        });
      })
      .finally(() => scaling.leave());
  };

  const poll = async (): Promise<void> => {
    const queue = await openQueue();
    while (!signal.aborted && (await scaling.enter(signal))) {
      let batch: readonly Received[] = [];
      try {
        batch = await gather(queue);
      } finally {
        if (batch.length === 0) scaling.leave();
      }
      if (batch.length > 0) dispatch(queue, batch);
    }
  };

  /** A queue that is away for a while is polled again when it is back. */
  const pollOn = async () => {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const beganMs = clock.now();
      try {
        await poll();
      } catch (error) {
        if (signal.aborted) return;
        log.warn("a queue could not be polled and will be again", { queue: source.arn, error: asError(error) });
      }
      if (clock.now() - beganMs > 60_000) failures = 0;
      if (!signal.aborted) await slept(clock, backoffMs(failures, ids), signal);
    }
  };

  /** Gives back at once what no batch has taken. */
  const release = async () => {
    const left = carried;
    carried = [];
    try {
      const queue = left.length === 0 ? undefined : await queueUrlOf(peers.sqs, source, callOf());
      for (const { record } of queue === undefined ? [] : left) {
        const change = { QueueUrl: queue, ReceiptHandle: record.receiptHandle, VisibilityTimeout: 0 };
        await peers.sqs.ChangeMessageVisibility(change, callOf());
      }
    } catch (error) {
      log.info("messages that were not used come again later", { queue: source.arn, error: asError(error) });
    }
  };

  const polling = pollOn();
  return {
    async stop() {
      stopping.abort(new Error("the event source mapping is stopping"));
      await polling;
      await release();
      await scaling.idle();
    },
  };
}

/** A batch has one trace: of the messages' that of a loop, if there is one, else the first. */
function traceHeaderOf(batch: readonly Received[]): string | undefined {
  const headers = batch.flatMap(({ record }) => record.attributes["AWSTraceHeader"] ?? []);
  return headers.find((header) => header.includes("Lineage=")) ?? headers[0];
}

/** Of a batch, what the function is done with. */
function doneOf(batch: readonly Received[], answer: Uint8Array | undefined): readonly QueueRecord[] {
  const records = batch.map(({ record }) => record);
  const failures = answer === undefined ? [] : failuresOf(answer);
  if (failures === "all") return [];
  const known = new Set(records.map(({ messageId }) => messageId));
  // A message that was not in the batch: nothing that the function says can be relied on.
  if (!failures.every((id) => known.has(id))) return [];
  const failed = new Set(failures);
  return records.filter(({ messageId }) => !failed.has(messageId));
}
