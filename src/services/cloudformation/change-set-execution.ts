/** ExecuteChangeSet: does what a change set says, if the stack is still the one it was compared with. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { changeSetArn, executionStatusOf, ownChangeSet, type ChangeSet } from "./change-set-lookup.ts";
import { admitWork, resourceRows, writeCreation } from "./create-stack.ts";
import type { Engine } from "./engine.ts";
import { fault } from "./faults.ts";
import { record, stackArn } from "./journal.ts";
import type { Submitted } from "./submitted.ts";
import { changeSets, ofStack, type StackRow } from "./tables.ts";
import { readTemplate } from "./template.ts";
import { blueprintOf } from "./underway.ts";
import { beginUpdate, checkUpdatable } from "./update-stack.ts";
import { readCurrent } from "./update-target.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

export function changeSetExecution(deps: Deps, engine: Engine) {
  return {
    async ExecuteChangeSet(input, call) {
      const { ChangeSetName: name, StackName: stackName, ClientRequestToken: token } = input;
      const now = deps.clock.now();
      const use = {
        operation: "cloudformation:ExecuteChangeSet",
        token,
        input,
        call,
        now,
        mismatch: () => fault("TokenAlreadyExistsException", `Token ${token} already exists`),
      };
      return deps.store.tx((tx) =>
        oncePerToken(tx, use, async () => {
          const found = await ownChangeSet(tx, name, stackName, call);
          checkExecutable(found);
          const { DisableRollback: disableRollback, RetainExceptOnCreate: retainExceptOnCreate = false } = input;
          const execution: Execution = { ...found, token, disableRollback, retainExceptOnCreate };
          if (found.row.type === "CREATE") await create(tx, deps, execution, now);
          else await update(tx, deps, execution, now);
          await settle(tx, found);
          tx.afterCommit(() => engine.wake());
          return {};
        }),
      );
    },
  } satisfies Handlers<Client>;
}

interface Execution extends ChangeSet {
  token: string | undefined;
  disableRollback: boolean | undefined;
  retainExceptOnCreate: boolean;
}

function checkExecutable(found: ChangeSet): void {
  const status = executionStatusOf(found);
  if (status === "AVAILABLE") return;
  const arn = changeSetArn(found.row);
  throw fault(
    "InvalidChangeSetStatusException",
    found.row.status === "FAILED"
      ? `ChangeSet [${arn}] cannot be executed in its current status of [FAILED]`
      : `ChangeSet [${arn}] cannot be executed in its current execution status of [${status}]`,
  );
}

function submittedOf({ row }: ChangeSet): Submitted {
  const { original, processed, transformed, parameters } = row;
  return {
    original,
    processed,
    transformed,
    template: readTemplate(processed),
    parameters: new Map(parameters.map((parameter) => [parameter.key, parameter])),
  };
}

function settingsOf({ row, token, disableRollback, retainExceptOnCreate }: Execution): StackRow["settings"] {
  return {
    ...row.settings,
    disableRollback: disableRollback ?? row.settings.disableRollback,
    retainExceptOnCreate: retainExceptOnCreate || row.settings.retainExceptOnCreate,
    ...(token === undefined ? {} : { clientRequestToken: token }),
  };
}

async function create(tx: Tx, deps: Deps, execution: Execution, now: number): Promise<void> {
  const { row, stack } = execution;
  await admitWork(tx, stack);
  const submitted = submittedOf(execution);
  const changes = {
    description: submitted.template.description ?? null,
    status: "CREATE_IN_PROGRESS",
    operation: stack.operation + 1,
    parameters: row.parameters,
    settings: settingsOf(execution),
    principal: row.principal,
  } as const;
  const next = await record(tx, stack, { stack: changes, events: [] }, now);
  await writeCreation(tx, next, submitted, resourceRows(deps, next, blueprintOf(next, row.processed)), now);
}

async function update(tx: Tx, deps: Deps, execution: Execution, now: number): Promise<void> {
  const { row, stack } = execution;
  const settings = settingsOf(execution);
  checkUpdatable(stack, settings.disableRollback);
  const current = await readCurrent(tx, stackArn(stack), row);
  const blueprint = blueprintOf({ ...stack, parameters: row.parameters }, row.processed);
  const submitted = submittedOf(execution);
  const target = { submitted, settings, principal: row.principal, blueprint };
  await beginUpdate(tx, deps, current, target, now);
}

/** The stack's other change sets go: what they were compared with is no more. */
async function settle(tx: Tx, { row }: ChangeSet): Promise<void> {
  await tx.run(sql`delete from ${changeSets.name} where ${ofStack(row)} and name <> ${row.name}`);
  await tx.run(sql`update ${changeSets.name} set executed = ${true} where ${ofStack(row)} and name = ${row.name}`);
}
