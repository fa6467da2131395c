/** What a stack is to become: the template, values and settings of an UpdateStack or a change set, ready to be compared. */
import type { Call } from "../../kit/call.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { join, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { importNames, type Blueprint } from "./blueprint.ts";
import type { Capability } from "./capabilities.ts";
import { differencesOf, type ResourceDifference } from "./changes.ts";
import { actingPrincipal, checkAllowedTypes, pseudoOf, tagsOf } from "./create-stack.ts";
import { sameJson } from "./difference.ts";
import { invalid, unsupported } from "./faults.ts";
import { ownStack } from "./lookup.ts";
import type { SourceReader } from "./source-reader.ts";
import { macrosIn } from "./macros.ts";
import { heldIn, submittedTemplate, templateText, type Submitted } from "./submitted.ts";
import {
  readResources,
  readTemplateRow,
  stackExports,
  type ExportRow,
  type ResourceRow,
  type StackRow,
  type StackSettings,
  type TemplateRow,
} from "./tables.ts";
import { blueprintOf } from "./underway.ts";
import { validated } from "./validation.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type ChangeSetInput = Received<InputOf<Client, "CreateChangeSet">>;
/** What UpdateStack and CreateChangeSet have in common. */
export type TargetInput = Pick<
  ChangeSetInput,
  | "TemplateBody"
  | "TemplateURL"
  | "UsePreviousTemplate"
  | "Parameters"
  | "Capabilities"
  | "ResourceTypes"
  | "RoleARN"
  | "RollbackConfiguration"
  | "NotificationARNs"
  | "Tags"
>;

/** A stack as it is. */
export interface Current {
  stack: StackRow;
  template: TemplateRow | undefined;
  rows: ReadonlyMap<string, ResourceRow>;
}

export interface Target {
  submitted: Submitted;
  settings: StackSettings;
  principal: StackRow["principal"];
  blueprint: Blueprint;
}

export async function readCurrent(tx: ReadTx, name: string, call: Pick<Call, "account" | "region">): Promise<Current> {
  const stack = await ownStack(tx, name, call);
  const rows = await readResources(tx, stack);
  return {
    stack,
    template: await readTemplateRow(tx, stack),
    rows: new Map(rows.map((row) => [row.logical_id, row])),
  };
}

/**
 * Reads and checks what is asked for. Throws AWS's errors. `acknowledged` are capabilities that nobody need give:
 * what a transform makes is reviewed in a change set.
 */
export async function targetOf(
  { deps, reader }: { deps: Deps; reader: SourceReader },
  { stack, template }: Current,
  input: TargetInput,
  call: Call,
  acknowledged: readonly Capability[] = [],
): Promise<Target> {
  refuseLater(input);
  const settings = settingsOf(stack, input);
  const text = await sourceText(deps, template, input, call);
  const source = await reader.read(text);
  const previous = new Map(stack.parameters.map((parameter) => [parameter.key, parameter]));
  const macros = macrosIn(deps, reader, call);
  const given = { parameters: input.Parameters ?? [], previous, held: heldIn(deps, call), macros };
  const submitted = await submittedTemplate(
    text,
    source,
    given,
    [...settings.capabilities, ...acknowledged],
    stack.region,
  );
  checkAllowedTypes(submitted, input.ResourceTypes);
  const blueprint = await validated({ deps, reader }, submitted, pseudoOf(stack), settings.capabilities);
  return { submitted, settings, blueprint, principal: actingPrincipal(settings, call) };
}

function refuseLater(input: TargetInput): void {
  if ((input.NotificationARNs ?? []).length > 0) throw unsupported("NotificationARNs");
  if ((input.RollbackConfiguration?.MonitoringTimeInMinutes ?? 0) > 0) throw unsupported("MonitoringTimeInMinutes");
  if ((input.RollbackConfiguration?.RollbackTriggers ?? []).length > 0) throw unsupported("RollbackTriggers");
}

async function sourceText(deps: Deps, template: TemplateRow | undefined, input: TargetInput, call: Call) {
  if (input.UsePreviousTemplate !== true) return templateText(input, deps, call);
  if (input.TemplateBody !== undefined || input.TemplateURL !== undefined) {
    throw invalid("You cannot specify both usePreviousTemplate and templateBody or templateURL");
  }
  if (template === undefined) throw invalid("You cannot specify usePreviousTemplate for a stack without a template");
  return template.original;
}

function settingsOf({ settings }: StackRow, input: TargetInput): StackSettings {
  const { clientRequestToken: _, stackPolicyDuringUpdate: _during, ...former } = settings;
  const roleArn = input.RoleARN ?? former.roleArn;
  return {
    ...former,
    capabilities: input.Capabilities ?? [],
    tags: input.Tags === undefined ? former.tags : tagsOf(input),
    ...(roleArn === undefined ? {} : { roleArn }),
  };
}

export interface Compared {
  differences: readonly ResourceDifference[];
  /** No resource, tag or output would be another. */
  nothing: boolean;
}

/** Compares a stack with its target; refuses what no update can do. */
export async function compare(deps: Deps, current: Current, target: Target): Promise<Compared> {
  const { stack, template, rows } = current;
  checkTypes(current, target);
  const before =
    template === undefined || stack.status === "REVIEW_IN_PROGRESS"
      ? undefined
      : blueprintOf(stack, template.processed);
  const tagsChanged = !sameJson(pairsOf(stack.settings), pairsOf(target.settings));
  await deps.openTypes(Array.from(rows.values(), ({ type }) => type));
  const imports = await deps.store.read((tx) => importsOf(tx, stack, importNames(target.blueprint)));
  const differences = differencesOf({
    before,
    after: target.blueprint,
    rows,
    imports,
    typeOf: deps.resourceType,
    tagsChanged,
  });
  const sameOutputs = before !== undefined && sameJson(outputsJson(before), outputsJson(target.blueprint));
  const nothing = differences.length === 0 && !tagsChanged && sameOutputs && sameParameters(before, target.blueprint);
  return { differences, nothing };
}

function pairsOf({ tags }: StackSettings) {
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]));
}

function checkTypes({ rows }: Current, { blueprint }: Target): void {
  const changed = [...blueprint.resources].filter(([id, { type }]) => {
    const row = rows.get(id);
    return row !== undefined && row.status !== null && row.type !== type;
  });
  if (changed.length === 0) return;
  throw invalid(
    `Update of resource type is not permitted. The new template modifies resource type of the following resources: [${changed.map(([id]) => id).join(", ")}]`,
  );
}

function outputsJson({ outputs }: Blueprint) {
  return Object.fromEntries(
    [...outputs].map(([key, { value, description = "", exportName = "" }]) => [
      key,
      { value, description, exportName },
    ]),
  );
}

/** Outputs may use parameters that no resource uses. */
function sameParameters(before: Blueprint, after: Blueprint): boolean {
  const used = JSON.stringify(outputsJson(after));
  return [...after.parameters].every(
    ([key, { text }]) => before.parameters.get(key)?.text === text || !used.includes(key),
  );
}

async function importsOf(
  tx: ReadTx,
  { account, region }: StackRow,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  const found = await tx.all<ExportRow>(sql`select ${stackExports.columns} from ${stackExports.name}
    where account = ${account} and region = ${region} and name in (${join(names)})`);
  return new Map(found.map(({ name, value }) => [name, value]));
}
