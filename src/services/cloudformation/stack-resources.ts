/** DescribeStackResource, DescribeStackResources, ListStackResources: what a stack is made of. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { resourceDriftsOf, type ResourceDriftRow } from "./drift-tables.ts";
import { invalid } from "./faults.ts";
import { stackArn } from "./journal.ts";
import { pageSize } from "./limits.ts";
import { ownStack } from "./lookup.ts";
import { ofStack, readStack, stackResources, type ResourceRow, type StackRow } from "./tables.ts";
import type { ResourceStatus } from "./plan.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
/** A resource that work has begun on; others are not shown. */
type Begun = ResourceRow & { status: ResourceStatus };

export function stackResourceOperations({ store }: Deps) {
  return {
    DescribeStackResource({ StackName: name, LogicalResourceId: logicalId }, call) {
      return store.read(async (tx) => {
        const stack = await ownStack(tx, name, call);
        const row = (await begunResources(tx, stack)).find((resource) => resource.logical_id === logicalId);
        if (row === undefined) throw noSuchResource(logicalId, stack);
        const metadata = Object.keys(row.metadata ?? {}).length === 0 ? {} : { Metadata: JSON.stringify(row.metadata) };
        const detail = { ...ofItsStack(stack), ...shown(row), LastUpdatedTimestamp: new Date(row.updated_ms) };
        const drift = driftOf(row, await resourceDriftsOf(tx, stack));
        return { StackResourceDetail: { ...detail, ...metadata, ...drift } };
      });
    },

    DescribeStackResources({ StackName: name, LogicalResourceId: logicalId, PhysicalResourceId: physicalId }, call) {
      return store.read(async (tx) => {
        const stack = await stackOf(tx, name, physicalId, call);
        const rows = (await begunResources(tx, stack)).filter(
          (row) => logicalId === undefined || row.logical_id === logicalId,
        );
        if (logicalId !== undefined && rows.length === 0) throw noSuchResource(logicalId, stack);
        const drifts = await resourceDriftsOf(tx, stack);
        return {
          // AWS's limit of this operation; ListStackResources has pages.
          StackResources: rows.slice(0, pageSize).map((row) => ({
            ...ofItsStack(stack),
            ...shown(row),
            Timestamp: new Date(row.updated_ms),
            ...driftOf(row, drifts),
          })),
        };
      });
    },

    ListStackResources({ StackName: name, NextToken: token }, call) {
      return store.read(async (tx) => {
        const stack = await ownStack(tx, name, call);
        const listing = { operation: "ListStackResources", filters: stack.stack, call };
        const [last = -1] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const rows = (await begunResources(tx, stack)).filter((row) => row.position > Number(last));
        const { page, nextToken } = pageOf(listing, rows, pageSize, (row) => [row.position]);
        const drifts = await resourceDriftsOf(tx, stack);
        const summaries = page.map((row) => ({
          ...shown(row),
          LastUpdatedTimestamp: new Date(row.updated_ms),
          ...driftOf(row, drifts),
        }));
        return { StackResourceSummaries: summaries, NextToken: nextToken };
      });
    },
  } satisfies Handlers<Client>;
}

function driftOf(row: Begun, drifts: ReadonlyMap<string, ResourceDriftRow>) {
  const drift = drifts.get(row.logical_id);
  // What was checked before it was replaced is another.
  if (drift?.token !== row.token) return { DriftInformation: { StackResourceDriftStatus: "NOT_CHECKED" } } as const;
  const LastCheckTimestamp = new Date(drift.checked_ms);
  return { DriftInformation: { StackResourceDriftStatus: drift.status, LastCheckTimestamp } };
}

function noSuchResource(logicalId: string, stack: StackRow) {
  return invalid(`Resource ${logicalId} does not exist for stack ${stack.name}`);
}

/** At most 500 rows: a template has no more. */
async function begunResources(tx: ReadTx, stack: StackRow): Promise<Begun[]> {
  const rows = await tx.all<ResourceRow>(sql`select ${stackResources.columns} from ${stackResources.name}
    where ${ofStack(stack)} and status is not null order by position`);
  return rows.filter((row): row is Begun => row.status !== null);
}

async function stackOf(
  tx: ReadTx,
  name: string | undefined,
  physicalId: string | undefined,
  call: Call,
): Promise<StackRow> {
  if (name !== undefined) return ownStack(tx, name, call);
  if (physicalId === undefined) throw invalid("You must specify either StackName or PhysicalResourceId");
  const { account, region } = call;
  const row = await tx.one<{ stack: string }>(sql`select stack from ${stackResources.name}
    where account = ${account} and region = ${region} and physical_id = ${physicalId} and status <> ${"DELETE_COMPLETE"}`);
  const stack = row === undefined ? undefined : await readStack(tx, { account, region, stack: row.stack });
  if (stack === undefined) throw invalid(`Stack for ${physicalId} does not exist`);
  return stack;
}

function ofItsStack(stack: StackRow) {
  return { StackName: stack.name, StackId: stackArn(stack) };
}

function shown(row: Begun) {
  return {
    LogicalResourceId: row.logical_id,
    ...(row.physical_id === null ? {} : { PhysicalResourceId: row.physical_id }),
    ResourceType: row.type,
    ResourceStatus: row.status,
    ...(row.reason === null ? {} : { ResourceStatusReason: row.reason }),
  };
}
