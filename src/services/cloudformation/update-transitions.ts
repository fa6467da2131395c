/** The steps of a resource through an update, its rollback and their cleanup, as AWS tells them. Pure, like transitions.ts. */
import type { ResourceState } from "../../kit/resource.ts";
import type { Change, FormerChange } from "./journal.ts";
import { stackChange } from "./journal.ts";
import type { FormerRow, ResourceRow, StackRow } from "./tables.ts";
import { moved, told, type Prepared } from "./transitions.ts";

const replacing = "Requested update requires the creation of a new physical resource; hence creating one.";

function formerRow(row: ResourceRow, kind: FormerRow["kind"]): FormerChange {
  const { account, region, stack, token } = row;
  return { token, former: { account, region, stack, token, kind, row } };
}

function forgotten({ token }: FormerRow): FormerChange {
  return { token, former: undefined };
}

function known({ properties, metadata, shownProperties }: Prepared) {
  return { properties, metadata, shown_properties: shownProperties };
}

/** What the resource goes back to: of several updates without a rollback, what it was before the first of them. */
function formerOnce(row: ResourceRow, former: FormerRow | undefined): FormerChange[] {
  return former?.kind === "preserved" ? [] : [formerRow(row, "updated")];
}

export function updateBegun(
  row: ResourceRow,
  stack: StackRow,
  prepared: Prepared,
  former: FormerRow | undefined,
): Change {
  const { logicalId, set } = moved(row, stack, "UPDATE_IN_PROGRESS");
  return {
    resources: [{ logicalId, set: { ...set, ...known(prepared) } }],
    formers: formerOnce(row, former),
    events: [told(row, "UPDATE_IN_PROGRESS", { properties: prepared.shownProperties })],
  };
}

/** The new one has a token, and perhaps a name, of its own; until it is there, the physical id is the old one's. */
export function replacementBegun(row: ResourceRow, stack: StackRow, prepared: Prepared, token: string): Change {
  const { logicalId, set } = moved(row, stack, "UPDATE_IN_PROGRESS", replacing);
  const next = { token, physical_name: prepared.physicalName, ...known(prepared) };
  return {
    resources: [{ logicalId, set: { ...set, ...next } }],
    formers: [formerRow(row, "replaced")],
    events: [told(row, "UPDATE_IN_PROGRESS", { reason: replacing, properties: prepared.shownProperties })],
  };
}

/** A resource that cannot become what it is to be, known before its service is called. */
export function updateRefused(
  row: ResourceRow,
  stack: StackRow,
  reason: string,
  former: FormerRow | undefined,
): Change {
  return {
    resources: [moved(row, stack, "UPDATE_FAILED", reason)],
    formers: formerOnce(row, former),
    events: [told(row, "UPDATE_IN_PROGRESS"), told(row, "UPDATE_FAILED", { reason })],
  };
}

const updateCancelled = "Resource update cancelled";

export function updateEnded(row: ResourceRow, stack: StackRow, state: ResourceState, cancelled: boolean): Change {
  const status = cancelled ? "UPDATE_FAILED" : "UPDATE_COMPLETE";
  const reason = cancelled ? updateCancelled : undefined;
  const { logicalId, set } = moved(row, stack, status, reason);
  const { physicalId, attributes } = state;
  return {
    resources: [{ logicalId, set: { ...set, physical_id: physicalId, attributes } }],
    events: [told(row, status, { physicalId, reason })],
  };
}

const replacedInside = "Requested update required the provider to create a new physical resource";

export interface Outgrown {
  row: ResourceRow;
  /** The state before the change that has ended. */
  former: FormerRow;
  /** For what is left over. */
  token: string;
  state: ResourceState;
  formers: ReadonlyMap<string, FormerRow>;
}

/** An update in place that gave the resource another physical id: the one that it had is left over. */
export function outgrown(change: Change, { row, former, token, state, formers }: Outgrown): Change {
  const { physicalId } = state;
  if (row.physical_id === physicalId) return change;
  const old = { ...former.row, token, physical_id: row.physical_id, attributes: row.attributes };
  // A rollback may have gone back to what was left over.
  const back = [...formers.values()].filter(
    ({ kind, row: of }) => kind === "leftover" && of.logical_id === row.logical_id && of.physical_id === physicalId,
  );
  return {
    ...change,
    formers: [...(change.formers ?? []), ...back.map(forgotten), formerRow(old, "leftover")],
    events: [told(row, "UPDATE_IN_PROGRESS", { physicalId, reason: replacedInside }), ...change.events],
  };
}

