/** Event buses: made, described, listed, changed, deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { findBus, openBus, refOf } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { badToken, fault, invalid, noBus, notYet, tooMany } from "./faults.ts";
import { busesMax, listMax } from "./limits.ts";
import { busArn, defaultBus } from "./names.ts";
import { buses, isIn, ofBus, rules, type BusRow, type BusSettings, type LogSettings } from "./tables.ts";
import { tagsOf } from "./tags.ts";

interface Given {
  KmsKeyIdentifier?: string | undefined;
  DeadLetterConfig?: { Arn?: string | undefined } | undefined;
  LogConfig?: LogSettings | undefined;
}

export function settingsOf({ KmsKeyIdentifier, DeadLetterConfig, LogConfig }: Given): BusSettings {
  return {
    ...(KmsKeyIdentifier === undefined ? {} : { kmsKey: KmsKeyIdentifier }),
    ...(DeadLetterConfig?.Arn === undefined ? {} : { deadLetterArn: DeadLetterConfig.Arn }),
    ...(LogConfig === undefined ? {} : { log: LogConfig }),
  };
}

/** As every operation on one bus shows it. */
function shown({ description, settings }: BusRow) {
  return {
    ...(description === null ? {} : { Description: description }),
    ...(settings.kmsKey === undefined ? {} : { KmsKeyIdentifier: settings.kmsKey }),
    ...(settings.deadLetterArn === undefined ? {} : { DeadLetterConfig: { Arn: settings.deadLetterArn } }),
    ...(settings.log === undefined ? {} : { LogConfig: settings.log }),
  };
}

const listed = (row: BusRow) => ({
  Name: row.name,
  Arn: busArn(refOf(row)),
  ...(row.description === null ? {} : { Description: row.description }),
  ...(row.policy === null ? {} : { Policy: JSON.stringify(row.policy) }),
  ...(row.created_ms === 0 ? {} : { CreationTime: new Date(row.created_ms) }),
  ...(row.modified_ms === 0 ? {} : { LastModifiedTime: new Date(row.modified_ms) }),
});

export interface NewBus extends Given {
  name: string;
  description?: string | undefined;
  tags: Readonly<Record<string, string>>;
  /** Of a CloudFormation step: a second creation with it gives the first one's bus. */
  token: string | null;
}

export function busCreation({ store, clock }: EventsDeps) {
  return async ({ name, description, tags, token, ...given }: NewBus, call: Call): Promise<BusRow> => {
    // A name with slashes is a partner's.
    if (name.includes("/")) throw invalid(`Event bus name must not contain '/'.`);
    const { account, region } = call;
    const now = clock.now();
    const row: BusRow = {
      account,
      region,
      name,
      description: description ?? null,
      settings: settingsOf(given),
      policy: null,
      tags: { ...tags },
      created_ms: now,
      modified_ms: now,
      token,
    };
    return store.tx(async (tx) => {
      const found = await findBus(tx, refOf(row));
      if (found !== undefined && token !== null && found.token === token) return found;
      if (found !== undefined) throw fault("ResourceAlreadyExistsException", `Event bus ${name} already exists.`);
      const count = await tx.one<{ buses: number }>(
        sql`select count(*) as buses from ${buses.name} where ${isIn(row)}`,
      );
      if ((count?.buses ?? 0) >= busesMax) throw tooMany();
      await tx.run(insert(buses, row));
      return row;
    });
  };
}

/** Throws where it has rules still. */
export async function removeBus(tx: Tx, row: BusRow): Promise<void> {
  const rule = await tx.one(sql`select name from ${rules.name} where ${ofBus(refOf(row))} limit 1`);
  if (rule !== undefined) throw invalid("EventBus can't be deleted since it has rules.");
  await tx.run(sql`delete from ${buses.name} where ${isIn(row)} and name = ${row.name}`);
}

export function busOperations(deps: EventsDeps) {
  const { store, clock } = deps;
  const create = busCreation(deps);
  return {
    async CreateEventBus(input, call) {
      if (input.EventSourceName !== undefined) throw notYet("partner event sources");
      const { Name: name, Description: description, Tags } = input;
      const row = await create({ ...input, name, description, tags: tagsOf(Tags), token: null }, call);
      return { EventBusArn: busArn(refOf(row)), ...shown(row) };
    },

    async DescribeEventBus({ Name }, call) {
      const row = await store.read((tx) => openBus(tx, Name, "DescribeEventBus", call));
      return { ...listed(row), ...shown(row) };
    },

    async ListEventBuses({ NamePrefix = "", NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListEventBuses", filters: NamePrefix, call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read(async (tx) => {
        const custom = await tx.all<BusRow>(sql`select ${buses.columns} from ${buses.name}
          where ${isIn(call)} and ${beginsWith("name", NamePrefix)} and name > ${after} order by name limit ${Limit + 1}`);
        const isWanted = defaultBus.startsWith(NamePrefix) && defaultBus > String(after);
        if (!isWanted || custom.some(({ name }) => name === defaultBus)) return custom;
        const own = await findBus(tx, { account: call.account, region: call.region, bus: defaultBus });
        return [...custom, ...(own === undefined ? [] : [own])].toSorted((a, b) => (a.name < b.name ? -1 : 1));
      });
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
      return { EventBuses: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async UpdateEventBus({ Name, Description, ...given }, call) {
      const now = clock.now();
      const row = await store.tx(async (tx) => {
        const found = await openBus(tx, Name, "UpdateEventBus", call);
        const after: BusRow = {
          ...found,
          description: Description ?? null,
          settings: settingsOf(given),
          modified_ms: now,
        };
        await tx.run(upsert(buses, after));
        return after;
      });
      return { Arn: busArn(refOf(row)), Name: row.name, ...shown(row) };
    },

    async DeleteEventBus({ Name }, call) {
      if (Name === defaultBus) throw invalid("Cannot delete event bus default.");
      await store.tx(async (tx) => {
        const row = await findBus(tx, { account: call.account, region: call.region, bus: Name });
        if (row === undefined) throw noBus(Name);
        await removeBus(tx, row);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
