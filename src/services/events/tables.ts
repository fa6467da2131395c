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

export const migrations: readonly Migration[] = [{ version: 1, create: [buses, epochs, changes, rules, targets] }];

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

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const ofBus = (ref: BusRef) => sql`${isIn(ref)} and bus = ${ref.bus}`;
export const isRule = (ref: RuleRef) => sql`${ofBus(ref)} and name = ${ref.name}`;
export const ofRule = (ref: RuleRef) => sql`${ofBus(ref)} and rule = ${ref.name}`;
