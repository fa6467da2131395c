/** Topics themselves: made, listed, changed, deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import type { SnsDeps } from "./deps.ts";
import { fault, invalid, noTopic } from "./faults.ts";
import { fanoutRows, fifoTopicsMax, pageRows, topicsMax } from "./limits.ts";
import { findTopic } from "./lookup.ts";
import { checkName, fifoSuffix, topicArn, topicRef, type TopicRef } from "./names.ts";
import { effectiveOfTopic } from "./retries.ts";
import {
  deletedTopics,
  isIn,
  isTopic,
  ofTopic,
  sequences,
  subscriptions,
  topics as table,
  type Attributes,
  type TopicRow,
} from "./tables.ts";
import { attributeRules, changed, checkAttributes, policyOf, shownAttributes } from "./topic-attributes.ts";
import { checkTags } from "./tags.ts";

export interface NewTopic {
  name: string;
  attributes: Attributes;
  tags: Readonly<Record<string, string>>;
  /** Of a CloudFormation step: a second creation with it gives the first one's topic. */
  token: string | null;
}

export const badToken = () => invalid("NextToken Reason: Invalid pagination token");

/** Everything that is asked for must be what is there. */
function checkSame(row: TopicRow, given: Attributes, tags: Readonly<Record<string, string>>): void {
  const now = shownAttributes(row);
  for (const [name, value] of Object.entries(given)) {
    if ((now[name] ?? "") === value || (name === "FifoTopic" && value === String(row.is_fifo))) continue;
    throw invalid("Attributes Reason: Topic already exists with different attributes");
  }
  for (const [key, value] of Object.entries(tags)) {
    if (row.tags[key] !== value) throw invalid("Tags Reason: Topic already exists with different tags");
  }
}

async function checkRoom(tx: ReadTx, { account, region }: TopicRef, isFifo: boolean): Promise<void> {
  const limit = isFifo ? fifoTopicsMax : topicsMax;
  const found = await tx.one<{ count: number }>(sql`select count(*) as count from (select 1 as present
    from ${table.name} where ${isIn({ account, region })} and is_fifo = ${isFifo} limit ${limit}) as found_topics`);
  if ((found?.count ?? 0) >= limit) throw fault("TopicLimitExceededException", `Topic limit of ${limit} exceeded`);
}

export function topicCreation({ store, clock, ids, topics }: SnsDeps) {
  return async ({ name, attributes, tags, token }: NewTopic, call: Call): Promise<TopicRef> => {
    const isFifo = attributes["FifoTopic"] === "true";
    if (!isFifo && name.endsWith(fifoSuffix)) throw invalid("Topic Name");
    checkName(name, isFifo);
    checkAttributes(attributes, isFifo);
    checkTags(tags);
    const ref = { account: call.account, region: call.region, name };
    const now = clock.now();
    const uid = ids.hex(8);
    await store.tx(async (tx) => {
      const found = await findTopic(tx, ref);
      if (found !== undefined) {
        if (token !== null && found.token === token) return;
        if (token !== null) throw invalid(`Topic Name Reason: A topic named ${name} already exists`);
        checkSame(found, attributes, tags);
        return;
      }
      await checkRoom(tx, ref, isFifo);
      const { FifoTopic: _, ...set } = changed({}, attributes);
      await tx.run(
        insert(table, {
          ...ref,
          uid,
          is_fifo: isFifo,
          attributes: set,
          policy: policyOf(ref, set),
          tags: { ...tags },
          created_ms: now,
          deleted: 0,
          token,
        }),
      );
      if (isFifo)
        await tx.run(insert(sequences, { account: ref.account, region: ref.region, topic_uid: uid, latest: 0 }));
      topics.forgetAfter(tx, ref);
    });
    return ref;
  };
}

