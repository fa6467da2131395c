/** Queues themselves: made, found, listed, deleted, purged. */
import { isDeepStrictEqual } from "node:util";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, raw, sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { changed, checkAttributes, policyOf, settingsOf, withDefaults } from "./attributes.ts";
import type { SqsDeps } from "./deps.ts";
import { fault, invalidValue, noQueue } from "./faults.ts";
import { listMax, purgeMs, queueDeletedMs, secondMs } from "./limits.ts";
import { findRow } from "./lookup.ts";
import { checkName, fifoSuffix, queueUrl, refOfUrl, type QueueRef } from "./names.ts";
import { checkDeadLetterQueue } from "./redrive-rules.ts";
import { deletedQueues, isIn, isQueue, queues as table, type Attributes, type QueueRow } from "./tables.ts";
import { checkTags } from "./tags.ts";

export interface NewQueue {
  name: string;
  attributes: Attributes;
  tags: Readonly<Record<string, string>>;
  /** Of a CloudFormation step: a second creation with it gives the first one's queue. */
  token: string | null;
}

const badToken = () => invalidValue("NextToken", "NextToken", "Invalid or expired next token.");

function checkPage(max: number | undefined, token: string | undefined): number {
  if (token !== undefined && max === undefined) {
    throw fault("InvalidParameterValue", "MaxResults is a mandatory parameter when you provide a value for NextToken.");
  }
  if (max !== undefined && (max < 1 || max > listMax)) {
    throw invalidValue(max, "MaxResults", `MaxResults must be an integer between 1 and ${listMax}.`);
  }
  return max ?? listMax;
}

async function checkNameIsFree(tx: ReadTx, ref: QueueRef, now: number): Promise<void> {
  const gone = await tx.one(sql`select uid from ${deletedQueues.name}
    where ${isIn(ref)} and name = ${ref.name} and deleted_ms > ${now - queueDeletedMs}`);
  if (gone === undefined) return;
  throw fault(
    "QueueDeletedRecently",
    `You must wait ${queueDeletedMs / secondMs} seconds after deleting a queue before you can create another with the same name.`,
  );
}

/** What is asked for must be what is there, as far as it is asked for. */
function checkSame({ attributes, is_fifo: isFifo, name }: QueueRow, given: Attributes): void {
  const now = withDefaults(attributes, isFifo);
  for (const [attribute, value] of Object.entries(given)) {
    if (isDeepStrictEqual(now[attribute] ?? "", value)) continue;
    throw fault(
      "QueueNameExists",
      `A queue already exists with the same name and a different value for attribute ${attribute}`,
      { QueueName: name },
    );
  }
}

export function queueCreation({ store, clock, ids, queues }: SqsDeps) {
  return async ({ name, attributes, tags, token }: NewQueue, call: Call): Promise<QueueRef> => {
    const isFifo = attributes["FifoQueue"] === "true";
    checkAttributes(attributes, isFifo || name.endsWith(fifoSuffix));
    checkName(name, isFifo);
    checkTags(tags);
    const ref = { account: call.account, region: call.region, name };
    const now = clock.now();
    const uid = ids.hex(8);
    await store.tx(async (tx) => {
      const found = await findRow(tx, ref);
      if (found !== undefined) {
        if (token !== null && found.token === token) return;
        if (token !== null) throw fault("QueueNameExists", `A queue named ${name} already exists.`);
        checkSame(found, attributes);
        return;
      }
      await checkNameIsFree(tx, ref, now);
      const set = changed({}, attributes);
      const row: QueueRow = {
        ...ref,
        uid,
        is_fifo: isFifo,
        attributes: set,
        policy: policyOf(set) ?? null,
        tags: { ...tags },
        created_ms: now,
        modified_ms: now,
        purged_ms: 0,
        dead_letter_arn: settingsOf(set).deadLetter?.arn ?? null,
        token,
      };
      await checkDeadLetterQueue(tx, row);
      await tx.run(insert(table, row));
      queues.forgetAfter(tx, ref);
    });
    return ref;
  };
}

