/** DescribeStacks and ListStacks. */
import type { Call } from "../../kit/call.ts";
import type { Handlers, OutputOf } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf, type Listing, type PageKey } from "../../kit/tokens.ts";
import { join, sql, type Sql } from "../../store/sql.ts";
import { stackDriftsOf, type StackDriftRow } from "./drift-tables.ts";
import { invalid } from "./faults.ts";
import { stackArn } from "./journal.ts";
import { pageSize } from "./limits.ts";
import { ownStack } from "./lookup.ts";
import { shownParameter } from "./parameters.ts";
import { stacks, type StackRow } from "./tables.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Stack = NonNullable<OutputOf<Client, "DescribeStacks">["Stacks"]>[number];
type Summary = NonNullable<OutputOf<Client, "ListStacks">["StackSummaries"]>[number];

export function describeStacksOperations({ store }: Deps) {
  /** A page of stacks, newest first. */
  const page = (listing: Listing, call: Call, token: string | undefined, filter: Sql) =>
    store.read(async (tx) => {
      const after = pageKey(listing, token, () => invalid("Invalid NextToken"));
      const found = await tx.all<StackRow>(sql`select ${stacks.columns} from ${stacks.name}
        where account = ${call.account} and region = ${call.region} and ${filter} and ${beyond(after)}
        order by created_ms desc, stack desc limit ${pageSize + 1}`);
      const { page: rows, nextToken } = pageOf(listing, found, pageSize, (row) => [row.created_ms, row.stack]);
      return {
        rows,
        nextToken,
        drifts: await stackDriftsOf(
          tx,
          call,
          rows.map((row) => row.stack),
        ),
      };
    });

  return {
    async DescribeStacks({ StackName: name, NextToken: token }, call) {
      if (name !== undefined && name !== "") {
        return store.read(async (tx) => {
          const stack = await ownStack(tx, name, call);
          const drifts = await stackDriftsOf(tx, call, [stack.stack]);
          return { Stacks: [described(stack, drifts.get(stack.stack))] };
        });
      }
      const listing = { operation: "DescribeStacks", call };
      const { rows, nextToken, drifts } = await page(listing, call, token, sql`status <> ${"DELETE_COMPLETE"}`);
      return { Stacks: rows.map((row) => described(row, drifts.get(row.stack))), NextToken: nextToken };
    },

    async ListStacks({ NextToken: token, StackStatusFilter: statuses = [] }, call) {
      const listing = { operation: "ListStacks", filters: statuses, call };
      const filter = statuses.length === 0 ? sql`1 = 1` : sql`status in (${join(statuses)})`;
      const { rows, nextToken, drifts } = await page(listing, call, token, filter);
      return { StackSummaries: rows.map((row) => summarised(row, drifts.get(row.stack))), NextToken: nextToken };
    },
  } satisfies Handlers<Client>;
}

function beyond(after: PageKey | undefined): Sql {
  const [createdMs, stack] = after ?? [];
  if (typeof createdMs !== "number" || typeof stack !== "string") return sql`1 = 1`;
  return sql`(created_ms < ${createdMs} or (created_ms = ${createdMs} and stack < ${stack}))`;
}

function optional(reason: string | null) {
  return reason === null ? {} : { StackStatusReason: reason };
}

function lastUpdated({ settings: { updatedMs } }: StackRow) {
  return updatedMs === undefined ? {} : { LastUpdatedTime: new Date(updatedMs) };
}

function familyOf({ settings: { parentId, rootId } }: StackRow) {
  return parentId === undefined || rootId === undefined ? {} : { ParentId: parentId, RootId: rootId };
}

function driftOf(drift: StackDriftRow | undefined) {
  if (drift === undefined) return { DriftInformation: { StackDriftStatus: "NOT_CHECKED" } } as const;
  return { DriftInformation: { StackDriftStatus: drift.status, LastCheckTimestamp: new Date(drift.checked_ms) } };
}

function described(stack: StackRow, drift: StackDriftRow | undefined): Stack {
  const { settings } = stack;
  return {
    StackId: stackArn(stack),
    StackName: stack.name,
    ...(stack.description === null ? {} : { Description: stack.description }),
    ...(stack.parameters.length === 0 ? {} : { Parameters: parametersOf(stack) }),
    CreationTime: new Date(stack.created_ms),
    ...(stack.deleted_ms === null ? {} : { DeletionTime: new Date(stack.deleted_ms) }),
    ...lastUpdated(stack),
    ...familyOf(stack),
    RollbackConfiguration: {},
    StackStatus: stack.status,
    ...optional(stack.reason),
    DisableRollback: settings.disableRollback || settings.onFailure === "DO_NOTHING",
    NotificationARNs: [],
    ...(settings.timeoutMinutes === undefined ? {} : { TimeoutInMinutes: settings.timeoutMinutes }),
    ...(settings.capabilities.length === 0 ? {} : { Capabilities: capabilitiesOf(settings) }),
    ...(stack.outputs.length === 0 ? {} : { Outputs: outputsOf(stack) }),
    ...(settings.roleArn === undefined ? {} : { RoleARN: settings.roleArn }),
    Tags: [...settings.tags],
    EnableTerminationProtection: settings.terminationProtection,
    ...(settings.retainExceptOnCreate ? { RetainExceptOnCreate: true } : {}),
    ...(settings.deletionMode === "STANDARD" ? {} : { DeletionMode: settings.deletionMode }),
    ...driftOf(drift),
  };
}

function parametersOf({ parameters }: StackRow) {
  return parameters.map(shownParameter);
}

function capabilitiesOf({ capabilities }: StackRow["settings"]): Stack["Capabilities"] {
  // The wire has checked that each is one of the enum.
  return [...capabilities] as Stack["Capabilities"];
}

function outputsOf({ outputs }: StackRow): Stack["Outputs"] {
  return outputs.map(({ key, value, description, exportName }) => ({
    OutputKey: key,
    OutputValue: value,
    ...(description === undefined ? {} : { Description: description }),
    ...(exportName === undefined ? {} : { ExportName: exportName }),
  }));
}

function summarised(stack: StackRow, drift: StackDriftRow | undefined): Summary {
  return {
    StackId: stackArn(stack),
    StackName: stack.name,
    ...(stack.description === null ? {} : { TemplateDescription: stack.description }),
    CreationTime: new Date(stack.created_ms),
    ...(stack.deleted_ms === null ? {} : { DeletionTime: new Date(stack.deleted_ms) }),
    ...lastUpdated(stack),
    ...familyOf(stack),
    StackStatus: stack.status,
    ...optional(stack.reason),
    ...driftOf(drift),
  };
}