export function replacementEnded(row: ResourceRow, stack: StackRow, state: ResourceState, cancelled: boolean): Change {
  const ended = updateEnded(row, stack, state, cancelled);
  const initiated = { physicalId: state.physicalId, reason: "Resource creation Initiated" };
  return { ...ended, events: [told(row, "UPDATE_IN_PROGRESS", initiated), ...ended.events] };
}

export function updateFailed(row: ResourceRow, stack: StackRow, reason: string): Change {
  return { resources: [moved(row, stack, "UPDATE_FAILED", reason)], events: [told(row, "UPDATE_FAILED", { reason })] };
}

/** Puts back what was changed in place: a call follows. The row and the former state change places. */
export function restoreBegun(row: ResourceRow, former: FormerRow, stack: StackRow): Change {
  const { logicalId, set } = moved(row, stack, "UPDATE_IN_PROGRESS");
  const back = former.kind === "restoring" ? row : former.row;
  const { properties, metadata, shown_properties } = back;
  return {
    resources: [{ logicalId, set: { ...set, properties, metadata, shown_properties } }],
    formers: former.kind === "restoring" ? [] : [formerRow(row, "restoring")],
    events: [told(row, "UPDATE_IN_PROGRESS", { properties: shown_properties ?? undefined })],
  };
}

/** Puts back what was replaced: the old resource is still there. The new one, if it was made, is left over. */
export function switchedBack(row: ResourceRow, { row: former, ...key }: FormerRow, stack: StackRow): Change {
  const { logicalId, set } = moved(row, stack, "UPDATE_COMPLETE");
  const { token, physical_name, properties, metadata, shown_properties, physical_id, attributes } = former;
  const back = { token, physical_name, properties, metadata, shown_properties, physical_id, attributes };
  const made = row.physical_id !== former.physical_id;
  return {
    resources: [{ logicalId, set: { ...set, ...back } }],
    formers: [forgotten({ ...key, row: former }), ...(made ? [formerRow(row, "leftover")] : [])],
    events: [told(former, "UPDATE_COMPLETE")],
  };
}

export function restoreEnded(row: ResourceRow, former: FormerRow, stack: StackRow, state: ResourceState): Change {
  return { ...updateEnded(row, stack, state, false), formers: [forgotten(former)] };
}

/** ContinueUpdateRollback was told to leave it as it is. */
export function restoreSkipped(row: ResourceRow, former: FormerRow, stack: StackRow): Change {
  if (former.kind === "replaced") return switchedBack(row, former, stack);
  const { properties, metadata, shown_properties } = former.kind === "restoring" ? row : former.row;
  const { logicalId, set } = moved(row, stack, "UPDATE_COMPLETE");
  return {
    resources: [{ logicalId, set: { ...set, properties, metadata, shown_properties } }],
    formers: [forgotten(former)],
    events: [told(row, "UPDATE_COMPLETE")],
  };
}

/** A step of a resource that was replaced is written to its former state. */
export function ofLeftover(change: Change, former: FormerRow): Change {
  const set = change.resources?.[0]?.set ?? {};
  const row = { ...former.row, ...set };
  return { events: change.events, formers: [{ token: former.token, former: { ...former, row } }] };
}

/** What is there twice after an update: the old ones are left over. One that kept its physical id is the same still. */
export function leftovers(formers: Iterable<FormerRow>, rows: ReadonlyMap<string, ResourceRow>): FormerChange[] {
  return [...formers].flatMap((former) => {
    if (former.kind === "leftover") return [];
    const kept = rows.get(former.row.logical_id)?.physical_id === former.row.physical_id;
    const gone = former.kind !== "replaced" || kept;
    return [gone ? forgotten(former) : { token: former.token, former: { ...former, kind: "leftover" as const } }];
  });
}

/** The update has failed and nothing runs any more: it is rolled back, or stays as it is. */
export function updateOver(
  stack: StackRow,
  status: "UPDATE_ROLLBACK_IN_PROGRESS" | "UPDATE_FAILED",
  { created, updated }: { created: readonly string[]; updated: readonly string[] },
) {
  const failed = (what: string, ids: readonly string[]) =>
    ids.length === 0 ? "" : `The following resource(s) failed to ${what}: [${ids.join(", ")}]. `;
  return stackChange(stack, status, stack.failure ?? failed("create", created) + failed("update", updated));
}

/** Nothing is left to clean up; what could not be deleted is said, and does not fail the update. */
export function cleanupOver(stack: StackRow, failed: readonly string[]) {
  const rollback = stack.status === "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
  const what = rollback ? "Rollback" : "Update";
  return stackChange(
    stack,
    rollback ? "UPDATE_ROLLBACK_COMPLETE" : "UPDATE_COMPLETE",
    failed.length === 0 ? undefined : `${what} successful. One or more resources could not be deleted.`,
  );
}
