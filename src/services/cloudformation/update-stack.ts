/** UpdateStack: what can be refused is refused here; only what is different is the engine's. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken } from "../../kit/tokens.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { admitWork, ownPolicy, resourceRows, workFor } from "./create-stack.ts";
import type { Engine } from "./engine.ts";
import { fault, invalid, unsupported } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { ownStack } from "./lookup.ts";
import type { SourceReader } from "./source-reader.ts";
import { policyText } from "./stack-policy.ts";
import {
  counterparts,
  formerResources,
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
    refuseLater(input);
    const current = await deps.store.read((tx) => readCurrent(tx, input.StackName, call));
    checkUpdatable(current.stack);
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

function refuseLater(input: Input): void {
  if (input.DisableRollback === true) throw unsupported("DisableRollback of UpdateStack");
}

const updatable = new Set<StackRow["status"]>(["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]);

export function isUpdatable({ status }: StackRow): boolean {
  return updatable.has(status);
}

export function checkUpdatable(stack: StackRow): void {
  if (isUpdatable(stack)) return;
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
  await tx.run(upsert(counterparts, { ...template, description, parameters, settings: former }));
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
    const failed = there?.status === "DELETE_FAILED";
    if (there !== undefined && there.status !== null && !failed) continue;
    const { account, region, stack } = row;
    // What an earlier cleanup could not delete is still to be deleted beside the new one.
    if (there !== undefined && failed) {
      const leftover = { account, region, stack, token: there.token, kind: "leftover", row: there } as const;
      await tx.run(upsert(formerResources, leftover));
    }
    await tx.run(upsert(stackResources, { ...row, position: last + 1 + row.position }));
  }
}
