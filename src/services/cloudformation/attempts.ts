/** One call of a resource's `create`, `update` or `delete`, with its time limit, and what its answer means for the stack. */
import { asError, isFault, must } from "../../base/errors.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import { ResourceFailure, type Resource, type ResourceRequest, type ResourceState } from "../../kit/resource.ts";
import { scopeOf } from "./blueprint.ts";
import { faultMessage, formerOf, madeOf, type Drive } from "./underway.ts";
import { differenceOf, followsTags, sameJson } from "./difference.ts";
import { checkReferences, resolved } from "./dynamic-references.ts";
import { invalid, unsupported } from "./faults.ts";
import { handlerReason } from "./handler-errors.ts";
import { evaluate } from "./intrinsics.ts";
import { stackArn, type Change } from "./journal.ts";
import { isMap, member, type Json, type JsonObject } from "./json.ts";
import { resourceMsMax } from "./limits.ts";
import { physicalName } from "./naming.ts";
import { ownName, propertyFault } from "./properties.ts";
import { policyRefusal } from "./stack-policy.ts";
import * as step from "./transitions.ts";
import * as updateStep from "./update-transitions.ts";
import type { FormerRow, ResourceRow, StackRow, StackSettings } from "./tables.ts";

/** The change that an ended call makes, decided in the transaction that writes it. */
export type Outcome = (row: ResourceRow, stack: StackRow) => Change;

/** Evaluates a resource's properties, or says why it cannot be made. */
export function prepareResource(drive: Drive, row: ResourceRow): { prepared: step.Prepared } | { refusal: string } {
  const type = drive.deps.resourceType(row.type);
  const planned = drive.blueprint.resources.get(row.logical_id);
  if (type === undefined || planned === undefined) return { refusal: `Unrecognized resource type ${row.type}` };
  try {
    const scope = scopeOf(drive.blueprint, madeOf(drive));
    const properties = objectOf(evaluate(planned.properties, scope));
    const refusal = propertyFault(row.logical_id, properties, type);
    if (refusal !== undefined) return { refusal };
    // A parameter may have brought one in.
    checkReferences(properties);
    const shown = evaluate(planned.properties, scopeOf(drive.blueprint, madeOf(drive), { mask: true }));
    const own = ownName(properties, type);
    if (own?.includes("{{resolve:") === true) throw unsupported("a dynamic reference in the name of a resource");
    const prepared = {
      physicalName: own ?? row.physical_name,
      properties,
      metadata: objectOf(evaluate(planned.metadata, scope)),
      shownProperties: JSON.stringify(shown),
    };
    return { prepared };
  } catch (error) {
    return { refusal: faultMessage(error) };
  }
}

function objectOf(value: Json | undefined): JsonObject {
  if (value === undefined) return {};
  if (!isMap(value)) throw invalid("Template format error: [/Properties] must be an object.");
  return value;
}

/** Undefined when the node is stopping: the step stays as it is written, to be taken up again. */
export async function attemptCreate(drive: Drive, row: ResourceRow): Promise<Outcome | undefined> {
  const answer = await attempt(drive, row, (type, request, call) => create(drive, type, request, call));
  if (answer === undefined) return undefined;
  if ("reason" in answer) return (current, stack) => step.creationFailed(current, stack, answer.reason, answer.left);
  return (current, stack) => step.creationEnded(current, stack, answer.value, isCancelled(drive, stack));
}

async function create({ deps }: Drive, type: Resource, request: ResourceRequest, call: Call): Promise<ResourceState> {
  return type.create({ ...request, properties: await resolved(request.properties, deps.peers, call) }, call);
}

/** What has failed elsewhere, or is being deleted, has no use for a resource that comes late. */
function isCancelled({ rows }: Drive, stack: StackRow): boolean {
  const wanted = stack.status === "CREATE_IN_PROGRESS" || stack.status === "UPDATE_IN_PROGRESS";
  if (!wanted || stack.failure !== null) return true;
  if (stack.settings.disableRollback) return false;
  return [...rows.values()].some(
    ({ status, operation }) =>
      operation === stack.operation && (status === "CREATE_FAILED" || status === "UPDATE_FAILED"),
  );
}

