/** CreateStack: everything that can be refused is refused here; the rest is the engine's. */
import type { Call } from "../../kit/call.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { oncePerToken } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import type { Blueprint } from "./blueprint.ts";
import type { Engine } from "./engine.ts";
import { fault, invalid, unsupported } from "./faults.ts";
import { record, stackArn, stackChange } from "./journal.ts";
import { stackNameLengthMax, stackNamePattern, stacksInProgressMax, stacksMax, tagsMax } from "./limits.ts";
import { macrosIn } from "./macros.ts";
import { physicalName } from "./naming.ts";
import type { SourceReader } from "./source-reader.ts";
import { policyText } from "./stack-policy.ts";
import { heldIn, submittedTemplate, templateText, type Submitted } from "./submitted.ts";
import {
  stackNames,
  stackResources,
  stacks,
  stackWork,
  templates,
  type ResourceRow,
  type StackKey,
  type StackRow,
  type StackSettings,
} from "./tables.ts";
import { validated } from "./validation.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Input = Received<InputOf<Client, "CreateStack">>;

export function createStackOperations(deps: Deps, engine: Engine, reader: SourceReader) {
  return {
    async CreateStack(input, call) {
      const settings = { ...settingsOf(input), ...(await ownPolicy(input, deps, call)) };
      checkName(input.StackName);
      const text = await templateText(input, deps, call);
      const source = await reader.read(text);
      const submitted = await submittedTemplate(
        text,
        source,
        { parameters: input.Parameters ?? [], held: heldIn(deps, call), macros: macrosIn(deps, reader, call) },
        settings.capabilities,
        call.region,
      );
      checkAllowedTypes(submitted, input.ResourceTypes);
      const stack = stackRow(deps, input, call, submitted, settings);
      const blueprint = await validated({ deps, reader }, submitted, pseudoOf(stack), settings.capabilities);
      const resources = resourceRows(deps, stack, blueprint);
      const now = deps.clock.now();
      return deps.store.tx((tx) =>
        oncePerToken(tx, tokenUse(input, call, now), async () => {
          await admit(tx, stack);
          await write(tx, stack, submitted, resources, now);
          tx.afterCommit(() => engine.wake());
          return { StackId: stackArn(stack) };
        }),
      );
    },
  } satisfies Handlers<Client>;
}

function tokenUse(input: Input, call: Call, now: number) {
  return {
    operation: "cloudformation:CreateStack",
    token: input.ClientRequestToken,
    input,
    call,
    now,
    mismatch: () => fault("TokenAlreadyExistsException", `Token ${input.ClientRequestToken} already exists`),
  };
}

/** Names as AWS checks them. Source: API reference, CreateStack, StackName. */
export function checkName(name: string): void {
  const constraint = (rule: string) =>
    invalid(
      `1 validation error detected: Value '${name}' at 'stackName' failed to satisfy constraint: Member must ${rule}`,
    );
  if (!stackNamePattern.test(name)) {
    throw constraint("satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*");
  }
  if (name.length > stackNameLengthMax) throw constraint(`have length less than or equal to ${stackNameLengthMax}`);
}

/** What was asked for, with what would change the outcome and is not run refused by name. */
function settingsOf(input: Input): StackSettings {
  if (input.OnFailure !== undefined && input.DisableRollback !== undefined) {
    throw invalid("You can specify either OnFailure or DisableRollback, but not both");
  }
  if ((input.NotificationARNs ?? []).length > 0) throw unsupported("NotificationARNs of CreateStack");
  if ((input.RollbackConfiguration?.MonitoringTimeInMinutes ?? 0) > 0) {
    throw unsupported("MonitoringTimeInMinutes of CreateStack");
  }
  if ((input.RollbackConfiguration?.RollbackTriggers ?? []).length > 0)
    throw unsupported("RollbackTriggers of CreateStack");
  const { TimeoutInMinutes: timeoutMinutes, RoleARN: roleArn } = input;
  return {
    capabilities: input.Capabilities ?? [],
    onFailure: input.OnFailure ?? "ROLLBACK",
    disableRollback: input.DisableRollback ?? false,
    ...(timeoutMinutes === undefined ? {} : { timeoutMinutes }),
    ...(roleArn === undefined ? {} : { roleArn }),
    ...(input.ClientRequestToken === undefined ? {} : { clientRequestToken: input.ClientRequestToken }),
    tags: tagsOf(input),
    terminationProtection: input.EnableTerminationProtection ?? false,
    retainExceptOnCreate: input.RetainExceptOnCreate ?? false,
    retainResources: [],
    deletionMode: "STANDARD",
  };
}

/** The stack's policy, where the request sets one. */
export async function ownPolicy(
  { StackPolicyBody: body, StackPolicyURL: url }: Pick<Input, "StackPolicyBody" | "StackPolicyURL">,
  deps: Deps,
  call: Call,
): Promise<Pick<StackSettings, "stackPolicy">> {
  const stackPolicy = await policyText({ body, url, names: ["StackPolicyBody", "StackPolicyURL"] }, deps, call);
  return stackPolicy === undefined ? {} : { stackPolicy };
}

/** The tags of a request, each key once. */
export function tagsOf({ Tags: tags = [] }: Pick<Input, "Tags">): StackSettings["tags"] {
  if (tags.length > tagsMax) throw invalid(`Number of tags exceeds the maximum allowed, ${tagsMax}`);
  const keys = new Set<string>();
  return tags.map(({ Key, Value }) => {
    if (Key.startsWith("aws:")) throw invalid(`aws: prefixed tag key names are not allowed for external use. [${Key}]`);
    if (keys.has(Key))
      throw invalid(`Duplicate tag keys found. Please note that Tag keys are case insensitive. [${Key}]`);
    keys.add(Key);
    return { Key, Value };
  });
}

