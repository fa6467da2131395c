/** Topics as every operation meets them: found by ARN, remembered for a moment with their subscriptions, and opened only to who may. */
import { decide } from "../../kit/authorize.ts";
import type { Call } from "../../kit/call.ts";
import type { ConditionContext } from "../../kit/conditions.ts";
import { principalArn } from "../../kit/principals.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { fault, noTopic } from "./faults.ts";
import { audienceOf, type Audience } from "./filter.ts";
import { fanoutRows, fifoSubscriptionsMax, topicCacheMax, topicCacheMs } from "./limits.ts";
import { topicArn, topicRef, type TopicRef } from "./names.ts";
import {
  isIn,
  ofTopic,
  subscriptions,
  topics as table,
  type Place,
  type SubscriptionRow,
  type TopicRow,
} from "./tables.ts";
import { settingsOf, type Settings } from "./topic-attributes.ts";

export interface Topic {
  row: TopicRow;
  arn: string;
  settings: Settings;
  /** Of its subscriptions: account, region and uid. */
  place: Place & { uid: string };
  /** Its confirmed subscriptions; undefined where they are more than are served at once. */
  audience: Audience | undefined;
}

export interface Topics {
  /** Undefined where there is none. May be behind what another node has changed, by {@link topicCacheMs}. */
  find(ref: TopicRef): Promise<Topic | undefined>;
  /** The topic of an ARN, for a caller who may do `action` (`Publish`) with it. */
  open(arn: string, action: string, call: Call, parameter?: string): Promise<Topic>;
  /** Forgets a topic when the transaction is on disk. */
  forgetAfter(tx: Tx, ref: TopicRef): void;
}

/** What only the owner's account may do, whatever a policy says. Source: developer guide, "Amazon SNS API permissions". */
const ownersOnly: ReadonlySet<string> = new Set([
  "CreateTopic",
  "ListTagsForResource",
  "ListTopics",
  "TagResource",
  "UntagResource",
]);

export function findTopic(tx: ReadTx, ref: TopicRef): Promise<TopicRow | undefined> {
  return tx.one<TopicRow>(sql`select ${table.columns} from ${table.name} where ${isIn(ref)} and name = ${ref.name}`);
}

/** The next confirmed subscriptions behind the id. */
export function subscriptionsAfter(
  tx: ReadTx,
  place: Place & { uid: string },
  after: string,
  limit: number,
): Promise<SubscriptionRow[]> {
  return tx.all<SubscriptionRow>(sql`select ${subscriptions.columns} from ${subscriptions.name}
    where ${ofTopic(place)} and id > ${after} and confirmed = ${true} order by id limit ${limit}`);
}

function contextOf({ principal, account }: Call): ConditionContext {
  if (principal.kind !== "service") return { "AWS:SourceOwner": account, "AWS:SourceAccount": account };
  const { sourceArn, sourceAccount } = principal;
  return { "AWS:SourceArn": sourceArn, "AWS:SourceAccount": sourceAccount, "AWS:SourceOwner": sourceAccount };
}

/** Throws unless the caller may: users of the owner's account unless they are denied, everybody else only if a policy allows it. */
export function admit(row: TopicRow, operation: string, call: Call): void {
  const { principal, account } = call;
  const isOwner = principal.kind !== "service" && account === row.account;
  const action = `SNS:${operation}`;
  const arn = topicArn(row);
  const decision = decide({ principal, action, arn, context: contextOf(call), policy: row.policy });
  if (isOwner && decision !== "deny") return;
  if (!isOwner && !ownersOnly.has(operation) && decision === "allow") return;
  const who = principal.kind === "service" ? principal.service : principalArn(principal);
  const why =
    decision === "deny"
      ? "with an explicit deny in a resource-based policy"
      : `because no resource-based policy allows the ${action} action`;
  throw fault(
    "AuthorizationErrorException",
    `User: ${who} is not authorized to perform: ${action} on resource: ${arn} ${why}`,
  );
}

export function createTopics({ store, clock }: Pick<Deps, "store" | "clock">): Topics {
  const known = new Map<string, { topic: Topic; untilMs: number }>();
  let changes = 0;
  const keyOf = ({ account, region, name }: TopicRef) => `${account} ${region} ${name}`;

  const read = (ref: TopicRef): Promise<Topic | undefined> =>
    store.read(async (tx) => {
      const row = await findTopic(tx, ref);
      if (row === undefined) return undefined;
      const { account, region, uid } = row;
      const place = { account, region, uid };
      const limit = row.is_fifo ? fifoSubscriptionsMax : fanoutRows;
      const rows = await subscriptionsAfter(tx, place, "", limit + 1);
      const audience = rows.length > limit ? undefined : audienceOf(rows);
      return { row, arn: topicArn(row), settings: settingsOf(row.attributes), place, audience };
    });

  const find: Topics["find"] = async (ref) => {
    const key = keyOf(ref);
    const entry = known.get(key);
    if (entry !== undefined && clock.monotonicMs() < entry.untilMs) return entry.topic;
    const changesBefore = changes;
    const topic = await read(ref);
    known.delete(key);
    if (topic === undefined) return undefined;
    // What was read while a change was under way may be from before it.
    if (changes === changesBefore) known.set(key, { topic, untilMs: clock.monotonicMs() + topicCacheMs });
    if (known.size > topicCacheMax) {
      const { value: oldest } = known.keys().next();
      if (oldest !== undefined) known.delete(oldest);
    }
    return topic;
  };

  return {
    find,
    async open(arn, action, call, parameter = "TopicArn") {
      const topic = await find(topicRef(parameter, arn));
      if (topic === undefined) throw noTopic();
      admit(topic.row, action, call);
      return topic;
    },
    forgetAfter(tx, ref) {
      tx.afterCommit(() => {
        changes += 1;
        known.delete(keyOf(ref));
      });
    },
  };
}