/** What an update does to a resource that is there, decided when all it needs is as it will be. */
export function examine(drive: Drive, row: ResourceRow): "none" | step.Examined {
  const outcome = prepareResource(drive, row);
  if ("refusal" in outcome) return { kind: "refused", refusal: outcome.refusal };
  const { prepared } = outcome;
  const type = must(drive.deps.resourceType(row.type), row.type);
  // What failed in an update that was not rolled back is not what its row says, but at best what it was before.
  const failed = row.status === "UPDATE_FAILED";
  const known = failed ? (formerOf(drive, row.logical_id)?.row ?? row) : row;
  const before = { properties: known.properties ?? {}, metadata: known.metadata ?? {} };
  const kind = differenceOf(type, before, prepared, tagsChanged(drive));
  if (kind === "none" && !failed) return kind;
  const action = kind === "replace" ? "Update:Replace" : "Update:Modify";
  const forbidden = policyRefusal(policyOf(drive), { action, logicalId: row.logical_id, type: row.type });
  if (forbidden !== undefined) return { kind: "refused", refusal: forbidden };
  if (kind !== "replace") return { kind: "update", prepared };
  if (drive.stack.settings.disableRollback) return { kind: "refused", refusal: noReplacement };
  const own = ownName(prepared.properties, type);
  if (own !== undefined && own === row.physical_name) {
    const refusal = `CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename ${own} and update the stack again.`;
    return { kind: "refused", refusal };
  }
  const { deps, stack } = drive;
  const made = physicalName({ stackName: stack.name, logicalId: row.logical_id, rule: type.name }, deps.ids);
  return { kind: "replace", prepared: { ...prepared, physicalName: own ?? made }, token: deps.ids.uuid() };
}

/** The old one goes when the update is over, and with it the way back that such an update must leave open. */
const noReplacement = "Replacement type updates not supported on stack with disable-rollback.";

/** The policy that the running update is held to: the one it brings for itself, or that of before. */
export function policyOf({ stack, counterpart }: Drive): string | undefined {
  return stack.settings.stackPolicyDuringUpdate ?? counterpart?.row.settings.stackPolicy;
}

function tagsChanged({ stack, counterpart }: Drive): boolean {
  return counterpart !== undefined && !sameJson(pairs(stack.settings.tags), pairs(counterpart.row.settings.tags));
}

function pairs(tags: StackSettings["tags"]): JsonObject {
  return Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]));
}

/** Goes on with what is written as UPDATE_IN_PROGRESS: a change in place, its restoration, or a replacement. */
export async function attemptUpdate(drive: Drive, row: ResourceRow): Promise<Outcome | undefined> {
  const former = must(formerOf(drive, row.logical_id), `the former state of ${row.logical_id}`);
  const replaced = former.kind === "replaced";
  const answer = await attempt(drive, row, (type, request, call) =>
    replaced ? create(drive, type, request, call) : update(drive, { row, former, type, request }, call),
  );
  if (answer === undefined) return undefined;
  if ("reason" in answer) return (current, stack) => updateStep.updateFailed(current, stack, answer.reason);
  const { value } = answer;
  if (replaced) {
    return (current, stack) => updateStep.replacementEnded(current, stack, value, isCancelled(drive, stack));
  }
  const token = drive.deps.ids.uuid();
  return (current, stack) => {
    const change =
      former.kind === "restoring"
        ? updateStep.restoreEnded(current, former, stack, value)
        : updateStep.updateEnded(current, stack, value, isCancelled(drive, stack));
    return updateStep.outgrown(change, { row: current, former, token, state: value, formers: drive.formers });
  };
}

interface UpdateParts {
  row: ResourceRow;
  former: FormerRow;
  type: Resource;
  request: ResourceRequest;
}