/** Its messages go later, in small steps. */
export async function removeQueue(tx: Tx, { queues }: Pick<SqsDeps, "queues">, row: QueueRow, now: number) {
  const { account, region, name, uid } = row;
  await tx.run(sql`delete from ${table.name} where ${isQueue(row)}`);
  await tx.run(insert(deletedQueues, { account, region, name, uid, deleted_ms: now }));
  queues.forgetAfter(tx, row);
}

export function queueOperations(deps: SqsDeps) {
  const { store, clock, queues } = deps;
  const create = queueCreation(deps);
  return {
    async CreateQueue({ QueueName: name, Attributes: attributes = {}, tags = {} }, call) {
      return { QueueUrl: queueUrl(await create({ name, attributes, tags, token: null }, call), call) };
    },

    async GetQueueUrl({ QueueName: name, QueueOwnerAWSAccountId: owner }, call) {
      const ref = { account: owner ?? call.account, region: call.region, name };
      const queue = await queues.openRef(ref, "GetQueueUrl", call);
      return { QueueUrl: queueUrl(queue.row, call) };
    },

    async ListQueues({ QueueNamePrefix: prefix = "", MaxResults, NextToken }, call) {
      const listing = { operation: "sqs:ListQueues", filters: prefix, call };
      const limit = checkPage(MaxResults, NextToken);
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<{ name: string }>(sql`select name from ${table.name} where ${isIn(call)}
          and ${prefix === "" ? raw("1 = 1") : beginsWith("name", prefix)} and name > ${String(after)}
          order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      if (page.length === 0) return {};
      return {
        QueueUrls: page.map(({ name }) => queueUrl({ ...call, name }, call)),
        // Without MaxResults AWS gives the first thousand, and no token.
        ...(nextToken === undefined || MaxResults === undefined ? {} : { NextToken: nextToken }),
      };
    },

    async ListDeadLetterSourceQueues({ QueueUrl, MaxResults, NextToken }, call) {
      const { row, arn } = await queues.open(QueueUrl, "ListDeadLetterSourceQueues", call);
      const listing = { operation: "sqs:ListDeadLetterSourceQueues", filters: arn, call };
      const limit = checkPage(MaxResults, NextToken);
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read((tx) =>
        tx.all<{ name: string }>(sql`select name from ${table.name}
          where ${isIn(row)} and dead_letter_arn = ${arn} and name > ${String(after)} order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, ({ name }) => [name]);
      return {
        queueUrls: page.map(({ name }) => queueUrl({ ...row, name }, call)),
        ...(nextToken === undefined || MaxResults === undefined ? {} : { NextToken: nextToken }),
      };
    },

    async DeleteQueue({ QueueUrl }, call) {
      const { row } = await queues.open(QueueUrl, "DeleteQueue", call);
      const now = clock.now();
      await store.tx(async (tx) => {
        const found = await findRow(tx, row);
        if (found === undefined) throw noQueue();
        await removeQueue(tx, deps, found, now);
      });
      return {};
    },

    async PurgeQueue({ QueueUrl }, call) {
      await queues.open(QueueUrl, "PurgeQueue", call);
      const ref = refOfUrl(QueueUrl, call);
      const now = clock.now();
      await store.tx(async (tx) => {
        const found = await findRow(tx, ref);
        if (found === undefined) throw noQueue();
        if (found.purged_ms > now - purgeMs) {
          throw fault(
            "PurgeQueueInProgress",
            `Only one PurgeQueue operation on ${ref.name} is allowed every ${purgeMs / secondMs} seconds.`,
          );
        }
        await tx.run(sql`update ${table.name} set purged_ms = ${now} where ${isQueue(found)}`);
        queues.forgetAfter(tx, ref);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
