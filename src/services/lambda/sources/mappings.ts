/** Event source mappings: made, shown, changed and deleted. What is changed takes effect when the poller has taken it up. */
import type { EventSourceMappingConfiguration } from "@aws-sdk/client-lambda";
import type { Call } from "../../../kit/call.ts";
import type { Handlers } from "../../../kit/handlers.ts";
import { pageKey, pageOf } from "../../../kit/tokens.ts";
import { formatArn } from "../../../base/arn.ts";
import { sql } from "../../../store/sql.ts";
import type { ReadTx } from "../../../store/store.ts";
import { assign, insert } from "../../../store/tables.ts";
import type { LambdaDeps } from "../deps.ts";
import { fault, functionNotFound, invalid } from "../faults.ts";
import { badMarker } from "../lookup.ts";
import { arnOf, ownFunction, type FunctionRef } from "../names.ts";
import { findQualified, type VersionRow } from "../tables.ts";
import { checkRecordTaker } from "./failure-records.ts";
import { sourceOf, type Source } from "./kinds.ts";
import { mappingsPageMax, mappingTagsMax } from "./limits.ts";
import { checkSource } from "./readers.ts";
import { settingsOf, startingPositionOf, type SourceInput } from "./settings.ts";
import { eventSources, findSource, functionOf, isSource, type EventSourceRow, type SourceKey } from "./tables.ts";

export interface MappingDeps extends LambdaDeps {
  /** Tells the pollers of this node that a mapping has changed. */
  wakeSources(): void;
}

export const mappingArn = ({ account, region, uuid }: SourceKey) =>
  formatArn({ service: "lambda", region, account, resource: `event-source-mapping:${uuid}` });

export const noMapping = () => fault("ResourceNotFoundException", "The resource you requested does not exist.");

export function shown(row: EventSourceRow): EventSourceMappingConfiguration {
  return {
    UUID: row.uuid,
    ...(row.starting_position === null ? {} : { StartingPosition: row.starting_position }),
    ...(row.starting_position === "AT_TIMESTAMP" && row.starting_ms !== null
      ? { StartingPositionTimestamp: new Date(row.starting_ms) }
      : {}),
    ...row.settings,
    EventSourceArn: row.source_arn,
    FunctionArn: arnOf(functionOf(row)),
    LastModified: new Date(row.modified_ms),
    ...(row.last_result === null ? {} : { LastProcessingResult: row.last_result }),
    State: row.state,
    StateTransitionReason: "USER_INITIATED",
    EventSourceMappingArn: mappingArn(row),
  };
}

/** The version that is run, for its role and its timeout. */
async function versionOf({ store }: LambdaDeps, ref: FunctionRef): Promise<VersionRow> {
  const version = await store.read((tx) => findQualified(tx, ref, ref.qualifier));
  if (version === undefined) throw invalid("Function does not exist");
  return version;
}

function conflict(source: Source, name: string, uuid: string) {
  const existing = `already exists. Please update or delete the existing mapping with UUID ${uuid}`;
  return fault(
    "ResourceConflictException",
    source.kind === "sqs"
      ? `An event source mapping with SQS arn (" ${source.arn} ") and function (" ${name} ") ${existing}`
      : `The event source arn (" ${source.arn} ") and function (" ${name} ") provided mapping ${existing}`,
  );
}

function findTwin(tx: ReadTx, row: EventSourceRow): Promise<EventSourceRow | undefined> {
  return tx.one<EventSourceRow>(sql`select ${eventSources.columns} from ${eventSources.name}
    where account = ${row.account} and region = ${row.region} and source_arn = ${row.source_arn}
    and name = ${row.name} and qualifier = ${row.qualifier} and uuid <> ${row.uuid} and state <> ${"Deleting"} limit 1`);
}

/** Makes a mapping; a second time under the same token it is the one that was made. */
export function mappingCreation(deps: MappingDeps) {
  const { store, clock, ids } = deps;
  return async (ref: FunctionRef, input: SourceInput, call: Call, token?: string): Promise<EventSourceRow> => {
    const source = sourceOf(input.EventSourceArn);
    const settings = settingsOf(source, input);
    const starting = startingPositionOf(source, input);
    const tags = input.Tags ?? {};
    if (Object.keys(tags).length > mappingTagsMax) throw invalid("Number of tags exceeds resource tag limit.");
    const version = await versionOf(deps, ref);
    await checkSource(deps, source, version.settings.timeoutSeconds, call);
    await checkRecordTaker(deps, settings, call);
    const now = clock.now();
    const row: EventSourceRow = {
      account: ref.account,
      region: ref.region,
      uuid: ids.uuid(),
      name: ref.name,
      qualifier: ref.qualifier ?? "",
      source_arn: source.arn,
      state: "Creating",
      enabled: input.Enabled ?? true,
      starting_position: starting.position,
      starting_ms: starting.position === "LATEST" ? now : starting.ms,
      settings,
      tags,
      modified_ms: now,
      last_result: source.kind === "sqs" ? null : "No records processed",
      token: token ?? null,
      revision: 1,
      owner: "",
      due_ms: now,
    };
    return store.tx(async (tx) => {
      const twin = await findTwin(tx, row);
      if (twin !== undefined && token !== undefined && twin.token === token) return twin;
      if (twin !== undefined) throw conflict(source, row.name, twin.uuid);
      await tx.run(insert(eventSources, row));
      tx.afterCommit(() => deps.wakeSources());
      return row;
    });
  };
}