async function update(drive: Drive, { row, former, type, request }: UpdateParts, call: Call): Promise<ResourceState> {
  const state = { physicalId: row.physical_id ?? "", attributes: row.attributes ?? {} };
  const before = requestFor(drive, former.row, drive.counterpart?.row.settings.tags);
  const same =
    former.kind !== "preserved" &&
    sameJson(request.properties, before.properties) &&
    sameJson(request.metadata, before.metadata) &&
    !(tagsChanged(drive) && followsTags(type));
  if (same || type.update === undefined) return state;
  const { properties, metadata, tags } = before;
  const { peers } = drive.deps;
  const now = { ...request, properties: await resolved(request.properties, peers, call) };
  return type.update({ ...now, ...state, former: { properties, metadata, tags } }, call);
}

export async function attemptDelete(drive: Drive, row: ResourceRow): Promise<Outcome | undefined> {
  const state: ResourceState = { physicalId: row.physical_id ?? "", attributes: row.attributes ?? {} };
  const answer = await attempt(drive, row, (type, request, call) => type.delete({ ...request, ...state }, call));
  if (answer === undefined) return undefined;
  if ("reason" in answer) return (current, stack) => step.deletionFailed(current, stack, answer.reason);
  return (current, stack) => step.deletionEnded(current, stack);
}

type Work<T> = (type: Resource, request: ResourceRequest, call: Call) => Promise<T>;

async function attempt<T>(
  drive: Drive,
  row: ResourceRow,
  work: Work<T>,
): Promise<{ value: T } | { reason: string; left?: string | undefined } | undefined> {
  const type = drive.deps.resourceType(row.type);
  if (type === undefined) return { reason: `Unrecognized resource type ${row.type}` };
  const { clock, log } = drive.deps;
  const limit = new AbortController();
  const stepMsMax = type.stepMsMax ?? resourceMsMax;
  const timer = clock.after(stepMsMax, () => limit.abort(invalid("Exceeded attempts to wait")));
  const signal = AbortSignal.any([drive.signal, limit.signal]);
  try {
    const call = callFor(drive, signal, stepMsMax);
    return { value: await Promise.race([work(type, requestFor(drive, row), call), abortOf(signal)]) };
  } catch (error) {
    if (drive.signal.aborted) return undefined;
    if (!isFault(error)) {
      log.error("a resource broke", { stack: drive.stack.name, logicalId: row.logical_id, error: asError(error) });
    }
    return { reason: handlerReason(error, row.token), left: error instanceof ResourceFailure ? error.left : undefined };
  } finally {
    timer.cancel();
  }
}

/** Rejects when the signal aborts: a handler that does not listen must not hold the stack. */
export function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(asError(signal.reason)), { once: true });
    if (signal.aborted) reject(asError(signal.reason));
  });
}

function callFor({ deps, stack }: Drive, signal: AbortSignal, stepMsMax: number): Call {
  const service = { kind: "service", service: "cloudformation.amazonaws.com" } as const;
  const deadline = deps.clock.now() + stepMsMax;
  // CloudFormation acts with the rights of whoever made the stack.
  return {
    ...serviceCall(deps, stack.account, stack.region, service, { signal, deadline }),
    principal: stack.principal,
  };
}

export function requestFor(
  { stack }: Pick<Drive, "stack">,
  row: ResourceRow,
  tags = stack.settings.tags,
): ResourceRequest {
  const mikan = member(row.metadata ?? {}, "Mikan");
  return {
    token: row.token,
    stackId: stackArn(stack),
    stackName: stack.name,
    logicalId: row.logical_id,
    physicalName: row.physical_name,
    properties: row.properties ?? {},
    metadata: isMap(mikan) ? mikan : {},
    tags: {
      ...Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
      "aws:cloudformation:stack-name": stack.name,
      "aws:cloudformation:stack-id": stackArn(stack),
      "aws:cloudformation:logical-id": row.logical_id,
    },
  };
}
