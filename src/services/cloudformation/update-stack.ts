/** UpdateStack: what can be refused is refused here; only what is different is the engine's. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { admitWork, ownPolicy, resourceRows, workFor } from "./create-stack.ts";
import type { Engine } from "./engine.ts";
import { fault, invalid } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { ownStack } from "./lookup.ts";
import type { SourceReader } from "./source-reader.ts";
import { policyText } from "./stack-policy.ts";
import {
  counterparts,
  formerResources,
  ofStack,
  stackResources,
  stackWork,
  templates,
  type ResourceRow,
  type StackRow,
  type StackSettings,
} from "./tables.ts";
import { compare, readCurrent, targetOf, type Current, type Target } from "./update-target.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Input = Received<InputOf<Client, "UpdateStack">>;

export function updateStackOperations(deps: Deps, engine: Engine, reader: SourceReader) {
  const prepare = async (input: Input, call: Call) => {
    const current = await deps.store.read((tx) => readCurrent(tx, input.StackName, call));
    checkUpdatable(current.stack, input.DisableRollback === true);
    const target = await targetOf({ deps, reader }, current, input, call);
    const { nothing } = await compare(deps, current, target);
    if (nothing) throw invalid("No updates are to be performed.");
    return { current, target: { ...target, settings: { ...target.settings, ...(await asked(deps, input, call)) } } };
  };
  return {
    async UpdateStack(input, call) {
      // A repeat under the same token finds a stack that is under way, and is answered all the same.
      const prepared = await prepare(input, call).catch((error: unknown) => {
        if (!isFault(error) || input.ClientRequestToken === undefined) throw error;
        return error;
      });
      const now = deps.clock.now();
      return deps.store.tx((tx) =>
        oncePerToken(tx, tokenUse(input, call, now), async () => {
          if (isFault(prepared)) throw prepared;
          const { current, target } = prepared;
          const stack = await beginUpdate(tx, deps, current, target, now);
          tx.afterCommit(() => engine.wake());
          return { StackId: stackArn(stack) };
        }),
      );
    },
  } satisfies Handlers<Client>;
}

/** Of the update itself. */
async function asked(deps: Deps, input: Input, call: Call): Promise<Partial<StackSettings>> {
  const { ClientRequestToken: token, StackPolicyDuringUpdateBody: body, StackPolicyDuringUpdateURL: url } = input;
  const names = ["StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL"] as const;
  const during = await policyText({ body, url, names }, deps, call);
  return {
    ...(await ownPolicy(input, deps, call)),
    ...(during === undefined ? {} : { stackPolicyDuringUpdate: during }),
    ...(token === undefined ? {} : { clientRequestToken: token }),
    disableRollback: input.DisableRollback ?? false,
    retainExceptOnCreate: input.RetainExceptOnCreate ?? false,
  };
}

function tokenUse(input: Input, call: Call, now: number) {
  return {
    operation: "cloudformation:UpdateStack",
    token: input.ClientRequestToken,
    input,
    call,
    now,
    mismatch: () => fault("TokenAlreadyExistsException", `Token ${input.ClientRequestToken} already exists`),
  };
}

const updatable = new Set<StackRow["status"]>(["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]);

/** Failed, and not rolled back. Source: user guide, "Choose how to handle failures when provisioning resources". */
const preserved = new Set<StackRow["status"]>(["CREATE_FAILED", "UPDATE_FAILED"]);

export function checkUpdatable(stack: StackRow, disablesRollback: boolean): void {
  if (updatable.has(stack.status)) return;
  if (preserved.has(stack.status)) {
    if (disablesRollback) return;
    throw invalid(
      `This stack is currently in a non-terminal [${stack.status}] state. To update the stack from this state, please use the disable-rollback parameter with update-stack API. To rollback to the last known good state, use the rollback-stack API`,
    );
  }
  // A deleted stack is found by its id alone.
  if (stack.status === "DELETE_COMPLETE") throw invalid(`Stack [${stack.name}] does not exist`);
  throw cannotBeUpdated(stack);
}

function cannotBeUpdated(stack: StackRow) {
  return invalid(`Stack:${stackArn(stack)} is in ${stack.status} state and can not be updated.`);
}

/** Writes down what the stack was and what it is to be, and hands it to the engine. */
export async function beginUpdate(
  tx: Tx,
  deps: Deps,
  { stack: read, template, rows }: Current,
  { submitted, settings, principal, blueprint }: Target,
  now: number,
): Promise<StackRow> {
  const stack = await ownStack(tx, stackArn(read), read);
  // Another operation came in between, and what was compared is no more.
  if (template === undefined || stack.operation !== read.operation || stack.status !== read.status) {
    throw cannotBeUpdated(stack);
  }
  await admitWork(tx, stack);
  const { account, region, stack: id, description, parameters, settings: former } = stack;
  const key = { account, region, stack: id };
  const { original, processed, transformed } = submitted;
  // The way back from an update that failed and was not rolled back is still to what the stack was before that; one
  // whose creation failed never was anything.
  if (!preserved.has(stack.status)) {
    await tx.run(upsert(counterparts, { ...template, description, parameters, settings: former }));
  }
  await tx.run(sql`update ${formerResources.name} set kind = ${"preserved"}
    where ${ofStack(stack)} and kind = ${"updated"}`);
  await tx.run(upsert(templates, { ...key, original, processed, transformed }));
  const next: StackRow = {
    ...stack,
    description: submitted.template.description ?? null,
    parameters: [...submitted.parameters.values()],
    settings: { ...settings, updatedMs: now, retainResources: [], deletionMode: "STANDARD" },
    principal,
    operation: stack.operation + 1,
    deadline_ms: null,
    failure: null,
  };
  await addResources(tx, resourceRows(deps, next, blueprint), rows);
  await tx.run(insert(stackWork, workFor(next, now)));
  const { stack: told, events } = stackChange(next, "UPDATE_IN_PROGRESS", "User Initiated");
  const { event_count: _, last_event_ms: __, account: _a, region: _r, stack: _s, ...columns } = next;
  return record(tx, next, { stack: { ...columns, ...told }, events }, now);
}

/** Rows for what the template adds, after those that are there. */
async function addResources(tx: Tx, wanted: readonly ResourceRow[], rows: Current["rows"]): Promise<void> {
  const last = Math.max(-1, ...[...rows.values()].map(({ position }) => position));
  for (const row of wanted) {
    const there = rows.get(row.logical_id);
    const failed = there?.status === "DELETE_FAILED" || there?.status === "CREATE_FAILED";
    if (there !== undefined && there.status !== null && !failed) continue;
    const { account, region, stack } = row;
    // What an earlier cleanup could not delete is still to be deleted beside the new one.
    if (there !== undefined && failed && there.physical_id !== null) {
      const leftover = { account, region, stack, token: there.token, kind: "leftover", row: there } as const;
      await tx.run(upsert(formerResources, leftover));
    }
    await tx.run(upsert(stackResources, { ...row, position: last + 1 + row.position }));
  }
}
