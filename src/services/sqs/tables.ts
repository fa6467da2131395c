/**
 * Queues and their messages. A message belongs to a queue's uid, so that a queue made again under its name starts empty.
 * Its id is a UUID that begins with the time of its sending: in a standard queue what is too old is a range of the key.
 */
import type { PolicyDocument } from "../../kit/authorize.ts";
import { sql } from "../../store/sql.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import type { MessageAttributes } from "./message-attributes.ts";

export type Attributes = Readonly<Record<string, string>>;

export const queues = table(
  "sqs_queues",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    is_fifo: c.bool,
    /** Those that were set; the others have their defaults. */
    attributes: c.json<Attributes>(),
    policy: c.nullable(c.json<PolicyDocument>()),
    tags: c.json<Record<string, string>>(),
    created_ms: c.time,
    modified_ms: c.time,
    /** What was sent before then is gone; 0 before the first purge. */
    purged_ms: c.time,
    /** The ARN of its dead-letter queue; ListDeadLetterSourceQueues finds it by this. */
    dead_letter_arn: c.nullable(c.id),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "name"],
    indexes: [{ columns: ["account", "region", "dead_letter_arn", "name"] }],
  },
);
export type QueueRow = Row<typeof queues>;

/** Queues that were deleted, until their messages are gone and their name is free again. */
export const deletedQueues = table(
  "sqs_deleted_queues",
  { account: c.id, region: c.id, uid: c.id, name: c.id, deleted_ms: c.time },
  { key: ["account", "region", "uid"], indexes: [{ columns: ["account", "region", "name"] }] },
);
export type DeletedQueueRow = Row<typeof deletedQueues>;

/** What a message carries beside its body. */
export interface Extras {
  attributes?: MessageAttributes;
  traceHeader?: string;
  deduplicationId?: string;
  /** The queue whose dead letter it is. */
  sourceArn?: string;
}

const content = {
  /** Null where it is in {@link bodies}. */
  body: c.nullable(c.text),
  extras: c.nullable(c.json<Extras>()),
  sender: c.id,
};
const receipts = {
  sent_ms: c.time,
  /** When it can be received: it is delayed or in flight before. */
  visible_ms: c.time,
  receives: c.int,
  first_received_ms: c.nullable(c.time),
};

/** Messages of standard queues. */
export const messages = table(
  "sqs_messages",
  {
    account: c.id,
    region: c.id,
    queue_uid: c.id,
    id: c.id,
    ...receipts,
    /** The tenant whose message it is, in a fair queue. */
    group_id: c.nullable(c.id),
    ...content,
  },
  {
    key: ["account", "region", "queue_uid", "id"],
    indexes: [{ columns: ["account", "region", "queue_uid", "visible_ms", "id"] }],
  },
);
export type MessageRow = Row<typeof messages>;

/** Messages of FIFO queues, in the order of their groups. */
export const fifoMessages = table(
  "sqs_fifo_messages",
  {
    account: c.id,
    region: c.id,
    queue_uid: c.id,
    group_id: c.id,
    /** 20 digits, growing. */
    sequence: c.id,
    id: c.id,
    ...receipts,
    ...content,
  },
  {
    key: ["account", "region", "queue_uid", "group_id", "sequence"],
    indexes: [
      { columns: ["account", "region", "queue_uid", "sent_ms", "id"] },
      { columns: ["account", "region", "queue_uid", "visible_ms", "id"] },
    ],
  },
);
export type FifoMessageRow = Row<typeof fifoMessages>;

/** Groups that have messages. A group is claimed as a whole: while one of its messages is in flight, no other is received. */
export const groups = table(
  "sqs_groups",
  {
    account: c.id,
    region: c.id,
    queue_uid: c.id,
    group_id: c.id,
    /** When its first message can be received. */
    ready_ms: c.time,
    claims: c.int,
    last_sequence: c.id,
  },
  {
    key: ["account", "region", "queue_uid", "group_id"],
    indexes: [{ columns: ["account", "region", "queue_uid", "ready_ms", "group_id"] }],
  },
);
export type GroupRow = Row<typeof groups>;

/** Sends to FIFO queues of the last five minutes. */
export const deduplications = table(
  "sqs_deduplications",
  {
    account: c.id,
    region: c.id,
    queue_uid: c.id,
    /** The deduplication id, after the group's where that is the scope. */
    scope_id: c.id,
    sent_ms: c.time,
    message_id: c.id,
    sequence: c.id,
  },
  { key: ["account", "region", "queue_uid", "scope_id"], indexes: [{ columns: ["sent_ms"] }] },
);
export type DeduplicationRow = Row<typeof deduplications>;

/** Bodies that are too long to stand in their message's row. */
export const bodies = table(
  "sqs_bodies",
  { account: c.id, region: c.id, queue_uid: c.id, message_id: c.id, body: c.text },
  { key: ["account", "region", "queue_uid", "message_id"] },
);
export type BodyRow = Row<typeof bodies>;

/** Receives of FIFO queues that named themselves, of the last five minutes. */
export const attempts = table(
  "sqs_receive_attempts",
  {
    account: c.id,
    region: c.id,
    queue_uid: c.id,
    attempt_id: c.id,
    received_ms: c.time,
    /** Receipt handles of what it gave. */
    handles: c.json<readonly string[]>(),
  },
  { key: ["account", "region", "queue_uid", "attempt_id"], indexes: [{ columns: ["received_ms"] }] },
);
export type AttemptRow = Row<typeof attempts>;

/** Message move tasks. */
export const moves = table(
  "sqs_move_tasks",
  {
    account: c.id,
    region: c.id,
    id: c.id,
    source_arn: c.id,
    /** Null: each message goes to the queue whose dead letter it is. */
    destination_arn: c.nullable(c.id),
    /** Messages a second; null for as many as AWS moves at most. */
    rate: c.nullable(c.int),
    /** `RUNNING`, `COMPLETED`, `CANCELLED` or `FAILED`. */
    status: c.id,
    moved: c.int,
    /** Messages that were there at the start. */
    to_move: c.int,
    failure: c.nullable(c.text),
    started_ms: c.time,
    /** When its next messages go; null once it has ended. */
    due_ms: c.nullable(c.time),
    claims: c.int,
  },
  {
    key: ["account", "region", "id"],
    indexes: [{ columns: ["due_ms"] }, { columns: ["account", "region", "source_arn", "started_ms"] }],
  },
);
export type MoveRow = Row<typeof moves>;

export const migrations: readonly Migration[] = [
  { version: 1, create: [queues, deletedQueues, messages, fifoMessages, groups, deduplications, bodies] },
  { version: 2, create: [attempts, moves] },
  {
    version: 3,
    run: [
      // Only messages of fair queues are in it.
      sql`create index sqs_messages_by_group on sqs_messages (account, region, queue_uid, group_id, visible_ms)
        where group_id is not null`,
    ],
  },
];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isQueue = (row: Place & { name: string; uid: string }) =>
  sql`${isIn(row)} and name = ${row.name} and uid = ${row.uid}`;
export const ofQueue = (row: Place & { uid: string }) => sql`${isIn(row)} and queue_uid = ${row.uid}`;
export const isMove = (row: Place & { id: string }) => sql`${isIn(row)} and id = ${row.id}`;
