/** Buses, their rules and targets, archives and replays, connections and API destinations. */
import type { PolicyDocument } from "../../kit/authorize.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";

type Client = typeof import("@aws-sdk/client-eventbridge");

/** A target as it was put. */
export type Target = Received<InputOf<Client, "PutTargets">>["Targets"][number];

/** What a bus logs: recorded. */
export interface LogSettings {
  IncludeDetail?: "NONE" | "FULL" | undefined;
  Level?: "OFF" | "ERROR" | "INFO" | "TRACE" | undefined;
}

/** Settings of a bus that have no column of their own. */
export interface BusSettings {
  kmsKey?: string;
  deadLetterArn?: string;
  log?: LogSettings;
}

/** The default bus has a row only when something was said of it. */
export const buses = table(
  "events_buses",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    description: c.nullable(c.text),
    settings: c.json<BusSettings>(),
    policy: c.nullable(c.json<PolicyDocument>()),
    tags: c.json<Record<string, string>>(),
    created_ms: c.time,
    modified_ms: c.time,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type BusRow = Row<typeof buses>;

/** Grows with every change of a bus's rules, targets and archives: what is compiled of it belongs to one number. */
export const epochs = table(
  "events_epochs",
  { account: c.id, region: c.id, bus: c.id, epoch: c.int },
  { key: ["account", "region", "bus"] },
);

/** What changed at which epoch, for the last of them: so that a compiled set follows without being made anew. */
export const changes = table(
  "events_changes",
  {
    account: c.id,
    region: c.id,
    bus: c.id,
    epoch: c.int,
    /** `rule` or `archive`. */
    kind: c.id,
    name: c.id,
  },
  { key: ["account", "region", "bus", "epoch"] },
);
export type ChangeRow = Row<typeof changes>;

export const rules = table(
  "events_rules",
  {
    account: c.id,
    region: c.id,
    bus: c.id,
    name: c.id,
    pattern: c.nullable(c.text),
    schedule: c.nullable(c.id),
    state: c.id,
    description: c.nullable(c.text),
    role_arn: c.nullable(c.id),
    created_by: c.id,
    tags: c.json<Record<string, string>>(),
    /** When its schedule comes next; null without one, or while it is disabled. */
    due_ms: c.nullable(c.time),
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "bus", "name"], indexes: [{ columns: ["due_ms"] }] },
);
export type RuleRow = Row<typeof rules>;

export const targets = table(
  "events_targets",
  { account: c.id, region: c.id, bus: c.id, rule: c.id, id: c.id, arn: c.id, target: c.json<Target>() },
  {
    key: ["account", "region", "bus", "rule", "id"],
    indexes: [{ columns: ["account", "region", "bus", "arn", "rule"] }],
  },
);
export type TargetRow = Row<typeof targets>;

export const archives = table(
  "events_archives",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** Of its events: an archive made again under its name starts empty. */
    uid: c.id,
    bus: c.id,
    pattern: c.nullable(c.text),
    /** 0 keeps events for ever. */
    retention_days: c.int,
    description: c.nullable(c.text),
    kms_key: c.nullable(c.id),
    created_ms: c.time,
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"] },
);
export type ArchiveRow = Row<typeof archives>;

/** Archives that were deleted, until their events are gone. */
export const deletedArchives = table(
  "events_deleted_archives",
  { account: c.id, region: c.id, uid: c.id },
  { key: ["account", "region", "uid"] },
);

/** Events of archives, in the order of their times: replays read them, and what is too old is a range of the key. */
export const archived = table(
  "events_archived",
  { account: c.id, region: c.id, archive_uid: c.id, time_ms: c.time, id: c.id, event: c.text, bytes: c.int },
  { key: ["account", "region", "archive_uid", "time_ms", "id"] },
);
export type ArchivedRow = Row<typeof archived>;

export const replays = table(
  "events_replays",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    archive: c.id,
    archive_uid: c.id,
    bus: c.id,
    /** ARNs of the rules that it is for; all rules of the bus when empty. */
    filter_arns: c.json<readonly string[]>(),
    description: c.nullable(c.text),
    /** `STARTING`, `RUNNING`, `CANCELLING`, `COMPLETED`, `CANCELLED` or `FAILED`. */
    state: c.id,
    reason: c.nullable(c.text),
    from_ms: c.time,
    to_ms: c.time,
    /** The last event that was replayed. */
    last_ms: c.nullable(c.time),
    last_id: c.nullable(c.id),
    started_ms: c.time,
    ended_ms: c.nullable(c.time),
    /** When its next events go; null once it has ended. */
    due_ms: c.nullable(c.time),
    claims: c.int,
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["due_ms"] }, { columns: ["ended_ms"] }] },
);
export type ReplayRow = Row<typeof replays>;

/** How an endpoint is authorized: as it was given, with its secrets. It stands in the store sealed. */
export type AuthParameters = Received<InputOf<Client, "CreateConnection">>["AuthParameters"];
export type HttpMembers = NonNullable<AuthParameters["InvocationHttpParameters"]>;
export type AuthType = Received<InputOf<Client, "CreateConnection">>["AuthorizationType"];

export const connections = table(
  "events_connections",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    auth_type: c.json<AuthType>(),
    /** {@link AuthParameters}, sealed. */
    auth: c.bytes,
    description: c.nullable(c.text),
    kms_key: c.nullable(c.id),
    state: c.id,
    reason: c.nullable(c.text),
    /** OAuth's access token, sealed, and until when it is good. */
    access_token: c.nullable(c.bytes),
    token_until_ms: c.nullable(c.time),
    created_ms: c.time,
    modified_ms: c.time,
    authorized_ms: c.nullable(c.time),
    /** When authorization is asked for; null when it is not. */
    due_ms: c.nullable(c.time),
    claims: c.int,
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["due_ms"] }] },
);
export type ConnectionRow = Row<typeof connections>;

export const apiDestinations = table(
  "events_api_destinations",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    uid: c.id,
    connection_arn: c.id,
    endpoint: c.id,
    method: c.id,
    per_second_max: c.int,
    description: c.nullable(c.text),
    created_ms: c.time,
    modified_ms: c.time,
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["account", "region", "connection_arn", "name"] }] },
);
export type ApiDestinationRow = Row<typeof apiDestinations>;

export const migrations: readonly Migration[] = [
  { version: 1, create: [buses, epochs, changes, rules, targets] },
  { version: 2, create: [archives, deletedArchives, archived, replays, connections, apiDestinations] },
];

export interface Place {
  account: string;
  region: string;
}
export interface BusRef extends Place {
  /** The name of the bus. */
  bus: string;
}
export interface RuleRef extends BusRef {
  name: string;
}

export interface Named extends Place {
  name: string;
}

export const isNamed = (row: Named) => sql`${isIn(row)} and name = ${row.name}`;
export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const ofBus = (ref: BusRef) => sql`${isIn(ref)} and bus = ${ref.bus}`;
export const isRule = (ref: RuleRef) => sql`${ofBus(ref)} and name = ${ref.name}`;
export const ofRule = (ref: RuleRef) => sql`${ofBus(ref)} and rule = ${ref.name}`;
