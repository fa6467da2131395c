/** CreateChangeSet, DescribeChangeSet, ListChangeSets, DeleteChangeSet: what an update would do, before it is done. */
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, OutputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken, pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { changeSetArn, executionStatusOf, findChangeSet, ownChangeSet, type ChangeSet } from "./change-set-lookup.ts";
import type { Detail, ResourceDifference } from "./changes.ts";
import { admit, checkName, writeStack } from "./create-stack.ts";
import { fault, invalid, unsupported } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { changeSetsMax, pageSize } from "./limits.ts";
import { findStack, ownStack } from "./lookup.ts";
import { shownParameter } from "./parameters.ts";
import type { SourceReader } from "./source-reader.ts";
import { changeSets, ofStack, type ChangeSetRow, type StackRow } from "./tables.ts";
import { checkUpdatable } from "./update-stack.ts";
import { compare, readCurrent, targetOf, type Compared, type Current, type Target } from "./update-target.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Input = Received<InputOf<Client, "CreateChangeSet">>;
type Changes = NonNullable<OutputOf<Client, "DescribeChangeSet">["Changes"]>;
type ChangeShown = NonNullable<Changes[number]["ResourceChange"]>;

export function changeSetOperations(deps: Deps, reader: SourceReader) {
  const { store, clock } = deps;
  return {
    async CreateChangeSet(input, call) {
      refuseLater(input);
      const type = input.ChangeSetType === "CREATE" ? "CREATE" : "UPDATE";
      const current = await (type === "CREATE" ? newStack(deps, input, call) : present(deps, input, call));
      // Source: API reference, CreateChangeSet, Capabilities: macros need no acknowledgement here.
      const target = await targetOf({ deps, reader }, current, input, call, ["CAPABILITY_AUTO_EXPAND"]);
      const compared = await compare(deps, current, target);
      const now = clock.now();
      const row = changeSetRow(deps, { input, type, current, target, compared, now });
      return store.tx((tx) =>
        oncePerToken(tx, tokenUse(input, call, now), async () => {
          const stack = await admitted(tx, current, row, now);
          await tx.run(insert(changeSets, row));
          return { Id: changeSetArn(row), StackId: stackArn(stack) };
        }),
      );
    },

    async DescribeChangeSet(input, call) {
      const { ChangeSetName: name, StackName: stackName, NextToken: token } = input;
      if (input.IncludePropertyValues === true) throw unsupported("IncludePropertyValues of DescribeChangeSet");
      const found = await store.read((tx) => ownChangeSet(tx, name, stackName, call));
      const { row } = found;
      const listing = { operation: "DescribeChangeSet", filters: row.id, call };
      const [last = -1] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
      const numbered = row.differences.map((difference, number) => ({ difference, number }));
      const rest = numbered.filter(({ number }) => number > Number(last));
      const { page, nextToken } = pageOf(listing, rest, pageSize, ({ number }) => [number]);
      return {
        ...summary(found),
        ...(row.parameters.length === 0 ? {} : { Parameters: parametersOf(row) }),
        NotificationARNs: [],
        RollbackConfiguration: {},
        // The wire has checked that each is one of the enum.
        Capabilities: [...row.settings.capabilities] as OutputOf<Client, "DescribeChangeSet">["Capabilities"],
        Tags: [...row.settings.tags],
        OnStackFailure: onFailureOf(row),
        Changes: page.map(({ difference }) => ({ Type: "Resource", ResourceChange: changeOf(difference) })),
        NextToken: nextToken,
      };
    },

    async ListChangeSets({ StackName: name, NextToken: token }, call) {
      return store.read(async (tx) => {
        const stack = await ownStack(tx, name, call);
        const listing = { operation: "ListChangeSets", filters: stack.stack, call };
        const [last = ""] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const rows = await tx.all<ChangeSetRow>(sql`select ${changeSets.columns} from ${changeSets.name}
          where ${ofStack(stack)} and name > ${last} order by name limit ${pageSize + 1}`);
        const { page, nextToken } = pageOf(listing, rows, pageSize, (row) => [row.name]);
        return { Summaries: page.map((row) => summary({ row, stack })), NextToken: nextToken };
      });
    },

    async DeleteChangeSet({ ChangeSetName: name, StackName: stackName }, call) {
      await store.tx(async (tx) => {
        const found = await findChangeSet(tx, name, stackName, call);
        if (found === undefined) return;
        await tx.run(sql`delete from ${changeSets.name} where ${ofStack(found.row)} and name = ${found.row.name}`);
      });
      return {};
    },
  } satisfies Handlers<Client>;
}

