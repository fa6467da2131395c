/** A stack under way as its driver holds it, and the one way to write a step of it. */
import { isFault, must } from "../../base/errors.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { drawBlueprint, type Blueprint, type Made } from "./blueprint.ts";
import { record, stackArn, type Change } from "./journal.ts";
import type { JsonObject } from "./json.ts";
import {
  ofStack,
  readCounterpart,
  readFormers,
  readResources,
  readStack,
  readTemplateRow,
  stackWork,
  type CounterpartRow,
  type FormerRow,
  type ResourceRow,
  type StackRow,
  type WorkRow,
} from "./tables.ts";
import { readTemplate } from "./template.ts";

/** Another node drives the stack now, or it has ended. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/** A stack on its way. Its resources' rows are written by its driver alone; the stack's row by others too. */
export interface Drive {
  deps: Deps;
  /** What the lease was won with; a transaction under another number is refused. */
  work: WorkRow;
  stack: StackRow;
  rows: Map<string, ResourceRow>;
  blueprint: Blueprint;
  /** What was before, of an update; what was to be, of its rollback. */
  counterpart: { row: CounterpartRow; blueprint: Blueprint } | undefined;
  /** By token. */
  formers: Map<string, FormerRow>;
  /** Logical ids of an update that turned out to be as they should. */
  unchanged: Set<string>;
  imports: ReadonlyMap<string, string>;
  /** Calls under way, by logical id. */
  running: Map<string, Promise<void>>;
  /** The first failure that is not a resource's. */
  broken: Error | undefined;
  signal: AbortSignal;
}

/** Reads a stack and draws its blueprint again. Undefined when it is gone. */
export async function load(deps: Deps, work: WorkRow, signal: AbortSignal): Promise<Drive | undefined> {
  const found = await deps.store.read(async (tx) => {
    const stack = await readStack(tx, work);
    const template = await readTemplateRow(tx, work);
    const counterpart = await readCounterpart(tx, work);
    return { stack, template, counterpart, rows: await readResources(tx, work), formers: await readFormers(tx, work) };
  });
  if (found.stack === undefined || found.template === undefined) return undefined;
  const { stack, template, rows, counterpart, formers } = found;
  await deps.openTypes([...rows, ...formers.map(({ row }) => row)].map(({ type }) => type));
  return {
    deps,
    work,
    stack,
    rows: new Map(rows.map((row) => [row.logical_id, row])),
    blueprint: blueprintOf(stack, template.processed),
    counterpart:
      counterpart === undefined
        ? undefined
        : { row: counterpart, blueprint: blueprintOf({ ...stack, ...counterpart }, counterpart.processed) },
    formers: new Map(formers.map((former) => [former.token, former])),
    unchanged: new Set(),
    imports: new Map(),
    running: new Map(),
    broken: undefined,
    signal,
  };
}

/** What a stack's row and its template make together. */
export function blueprintOf(stack: StackRow, processed: JsonObject): Blueprint {
  const { account, region, name: stackName } = stack;
  const parameters = new Map(stack.parameters.map((parameter) => [parameter.key, parameter]));
  const pseudo = { account, region, stackName, stackId: stackArn(stack), notificationArns: [] };
  return drawBlueprint(readTemplate(processed), parameters, pseudo);
}

/** Names of the resources in a status. */
export function idsIn({ rows }: Drive, status: ResourceRow["status"]): readonly string[] {
  return [...rows.values()].filter((row) => row.status === status).map((row) => row.logical_id);
}

/** What the running operation has failed to do. */
export function failedIn(drive: Drive, status: ResourceRow["status"]): readonly string[] {
  return idsIn(drive, status).filter((id) => drive.rows.get(id)?.operation === drive.stack.operation);
}

/** The state of a resource from before the update, while it may still be wanted back. */
export function formerOf({ formers }: Drive, logicalId: string): FormerRow | undefined {
  return [...formers.values()].find((former) => former.row.logical_id === logicalId && former.kind !== "leftover");
}

/** What functions in the template may refer to. */
export function madeOf({ rows, imports }: Drive): Made {
  return {
    physicalId: (id) => rows.get(id)?.physical_id ?? undefined,
    attribute: (id, name) => rows.get(id)?.attributes?.[name],
    imports,
  };
}

/**
 * Writes what `make` decides from the stack as it is now. False, and nothing written, when it decides for nothing.
 * `make` may run more than once, and awaits nothing but `tx`.
 */
export async function commit(
  drive: Drive,
  make: (tx: Tx, stack: StackRow) => Promise<Change | undefined>,
): Promise<boolean> {
  const now = drive.deps.clock.now();
  const { stack, change } = await drive.deps.store.tx(async (tx) => {
    const lease = await tx.one<WorkRow>(
      sql`select ${stackWork.columns} from ${stackWork.name} where ${ofStack(drive.work)}`,
    );
    const current = await readStack(tx, drive.work);
    if (lease?.claims !== drive.work.claims || current === undefined)
      throw new Superseded("another node drives the stack");
    const change = await make(tx, current);
    return { change, stack: change === undefined ? current : await record(tx, current, change, now) };
  });
  if (stack.event_count >= drive.stack.event_count) drive.stack = stack;
  for (const { logicalId, set } of change?.resources ?? []) {
    const row = must(drive.rows.get(logicalId), `resource ${logicalId}`);
    drive.rows.set(logicalId, { ...row, ...set, updated_ms: now });
  }
  for (const { token, former } of change?.formers ?? []) {
    if (former === undefined) drive.formers.delete(token);
    else drive.formers.set(token, former);
  }
  return change !== undefined;
}

/** The reason of a failure that is the caller's doing; a bug is thrown on. */
export function faultMessage(error: unknown): string {
  if (!isFault(error)) throw error;
  return error.message;
}
