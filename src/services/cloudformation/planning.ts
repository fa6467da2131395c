/** A stack under way as the plan sees it: what each resource's row means in the phase the stack is in. */
import { resourcesAtOnceMax } from "./limits.ts";
import type { Phase, Plan, PlannedResource } from "./plan.ts";
import type { FormerRow, ResourceRow } from "./tables.ts";
import { formerOf, type Drive } from "./underway.ts";

const phases: Partial<Record<Drive["stack"]["status"], Phase>> = {
  CREATE_IN_PROGRESS: "create",
  UPDATE_IN_PROGRESS: "update",
  UPDATE_ROLLBACK_IN_PROGRESS: "restore",
  UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: "cleanup",
  UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: "cleanup",
};

export function phaseOf({ stack }: Drive): Phase {
  return phases[stack.status] ?? "remove";
}

export function planOf(drive: Drive): Plan {
  const phase = phaseOf(drive);
  const inTemplate = (row: ResourceRow) => drive.blueprint.resources.has(row.logical_id);
  const rows = [...drive.rows.values()].filter((row) => {
    if (phase === "restore") return inTemplate(row);
    // What is to go stands against the update only where its stack policy says so.
    if (phase === "update") return inTemplate(row) || isRefused(drive, row);
    return phase !== "cleanup" || !inTemplate(row);
  });
  const leftovers =
    phase === "cleanup" || phase === "remove"
      ? [...drive.formers.values()].filter(({ kind }) => kind === "leftover")
      : [];
  return {
    phase,
    failing: drive.stack.failure !== null,
    slots: resourcesAtOnceMax,
    resources: [
      ...rows.map((row) => planned(drive, row, row.logical_id, forwardOf(drive, phase, row))),
      ...leftovers.map(({ row, token }) => planned(drive, row, token, notForward)),
    ],
  };
}

type Forward = Pick<PlannedResource, "done" | "todo" | "failed">;
const notForward: Forward = { done: false, todo: false, failed: false };

function forwardOf(drive: Drive, phase: Phase, row: ResourceRow): Forward {
  const { status } = row;
  const current = row.operation === drive.stack.operation;
  if (phase === "create") {
    return { done: status === "CREATE_COMPLETE", todo: status === null, failed: status === "CREATE_FAILED" };
  }
  if (phase === "update") {
    const done = current
      ? status === "CREATE_COMPLETE" || status === "UPDATE_COMPLETE"
      : drive.unchanged.has(row.logical_id);
    const failed = current && (status === "CREATE_FAILED" || status === "UPDATE_FAILED");
    return { done, failed, todo: status === null || (!current && !done) };
  }
  if (phase === "restore") {
    const former = formerOf(drive, row.logical_id);
    const failed = current && status === "UPDATE_FAILED";
    return { done: former === undefined, failed, todo: former !== undefined && !isBusy(row) && !failed };
  }
  return notForward;
}

function isRefused({ stack }: Drive, { status, operation }: ResourceRow): boolean {
  return status === "UPDATE_FAILED" && operation === stack.operation;
}

function isBusy({ status }: ResourceRow): boolean {
  return status === "UPDATE_IN_PROGRESS";
}

function planned(drive: Drive, row: ResourceRow, key: string, forward: Forward): PlannedResource {
  const { blueprint, counterpart, stack } = drive;
  const now = blueprint.resources.get(row.logical_id);
  const other = counterpart?.blueprint.resources.get(row.logical_id);
  // What is cleaned up depends on others as it did on the other side of the update.
  const known = phaseOf(drive) === "cleanup" ? (other ?? now) : (now ?? other);
  return {
    key,
    logicalId: row.logical_id,
    status: row.status,
    needs: known?.needs ?? [],
    current: row.operation === stack.operation,
    made: row.physical_id !== null,
    retained: isRetained(drive, row, key),
    running: drive.running.has(key),
    ...forward,
  };
}

/** Source of the rules: user guide, "DeletionPolicy attribute" and "UpdateReplacePolicy attribute". */
function isRetained({ blueprint, counterpart, stack }: Drive, row: ResourceRow, key: string): boolean {
  const { retainExceptOnCreate, retainResources } = stack.settings;
  const { status } = stack;
  const planned = blueprint.resources.get(row.logical_id);
  const other = counterpart?.blueprint.resources.get(row.logical_id);
  const isLeftover = key !== row.logical_id;
  if (status === "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") {
    return ((isLeftover ? planned?.updateReplacePolicy : other?.deletionPolicy) ?? "Delete") !== "Delete";
  }
  if (status === "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS") {
    return !isLeftover && other?.deletionPolicy === "Retain" && !retainExceptOnCreate;
  }
  if (isLeftover) return retainResources.includes(row.logical_id);
  const policy = planned?.deletionPolicy ?? "Delete";
  const keeps = status === "ROLLBACK_IN_PROGRESS" ? policy === "Retain" && !retainExceptOnCreate : policy !== "Delete";
  return keeps || retainResources.includes(row.logical_id);
}

/** The row of a key of the plan, and the former state it belongs to when it is what was replaced. */
export function rowAt(drive: Drive, key: string): { row: ResourceRow; leftover?: FormerRow } | undefined {
  const row = drive.rows.get(key);
  if (row !== undefined) return { row };
  const leftover = drive.formers.get(key);
  return leftover === undefined ? undefined : { row: leftover.row, leftover };
}
