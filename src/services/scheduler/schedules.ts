/** Schedules themselves: made, changed, shown, listed, deleted. */
import type { Instant } from "../../base/clock.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken, pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { badToken, fault, noSchedule, reusedToken } from "./faults.ts";
import { openGroup } from "./groups.ts";
import { pageMax } from "./limits.ts";
import { defaultGroup, scheduleArn, type ScheduleRef } from "./names.ts";
import { firstRun } from "./occurrences.ts";
import { expressionOf, settingsOf, timingOf, type ScheduleInput, type Settings } from "./settings.ts";
import { findSchedule, isIn, isSchedule, refOf, schedules, type ScheduleRow } from "./tables.ts";

type State = ScheduleRow["state"];

interface Wanted {
  settings: Settings;
  state: State;
  now: Instant;
}

function createdRow(ref: ScheduleRef, { settings, state, now }: Wanted, token: string | null): ScheduleRow {
  const { account, region, group: group_name, name } = ref;
  const anchor = settings.startMs ?? now;
  const timing = { arn: scheduleArn(ref), settings, anchorMs: anchor };
  const run = state === "ENABLED" ? firstRun(timing, now) : { occurrence_ms: null, due_ms: null };
  const times = { created_ms: now, modified_ms: now, anchor_ms: anchor };
  return { account, region, group_name, name, state, settings, ...times, ...run, revision: 1, token };
}

/** A change that leaves the times alone leaves the next occurrence alone, also while its window is open. */
function updatedRow(former: ScheduleRow, { settings, state, now }: Wanted): ScheduleRow {
  const isSameTiming = timingOf(former.settings) === timingOf(settings);
  const change = { settings, state, modified_ms: now, revision: former.revision + 1 };
  if (isSameTiming && former.state === state) return { ...former, ...change };
  const isSameRate = former.settings.expression === settings.expression && former.settings.startMs === settings.startMs;
  const anchor = isSameRate ? former.anchor_ms : (settings.startMs ?? now);
  const timing = { arn: scheduleArn(refOf(former)), settings, anchorMs: anchor };
  // What has run is not run again: a one-time schedule only where it is given another time.
  const isDone =
    isSameTiming && expressionOf(settings).kind === "at" && former.occurrence_ms === null && former.state === "ENABLED";
  const run = state === "ENABLED" && !isDone ? firstRun(timing, now) : { occurrence_ms: null, due_ms: null };
  return { ...former, ...change, anchor_ms: anchor, ...run };
}

export const scheduleOf = (
  { Name, GroupName }: { Name: string; GroupName?: string | undefined },
  call: Call,
): ScheduleRef => ({
  account: call.account,
  region: call.region,
  group: GroupName ?? defaultGroup,
  name: Name,
});

const wantedOf = (input: ScheduleInput, now: Instant): Wanted => ({
  settings: settingsOf(input, now),
  // The SDK's enum is of these two.
  state: input.State === "DISABLED" ? "DISABLED" : "ENABLED",
  now,
});

/** Makes a schedule; a CloudFormation step that comes again finds what it has made. */
export function scheduleCreation({ clock }: Deps) {
  return (input: ScheduleInput, call: Call, token: string | null) => {
    const ref = scheduleOf(input, call);
    const now = clock.now();
    const row = createdRow(ref, wantedOf(input, now), token);
    return async (tx: Tx): Promise<ScheduleRef> => {
      const group = await openGroup(tx, { ...ref, name: ref.group }, now);
      if (group.state === "DELETING") throw fault("ConflictException", `Schedule group ${ref.group} is being deleted.`);
      const found = await findSchedule(tx, ref);
      if (found !== undefined && token !== null && found.token === token) return ref;
      if (found !== undefined) throw fault("ConflictException", `Schedule ${ref.name} already exists.`);
      await tx.run(insert(schedules, row));
      return ref;
    };
  };
}

/** Makes a schedule anew: what is left out goes back to its default. */
export function scheduleChange({ clock }: Deps) {
  return (input: ScheduleInput, call: Call) => {
    const ref = scheduleOf(input, call);
    const wanted = wantedOf(input, clock.now());
    return async (tx: Tx): Promise<ScheduleRef> => {
      const found = await findSchedule(tx, ref);
      if (found === undefined) throw noSchedule(ref.name);
      const row = updatedRow(found, wanted);
      await tx.run(upsert(schedules, row));
      return ref;
    };
  };
}

