/** AWS::Scheduler::Schedule and AWS::Scheduler::ScheduleGroup. */
import type { CreateScheduleGroupInput } from "@aws-sdk/client-scheduler";
import type { Call } from "../../kit/call.ts";
import { asProperties, pairsOf, type Json, type JsonObject, type Resource } from "../../kit/resource.ts";
import { isFault } from "../../base/errors.ts";
import { sdkInput } from "../../kit/sdk-input.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { groupCreation, groupDeletion, openGroup } from "./groups.ts";
import { defaultGroup, groupArn, scheduleArn, type GroupRef, type ScheduleRef } from "./names.ts";
import { removeSchedule, scheduleChange, scheduleCreation, shown } from "./schedules.ts";
import type { ScheduleInput } from "./settings.ts";
import { findGroup, findSchedule, groups, isGroup, type GroupRow } from "./tables.ts";
import { checkTags, tagsOf } from "./tag-rules.ts";

/** Names of both: at most 64 characters. Source: API reference, CreateSchedule, Name. */
const nameLengthMax = 64;

const textOf = (value: Json | undefined) => (typeof value === "string" ? value : undefined);

/** The operation's input; `sdkInput` holds it to the model. */
const inputOf = (properties: JsonObject, Name: string) =>
  sdkInput("scheduler", "CreateSchedule", { ...properties, Name }, { lenient: true }) as ScheduleInput;

/** What is gone already is fine. */
async function unlessGone(removal: Promise<void>): Promise<void> {
  await removal.catch((error: unknown) => {
    if (!isFault(error, "ResourceNotFoundException")) throw error;
  });
}

export function scheduleResource(deps: Deps): Resource {
  const { store } = deps;
  const create = scheduleCreation(deps);
  const change = scheduleChange(deps);
  const refOf = (name: string, properties: JsonObject, { account, region }: Call): ScheduleRef => {
    const group = textOf(properties["GroupName"]) ?? defaultGroup;
    return { account, region, group, name };
  };
  const stateOf = (ref: ScheduleRef) => ({ physicalId: ref.name, attributes: { Arn: scheduleArn(ref) } });
  return {
    type: "AWS::Scheduler::Schedule",
    properties: [
      "Description",
      "EndDate",
      "FlexibleTimeWindow",
      "GroupName",
      "KmsKeyArn",
      "Name",
      "ScheduleExpression",
      "ScheduleExpressionTimezone",
      "StartDate",
      "State",
      "Target",
    ],
    required: ["FlexibleTimeWindow", "ScheduleExpression", "Target"],
    attributes: ["Arn"],
    name: { property: "Name", lengthMax: nameLengthMax },
    replaceOn: ["GroupName"],
    async create({ properties, physicalName, token }, call) {
      const made = create(inputOf(properties, physicalName), call, token);
      return stateOf(await store.tx(made));
    },
    async update({ properties, physicalId }, call) {
      const changed = change(inputOf(properties, physicalId), call);
      return stateOf(await store.tx(changed));
    },
    async read({ physicalId, properties }, call) {
      const row = await store.read((tx) => findSchedule(tx, refOf(physicalId, properties, call)));
      if (row === undefined) return undefined;
      const { Arn: _arn, CreationDate: _created, LastModificationDate: _modified, ...rest } = shown(row);
      return asProperties(rest);
    },
    // Times are text in any form of ISO 8601.
    comparison: { StartDate: "unread", EndDate: "unread" },
    delete: ({ physicalId, properties }, call) =>
      unlessGone(store.tx((tx) => removeSchedule(tx, refOf(physicalId, properties, call)))),
  };
}

/** The group's own tags, once the model has been asked about them and the name. */
function tagsIn({ Tags }: JsonObject, Name: string): Record<string, string> {
  const given = Tags === undefined ? { Name } : { Name, Tags };
  const input = sdkInput("scheduler", "CreateScheduleGroup", given, { lenient: true }) as CreateScheduleGroupInput;
  return checkTags(tagsOf(input.Tags));
}

export function groupResource(deps: Deps): Resource {
  const { store, clock } = deps;
  const create = groupCreation(deps);
  const remove = groupDeletion(deps);
  const refOf = (name: string, { account, region }: Call): GroupRef => ({ account, region, name });
  const stateOf = (row: GroupRow) => ({
    physicalId: row.name,
    attributes: {
      Arn: groupArn(row),
      CreationDate: new Date(row.created_ms).toISOString(),
      LastModificationDate: new Date(row.modified_ms).toISOString(),
      State: row.state,
    },
  });
  return {
    type: "AWS::Scheduler::ScheduleGroup",
    properties: ["Name", "Tags"],
    required: [],
    attributes: ["Arn", "CreationDate", "LastModificationDate", "State"],
    name: { property: "Name", lengthMax: nameLengthMax },
    async create({ properties, physicalName, token, tags }, call) {
      const ref = refOf(physicalName, call);
      const own = tagsIn(properties, physicalName);
      const now = clock.now();
      const row = await store.tx(async (tx) => {
        await create(tx, ref, { tags: { ...tags, ...own }, token });
        return openGroup(tx, ref, now);
      });
      return stateOf(row);
    },
    async update({ properties, physicalId, tags }, call) {
      const ref = refOf(physicalId, call);
      const change = { tags: { ...tags, ...tagsIn(properties, physicalId) } };
      const now = clock.now();
      const row = await store.tx(async (tx) => {
        await tx.run(sql`update ${groups.name} set ${assign(groups, change)} where ${isGroup(ref)}`);
        return openGroup(tx, ref, now);
      });
      return stateOf(row);
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findGroup(tx, refOf(physicalId, call)));
      return row === undefined ? undefined : asProperties({ Name: row.name, Tags: pairsOf(row.tags) });
    },
    delete: ({ physicalId }, call) =>
      unlessGone(
        store.tx(async (tx) => {
          const row = await findGroup(tx, refOf(physicalId, call));
          if (row?.state === "ACTIVE") await remove(tx, row);
        }),
      ),
  };
}
