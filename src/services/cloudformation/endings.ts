/** The ends of a stack's phases: outputs and exports of a creation, the name given back after a deletion. */
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { scopeOf } from "./blueprint.ts";
import { commit, faultMessage, idsIn, madeOf, type Drive } from "./underway.ts";
import { invalid } from "./faults.ts";
import { evaluate } from "./intrinsics.ts";
import { stackArn, stackChange, type Change } from "./journal.ts";
import { isScalar, textOf, type Json } from "./json.ts";
import { deletedStackMs, exportNameLengthMax } from "./limits.ts";
import { creationOver, removalOver } from "./transitions.ts";
import {
  ofStack,
  stackExports,
  stackImports,
  stackNames,
  stackWork,
  type ExportRow,
  type StackOutput,
  type StackRow,
} from "./tables.ts";

/** Nothing is left to create. True when the stack rests; false when a rollback or a deletion follows. */
export async function finishCreation(drive: Drive): Promise<boolean> {
  const failed = idsIn(drive, "CREATE_FAILED");
  const outcome = failed.length > 0 || drive.stack.failure !== null ? undefined : outputsOf(drive);
  await commit(drive, async (tx, stack) => {
    // DeleteStack came in between: go round again.
    if (stack.status !== "CREATE_IN_PROGRESS") return undefined;
    if (outcome !== undefined && "refusal" in outcome) return { stack: { failure: outcome.refusal }, events: [] };
    const change =
      outcome === undefined || stack.failure !== null
        ? creationOver(stack, failed)
        : await complete(tx, stack, outcome.outputs);
    if (change.stack?.status === "CREATE_COMPLETE" || change.stack?.status === "CREATE_FAILED") await rest(tx, stack);
    return change;
  });
  return drive.stack.status === "CREATE_COMPLETE" || drive.stack.status === "CREATE_FAILED";
}

/** The stack's outputs are there and its exports are free: it is complete. Else its creation has failed after all. */
async function complete(tx: Tx, stack: StackRow, outputs: readonly StackOutput[]): Promise<Change> {
  const { account, region, stack: id } = stack;
  for (const { exportName: name } of outputs) {
    if (name === undefined) continue;
    const taken = await tx.one<ExportRow>(sql`select ${stackExports.columns} from ${stackExports.name}
      where account = ${account} and region = ${region} and name = ${name}`);
    if (taken === undefined) continue;
    const by = taken.stack_id.split("/")[1] ?? taken.stack_id;
    return { stack: { failure: `Export with name ${name} is already exported by stack ${by}` }, events: [] };
  }
  for (const { exportName: name, value } of outputs) {
    if (name === undefined) continue;
    await tx.run(insert(stackExports, { account, region, name, stack: id, stack_id: stackArn(stack), value }));
  }
  const done = stackChange(stack, "CREATE_COMPLETE");
  return { ...done, stack: { ...done.stack, outputs } };
}

/** The outputs as they come to now, or why there are none. */
export function outputsOf(drive: Drive): { outputs: readonly StackOutput[] } | { refusal: string } {
  const scope = scopeOf(drive.blueprint, madeOf(drive));
  try {
    const outputs = [...drive.blueprint.outputs].map(([key, { value, description, exportName }]) => {
      const name = exportName === undefined ? undefined : exportNameOf(evaluate(exportName, scope));
      return {
        key,
        value: outputText(key, evaluate(value, scope)),
        ...(description === undefined ? {} : { description }),
        ...(name === undefined ? {} : { exportName: name }),
      };
    });
    checkExportNames(outputs);
    return { outputs };
  } catch (error) {
    return { refusal: faultMessage(error) };
  }
}

function outputText(key: string, value: Json | undefined): string {
  if (!isScalar(value)) {
    throw invalid(
      `Template format error: Output ${key} is malformed. The Value field of every Outputs member must evaluate to a String`,
    );
  }
  return textOf(value);
}

function exportNameOf(value: Json | undefined): string {
  const name = isScalar(value) ? textOf(value) : "";
  if (name === "" || name.length > exportNameLengthMax || !/^[A-Za-z0-9:-]+$/.test(name)) {
    throw invalid(
      `Cannot export output with name ${name}. Export names must be alphanumeric characters, colons, or hyphens`,
    );
  }
  return name;
}

function checkExportNames(outputs: readonly StackOutput[]): void {
  const names = new Set<string>();
  for (const { exportName } of outputs) {
    if (exportName === undefined) continue;
    if (names.has(exportName)) throw invalid(`Duplicate export names: [${exportName}]`);
    names.add(exportName);
  }
}

/** Nothing is left to delete. True: a rolled back or deleted stack rests, whether all went well or not. */
export async function finishRemoval(drive: Drive): Promise<boolean> {
  const left = [...drive.formers.values()].filter(
    ({ kind, row }) => kind === "leftover" && row.status === "DELETE_FAILED",
  );
  const failed = [...new Set([...idsIn(drive, "DELETE_FAILED"), ...left.map(({ row }) => row.logical_id)])];
  const now = drive.deps.clock.now();
  return commit(drive, async (tx, stack) => {
    // DeleteStack came in between a rollback and its end.
    if (stack.status !== drive.stack.status || stack.operation !== drive.stack.operation) return undefined;
    const change = removalOver(stack, failed);
    if (failed.length === 0) await tx.run(sql`delete from ${stackImports.name} where ${ofStack(stack)}`);
    await rest(tx, stack);
    return change.stack.status === "DELETE_COMPLETE"
      ? { ...change, stack: await retire(tx, stack, change, now) }
      : change;
  });
}

/** A deleted stack gives back its name and stays readable by its id for a while. */
export async function retire(tx: Tx, stack: StackRow, change: Required<Pick<Change, "stack">>, now: number) {
  const { account, region, stack: id, name } = stack;
  await tx.run(sql`delete from ${stackNames.name}
    where account = ${account} and region = ${region} and name = ${name} and stack = ${id}`);
  return { ...change.stack, deleted_ms: stack.deleted_ms ?? now, purge_ms: now + deletedStackMs };
}

/** Takes the stack out of the engine's hands. */
export async function rest(tx: Tx, stack: StackRow): Promise<void> {
  await tx.run(sql`delete from ${stackWork.name} where ${ofStack(stack)}`);
}
