/**
 * Topics, their subscriptions, and publishes on their way. A subscription belongs to a topic's uid, so that a topic made
 * again under its name has none.
 */
import type { PolicyDocument } from "../../kit/authorize.ts";
import { sql } from "../../store/sql.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import type { Message } from "./messages.ts";

export type Attributes = Readonly<Record<string, string>>;

export interface Place {
  account: string;
  region: string;
}

export const topics = table(
  "sns_topics",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    is_fifo: c.bool,
    /** Those that were set; the others have their defaults. */
    attributes: c.json<Attributes>(),
    policy: c.json<PolicyDocument>(),
    tags: c.json<Record<string, string>>(),
    created_ms: c.time,
    /** Subscriptions that were deleted: GetTopicAttributes counts them. */
    deleted: c.int,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type TopicRow = Row<typeof topics>;

/** Topics that were deleted, until their subscriptions are gone. */
export const deletedTopics = table(
  "sns_deleted_topics",
  { account: c.id, region: c.id, uid: c.id },
  { key: ["account", "region", "uid"] },
);
export type DeletedTopicRow = Row<typeof deletedTopics>;

/** Of a topic; account and region are the topic's. */
export const subscriptions = table(
  "sns_subscriptions",
  {
    account: c.id,
    region: c.id,
    topic_uid: c.id,
    id: c.id,
    topic: c.id,
    protocol: c.id,
    endpoint: c.text,
    /** SHA-256 of protocol and endpoint: a topic has each once. */
    endpoint_hash: c.id,
    /** The account that subscribed. */
    owner: c.id,
    attributes: c.json<Attributes>(),
    /** It has a filter policy. */
    filtered: c.bool,
    confirmed: c.bool,
    /** A signature was asked for when it was confirmed: `ConfirmationWasAuthenticated`. */
    authenticated: c.bool,
    /** Only whoever has signed in may end it: AuthenticateOnUnsubscribe. */
    guarded: c.bool,
    /** Of its confirmation; null once there is nothing to confirm. */
    token: c.nullable(c.id),
    expires_ms: c.nullable(c.time),
    created_ms: c.time,
    /** The CloudFormation step that made it. */
    step: c.nullable(c.id),
  },
  {
    key: ["account", "region", "topic_uid", "id"],
    indexes: [
      { columns: ["account", "region", "topic_uid", "endpoint_hash"], unique: true },
      { columns: ["owner", "region", "id"] },
      { columns: ["expires_ms"] },
    ],
  },
);
export type SubscriptionRow = Row<typeof subscriptions>;

/** The last sequence number of a FIFO topic. */
export const sequences = table(
  "sns_sequences",
  { account: c.id, region: c.id, topic_uid: c.id, latest: c.int },
  { key: ["account", "region", "topic_uid"] },
);

/** Publishes to FIFO topics of the last five minutes. */
export const deduplications = table(
  "sns_deduplications",
  {
    account: c.id,
    region: c.id,
    topic_uid: c.id,
    /** The deduplication id, after the group's where that is the scope. */
    scope_id: c.id,
    sent_ms: c.time,
    message_id: c.id,
    sequence: c.id,
  },
  { key: ["account", "region", "topic_uid", "scope_id"], indexes: [{ columns: ["sent_ms"] }] },
);
export type DeduplicationRow = Row<typeof deduplications>;

/** Publishes to more subscriptions than one transaction serves. */
export const fanouts = table(
  "sns_fanouts",
  {
    account: c.id,
    region: c.id,
    topic_uid: c.id,
    /** The message's. */
    id: c.id,
    topic: c.id,
    message: c.json<Message>(),
    trace: c.json<{ root: string; parent?: string; sampled: boolean; lineage?: string }>(),
    /** The last subscription that was served. */
    after_id: c.id,
    /** When it had its last turn: they take turns, so that a large one does not hold up the others. */
    turn_ms: c.time,
  },
  { key: ["account", "region", "topic_uid", "id"], indexes: [{ columns: ["turn_ms", "id"] }] },
);
export type FanoutRow = Row<typeof fanouts>;

/** Emails and texts: nobody sends them, and `GET /_mikan/outbox` shows them. */
export const outbox = table(
  "sns_outbox",
  {
    account: c.id,
    region: c.id,
    /** Begins with the time, so that it is stored in its order. */
    id: c.id,
    /** `email`, `email-json` or `sms`. */
    protocol: c.id,
    recipient: c.text,
    subject: c.nullable(c.text),
    body: c.text,
    /** Null for a text that was published to its number. */
    topic_arn: c.nullable(c.id),
    message_id: c.id,
    sent_ms: c.time,
  },
  { key: ["account", "region", "id"], indexes: [{ columns: ["sent_ms", "id"] }] },
);
export type OutboxRow = Row<typeof outbox>;

/** What SetSMSAttributes keeps. */
export const smsSettings = table(
  "sns_sms_settings",
  { account: c.id, region: c.id, attributes: c.json<Attributes>() },
  { key: ["account", "region"] },
);
export type SmsSettingsRow = Row<typeof smsSettings>;

/** The key that messages are signed with, sealed, and its certificate in PEM. One for all accounts. */
export const signingKeys = table(
  "sns_signing_keys",
  { account: c.id, region: c.id, id: c.id, certificate: c.text, private_key: c.bytes, created_ms: c.time },
  { key: ["account", "region", "id"] },
);
export type SigningKeyRow = Row<typeof signingKeys>;

export const migrations: readonly Migration[] = [
  {
    version: 1,
    create: [
      topics,
      deletedTopics,
      subscriptions,
      sequences,
      deduplications,
      fanouts,
      outbox,
      smsSettings,
      signingKeys,
    ],
  },
];

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isTopic = (row: Place & { name: string; uid: string }) =>
  sql`${isIn(row)} and name = ${row.name} and uid = ${row.uid}`;
export const ofTopic = (row: Place & { uid: string }) => sql`${isIn(row)} and topic_uid = ${row.uid}`;
export const isSubscription = (row: Pick<SubscriptionRow, "account" | "region" | "topic_uid" | "id">) =>
  sql`${isIn(row)} and topic_uid = ${row.topic_uid} and id = ${row.id}`;
