/** Archives: events of a bus that are kept, to be replayed. Source: EventBridge user guide, "Archiving and replaying events". */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { findBus } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { raiseEpoch } from "./epochs.ts";
import { badToken, fault, invalid, noBus } from "./faults.ts";
import { listMax } from "./limits.ts";
import { busArn, busOfArn } from "./names.ts";
import { checkPattern } from "./patterns.ts";
import { archived, archives, deletedArchives, isIn, isNamed, type ArchiveRow, type Named } from "./tables.ts";

export const archiveArn = ({ account, region, name }: Named) =>
  formatArn({ service: "events", region, account, resource: `archive/${name}` });

/** Undefined for what is no archive's ARN. */
export function archiveOfArn(text: string): Named | undefined {
  const arn = parseArn(text);
  const [, name] = /^archive\/(.+)$/.exec(arn?.resource ?? "") ?? [];
  return arn === undefined || name === undefined ? undefined : { account: arn.account, region: arn.region, name };
}

const noArchive = (name: string) => fault("ResourceNotFoundException", `Archive ${name} does not exist.`);

export const findArchive = (tx: ReadTx, ref: Named) =>
  tx.one<ArchiveRow>(sql`select ${archives.columns} from ${archives.name} where ${isNamed(ref)}`);

async function openArchive(tx: ReadTx, name: string, { account, region }: Call): Promise<ArchiveRow> {
  const row = await findArchive(tx, { account, region, name });
  if (row === undefined) throw noArchive(name);
  return row;
}

export interface NewArchive {
  name: string;
  sourceArn: string;
  description?: string | undefined;
  pattern?: string | undefined;
  retentionDays?: number | undefined;
  kmsKey?: string | undefined;
  token: string | null;
}

export function archiveCreation({ store, clock, ids }: EventsDeps) {
  return async (given: NewArchive, call: Call): Promise<ArchiveRow> => {
    const { account, region } = call;
    if (given.pattern !== undefined) checkPattern(given.pattern);
    const bus = busOfArn(given.sourceArn);
    if (bus === undefined || bus.account !== account || bus.region !== region) {
      throw invalid("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN of this account.");
    }
    const row: ArchiveRow = {
      account,
      region,
      name: given.name,
      uid: ids.hex(8),
      bus: bus.bus,
      pattern: given.pattern ?? null,
      retention_days: given.retentionDays ?? 0,
      description: given.description ?? null,
      kms_key: given.kmsKey ?? null,
      created_ms: clock.now(),
      token: given.token,
    };
    return store.tx(async (tx) => {
      const found = await findArchive(tx, row);
      if (found !== undefined && given.token !== null && found.token === given.token) return found;
      if (found !== undefined) throw fault("ResourceAlreadyExistsException", `Archive ${given.name} already exists.`);
      if ((await findBus(tx, bus)) === undefined) throw noBus(bus.bus);
      await tx.run(insert(archives, row));
      await raiseEpoch(tx, bus, "archive", row.name);
      return row;
    });
  };
}

export interface ArchiveChange {
  pattern?: string | undefined;
  retentionDays?: number | undefined;
  description?: string | undefined;
  kmsKey?: string | undefined;
}

/** Changes what is named, in the caller's transaction. */
export async function changeArchive(tx: Tx, row: ArchiveRow, change: ArchiveChange): Promise<ArchiveRow> {
  const after: ArchiveRow = {
    ...row,
    pattern: change.pattern ?? row.pattern,
    retention_days: change.retentionDays ?? row.retention_days,
    description: change.description ?? row.description,
    kms_key: change.kmsKey ?? row.kms_key,
  };
  await tx.run(upsert(archives, after));
  await raiseEpoch(tx, row, "archive", row.name);
  return after;
}

/** Its events go later, in small steps. */
export async function removeArchive(tx: Tx, row: ArchiveRow): Promise<void> {
  const { account, region, uid } = row;
  await tx.run(sql`delete from ${archives.name} where ${isNamed(row)}`);
  await tx.run(insert(deletedArchives, { account, region, uid }));
  await raiseEpoch(tx, row, "archive", row.name);
}

const state = "ENABLED" as const;

async function listed(tx: ReadTx, row: ArchiveRow) {
  const sums = await tx.one<{ events: number; bytes: number }>(sql`
    select count(*) as events, coalesce(cast(sum(bytes) as bigint), 0) as bytes from ${archived.name}
    where ${isIn(row)} and archive_uid = ${row.uid}`);
  return {
    ArchiveName: row.name,
    EventSourceArn: busArn(row),
    State: state,
    RetentionDays: row.retention_days,
    SizeBytes: sums?.bytes ?? 0,
    EventCount: sums?.events ?? 0,
    CreationTime: new Date(row.created_ms),
  };
}

const answered = (row: ArchiveRow) => ({
  ArchiveArn: archiveArn(row),
  State: state,
  CreationTime: new Date(row.created_ms),
});

export function archiveOperations(deps: EventsDeps) {
  const { store } = deps;
  const create = archiveCreation(deps);
  return {
    async CreateArchive(input, call) {
      const given: NewArchive = {
        name: input.ArchiveName,
        sourceArn: input.EventSourceArn,
        description: input.Description,
        pattern: input.EventPattern,
        retentionDays: input.RetentionDays,
        kmsKey: input.KmsKeyIdentifier,
        token: null,
      };
      return answered(await create(given, call));
    },

    async DescribeArchive({ ArchiveName }, call) {
      return store.read(async (tx) => {
        const row = await openArchive(tx, ArchiveName, call);
        return {
          ...(await listed(tx, row)),
          ArchiveArn: archiveArn(row),
          ...(row.description === null ? {} : { Description: row.description }),
          ...(row.pattern === null ? {} : { EventPattern: row.pattern }),
          ...(row.kms_key === null ? {} : { KmsKeyIdentifier: row.kms_key }),
        };
      });
    },

    async ListArchives({ NamePrefix, EventSourceArn, State, NextToken, Limit = listMax }, call) {
      const filters = [NamePrefix, EventSourceArn, State];
      if (filters.filter((filter) => filter !== undefined).length > 1) {
        throw invalid(
          "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.",
        );
      }
      const listing = { operation: "events:ListArchives", filters, call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      if (State !== undefined && State !== state) return { Archives: [] };
      const bus = EventSourceArn === undefined ? undefined : (busOfArn(EventSourceArn)?.bus ?? "");
      return store.read(async (tx) => {
        const rows = await tx.all<ArchiveRow>(sql`select ${archives.columns} from ${archives.name}
          where ${isIn(call)} and ${beginsWith("name", NamePrefix ?? "")} and name > ${after}
            ${bus === undefined ? sql`` : sql`and bus = ${bus}`}
          order by name limit ${Limit + 1}`);
        const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
        const Archives = [];
        for (const row of page) Archives.push(await listed(tx, row));
        return { Archives, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
      });
    },

    async UpdateArchive(input, call) {
      const { EventPattern: pattern, RetentionDays: retentionDays, Description: description } = input;
      const change = { pattern, retentionDays, description, kmsKey: input.KmsKeyIdentifier };
      if (Object.values(change).every((value) => value === undefined)) {
        throw invalid("At least one of EventPattern, RetentionDays or Description must be provided.");
      }
      if (pattern !== undefined) checkPattern(pattern);
      const row = await store.tx(async (tx) =>
        changeArchive(tx, await openArchive(tx, input.ArchiveName, call), change),
      );
      return answered(row);
    },

    async DeleteArchive({ ArchiveName }, call) {
      await store.tx(async (tx) => removeArchive(tx, await openArchive(tx, ArchiveName, call)));
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
