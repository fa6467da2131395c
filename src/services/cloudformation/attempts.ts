/** One call of a resource's `create` or `delete`, with its time limit, and what its answer means for the stack. */
import { asError, isFault } from "../../base/errors.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import type { Resource, ResourceRequest, ResourceState } from "../../kit/resource.ts";
import { scopeOf } from "./blueprint.ts";
import { isDynamic } from "./check.ts";
import { faultMessage, madeOf, type Drive } from "./underway.ts";
import { invalid, unsupported } from "./faults.ts";
import { handlerReason } from "./handler-errors.ts";
import { evaluate } from "./intrinsics.ts";
import { stackArn, type Change } from "./journal.ts";
import { isMap, member, type Json, type JsonObject } from "./json.ts";
import { resourceMsMax } from "./limits.ts";
import { ownName, propertyFault } from "./properties.ts";
import * as step from "./transitions.ts";
import type { ResourceRow, StackRow } from "./tables.ts";

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
    if (isDynamic(properties)) throw unsupported("dynamic references");
    const shown = evaluate(planned.properties, scopeOf(drive.blueprint, madeOf(drive), { mask: true }));
    const prepared = {
      physicalName: ownName(properties, type) ?? row.physical_name,
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
  const answer = await attempt(drive, row, (type, request, call) => type.create(request, call));
  if (answer === undefined) return undefined;
  if ("reason" in answer) return (current, stack) => step.creationFailed(current, stack, answer.reason);
  return (current, stack) => step.creationEnded(current, stack, answer.value, isCancelled(drive, stack));
}

/** Creation that has failed elsewhere, or is being deleted, has no use for a resource that comes late. */
function isCancelled({ rows }: Drive, stack: StackRow): boolean {
  if (stack.status !== "CREATE_IN_PROGRESS" || stack.failure !== null) return true;
  return [...rows.values()].some(({ status }) => status === "CREATE_FAILED");
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
): Promise<{ value: T } | { reason: string } | undefined> {
  const type = drive.deps.resourceType(row.type);
  if (type === undefined) return { reason: `Unrecognized resource type ${row.type}` };
  const { clock, log } = drive.deps;
  const limit = new AbortController();
  const timer = clock.after(resourceMsMax, () => limit.abort(invalid("Exceeded attempts to wait")));
  const signal = AbortSignal.any([drive.signal, limit.signal]);
  try {
    const call = callFor(drive, signal);
    return { value: await Promise.race([work(type, requestFor(drive, row), call), abortOf(signal)]) };
  } catch (error) {
    if (drive.signal.aborted) return undefined;
    if (!isFault(error)) {
      log.error("a resource broke", { stack: drive.stack.name, logicalId: row.logical_id, error: asError(error) });
    }
    return { reason: handlerReason(error, row.token) };
  } finally {
    timer.cancel();
  }
}

/** Rejects when the signal aborts: a handler that does not listen must not hold the stack. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(asError(signal.reason)), { once: true });
    if (signal.aborted) reject(asError(signal.reason));
  });
}

function callFor({ deps, stack }: Drive, signal: AbortSignal): Call {
  const service = { kind: "service", service: "cloudformation.amazonaws.com" } as const;
  const deadline = deps.clock.now() + resourceMsMax;
  // CloudFormation acts with the rights of whoever made the stack.
  return {
    ...serviceCall(deps, stack.account, stack.region, service, { signal, deadline }),
    principal: stack.principal,
  };
}

function requestFor({ stack }: Drive, row: ResourceRow): ResourceRequest {
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
      ...Object.fromEntries(stack.settings.tags.map(({ Key, Value }) => [Key, Value])),
      "aws:cloudformation:stack-name": stack.name,
      "aws:cloudformation:stack-id": stackArn(stack),
      "aws:cloudformation:logical-id": row.logical_id,
    },
  };
}