function refuseLater(input: Input): void {
  if (input.ChangeSetType === "IMPORT") throw unsupported("the change set type IMPORT");
  if (input.IncludeNestedStacks === true) throw unsupported("IncludeNestedStacks of CreateChangeSet");
  if (input.ImportExistingResources === true) throw unsupported("ImportExistingResources of CreateChangeSet");
  if (input.DeploymentMode !== undefined) throw unsupported("DeploymentMode of CreateChangeSet");
  if (input.DeploymentConfig !== undefined) throw unsupported("DeploymentConfig of CreateChangeSet");
}

async function present({ store }: Deps, input: Input, call: Call): Promise<Current> {
  const current = await store.read(async (tx) => {
    const stack = await findStack(tx, input.StackName, call);
    if (stack === undefined) throw invalid(`Stack [${input.StackName}] does not exist`);
    return readCurrent(tx, stackArn(stack), call);
  });
  checkUpdatable(current.stack, true);
  return current;
}

/** The stack that the change set will make: one in review, or none yet. */
async function newStack(deps: Deps, input: Input, call: Call): Promise<Current> {
  const found = await deps.store.read(async (tx) => {
    const stack = await findStack(tx, input.StackName, call);
    return stack === undefined ? undefined : readCurrent(tx, stackArn(stack), call);
  });
  if (found?.stack.status === "REVIEW_IN_PROGRESS") return found;
  if (found !== undefined) {
    throw invalid(
      `Stack [${input.StackName}] already exists and cannot be created again with the changeSet [${input.ChangeSetName}].`,
    );
  }
  checkName(input.StackName);
  return { stack: reviewRow(deps, input, call), template: undefined, rows: new Map() };
}

function reviewRow({ ids, clock }: Deps, input: Input, { account, region, principal }: Call): StackRow {
  const onFailure = input.OnStackFailure ?? "ROLLBACK";
  const settings = { capabilities: [], tags: [], retainResources: [] };
  const flags = { disableRollback: false, terminationProtection: false, retainExceptOnCreate: false };
  return {
    account,
    region,
    stack: ids.uuid(),
    name: input.StackName,
    description: null,
    status: "REVIEW_IN_PROGRESS",
    reason: null,
    created_ms: clock.now(),
    deleted_ms: null,
    purge_ms: null,
    operation: 0,
    deadline_ms: null,
    failure: null,
    parameters: [],
    settings: { ...settings, ...flags, onFailure, deletionMode: "STANDARD" },
    outputs: [],
    principal,
    event_count: 0,
    last_event_ms: 0,
  };
}

const nothingChanged =
  "The submitted information didn't contain changes. Submit different information to create a change set.";

interface Made {
  input: Input;
  type: ChangeSetRow["type"];
  current: Current;
  target: Target;
  compared: Compared;
  now: number;
}

function changeSetRow({ ids }: Deps, { input, type, current, target, compared, now }: Made): ChangeSetRow {
  const { account, region, stack, operation } = current.stack;
  const { original, processed, transformed, parameters } = target.submitted;
  return {
    account,
    region,
    stack,
    name: input.ChangeSetName,
    id: ids.uuid(),
    type,
    status: compared.nothing ? "FAILED" : "CREATE_COMPLETE",
    reason: compared.nothing ? nothingChanged : null,
    executed: false,
    created_ms: now,
    description: input.Description ?? null,
    operation,
    original,
    processed,
    transformed,
    parameters: [...parameters.values()],
    settings: { ...target.settings, ...failureSettings(input, type) },
    principal: target.principal,
    differences: compared.differences,
  };
}

