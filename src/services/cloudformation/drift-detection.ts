/** Detects the drift of whole stacks in the background: leased from the store, so that another life goes on with it. */
import { asError, isFault } from "../../base/errors.ts";
import type { ScheduledJob } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign, upsert } from "../../store/tables.ts";
import { checkDrift, isCheckable } from "./drift-check.ts";
import {
  driftDetections,
  resourceDrifts,
  stackDrifts,
  type DriftDetectionRow,
  type ResourceDriftRow,
} from "./drift-tables.ts";
import { driftDetectionMs, driftDetectionsAtOnceMax, resourcesReadAtOnceMax } from "./limits.ts";
import { readResources, readStack, type ResourceRow, type StackRow } from "./tables.ts";

/** A node that dies lets its detections go after this long. */
const leaseMs = 10 * 60_000;
const pollMs = 1_000;

export interface DriftDetector {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** There is a new detection. */
  wake(): void;
}

export function createDriftDetector(deps: Deps): DriftDetector {
  const { store, clock, scheduler } = deps;
  let job: ScheduledJob | undefined;
  return {
    async start() {
      // Its outcome is written under the fence of the last who took it up.
      await store.tx((tx) =>
        tx.run(sql`update ${driftDetections.name} set due_ms = ${clock.now()}
          where status = ${"DETECTION_IN_PROGRESS"}`),
      );
      job = scheduler.start({
        name: "cloudformation:drift",
        everyMs: pollMs,
        async run(signal) {
          const limit = driftDetectionsAtOnceMax;
          const now = clock.now();
          const rows = await store.claim({
            from: driftDetections,
            due: "due_ms",
            count: "claims",
            now,
            leaseMs,
            limit,
          });
          await Promise.all(rows.map((row) => takeUp(deps, row, signal)));
          return { more: rows.length === limit };
        },
      });
      job.wake();
    },
    async stop() {
      await job?.stop();
    },
    wake: () => job?.wake(),
  };
}

async function takeUp(deps: Deps, row: DriftDetectionRow, signal: AbortSignal): Promise<void> {
  if (row.status === "DETECTION_IN_PROGRESS") return detect(deps, row, signal);
  const { account, region, id } = row;
  await deps.store.tx((tx) =>
    tx.run(sql`delete from ${driftDetections.name} where account = ${account} and region = ${region} and id = ${id}`),
  );
}

async function detect(deps: Deps, row: DriftDetectionRow, signal: AbortSignal): Promise<void> {
  const { stack, rows } = await deps.store.read(async (tx) => ({
    stack: await readStack(tx, row),
    rows: await readResources(tx, row),
  }));
  if (stack === undefined) return end(deps, row, { rows: [], failed: [] }, "The stack does not exist any more");
  const wanted = rows.filter(({ logical_id: id }) => row.resources === null || row.resources.includes(id));
  // As whoever asked: not as whoever made the stack.
  const looked = await checkAll(deps, { ...stack, principal: row.principal }, wanted, signal);
  if (signal.aborted) return;
  await end(deps, row, looked);
}

interface Looked {
  rows: readonly ResourceDriftRow[];
  /** Logical ids whose service could not tell. */
  failed: readonly string[];
}

async function checkAll(
  deps: Deps,
  stack: StackRow,
  wanted: readonly ResourceRow[],
  signal: AbortSignal,
): Promise<Looked> {
  const rows: ResourceDriftRow[] = [];
  const failed: string[] = [];
  await deps.openTypes(wanted.map(({ type }) => type));
  const left = wanted.filter((row) => isCheckable(deps, row));
  const reader = async () => {
    for (let row = left.shift(); row !== undefined && !signal.aborted; row = left.shift()) {
      const { logical_id: logicalId } = row;
      const found = await checkDrift(deps, stack, row, signal).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        if (!isFault(error)) {
          deps.log.error("a resource could not be read", { stack: stack.name, logicalId, error: asError(error) });
        }
        failed.push(logicalId);
        return undefined;
      });
      if (found !== undefined) rows.push(found);
    }
  };
  await Promise.all(Array.from({ length: resourcesReadAtOnceMax }, reader));
  return { rows, failed: failed.toSorted() };
}

/** Writes down what was found, unless another has taken the detection up meanwhile. */
async function end(deps: Deps, row: DriftDetectionRow, { rows, failed }: Looked, gone?: string): Promise<void> {
  const { account, region, stack, id, claims } = row;
  const drifted = rows.filter(({ status }) => status !== "IN_SYNC").length;
  const drift = drifted > 0 ? "DRIFTED" : "IN_SYNC";
  const reason =
    gone ?? (failed.length > 0 ? `Failed to detect drift on the following resource(s): [${failed.join(", ")}]` : null);
  const now = deps.clock.now();
  const done = {
    status: reason === null ? "DETECTION_COMPLETE" : "DETECTION_FAILED",
    reason,
    drift,
    drifted,
    due_ms: now + driftDetectionMs,
  } as const;
  await deps.store.tx(async (tx) => {
    const changed = await tx.run(sql`update ${driftDetections.name} set ${assign(driftDetections, done)}
      where account = ${account} and region = ${region} and id = ${id} and claims = ${claims}`);
    if (changed === 0 || gone !== undefined) return;
    for (const found of rows) await tx.run(upsert(resourceDrifts, found));
    await tx.run(upsert(stackDrifts, { account, region, stack, status: drift, checked_ms: row.started_ms }));
  });
}
