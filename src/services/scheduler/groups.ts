/** Groups of schedules, and their end: a group that is deleted takes its schedules with it, in small steps. */
import type { Job } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken, pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { badToken, fault, invalid, noGroup, reusedToken } from "./faults.ts";
import { chunkRows, groupPollMs, groupsMax, pageMax } from "./limits.ts";
import { defaultGroup, groupArn, type GroupRef } from "./names.ts";
import { findGroup, groups, isGroup, isIn, schedules, type GroupRow, type Place } from "./tables.ts";
import { checkTags, tagsOf } from "./tag-rules.ts";

const newGroup = ({ account, region, name }: GroupRef, now: number): GroupRow => ({
  account,
  region,
  name,
  state: "ACTIVE",
  tags: {},
  created_ms: now,
  modified_ms: now,
  token: null,
});

/** The group; the default one is made when somebody first asks for it. Throws where there is none. */
export async function openGroup(tx: Tx, ref: GroupRef, now: number): Promise<GroupRow> {
  const found = await findGroup(tx, ref);
  if (found !== undefined) return found;
  if (ref.name !== defaultGroup) throw noGroup(ref.name);
  const made = newGroup(ref, now);
  await tx.run(insert(groups, made));
  return made;
}

const shown = (row: GroupRow) => ({
  Arn: groupArn(row),
  Name: row.name,
  State: row.state,
  CreationDate: new Date(row.created_ms),
  LastModificationDate: new Date(row.modified_ms),
});

const isSame = (row: GroupRow | undefined, token: string | null) => token !== null && row?.token === token;

/** Makes a group; a CloudFormation step that comes again finds what it has made. */
export function groupCreation({ clock }: Deps) {
  return async (
    tx: Tx,
    ref: GroupRef,
    { tags, token }: { tags: Record<string, string>; token: string | null },
  ): Promise<void> => {
    const found = await findGroup(tx, ref);
    if (isSame(found, token)) return;
    if (found !== undefined || ref.name === defaultGroup) {
      throw fault("ConflictException", `Schedule group ${ref.name} already exists.`);
    }
    const counted = await tx.one<{ made: number }>(sql`select count(*) as made from ${groups.name} where ${isIn(ref)}`);
    if ((counted?.made ?? 0) >= groupsMax) {
      throw fault("ServiceQuotaExceededException", `The limit of ${groupsMax} schedule groups is reached.`);
    }
    await tx.run(insert(groups, { ...newGroup(ref, clock.now()), tags, token }));
  };
}

/** Begins the end of a group. */
export function groupDeletion({ clock }: Deps) {
  return async (tx: Tx, ref: GroupRef): Promise<void> => {
    if (ref.name === defaultGroup) throw invalid("You cannot delete the default schedule group.");
    const row = await findGroup(tx, ref);
    if (row === undefined) throw noGroup(ref.name);
    if (row.state === "DELETING") throw fault("ConflictException", `Schedule group ${ref.name} is being deleted.`);
    const change = { state: "DELETING", modified_ms: clock.now() };
    await tx.run(sql`update ${groups.name} set ${assign(groups, change)} where ${isGroup(ref)}`);
  };
}

export function groupOperations(deps: Deps) {
  const { store, clock } = deps;
  const create = groupCreation(deps);
  const remove = groupDeletion(deps);
  const refOf = ({ account, region }: Call, name: string): GroupRef => ({ account, region, name });
  const open = (ref: GroupRef) => {
    const now = clock.now();
    return store.tx((tx) => openGroup(tx, ref, now));
  };
  const once = <T extends object>(
    operation: string,
    input: { ClientToken?: string | undefined },
    call: Call,
    body: (tx: Tx) => Promise<T>,
  ) => {
    const { ClientToken: token, ...rest } = input;
    const use = {
      operation: `scheduler:${operation}`,
      token,
      input: rest,
      call,
      now: clock.now(),
      mismatch: reusedToken,
    };
    return store.tx((tx) => oncePerToken(tx, use, () => body(tx)));
  };

  return {
    async CreateScheduleGroup(input, call) {
      const ref = refOf(call, input.Name);
      const tags = checkTags(tagsOf(input.Tags));
      return once("CreateScheduleGroup", input, call, async (tx) => {
        await create(tx, ref, { tags, token: null });
        return { ScheduleGroupArn: groupArn(ref) };
      });
    },

    GetScheduleGroup: async ({ Name }, call) => shown(await open(refOf(call, Name))),

    async ListScheduleGroups({ NamePrefix = "", NextToken, MaxResults = pageMax }, call) {
      const listing = { operation: "scheduler:ListScheduleGroups", filters: NamePrefix, call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      await open(refOf(call, defaultGroup));
      const named = NamePrefix === "" ? sql`` : sql` and ${beginsWith("name", NamePrefix)}`;
      const rows = await store.read((tx) =>
        tx.all<GroupRow>(sql`select ${groups.columns} from ${groups.name}
          where ${isIn(call)} and name > ${String(after)}${named} order by name limit ${MaxResults + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, MaxResults, ({ name }) => [name]);
      return { ScheduleGroups: page.map(shown), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async DeleteScheduleGroup(input, call) {
      return once("DeleteScheduleGroup", input, call, async (tx) => {
        await remove(tx, refOf(call, input.Name));
        return {};
      });
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-scheduler")>;
}

/** Deletes what deleted groups have left. */
export function groupJob({ store }: Pick<Deps, "store">): Job {
  const step = (ref: GroupRef) =>
    store.tx(async (tx) => {
      const inGroup = sql`${isIn(ref)} and group_name = ${ref.name}`;
      const removed = await tx.run(sql`delete from ${schedules.name} where ${inGroup} and name in
        (select name from ${schedules.name} where ${inGroup} order by name limit ${chunkRows})`);
      if (removed === chunkRows) return true;
      await tx.run(sql`delete from ${groups.name} where ${isGroup(ref)} and state = 'DELETING'`);
      return false;
    });
  return {
    name: "scheduler:groups",
    everyMs: groupPollMs,
    async run(signal) {
      const ending = await store.read((tx) =>
        tx.all<Place & { name: string }>(
          sql`select account, region, name from ${groups.name} where state = 'DELETING' limit ${groupsMax}`,
        ),
      );
      for (const ref of ending) {
        let more = true;
        while (more && !signal.aborted) more = await step(ref);
      }
    },
  };
}