/** Changes a mapping. Without `whileBusy` one that is under way to another state is in use, as in AWS. */
export function mappingChange(deps: MappingDeps) {
  const { store, clock } = deps;
  return async (
    key: SourceKey,
    input: Omit<SourceInput, "EventSourceArn" | "Tags"> & { FunctionName?: string | undefined },
    call: Call,
    whileBusy = false,
  ): Promise<EventSourceRow> => {
    const found = await store.read((tx) => findSource(tx, key));
    if (found === undefined || found.state === "Deleting") throw noMapping();
    const source = sourceOf(found.source_arn);
    const ref =
      input.FunctionName === undefined
        ? functionOf(found)
        : ownFunction(input.FunctionName, undefined, call, "UpdateEventSourceMapping");
    await versionOf(deps, ref);
    await checkRecordTaker(deps, settingsOf(source, input, found.settings), call);
    const now = clock.now();
    return store.tx(async (tx) => {
      const row = await findSource(tx, key);
      if (row === undefined) throw noMapping();
      if (!whileBusy) checkIdle(row, "update");
      const enabled = input.Enabled ?? row.enabled;
      const changed: EventSourceRow = {
        ...row,
        name: ref.name,
        qualifier: ref.qualifier ?? "",
        enabled,
        settings: settingsOf(source, input, row.settings),
        state: enabled === row.enabled ? "Updating" : enabled ? "Enabling" : "Disabling",
        modified_ms: now,
        revision: row.revision + 1,
      };
      const twin = await findTwin(tx, changed);
      if (twin !== undefined) throw conflict(source, changed.name, twin.uuid);
      await tx.run(sql`update ${eventSources.name} set ${assign(eventSources, changed)} where ${isSource(key)}`);
      tx.afterCommit(() => deps.wakeSources());
      return changed;
    });
  };
}

function checkIdle({ state }: EventSourceRow, verb: "update" | "delete"): void {
  if (state === "Enabled" || state === "Disabled") return;
  throw fault("ResourceInUseException", `Cannot ${verb} the event source mapping because it is in use.`);
}

/** Begins the end of a mapping: its row goes when nothing of it is under way any more. */
export function mappingDeletion(deps: MappingDeps) {
  const { store, clock } = deps;
  return (key: SourceKey, whileBusy = false): Promise<EventSourceRow> => {
    const now = clock.now();
    return store.tx(async (tx) => {
      const row = await findSource(tx, key);
      if (row === undefined || (whileBusy && row.state === "Deleting")) throw noMapping();
      if (!whileBusy) checkIdle(row, "delete");
      const change = { state: "Deleting", enabled: false, modified_ms: now, revision: row.revision + 1 } as const;
      await tx.run(sql`update ${eventSources.name} set ${assign(eventSources, change)} where ${isSource(key)}`);
      tx.afterCommit(() => deps.wakeSources());
      return { ...row, ...change };
    });
  };
}

export function mappingOperations(deps: MappingDeps) {
  const { store } = deps;
  const create = mappingCreation(deps);
  const change = mappingChange(deps);
  const remove = mappingDeletion(deps);
  const keyOf = (uuid: string, { account, region }: Call): SourceKey => ({ account, region, uuid });

  return {
    async CreateEventSourceMapping({ FunctionName, ...input }, call) {
      const ref = ownFunction(FunctionName, undefined, call, "CreateEventSourceMapping");
      return shown(await create(ref, input, call));
    },

    async UpdateEventSourceMapping({ UUID, ...input }, call) {
      return shown(await change(keyOf(UUID, call), input, call));
    },

    async GetEventSourceMapping({ UUID }, call) {
      const row = await store.read((tx) => findSource(tx, keyOf(UUID, call)));
      if (row === undefined) throw noMapping();
      return shown(row);
    },

    async DeleteEventSourceMapping({ UUID }, call) {
      return shown(await remove(keyOf(UUID, call)));
    },

    async ListEventSourceMappings({ EventSourceArn, FunctionName, Marker, MaxItems = mappingsPageMax }, call) {
      const ref =
        FunctionName === undefined ? undefined : ownFunction(FunctionName, undefined, call, "ListEventSourceMappings");
      const filters = { EventSourceArn, name: ref?.name, qualifier: ref?.qualifier };
      const listing = { operation: "ListEventSourceMappings", filters, call };
      const [after = ""] = pageKey(listing, Marker, badMarker) ?? [];
      const limit = Math.min(MaxItems, mappingsPageMax);
      const ofSource = EventSourceArn === undefined ? sql`` : sql` and source_arn = ${EventSourceArn}`;
      const ofFunction =
        ref === undefined ? sql`` : sql` and name = ${ref.name} and qualifier = ${ref.qualifier ?? ""}`;
      const rows = await store.read(async (tx) => {
        if (ref !== undefined && (await findQualified(tx, ref, ref.qualifier)) === undefined) {
          throw functionNotFound(arnOf(ref));
        }
        return tx.all<EventSourceRow>(sql`select ${eventSources.columns} from ${eventSources.name}
          where account = ${call.account} and region = ${call.region} and uuid > ${after}${ofSource}${ofFunction}
          order by uuid limit ${limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ uuid }) => [uuid]);
      return {
        EventSourceMappings: page.map(shown),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
