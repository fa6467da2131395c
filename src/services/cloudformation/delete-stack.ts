/** DeleteStack: refused where something forbids it, else handed to the engine. */
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { workFor } from "./create-stack.ts";
import type { Engine } from "./engine.ts";
import { retire } from "./endings.ts";
import { invalid } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { findStack } from "./lookup.ts";
import {
  counterparts,
  formerResources,
  ofStack,
  readFormers,
  readResources,
  stackExports,
  stackImports,
  stackWork,
  type StackRow,
} from "./tables.ts";
import { leftovers } from "./update-transitions.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Input = Received<InputOf<Client, "DeleteStack">>;

export function deleteStackOperations({ store, clock }: Deps, engine: Engine) {
  return {
    async DeleteStack(input, call) {
      const now = clock.now();
      await store.tx(async (tx) => {
        const stack = await findStack(tx, input.StackName, call);
        // What is gone, or on its way, needs no word about it.
        if (stack === undefined || stack.status === "DELETE_COMPLETE" || stack.status === "DELETE_IN_PROGRESS") return;
        checkDeletable(stack, input);
        if (stack.status === "REVIEW_IN_PROGRESS") {
          await dropReview(tx, stack, now);
          return;
        }
        const begun = await beginDeletion(tx, stack, input, now);
        if (begun) tx.afterCommit(() => engine.wake());
      });
      return {};
    },
  } satisfies Handlers<Client>;
}

const updating = new Set<StackRow["status"]>([
  "UPDATE_IN_PROGRESS",
  "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
  "UPDATE_ROLLBACK_IN_PROGRESS",
  "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
]);

function checkDeletable(stack: StackRow, { RetainResources: retain = [], DeletionMode: mode }: Input): void {
  if (stack.settings.terminationProtection) {
    throw invalid(`Stack [${stack.name}] cannot be deleted while TerminationProtection is enabled`);
  }
  // Source: user guide, "Delete a stack": an update is waited for, or cancelled, first.
  if (updating.has(stack.status)) {
    throw invalid(`Stack [${stack.name}] cannot be deleted while in status ${stack.status}`);
  }
  if (stack.status === "DELETE_FAILED") return;
  if (retain.length > 0) {
    throw invalid(
      `Invalid operation on stack [${stackArn(stack)}]. Resources can be retained only when the stack is in the DELETE_FAILED state.`,
    );
  }
  if (mode === "FORCE_DELETE_STACK") {
    throw invalid(`Stack [${stack.name}] cannot be force deleted: it is not in the DELETE_FAILED state.`);
  }
}

/** False when the deletion is called off at once, because another stack uses an export of this one. */
async function beginDeletion(tx: Tx, stack: StackRow, input: Input, now: number): Promise<boolean> {
  const begun = await record(tx, stack, stackChange(stack, "DELETE_IN_PROGRESS", "User Initiated"), now);
  const refusal = await exportInUse(tx, stack);
  if (refusal !== undefined) {
    await record(tx, begun, stackChange(stack, stack.status, refusal), now);
    return false;
  }
  await tx.run(sql`delete from ${stackExports.name} where ${ofStack(stack)}`);
  await forgetUpdate(tx, stack);
  const { RetainResources: retainResources = [], DeletionMode: deletionMode = "STANDARD" } = input;
  const token = input.ClientRequestToken === undefined ? {} : { clientRequestToken: input.ClientRequestToken };
  const settings = { ...stack.settings, retainResources, deletionMode, ...token };
  const operation = stack.operation + 1;
  await record(tx, begun, { stack: { settings, operation, deleted_ms: now }, events: [] }, now);
  await hand(tx, { ...stack, operation }, now);
  return true;
}

/** A stack of which there is nothing but change sets is gone at once. */
async function dropReview(tx: Tx, stack: StackRow, now: number): Promise<void> {
  const begun = await record(tx, stack, stackChange(stack, "DELETE_IN_PROGRESS", "User Initiated"), now);
  const change = stackChange(begun, "DELETE_COMPLETE");
  await record(tx, begun, { ...change, stack: await retire(tx, begun, change, now) }, now);
}

/** After a failed rollback of an update, nothing is put back any more; what it replaced goes with the rest. */
export async function forgetUpdate(tx: Tx, stack: StackRow): Promise<void> {
  const rows = new Map((await readResources(tx, stack)).map((row) => [row.logical_id, row]));
  for (const { token, former } of leftovers(await readFormers(tx, stack), rows)) {
    const gone = sql`delete from ${formerResources.name} where ${ofStack(stack)} and token = ${token}`;
    await tx.run(former === undefined ? gone : upsert(formerResources, former));
  }
  await tx.run(sql`delete from ${counterparts.name} where ${ofStack(stack)}`);
}

/** Gives the stack to the engine, or tells its driver, which reads the stack's row at every step. */
async function hand(tx: Tx, stack: StackRow, now: number): Promise<void> {
  const driven = await tx.one(sql`select due_ms from ${stackWork.name} where ${ofStack(stack)}`);
  if (driven === undefined) await tx.run(insert(stackWork, workFor(stack, now)));
}

async function exportInUse(tx: Tx, stack: StackRow): Promise<string | undefined> {
  const { account, region, stack: id } = stack;
  const used = await tx.all<{ name: string; importer: string }>(sql`
    select i.name as name, i.stack_name as importer from ${stackImports.name} i join ${stackExports.name} e
      on e.account = i.account and e.region = i.region and e.name = i.name
    where e.account = ${account} and e.region = ${region} and e.stack = ${id} order by i.name, i.stack_name limit 100`);
  const [first] = used;
  if (first === undefined) return undefined;
  const importers = used.filter(({ name }) => name === first.name).map(({ importer }) => importer);
  return `Delete canceled. Cannot delete export ${first.name} as it is in use by ${inWords(importers)}.`;
}

function inWords(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