/** `ResourceTypes`: `AWS::*`, `AWS::Lambda::*`, `AWS::Lambda::Function`, `Custom::*`. */
export function checkAllowedTypes({ template }: Submitted, allowed: readonly string[] | undefined): void {
  if (allowed === undefined || allowed.length === 0) return;
  const allows = (type: string) =>
    allowed.some((rule) => rule === type || (rule.endsWith("::*") && type.startsWith(rule.slice(0, -1))));
  for (const { type } of template.resources.values()) {
    if (!allows(type))
      throw invalid(`Resource type ${type} is not allowed by parameter ResourceTypes [${allowed.join(", ")}]`);
  }
}

function stackRow(deps: Deps, input: Input, call: Call, submitted: Submitted, settings: StackSettings): StackRow {
  const now = deps.clock.now();
  const { account, region } = call;
  const { timeoutMinutes } = settings;
  return {
    account,
    region,
    stack: deps.ids.uuid(),
    name: input.StackName,
    description: submitted.template.description ?? null,
    status: "CREATE_IN_PROGRESS",
    reason: null,
    created_ms: now,
    deleted_ms: null,
    purge_ms: null,
    operation: 1,
    deadline_ms: timeoutMinutes === undefined ? null : now + timeoutMinutes * 60_000,
    failure: null,
    parameters: [...submitted.parameters.values()],
    settings,
    outputs: [],
    principal: actingPrincipal(settings, call),
    event_count: 0,
    last_event_ms: 0,
  };
}

/** The stack's role when it has one, else whoever called. */
export function actingPrincipal({ roleArn }: StackSettings, call: Call): Call["principal"] {
  return roleArn === undefined
    ? call.principal
    : { kind: "role", account: call.account, roleArn, session: "AWSCloudFormation" };
}

export function pseudoOf(stack: StackRow) {
  const { account, region, name: stackName } = stack;
  return { account, region, stackName, stackId: stackArn(stack), notificationArns: [] };
}

/** Rows for all resources. Each has its token, and its name if it needs one, before anything is called. */
export function resourceRows(deps: Deps, stack: StackRow, blueprint: Blueprint): readonly ResourceRow[] {
  const { account, region, stack: id, name: stackName } = stack;
  return [...blueprint.resources].map(([logicalId, { type }], position) => ({
    account,
    region,
    stack: id,
    logical_id: logicalId,
    type,
    position,
    status: null,
    reason: null,
    updated_ms: stack.created_ms,
    operation: stack.operation,
    token: deps.ids.uuid(),
    physical_name: physicalName({ stackName, logicalId, rule: deps.resourceType(type)?.name }, deps.ids),
    properties: null,
    metadata: null,
    shown_properties: null,
    physical_id: null,
    attributes: null,
  }));
}

/** The name is free, and the account may have one more stack. */
export async function admit(tx: Tx, { account, region, name }: StackRow): Promise<void> {
  const where = sql`where account = ${account} and region = ${region}`;
  const taken = await tx.one<{ stack: string }>(sql`select stack from ${stackNames.name} ${where} and name = ${name}`);
  if (taken !== undefined) throw fault("AlreadyExistsException", `Stack [${name}] already exists`);
  const live = await tx.one<{ count: number }>(sql`select count(*) as count from ${stackNames.name} ${where}`);
  if ((live?.count ?? 0) >= stacksMax) {
    throw fault("LimitExceededException", `Limit for stack has been exceeded: ${stacksMax}`);
  }
  await admitWork(tx, { account, region });
}

/** An account has so many stacks under way in a region, and no more. */
export async function admitWork(tx: Tx, { account, region }: Pick<StackRow, "account" | "region">): Promise<void> {
  const where = sql`where account = ${account} and region = ${region}`;
  const busy = await tx.one<{ count: number }>(sql`select count(*) as count from ${stackWork.name} ${where}`);
  if ((busy?.count ?? 0) >= stacksInProgressMax) throw fault("Throttling", "Rate exceeded");
}

async function write(
  tx: Tx,
  stack: StackRow,
  { original, processed, transformed }: Submitted,
  resources: readonly ResourceRow[],
  now: number,
): Promise<void> {
  await writeStack(tx, stack);
  await writeCreation(tx, stack, { original, processed, transformed }, resources, now);
}

/** The stack's row and its name. */
export async function writeStack(tx: Tx, stack: StackRow): Promise<void> {
  const { account, region, stack: id, name } = stack;
  await tx.run(insert(stacks, stack));
  await tx.run(insert(stackNames, { account, region, name, stack: id }));
}

/** What the engine makes the stack from; hands it to the engine. */
export async function writeCreation(
  tx: Tx,
  stack: StackRow,
  { original, processed, transformed }: Pick<Submitted, "original" | "processed" | "transformed">,
  resources: readonly ResourceRow[],
  now: number,
): Promise<void> {
  const { account, region, stack: id } = stack;
  await tx.run(insert(templates, { account, region, stack: id, original, processed, transformed }));
  for (const resource of resources) await tx.run(insert(stackResources, resource));
  await tx.run(insert(stackWork, workFor(stack, now)));
  await record(tx, stack, stackChange(stack, "CREATE_IN_PROGRESS", "User Initiated"), now);
}

/** Fences of one operation are never those of another, whatever driver of the former still runs. */
const fencesPerOperation = 1_000_000;

/** The row that hands a stack to the engine. */
export function workFor(key: StackKey & Pick<StackRow, "operation">, now: number) {
  const { account, region, stack, operation } = key;
  return { account, region, stack, due_ms: now, claims: operation * fencesPerOperation };
}