export async function removeSchedule(tx: Tx, ref: ScheduleRef): Promise<void> {
  const removed = await tx.run(sql`delete from ${schedules.name} where ${isSchedule(ref)}`);
  if (removed === 0) throw noSchedule(ref.name);
}

const dateOf = (ms: number | null) => (ms === null ? undefined : new Date(ms));

/** As GetSchedule answers. */
export function shown(row: ScheduleRow) {
  const { settings } = row;
  const { minutes } = settings.window;
  return {
    Arn: scheduleArn(refOf(row)),
    Name: row.name,
    GroupName: row.group_name,
    State: row.state,
    ScheduleExpression: settings.expression,
    ScheduleExpressionTimezone: settings.zone ?? "UTC",
    StartDate: dateOf(settings.startMs),
    EndDate: dateOf(settings.endMs),
    Description: settings.description ?? undefined,
    KmsKeyArn: settings.kmsKeyArn ?? undefined,
    Target: settings.target,
    FlexibleTimeWindow: {
      Mode: settings.window.mode,
      ...(minutes === null ? {} : { MaximumWindowInMinutes: minutes }),
    },
    ActionAfterCompletion: settings.afterCompletion,
    CreationDate: new Date(row.created_ms),
    LastModificationDate: new Date(row.modified_ms),
  };
}

const summary = (row: ScheduleRow) => ({
  Arn: scheduleArn(refOf(row)),
  Name: row.name,
  GroupName: row.group_name,
  State: row.state,
  CreationDate: new Date(row.created_ms),
  LastModificationDate: new Date(row.modified_ms),
  Target: { Arn: row.settings.target.Arn },
});

export function scheduleOperations(deps: Deps) {
  const { store, clock } = deps;
  const create = scheduleCreation(deps);
  const change = scheduleChange(deps);
  const once = <T extends object>(
    operation: string,
    { ClientToken: token, ...input }: { ClientToken?: string | undefined },
    call: Call,
    body: (tx: Tx) => Promise<T>,
  ) => {
    const use = { operation: `scheduler:${operation}`, token, input, call, now: clock.now(), mismatch: reusedToken };
    return store.tx((tx) => oncePerToken(tx, use, () => body(tx)));
  };

  return {
    async CreateSchedule(input, call) {
      const made = create(input, call, null);
      return once("CreateSchedule", input, call, async (tx) => ({ ScheduleArn: scheduleArn(await made(tx)) }));
    },

    async UpdateSchedule(input, call) {
      const changed = change(input, call);
      return once("UpdateSchedule", input, call, async (tx) => ({ ScheduleArn: scheduleArn(await changed(tx)) }));
    },

    async GetSchedule(input, call) {
      const row = await store.read((tx) => findSchedule(tx, scheduleOf(input, call)));
      if (row === undefined) throw noSchedule(input.Name);
      return shown(row);
    },

    async DeleteSchedule(input, call) {
      return once("DeleteSchedule", input, call, async (tx) => {
        await removeSchedule(tx, scheduleOf(input, call));
        return {};
      });
    },

    async ListSchedules({ GroupName, NamePrefix = "", State, NextToken, MaxResults = pageMax }, call) {
      const listing = { operation: "scheduler:ListSchedules", filters: { GroupName, NamePrefix, State }, call };
      const [name = "", group = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const now = clock.now();
      if (GroupName !== undefined) await store.tx((tx) => openGroup(tx, { ...call, name: GroupName }, now));
      const inGroup = GroupName === undefined ? sql`` : sql` and group_name = ${GroupName}`;
      const named = NamePrefix === "" ? sql`` : sql` and ${beginsWith("name", NamePrefix)}`;
      const inState = State === undefined ? sql`` : sql` and state = ${State}`;
      const rows = await store.read((tx) =>
        tx.all<ScheduleRow>(sql`select ${schedules.columns} from ${schedules.name}
          where ${isIn(call)}${inGroup}${named}${inState} and (name, group_name) > (${String(name)}, ${String(group)})
          order by name, group_name limit ${MaxResults + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, MaxResults, (row) => [row.name, row.group_name]);
      return { Schedules: page.map(summary), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-scheduler")>;
}