/** Changes a topic's attributes to what `make` says of those it has. */
export function attributeChange({ store, topics }: SnsDeps) {
  return async (ref: TopicRef, make: (row: TopicRow) => Attributes): Promise<void> => {
    await store.tx(async (tx) => {
      const row = await findTopic(tx, ref);
      if (row === undefined) throw noTopic();
      const attributes = changed(row.attributes, make(row));
      const change = { attributes, policy: policyOf(row, attributes) };
      await tx.run(sql`update ${table.name} set ${assign(table, change)} where ${isTopic(row)}`);
      topics.forgetAfter(tx, ref);
    });
  };
}

/** Its subscriptions go with it if they are few; else the rest goes later, in small steps. */
export async function removeTopic(tx: Tx, { topics }: Pick<SnsDeps, "topics">, row: TopicRow): Promise<void> {
  const { account, region, uid } = row;
  await tx.run(sql`delete from ${table.name} where ${isTopic(row)}`);
  const rows = await tx.all<{ id: string }>(sql`select id from ${subscriptions.name} where ${ofTopic(row)}
    limit ${fanoutRows}`);
  for (const { id } of rows) await tx.run(sql`delete from ${subscriptions.name} where ${ofTopic(row)} and id = ${id}`);
  await tx.run(insert(deletedTopics, { account, region, uid }));
  topics.forgetAfter(tx, row);
}

async function countsOf(tx: ReadTx, row: TopicRow): Promise<{ confirmed: number; pending: number }> {
  const rows = await tx.all<{ confirmed: boolean | number; count: number }>(sql`select confirmed, count(*) as count
    from ${subscriptions.name} where ${ofTopic(row)} group by confirmed`);
  const count = (wanted: boolean) => rows.find(({ confirmed }) => Boolean(confirmed) === wanted)?.count ?? 0;
  return { confirmed: count(true), pending: count(false) };
}

export function topicOperations(deps: SnsDeps) {
  const { store, topics } = deps;
  const create = topicCreation(deps);
  const change = attributeChange(deps);
  return {
    async CreateTopic({ Name: name, Attributes: attributes = {}, Tags = [], DataProtectionPolicy }, call) {
      if (DataProtectionPolicy !== undefined)
        throw fault("NotImplemented", "Mikan does not implement DataProtectionPolicy of SNS yet.");
      const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]));
      return { TopicArn: topicArn(await create({ name, attributes, tags, token: null }, call)) };
    },

    async ListTopics({ NextToken }, call) {
      const listing = { operation: "sns:ListTopics", call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<{ name: string }>(sql`select name from ${table.name} where ${isIn(call)} and name > ${String(after)}
          order by name limit ${pageRows + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, pageRows, ({ name }) => [name]);
      return {
        Topics: page.map(({ name }) => ({ TopicArn: topicArn({ ...call, name }) })),
        ...(nextToken === undefined ? {} : { NextToken: nextToken }),
      };
    },

    async GetTopicAttributes({ TopicArn }, call) {
      const { row } = await topics.open(TopicArn, "GetTopicAttributes", call);
      const counts = await store.read((tx) => countsOf(tx, row));
      return {
        Attributes: {
          ...shownAttributes(row),
          SubscriptionsConfirmed: String(counts.confirmed),
          SubscriptionsPending: String(counts.pending),
          SubscriptionsDeleted: String(row.deleted),
          EffectiveDeliveryPolicy: effectiveOfTopic(row.attributes["DeliveryPolicy"]),
        },
      };
    },

    async SetTopicAttributes({ TopicArn, AttributeName: name, AttributeValue: value = "" }, call) {
      const { row } = await topics.open(TopicArn, "SetTopicAttributes", call);
      if (attributeRules[name]?.fixed === true) throw invalid("AttributeName");
      checkAttributes({ [name]: value }, row.is_fifo);
      await change(row, () => ({ [name]: value }));
      return {};
    },

    async DeleteTopic({ TopicArn }, call) {
      const ref = topicRef("TopicArn", TopicArn);
      // What is gone already is fine.
      if ((await topics.find(ref)) === undefined) return {};
      const { row } = await topics.open(TopicArn, "DeleteTopic", call);
      await store.tx(async (tx) => {
        const found = await findTopic(tx, row);
        if (found !== undefined) await removeTopic(tx, deps, found);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
