/** The steps of a resource and of a stack, as AWS tells them. Pure: rows in, a change out. */
import type { ResourceState } from "../../kit/resource.ts";
import type { Change, NewEvent, ResourceChange } from "./journal.ts";
import { stackChange } from "./journal.ts";
import type { JsonObject } from "./json.ts";
import type { ResourceStatus } from "./plan.ts";
import type { ResourceRow, StackRow } from "./tables.ts";

/** An event of a resource. */
export function told(row: ResourceRow, status: ResourceStatus, rest: Partial<NewEvent> = {}): NewEvent {
  return {
    logicalId: row.logical_id,
    physicalId: row.physical_id ?? "",
    type: row.type,
    status,
    properties: row.shown_properties ?? undefined,
    ...rest,
  };
}

/** A resource's next status. */
export function moved(row: ResourceRow, stack: StackRow, status: ResourceStatus, reason?: string): ResourceChange {
  return { logicalId: row.logical_id, set: { status, reason: reason ?? null, operation: stack.operation } };
}

/** Several changes as one. */
export function together(changes: readonly Change[]): Change {
  return {
    resources: changes.flatMap(({ resources = [] }) => resources),
    formers: changes.flatMap(({ formers = [] }) => formers),
    events: changes.flatMap(({ events }) => events),
  };
}

/** What is known of a resource before its `create` is called. */
export interface Prepared {
  physicalName: string;
  properties: JsonObject;
  metadata: JsonObject;
  shownProperties: string;
}

/** What an update does to a resource that is there. */
export type Examined =
  | { kind: "refused"; refusal: string }
  | { kind: "update"; prepared: Prepared }
  | { kind: "replace"; prepared: Prepared; token: string };

export function creationBegun(row: ResourceRow, stack: StackRow, prepared: Prepared): Change {
  const { logicalId, set } = moved(row, stack, "CREATE_IN_PROGRESS");
  const { physicalName, properties, metadata, shownProperties } = prepared;
  const known = { physical_name: physicalName, properties, metadata, shown_properties: shownProperties };
  return {
    resources: [{ logicalId, set: { ...set, ...known } }],
    events: [told(row, "CREATE_IN_PROGRESS", { properties: shownProperties })],
  };
}

/** `create` answered. Where the stack wants it no more, it is there only to be deleted again. */
export function creationEnded(row: ResourceRow, stack: StackRow, state: ResourceState, cancelled: boolean): Change {
  const status = cancelled ? "CREATE_FAILED" : "CREATE_COMPLETE";
  const reason = cancelled ? creationCancelled : undefined;
  const { logicalId, set } = moved(row, stack, status, reason);
  const { physicalId, attributes } = state;
  return {
    resources: [{ logicalId, set: { ...set, physical_id: physicalId, attributes } }],
    events: [
      told(row, "CREATE_IN_PROGRESS", { physicalId, reason: "Resource creation Initiated" }),
      told(row, status, { physicalId, reason }),
    ],
  };
}

export const creationCancelled = "Resource creation cancelled";

/** `left`: what there is to delete all the same. */
export function creationFailed(row: ResourceRow, stack: StackRow, reason: string, left?: string): Change {
  const { logicalId, set } = moved(row, stack, "CREATE_FAILED", reason);
  const known = left === undefined ? {} : { physical_id: left };
  const physicalId = left ?? row.physical_id ?? "";
  return {
    resources: [{ logicalId, set: { ...set, ...known } }],
    events: [told(row, "CREATE_FAILED", { physicalId, reason })],
  };
}

/** A resource whose properties cannot be evaluated or used: begun and failed in one. */
export function creationRefused(row: ResourceRow, stack: StackRow, reason: string): Change {
  const { resources = [], events } = creationFailed(row, stack, reason);
  return { resources, events: [told(row, "CREATE_IN_PROGRESS"), ...events] };
}

export function deletionBegun(row: ResourceRow, stack: StackRow): Change {
  return {
    resources: [moved(row, stack, "DELETE_IN_PROGRESS")],
    events: [told(row, "DELETE_IN_PROGRESS")],
  };
}

export function deletionEnded(row: ResourceRow, stack: StackRow): Change {
  return { resources: [moved(row, stack, "DELETE_COMPLETE")], events: [told(row, "DELETE_COMPLETE")] };
}

export function deletionSkipped(row: ResourceRow, stack: StackRow, reason?: string): Change {
  return {
    resources: [moved(row, stack, "DELETE_SKIPPED", reason)],
    events: [told(row, "DELETE_SKIPPED", { reason })],
  };
}

export function deletionFailed(row: ResourceRow, stack: StackRow, reason: string): Change {
  if (stack.settings.deletionMode === "FORCE_DELETE_STACK") return deletionSkipped(row, stack, reason);
  return { resources: [moved(row, stack, "DELETE_FAILED", reason)], events: [told(row, "DELETE_FAILED", { reason })] };
}

/** Creation has failed and nothing runs any more: what the caller asked for in that case. */
export function creationOver(stack: StackRow, failed: readonly string[]): Change {
  const why =
    stack.failure === null
      ? `The following resource(s) failed to create: [${failed.join(", ")}].`
      : `${stack.failure}.`;
  const { onFailure, disableRollback } = stack.settings;
  if (disableRollback || onFailure === "DO_NOTHING") return stackChange(stack, "CREATE_FAILED", `${why} `);
  if (onFailure === "DELETE") return stackChange(stack, "DELETE_IN_PROGRESS", `${why} Delete requested by user.`);
  return stackChange(stack, "ROLLBACK_IN_PROGRESS", `${why} Rollback requested by user.`);
}

/** A rollback or a deletion has nothing left to do. */
export function removalOver(stack: StackRow, failed: readonly string[]): Change & Required<Pick<Change, "stack">> {
  const rollback = stack.status === "ROLLBACK_IN_PROGRESS";
  if (failed.length === 0) return stackChange(stack, rollback ? "ROLLBACK_COMPLETE" : "DELETE_COMPLETE");
  // The space at the end is AWS's.
  const reason = `The following resource(s) failed to delete: [${failed.join(", ")}]. `;
  return stackChange(stack, rollback ? "ROLLBACK_FAILED" : "DELETE_FAILED", reason);
}
