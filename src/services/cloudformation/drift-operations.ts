/** DetectStackDrift, DetectStackResourceDrift, and what they found. */
import type { Handlers, OutputOf } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert, upsert } from "../../store/tables.ts";
import { checkDrift, isCheckable } from "./drift-check.ts";
import type { DriftDetector } from "./drift-detection.ts";
import {
  driftDetections,
  resourceDrifts,
  resourceDriftsOf,
  type DriftDetectionRow,
  type ResourceDriftRow,
} from "./drift-tables.ts";
import { invalid } from "./faults.ts";
import { stackArn } from "./journal.ts";
import { pageSize } from "./limits.ts";
import { ownStack } from "./lookup.ts";
import { ofStack, readResources, type StackRow } from "./tables.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Drift = NonNullable<OutputOf<Client, "DetectStackResourceDrift">["StackResourceDrift"]>;

/** Source: user guide, "Detect drift on an entire CloudFormation stack", Considerations. */
const checkable = new Set<StackRow["status"]>([
  "CREATE_COMPLETE",
  "UPDATE_COMPLETE",
  "UPDATE_ROLLBACK_COMPLETE",
  "UPDATE_ROLLBACK_FAILED",
]);

export function driftOperations(deps: Deps, detector: DriftDetector) {
  const { store, clock, ids } = deps;
  return {
    async DetectStackDrift({ StackName: name, LogicalResourceIds: resources }, call) {
      const id = ids.uuid();
      const now = clock.now();
      return store.tx(async (tx) => {
        const stack = await ownStack(tx, name, call);
        checkState(stack);
        await checkNames(tx, stack, resources ?? []);
        await checkIdle(tx, stack);
        const { account, region, stack: uuid } = stack;
        const row: DriftDetectionRow = {
          account,
          region,
          id,
          stack: uuid,
          stack_id: stackArn(stack),
          status: "DETECTION_IN_PROGRESS",
          reason: null,
          drift: null,
          drifted: null,
          started_ms: now,
          resources: resources ?? null,
          principal: call.principal,
          due_ms: now,
          claims: 0,
        };
        await tx.run(insert(driftDetections, row));
        tx.afterCommit(() => detector.wake());
        return { StackDriftDetectionId: id };
      });
    },

    async DescribeStackDriftDetectionStatus({ StackDriftDetectionId: id }, { account, region }) {
      const row = await store.read((tx) =>
        tx.one<DriftDetectionRow>(sql`select ${driftDetections.columns} from ${driftDetections.name}
          where account = ${account} and region = ${region} and id = ${id}`),
      );
      if (row === undefined) throw invalid(`Drift detection with id ${id} does not exist`);
      return {
        StackId: row.stack_id,
        StackDriftDetectionId: id,
        DetectionStatus: row.status,
        ...(row.reason === null ? {} : { DetectionStatusReason: row.reason }),
        ...(row.drift === null ? {} : { StackDriftStatus: row.drift }),
        ...(row.drifted === null ? {} : { DriftedStackResourceCount: row.drifted }),
        Timestamp: new Date(row.started_ms),
      };
    },

    async DescribeStackResourceDrifts(input, call) {
      const { StackName: name, NextToken: token, MaxResults: limit = pageSize } = input;
      const wanted = new Set<string>(input.StackResourceDriftStatusFilters ?? []);
      return store.read(async (tx) => {
        const stack = await ownStack(tx, name, call);
        const listing = { operation: "DescribeStackResourceDrifts", filters: [stack.stack, ...wanted], call };
        const [last = ""] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const drifts = await resourceDriftsOf(tx, stack);
        const rows = (await readResources(tx, stack)).flatMap(({ logical_id: id, token: current }) => {
          const row = drifts.get(id);
          return row?.token === current ? [row] : [];
        });
        const rest = rows
          .filter(({ status, logical_id: id }) => (wanted.size === 0 || wanted.has(status)) && id > String(last))
          .toSorted((left, right) => (left.logical_id < right.logical_id ? -1 : 1));
        const { page, nextToken } = pageOf(listing, rest, limit, (row) => [row.logical_id]);
        return { StackResourceDrifts: page.map((row) => shown(row, stack)), NextToken: nextToken };
      });
    },

    async DetectStackResourceDrift({ StackName: name, LogicalResourceId: logicalId }, call) {
      const { stack, row } = await store.read(async (tx) => {
        const found = await ownStack(tx, name, call);
        const rows = await readResources(tx, found);
        return { stack: found, row: rows.find(({ logical_id: id, status }) => id === logicalId && status !== null) };
      });
      checkState(stack);
      if (row === undefined) throw noSuchResource(logicalId, stack);
      await deps.openTypes([row.type]);
      if (!isCheckable(deps, row)) {
        throw invalid(`Drift detection is not supported for resource [${logicalId}] of type ${row.type}`);
      }
      const found = await checkDrift(deps, { ...stack, principal: call.principal }, row, call.signal);
      if (found === undefined) throw noSuchResource(logicalId, stack);
      await store.tx((tx) => tx.run(upsert(resourceDrifts, found)));
      return { StackResourceDrift: shown(found, stack) };
    },
  } satisfies Handlers<Client>;
}

function noSuchResource(logicalId: string, stack: StackRow) {
  return invalid(`Resource ${logicalId} does not exist for stack ${stack.name}`);
}

function checkState(stack: StackRow): void {
  if (stack.status === "DELETE_COMPLETE") throw invalid(`Stack [${stack.name}] does not exist`);
  if (checkable.has(stack.status)) return;
  throw invalid(`Drift detection cannot be performed on stack [${stackArn(stack)}] in ${stack.status} state`);
}

async function checkNames(tx: Tx, stack: StackRow, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const known = new Set((await readResources(tx, stack)).map((row) => row.logical_id));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) throw noSuchResource(unknown, stack);
}

async function checkIdle(tx: Tx, stack: StackRow): Promise<void> {
  const busy = await tx.one(sql`select id from ${driftDetections.name}
    where ${ofStack(stack)} and status = ${"DETECTION_IN_PROGRESS"}`);
  if (busy !== undefined) throw invalid(`Drift detection is already in progress for stack [${stackArn(stack)}]`);
}

function shown(row: ResourceDriftRow, stack: StackRow): Drift {
  return {
    StackId: stackArn(stack),
    LogicalResourceId: row.logical_id,
    PhysicalResourceId: row.physical_id,
    ResourceType: row.type,
    ExpectedProperties: row.expected,
    ...(row.actual === null ? {} : { ActualProperties: row.actual }),
    // Without any, there is an empty list all the same.
    PropertyDifferences: [...row.differences],
    StackResourceDriftStatus: row.status,
    Timestamp: new Date(row.checked_ms),
  };
}