/** What `OnStackFailure` means for a creation, and for an update. */
function failureSettings({ OnStackFailure: onFailure = "ROLLBACK" }: Input, type: ChangeSetRow["type"]) {
  if (type === "CREATE") return { onFailure };
  if (onFailure === "DELETE") throw invalid("OnStackFailure DELETE is only for change sets that create a stack.");
  return { disableRollback: onFailure === "DO_NOTHING", retainExceptOnCreate: false };
}

/** Makes room for a change set: with the first of a new stack, the stack itself. */
async function admitted(tx: Tx, { stack }: Current, row: ChangeSetRow, now: number): Promise<StackRow> {
  const where = sql`where ${ofStack(row)}`;
  const taken = await tx.one<{ id: string }>(sql`select id from ${changeSets.name} ${where} and name = ${row.name}`);
  if (taken !== undefined) throw fault("AlreadyExistsException", `ChangeSet [${row.name}] already exists`);
  const made = await tx.one<{ count: number }>(sql`select count(*) as count from ${changeSets.name} ${where}`);
  if ((made?.count ?? 0) >= changeSetsMax) {
    throw fault("LimitExceededException", `ChangeSet limit exceeded for Stack: ${stack.name}`);
  }
  const there = await findStack(tx, stackArn(stack), stack);
  if (there !== undefined) return there;
  await admit(tx, stack);
  await writeStack(tx, stack);
  return record(tx, stack, stackChange(stack, "REVIEW_IN_PROGRESS", "User Initiated"), now);
}

function tokenUse(input: Input, call: Call, now: number) {
  return {
    operation: "cloudformation:CreateChangeSet",
    token: input.ClientToken,
    input,
    call,
    now,
    mismatch: () => fault("AlreadyExistsException", `Token ${input.ClientToken} already exists`),
  };
}

function summary(found: ChangeSet) {
  const { row, stack } = found;
  return {
    StackId: stackArn(stack),
    StackName: stack.name,
    ChangeSetId: changeSetArn(row),
    ChangeSetName: row.name,
    ExecutionStatus: executionStatusOf(found),
    Status: row.status,
    ...(row.reason === null ? {} : { StatusReason: row.reason }),
    CreationTime: new Date(row.created_ms),
    ...(row.description === null ? {} : { Description: row.description }),
    IncludeNestedStacks: false,
    ImportExistingResources: false,
  } as const;
}

function onFailureOf({ type, settings }: ChangeSetRow) {
  if (type === "CREATE") return settings.onFailure;
  return settings.disableRollback ? "DO_NOTHING" : "ROLLBACK";
}

function parametersOf({ parameters }: ChangeSetRow) {
  return parameters.map(shownParameter);
}

/** What becomes of the resource that is there. */
function policyOf({ action, replacement = "False", retained = false }: ResourceDifference) {
  if (action === "Remove") return retained ? "Retain" : "Delete";
  if (replacement === "False") return undefined;
  return retained ? "ReplaceAndRetain" : "ReplaceAndDelete";
}

function changeOf(difference: ResourceDifference): ChangeShown {
  const { action, logicalId, physicalId, type, replacement, details } = difference;
  const policy = policyOf(difference);
  return {
    Action: action,
    LogicalResourceId: logicalId,
    ...(physicalId === undefined ? {} : { PhysicalResourceId: physicalId }),
    ResourceType: type,
    ...(policy === undefined ? {} : { PolicyAction: policy }),
    ...(replacement === undefined ? {} : { Replacement: replacement }),
    Scope: [...new Set(details.map(({ attribute }) => attribute))],
    Details: details.map(detailOf),
  };
}

function detailOf({ attribute, name, requiresRecreation, evaluation, source, cause }: Detail) {
  return {
    Target: {
      Attribute: attribute,
      ...(name === undefined ? {} : { Name: name }),
      RequiresRecreation: requiresRecreation,
    },
    Evaluation: evaluation,
    ChangeSource: source,
    ...(cause === undefined ? {} : { CausingEntity: cause }),
  };
}
