/** Looks at one resource as it is, and tells in what it is another than its template says. */
import { serviceCall, type Call } from "../../kit/call.ts";
import type { Resource, ResourceRequest } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { abortOf, requestFor } from "./attempts.ts";
import { compareProperties } from "./drift-compare.ts";
import type { ResourceDriftRow } from "./drift-tables.ts";
import { invalid } from "./faults.ts";
import { isMap, type Json, type JsonObject } from "./json.ts";
import { resourceReadMsMax } from "./limits.ts";
import type { ResourceStatus } from "./plan.ts";
import type { ResourceRow, StackRow } from "./tables.ts";

const resting = new Set<ResourceStatus | null>(["CREATE_COMPLETE", "UPDATE_COMPLETE"]);

/** The type, if it can be read. */
function readable(deps: Deps, row: ResourceRow): (Required<Pick<Resource, "read">> & Resource) | undefined {
  const type = deps.resourceType(row.type);
  return type?.read === undefined ? undefined : { ...type, read: type.read.bind(type) };
}

/** Whether there is something to check, and somebody to ask. */
export function isCheckable(deps: Deps, row: ResourceRow): boolean {
  return resting.has(row.status) && row.physical_id !== null && readable(deps, row) !== undefined;
}

/** Undefined for what is not checked. Throws the fault of a service that could not be asked. */
export async function checkDrift(
  deps: Deps,
  stack: StackRow,
  row: ResourceRow,
  signal: AbortSignal,
): Promise<ResourceDriftRow | undefined> {
  const type = readable(deps, row);
  const { physical_id: physicalId } = row;
  if (type === undefined || physicalId === null || !resting.has(row.status)) return undefined;
  const request = { ...requestFor({ stack }, row), physicalId, attributes: row.attributes ?? {} };
  const checkedMs = deps.clock.now();
  const actual = await limited(deps, stack, signal, (call) => type.read(request, call));
  return { ...outcomeOf(type, row, request, actual), ...keyOf(row), physical_id: physicalId, checked_ms: checkedMs };
}

function keyOf({ account, region, stack, logical_id, token, type }: ResourceRow) {
  return { account, region, stack, logical_id, token, type };
}

function outcomeOf(
  type: Resource,
  row: ResourceRow,
  request: ResourceRequest,
  actual: JsonObject | undefined,
): Pick<ResourceDriftRow, "status" | "expected" | "actual" | "differences"> {
  const shown = shownOf(row);
  const stackTags = new Set(Object.keys(request.tags));
  const { comparison = {} } = type;
  const compared = compareProperties({
    expected: request.properties,
    shown,
    actual: actual ?? {},
    stackTags,
    comparison,
  });
  if (actual === undefined) return { status: "DELETED", expected: compared.expected, actual: null, differences: [] };
  return { status: compared.differences.length === 0 ? "IN_SYNC" : "MODIFIED", ...compared };
}

function shownOf(row: ResourceRow): JsonObject {
  const shown = row.shown_properties === null ? {} : (JSON.parse(row.shown_properties) as Json);
  return isMap(shown) ? shown : {};
}

async function limited<T>(
  { clock, ...deps }: Deps,
  stack: StackRow,
  signal: AbortSignal,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = clock.after(resourceReadMsMax, () => limit.abort(invalid("Exceeded attempts to wait")));
  const either = AbortSignal.any([signal, limit.signal]);
  const service = { kind: "service", service: "cloudformation.amazonaws.com" } as const;
  const rest = { signal: either, deadline: clock.now() + resourceReadMsMax };
  const call = {
    ...serviceCall({ clock, ...deps }, stack.account, stack.region, service, rest),
    principal: stack.principal,
  };
  try {
    return await Promise.race([work(call), abortOf(either)]);
  } finally {
    timer.cancel();
  }
}
