/** Groups and their schedules, each with the time at which it is due next. */
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Migration, type Row } from "../../store/tables.ts";
import type { GroupRef, ScheduleRef } from "./names.ts";
import type { Settings } from "./settings.ts";

export const groups = table(
  "scheduler_groups",
  {
    account: c.id,
    region: c.id,
    name: c.id,
    /** `ACTIVE`, or `DELETING` until its schedules are gone. */
    state: c.id,
    tags: c.json<Record<string, string>>(),
    created_ms: c.time,
    modified_ms: c.time,
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  { key: ["account", "region", "name"], indexes: [{ columns: ["state"] }] },
);
export type GroupRow = Omit<Row<typeof groups>, "state"> & { state: "ACTIVE" | "DELETING" };

export const schedules = table(
  "scheduler_schedules",
  {
    account: c.id,
    region: c.id,
    group_name: c.id,
    name: c.id,
    /** `ENABLED` or `DISABLED`. */
    state: c.id,
    settings: c.json<Settings>(),
    created_ms: c.time,
    modified_ms: c.time,
    /** Grows with every change: an occurrence that was worked out before is not run after it. */
    revision: c.int,
    /** A rate counts from here. */
    anchor_ms: c.time,
    /** Its next occurrence, as the expression says; null when there is none. */
    occurrence_ms: c.nullable(c.time),
    /** When that is run: later, within its flexible time window. */
    due_ms: c.nullable(c.time),
    /** The CloudFormation step that made it; null when a client did. */
    token: c.nullable(c.id),
  },
  {
    key: ["account", "region", "group_name", "name"],
    indexes: [{ columns: ["due_ms"] }, { columns: ["account", "region", "name", "group_name"] }],
  },
);
export type ScheduleRow = Omit<Row<typeof schedules>, "state"> & { state: "ENABLED" | "DISABLED" };

export const migrations: readonly Migration[] = [{ version: 1, create: [groups, schedules] }];

export interface Place {
  account: string;
  region: string;
}

export const isIn = ({ account, region }: Place) => sql`account = ${account} and region = ${region}`;
export const isGroup = (ref: GroupRef) => sql`${isIn(ref)} and name = ${ref.name}`;
export const isSchedule = (ref: ScheduleRef) => sql`${isIn(ref)} and group_name = ${ref.group} and name = ${ref.name}`;

export const refOf = ({ account, region, group_name: group, name }: ScheduleRow): ScheduleRef => ({
  account,
  region,
  group,
  name,
});

export const findGroup = (tx: ReadTx, ref: GroupRef) =>
  tx.one<GroupRow>(sql`select ${groups.columns} from ${groups.name} where ${isGroup(ref)}`);

export const findSchedule = (tx: ReadTx, ref: ScheduleRef) =>
  tx.one<ScheduleRow>(sql`select ${schedules.columns} from ${schedules.name} where ${isSchedule(ref)}`);
