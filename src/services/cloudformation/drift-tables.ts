/** What drift detection has found, and the detections that were asked for. */
import type { Principal } from "../../kit/call.ts";
import { join, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Column, type Row } from "../../store/tables.ts";
import type { PropertyDifference } from "./drift-compare.ts";

/** A name out of a closed list. */
const oneOf = <T extends string>(): Column<T> => ({ kind: "id", nullable: false });

export type ResourceDriftStatus = "IN_SYNC" | "MODIFIED" | "DELETED";
export type StackDriftStatus = "IN_SYNC" | "DRIFTED";

/** The last check of each resource. It counts as long as the resource has the token that it had then. */
export const resourceDrifts = table(
  "cloudformation_resource_drifts",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    logical_id: c.id,
    token: c.id,
    type: c.id,
    physical_id: c.text,
    status: oneOf<ResourceDriftStatus>(),
    checked_ms: c.time,
    /** JSON as it is shown: what is secret is masked. */
    expected: c.text,
    actual: c.nullable(c.text),
    differences: c.json<readonly PropertyDifference[]>(),
  },
  { key: ["account", "region", "stack", "logical_id"] },
);
export type ResourceDriftRow = Row<typeof resourceDrifts>;

/** The outcome of a stack's last detection. */
export const stackDrifts = table(
  "cloudformation_stack_drifts",
  { account: c.id, region: c.id, stack: c.id, status: oneOf<StackDriftStatus>(), checked_ms: c.time },
  { key: ["account", "region", "stack"] },
);
export type StackDriftRow = Row<typeof stackDrifts>;

/** Detections of whole stacks. */
export const driftDetections = table(
  "cloudformation_drift_detections",
  {
    account: c.id,
    region: c.id,
    id: c.id,
    stack: c.id,
    stack_id: c.text,
    status: oneOf<"DETECTION_IN_PROGRESS" | "DETECTION_COMPLETE" | "DETECTION_FAILED">(),
    reason: c.nullable(c.text),
    drift: c.nullable(oneOf<StackDriftStatus>()),
    drifted: c.nullable(c.int),
    started_ms: c.time,
    /** Logical ids to check; null for all. */
    resources: c.nullable(c.json<readonly string[]>()),
    principal: c.json<Principal>(),
    /** When it is to be taken up; of one that is over, when it is forgotten. */
    due_ms: c.time,
    claims: c.int,
  },
  {
    key: ["account", "region", "id"],
    indexes: [{ columns: ["due_ms"] }, { columns: ["account", "region", "stack"] }],
  },
);
export type DriftDetectionRow = Row<typeof driftDetections>;

interface StackKey {
  account: string;
  region: string;
  stack: string;
}

/** By stack. */
export async function stackDriftsOf(
  tx: ReadTx,
  { account, region }: Pick<StackKey, "account" | "region">,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StackDriftRow>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.all<StackDriftRow>(sql`select ${stackDrifts.columns} from ${stackDrifts.name}
    where account = ${account} and region = ${region} and stack in (${join(ids)})`);
  return new Map(rows.map((row) => [row.stack, row]));
}

/** By logical id. At most 500 rows: a template has no more. */
export async function resourceDriftsOf(
  tx: ReadTx,
  { account, region, stack }: StackKey,
): Promise<ReadonlyMap<string, ResourceDriftRow>> {
  const rows = await tx.all<ResourceDriftRow>(sql`select ${resourceDrifts.columns} from ${resourceDrifts.name}
    where account = ${account} and region = ${region} and stack = ${stack} order by logical_id`);
  return new Map(rows.map((row) => [row.logical_id, row]));
}
