/** GetQueueAttributes, SetQueueAttributes, and the permissions that are a part of them. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import {
  attributeRules,
  changed,
  checkAttributes,
  policyOf,
  settingsOf,
  shownOnly,
  unknownAttribute,
  withDefaults,
} from "./attributes.ts";
import type { Counts } from "./counting.ts";
import type { SqsDeps } from "./deps.ts";
import { noQueue } from "./faults.ts";
import { openDelayed } from "./groups.ts";
import { findRow, type Queue } from "./lookup.ts";
import type { QueueRef } from "./names.ts";
import { checkDeadLetterQueue } from "./redrive-rules.ts";
import { isQueue, queues as table, type Attributes, type QueueRow } from "./tables.ts";

const seconds = (ms: number) => String(Math.floor(ms / 1_000));

function shownOf({ row, arn }: Queue, counts: Counts): Attributes {
  return {
    QueueArn: arn,
    ApproximateNumberOfMessages: String(counts.visible),
    ApproximateNumberOfMessagesNotVisible: String(counts.inFlight),
    ApproximateNumberOfMessagesDelayed: String(counts.delayed),
    CreatedTimestamp: seconds(row.created_ms),
    LastModifiedTimestamp: seconds(row.modified_ms),
    ...withDefaults(row.attributes, row.is_fifo),
  };
}

/** Changes a queue's attributes to what `make` says of those it has. */
export function attributeChange({ store, clock, queues, waits }: SqsDeps) {
  return async (ref: QueueRef, make: (row: QueueRow) => Attributes): Promise<void> => {
    const now = clock.now();
    await store.tx(async (tx) => {
      const row = await findRow(tx, ref);
      if (row === undefined) throw noQueue();
      const given = make(row);
      checkAttributes(given, row.is_fifo);
      if (given["FifoQueue"] !== undefined && given["FifoQueue"] !== row.attributes["FifoQueue"]) {
        throw unknownAttribute("FifoQueue");
      }
      const attributes = changed(row.attributes, given);
      const change = {
        attributes,
        policy: policyOf(attributes) ?? null,
        modified_ms: now,
        dead_letter_arn: settingsOf(attributes).deadLetter?.arn ?? null,
      };
      if (given["RedrivePolicy"] !== undefined) await checkDeadLetterQueue(tx, { ...row, ...change });
      await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isQueue(row)}`);
      if (row.is_fifo && given["DelaySeconds"] !== undefined) await openDelayed(tx, row, now);
      queues.forgetAfter(tx, ref);
      // A shorter delay of a FIFO queue makes messages visible.
      tx.afterCommit(() => waits.wake(row.uid, Number.POSITIVE_INFINITY));
    });
  };
}

export function attributeOperations(deps: SqsDeps) {
  const { queues, counting } = deps;
  const change = attributeChange(deps);
  const isKnown = (name: string) => name === "All" || shownOnly.includes(name) || Object.hasOwn(attributeRules, name);
  return {
    async GetQueueAttributes({ QueueUrl, AttributeNames: names = [] }, call) {
      const queue = await queues.open(QueueUrl, "GetQueueAttributes", call);
      const unknown = names.find((name) => !isKnown(name));
      if (unknown !== undefined) throw unknownAttribute(unknown);
      if (names.length === 0) return {};
      const counts = names.some((name) => name === "All" || name.startsWith("Approximate"))
        ? await counting.countsOf(queue)
        : { visible: 0, inFlight: 0, delayed: 0 };
      const all = shownOf(queue, counts);
      if (names.includes("All")) return { Attributes: all };
      const asked = Object.entries(all).filter(([name]) => names.some((wanted) => wanted === name));
      return asked.length === 0 ? {} : { Attributes: Object.fromEntries(asked) };
    },

    async SetQueueAttributes({ QueueUrl, Attributes: given }, call: Call) {
      const { row } = await queues.open(QueueUrl, "SetQueueAttributes", call);
      await change(row, () => given);
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
