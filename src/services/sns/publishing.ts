/** Publish and PublishBatch: a message is answered when it is on disk together with what is to become of it. */
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import { checkBatch, outcomesOf } from "./batches.ts";
import type { SnsDeps } from "./deps.ts";
import { spread } from "./fanout.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { deduplicationMs, messageBytesMax } from "./limits.ts";
import type { Topic } from "./lookup.ts";
import { takeMessage, type Entry, type Message } from "./messages.ts";
import { sequenceText } from "./parcels.ts";
import { publishText } from "./texts.ts";
import { deduplications, ofTopic, sequences, type DeduplicationRow } from "./tables.ts";

/** What became of a publish: the id is an earlier one's where this is its repetition. */
interface Published {
  id: string;
  sequence?: string;
}

const kindOf = ({ row, settings }: Topic) => ({
  isFifo: row.is_fifo,
  deduplicatesByContent: settings.deduplicatesByContent,
});

/** The publish of the last five minutes that this one repeats. */
async function repeated(tx: Tx, topic: Topic, { groupId, deduplicationId, atMs }: Message) {
  const scopeId = topic.settings.deduplicatesByGroup ? `${groupId} ${deduplicationId}` : must(deduplicationId, "id");
  const found = await tx.one<DeduplicationRow>(sql`select ${deduplications.columns} from ${deduplications.name}
    where ${ofTopic(topic.place)} and scope_id = ${scopeId} and sent_ms > ${atMs - deduplicationMs}`);
  return { scopeId, found };
}

/** The next sequence number of a FIFO topic: its publishes are in the order of their commits. */
async function nextSequence(tx: Tx, { place }: Topic): Promise<string> {
  await tx.run(sql`update ${sequences.name} set latest = latest + 1 where ${ofTopic(place)}`);
  const row = await tx.one<{ latest: number }>(sql`select latest from ${sequences.name} where ${ofTopic(place)}`);
  return sequenceText(must(row, "sequence").latest);
}

export function publishing(deps: SnsDeps) {
  const one = async (tx: Tx, topic: Topic, message: Message, call: Call): Promise<Published> => {
    if (!topic.row.is_fifo) {
      await spread(deps, tx, topic, message, call);
      return { id: message.id };
    }
    const { scopeId, found } = await repeated(tx, topic, message);
    if (found !== undefined) return { id: found.message_id, sequence: found.sequence };
    const sequence = await nextSequence(tx, topic);
    const { account, region, uid: topic_uid } = topic.place;
    const seen = {
      account,
      region,
      topic_uid,
      scope_id: scopeId,
      sent_ms: message.atMs,
      message_id: message.id,
      sequence,
    };
    await tx.run(upsert(deduplications, seen));
    await spread(deps, tx, topic, { ...message, sequence }, call);
    return { id: message.id, sequence };
  };

  return (topic: Topic, messages: readonly Message[], call: Call): Promise<Published[]> =>
    deps.store.tx(async (tx) => {
      const published: Published[] = [];
      for (const message of messages) published.push(await one(tx, topic, message, call));
      return published;
    });
}

export function publishingOperations(deps: SnsDeps) {
  const { clock, ids, topics } = deps;
  const publish = publishing(deps);
  const answered = ({ id: MessageId, sequence }: Published) => ({
    MessageId,
    ...(sequence === undefined ? {} : { SequenceNumber: sequence }),
  });
  const taken = (topic: Topic, entry: Entry) => takeMessage(kindOf(topic), entry, ids.uuid(), clock.now());

  return {
    async Publish(input, call) {
      const { TopicArn, TargetArn, PhoneNumber } = input;
      const given = [TopicArn, TargetArn, PhoneNumber].filter((target) => target !== undefined);
      if (given.length > 1) throw invalid("TopicArn or TargetArn Reason: only one of them may be given");
      if (PhoneNumber !== undefined) return { MessageId: await publishText(deps, PhoneNumber, input, call) };
      const arn = TopicArn ?? TargetArn;
      if (arn === undefined) throw invalid("TopicArn or TargetArn Reason: no value for required parameter");
      if (arn.split(":")[5]?.startsWith("endpoint/")) throw notYet("Publish to endpoints of platform applications");
      const topic = await topics.open(arn, "Publish", call, TopicArn === undefined ? "TargetArn" : "TopicArn");
      const { message } = taken(topic, input);
      const [published] = await publish(topic, [message], call);
      return answered(must(published, "published message"));
    },

    async PublishBatch({ TopicArn, PublishBatchRequestEntries: entries }, call) {
      const topic = await topics.open(TopicArn, "Publish", call);
      checkBatch(entries);
      const { done, failed } = outcomesOf(entries, (entry) => ({ entryId: entry.Id, ...taken(topic, entry) }));
      const bytes = done.reduce((sum, made) => sum + made.bytes, 0);
      if (bytes > messageBytesMax) {
        throw fault(
          "BatchRequestTooLongException",
          "The length of all the messages put together is more than the limit.",
        );
      }
      const published =
        done.length === 0
          ? []
          : await publish(
              topic,
              done.map(({ message }) => message),
              call,
            );
      return {
        Successful: done.map(({ entryId: Id }, i) => ({ Id, ...answered(must(published[i], "published message")) })),
        Failed: failed,
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
