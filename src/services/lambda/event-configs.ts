/** Event invoke configuration: attempts, age and destinations of asynchronous invocations. */
import type { DestinationConfig } from "@aws-sdk/client-lambda";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import type { LambdaDeps } from "./deps.ts";
import { checkDestination } from "./destinations.ts";
import {
  eventConfigKey,
  eventConfigs,
  findEventConfig,
  isEventConfig,
  type EventConfigKey,
  type EventConfigRow,
} from "./event-config-tables.ts";
import { fault, functionNotFound, invalid } from "./faults.ts";
import { badMarker, pageLimit } from "./lookup.ts";
import { arnOf, ownFunction, unqualifiedArn } from "./names.ts";
import { findFunction, findQualified, isFunction } from "./tables.ts";

/** Members that are undefined are not part of the change. */
export interface EventSettings {
  MaximumRetryAttempts?: number | undefined;
  MaximumEventAgeInSeconds?: number | undefined;
  DestinationConfig?: DestinationConfig | undefined;
}

function shown(row: EventConfigRow) {
  const to = (Destination: string | null) => (Destination === null ? {} : { Destination });
  return {
    FunctionArn: arnOf(row),
    LastModified: new Date(row.modified_ms),
    DestinationConfig: { OnSuccess: to(row.on_success), OnFailure: to(row.on_failure) },
    ...(row.retries === null ? {} : { MaximumRetryAttempts: row.retries }),
    ...(row.age_seconds === null ? {} : { MaximumEventAgeInSeconds: row.age_seconds }),
  };
}

/** An empty ARN takes a destination away, as AWS does. */
const arnOrNone = (destination: { Destination?: string | undefined } | undefined) => destination?.Destination || null;

async function checkSettings(
  deps: LambdaDeps,
  key: EventConfigKey,
  settings: EventSettings,
  call: Call,
): Promise<void> {
  const { MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig } = settings;
  const given = [MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig];
  if (given.every((member) => member === undefined)) {
    throw invalid("You must specify at least one of error handling or destination setting.");
  }
  for (const outcome of ["OnSuccess", "OnFailure"] as const) {
    const destination = arnOrNone(DestinationConfig?.[outcome]);
    if (destination !== null) await checkDestination(deps, destination, outcome, key, call);
  }
}

const noConfig = (key: EventConfigKey) =>
  fault("ResourceNotFoundException", `The function ${arnOf(key)} doesn't have an EventInvokeConfig`);

async function checkQualified(tx: ReadTx, key: EventConfigKey): Promise<void> {
  if ((await findQualified(tx, key, key.qualifier)) === undefined) throw functionNotFound(arnOf(key));
}

/** Writes a configuration: `replace` forgets what was there, else members that are absent keep their value. */
export function eventConfigChange(deps: LambdaDeps) {
  const { store, clock } = deps;
  return async (key: EventConfigKey, settings: EventSettings, how: "replace" | "merge", call: Call, token?: string) => {
    await checkSettings(deps, key, settings, call);
    const now = clock.now();
    const { account, region, name, qualifier } = key;
    return store.tx(async (tx) => {
      await checkQualified(tx, key);
      const present = await findEventConfig(tx, key);
      if (how === "merge" && present === undefined) throw noConfig(key);
      if (token !== undefined && present !== undefined && present.token !== token) {
        throw fault("ResourceConflictException", `EventInvokeConfig already exists for ${arnOf(key)}`);
      }
      const base = how === "merge" ? present : undefined;
      const { MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig } = settings;
      const destination = (outcome: "OnSuccess" | "OnFailure", kept: string | null | undefined) =>
        DestinationConfig === undefined ? (kept ?? null) : arnOrNone(DestinationConfig[outcome]);
      const row: EventConfigRow = {
        account,
        region,
        name,
        qualifier,
        modified_ms: now,
        retries: MaximumRetryAttempts ?? base?.retries ?? null,
        age_seconds: MaximumEventAgeInSeconds ?? base?.age_seconds ?? null,
        on_success: destination("OnSuccess", base?.on_success),
        on_failure: destination("OnFailure", base?.on_failure),
        token: token ?? present?.token ?? null,
      };
      await tx.run(upsert(eventConfigs, row));
      return row;
    });
  };
}

export function eventConfigDeletion({ store }: LambdaDeps) {
  return (key: EventConfigKey): Promise<void> =>
    store.tx(async (tx) => {
      if ((await findEventConfig(tx, key)) === undefined) throw noConfig(key);
      await tx.run(sql`delete from ${eventConfigs.name} where ${isEventConfig(key)}`);
    });
}

export function eventConfigOperations(deps: LambdaDeps) {
  const { store } = deps;
  const change = eventConfigChange(deps);
  const remove = eventConfigDeletion(deps);
  const keyOf = (name: string, qualifier: string | undefined, call: Call, operation: string) =>
    eventConfigKey(ownFunction(name, qualifier, call, operation));

  return {
    async PutFunctionEventInvokeConfig({ FunctionName, Qualifier, ...settings }, call) {
      const key = keyOf(FunctionName, Qualifier, call, "PutFunctionEventInvokeConfig");
      return shown(await change(key, settings, "replace", call));
    },

    async UpdateFunctionEventInvokeConfig({ FunctionName, Qualifier, ...settings }, call) {
      const key = keyOf(FunctionName, Qualifier, call, "UpdateFunctionEventInvokeConfig");
      return shown(await change(key, settings, "merge", call));
    },

    async GetFunctionEventInvokeConfig(input, call) {
      const key = keyOf(input.FunctionName, input.Qualifier, call, "GetFunctionEventInvokeConfig");
      const row = await store.read((tx) => findEventConfig(tx, key));
      if (row === undefined) throw noConfig(key);
      return shown(row);
    },

    async ListFunctionEventInvokeConfigs(input, call) {
      const ref = ownFunction(input.FunctionName, undefined, call, "ListFunctionEventInvokeConfigs");
      const listing = { operation: "ListFunctionEventInvokeConfigs", filters: ref.name, call };
      const [after = ""] = pageKey(listing, input.Marker, badMarker) ?? [];
      const limit = pageLimit(input.MaxItems);
      const rows = await store.read(async (tx) => {
        if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
        return tx.all<EventConfigRow>(sql`select ${eventConfigs.columns} from ${eventConfigs.name}
          where ${isFunction(ref)} and qualifier > ${after} order by qualifier limit ${limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, limit, ({ qualifier }) => [qualifier]);
      return {
        FunctionEventInvokeConfigs: page.map(shown),
        ...(nextToken === undefined ? {} : { NextMarker: nextToken }),
      };
    },

    async DeleteFunctionEventInvokeConfig(input, call) {
      await remove(keyOf(input.FunctionName, input.Qualifier, call, "DeleteFunctionEventInvokeConfig"));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
