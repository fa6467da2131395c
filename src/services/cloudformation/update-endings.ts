/** The ends of an update's phases: outputs and exports of what it made, the way back, and what is forgotten at last. */
import { must } from "../../base/errors.ts";
import { join, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import { importNames } from "./blueprint.ts";
import { outputsOf, rest } from "./endings.ts";
import { stackArn, stackChange, type Change, type FormerChange } from "./journal.ts";
import {
  counterparts,
  formerResources,
  ofStack,
  readTemplateRow,
  stackExports,
  stackImports,
  stackResources,
  templates,
  type CounterpartRow,
  type ExportRow,
  type ResourceRow,
  type StackOutput,
  type StackRow,
} from "./tables.ts";
import { commit, failedIn, type Drive } from "./underway.ts";
import { cleanupOver, leftovers, updateOver } from "./update-transitions.ts";

/** Nothing is left to make or change. What is left over is deleted next, or all is put back. */
export async function finishUpdate(drive: Drive): Promise<boolean> {
  const created = failedIn(drive, "CREATE_FAILED");
  const updated = failedIn(drive, "UPDATE_FAILED");
  const failed = created.length + updated.length > 0 || drive.stack.failure !== null;
  const outcome = failed ? undefined : outputsOf(drive);
  const formers = leftovers(drive.formers.values(), drive.rows);
  await commit(drive, async (tx, stack) => {
    if (stack.status !== "UPDATE_IN_PROGRESS") return undefined;
    if (outcome !== undefined && "refusal" in outcome) return { stack: { failure: outcome.refusal }, events: [] };
    if (outcome === undefined || stack.failure !== null) {
      const { counterpart } = drive;
      if (stack.settings.disableRollback || counterpart === undefined) {
        await rest(tx, stack);
        return updateOver(stack, "UPDATE_FAILED", { created, updated });
      }
      const over = updateOver(stack, "UPDATE_ROLLBACK_IN_PROGRESS", { created, updated });
      return turnBack(tx, counterpart.row, stack, over);
    }
    return complete(tx, stack, { outputs: outcome.outputs, formers, imports: importNames(drive.blueprint) });
  });
  return drive.stack.status === "UPDATE_FAILED";
}

interface Completion {
  outputs: readonly StackOutput[];
  formers: readonly FormerChange[];
  imports: readonly string[];
}

async function complete(tx: Tx, stack: StackRow, { outputs, formers, imports }: Completion): Promise<Change> {
  const refusal = await exportOutputs(tx, stack, outputs);
  if (refusal !== undefined) return { stack: { failure: refusal }, events: [] };
  await forgetImports(tx, stack, imports);
  const done = stackChange(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
  return { ...done, stack: { ...done.stack, outputs }, formers };
}

/** Makes the stack's exports those of its outputs, or says which other stack stands against it. Writes nothing then. */
async function exportOutputs(tx: Tx, stack: StackRow, outputs: readonly StackOutput[]): Promise<string | undefined> {
  const { account, region, stack: id } = stack;
  const wanted = new Map(
    outputs.flatMap(({ exportName, value }) => (exportName === undefined ? [] : [[exportName, value]])),
  );
  const own = await tx.all<ExportRow>(
    sql`select ${stackExports.columns} from ${stackExports.name} where ${ofStack(stack)}`,
  );
  for (const name of wanted.keys()) {
    const taken = await tx.one<ExportRow>(sql`select ${stackExports.columns} from ${stackExports.name}
      where account = ${account} and region = ${region} and name = ${name}`);
    if (taken === undefined || taken.stack === id) continue;
    return `Export with name ${name} is already exported by stack ${taken.stack_id.split("/")[1] ?? taken.stack_id}`;
  }
  const changed = own.filter(({ name, value }) => wanted.get(name) !== value);
  for (const { name } of changed) {
    const importers = await tx.all<{ stack_name: string }>(sql`select stack_name from ${stackImports.name}
      where account = ${account} and region = ${region} and name = ${name} order by stack_name limit 100`);
    if (importers.length === 0) continue;
    const what = wanted.has(name) ? "updated" : "deleted";
    return `Export ${name} cannot be ${what} as it is in use by ${importers.map((row) => row.stack_name).join(", ")}`;
  }
  for (const { name } of changed) {
    await tx.run(sql`delete from ${stackExports.name} where ${ofStack(stack)} and name = ${name}`);
  }
  for (const [name = "", value = ""] of wanted) {
    await tx.run(upsert(stackExports, { account, region, name, stack: id, stack_id: stackArn(stack), value }));
  }
  return undefined;
}

async function forgetImports(tx: Tx, stack: StackRow, names: readonly string[]): Promise<void> {
  const others = names.length === 0 ? sql`1 = 1` : sql`name not in (${join(names)})`;
  await tx.run(sql`delete from ${stackImports.name} where ${ofStack(stack)} and ${others}`);
}

/** From here on the stack is again what it was; what it was to be becomes its other side. */
export async function turnBack(
  tx: Tx,
  { original, processed, transformed, description, parameters, settings }: CounterpartRow,
  stack: StackRow,
  change: Change,
): Promise<Change & Required<Pick<Change, "stack">>> {
  const { account, region, stack: id } = stack;
  const key = { account, region, stack: id };
  const template = must(await readTemplateRow(tx, stack), "the stack's template");
  const target: CounterpartRow = {
    ...template,
    description: stack.description,
    parameters: stack.parameters,
    settings: stack.settings,
  };
  await tx.run(upsert(templates, { ...key, original, processed, transformed }));
  await tx.run(upsert(counterparts, target));
  const { updatedMs, clientRequestToken, retainExceptOnCreate } = stack.settings;
  const running = {
    retainExceptOnCreate,
    ...(updatedMs === undefined ? {} : { updatedMs }),
    ...(clientRequestToken === undefined ? {} : { clientRequestToken }),
  };
  const former = { description, parameters, settings: { ...settings, ...running } };
  return { ...change, stack: { ...change.stack, ...former, failure: null, operation: stack.operation + 1 } };
}

/** Everything is as it was, beside what is left over; or something could not be put back. */
export async function finishRestore(drive: Drive): Promise<boolean> {
  const failed = failedIn(drive, "UPDATE_FAILED");
  const imports = importNames(drive.blueprint);
  await commit(drive, async (tx, stack) => {
    if (stack.status !== "UPDATE_ROLLBACK_IN_PROGRESS") return undefined;
    if (failed.length > 0 || stack.failure !== null) {
      await rest(tx, stack);
      const why = stack.failure ?? `The following resource(s) failed to update: [${failed.join(", ")}]. `;
      return stackChange(stack, "UPDATE_ROLLBACK_FAILED", why);
    }
    await forgetImports(tx, stack, imports);
    return stackChange(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS");
  });
  return drive.stack.status === "UPDATE_ROLLBACK_FAILED";
}

/** Nothing is left over that can be deleted. */
export async function finishCleanup(drive: Drive): Promise<boolean> {
  const gone = ({ status }: ResourceRow) =>
    status === null || status === "DELETE_COMPLETE" || status === "DELETE_SKIPPED";
  const outside = [...drive.rows.values()].filter((row) => !drive.blueprint.resources.has(row.logical_id));
  const left = [...drive.formers.values()].map(({ row }) => row);
  const failed = [...outside, ...left].filter((row) => !gone(row)).map((row) => row.logical_id);
  const status = drive.stack.status;
  return commit(drive, async (tx, stack) => {
    if (stack.status !== status) return undefined;
    for (const { logical_id: id } of outside.filter(gone)) {
      await tx.run(sql`delete from ${stackResources.name} where ${ofStack(stack)} and logical_id = ${id}`);
    }
    for (const { token } of left.filter(gone)) {
      await tx.run(sql`delete from ${formerResources.name} where ${ofStack(stack)} and token = ${token}`);
    }
    await tx.run(sql`delete from ${counterparts.name} where ${ofStack(stack)}`);
    await rest(tx, stack);
    return cleanupOver(stack, failed);
  });
}
