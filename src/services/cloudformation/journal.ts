/** Changes to a stack and the events that tell of them, written together. */
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert, upsert } from "../../store/tables.ts";
import { formatArn } from "../../base/arn.ts";
import { uuidOf } from "./derived-id.ts";
import type { ResourceStatus, StackStatus } from "./plan.ts";
import {
  formerResources,
  ofStack,
  stackEvents,
  stackResources,
  stacks,
  type EventRow,
  type FormerRow,
  type ResourceRow,
  type StackKey,
  type StackRow,
} from "./tables.ts";

export interface ResourceChange {
  logicalId: string;
  set: Partial<Omit<ResourceRow, "account" | "region" | "stack" | "logical_id" | "updated_ms">>;
}

export interface NewEvent {
  /** The stack's own name for an event of the stack. */
  logicalId: string;
  physicalId: string;
  type: string;
  status: ResourceStatus | StackStatus;
  reason?: string | undefined;
  properties?: string | undefined;
}

/** What becomes of the former state of a resource: undefined forgets it. */
export interface FormerChange {
  token: string;
  former: FormerRow | undefined;
}

/** One step of a stack: what its rows become, and what is told of it. */
export interface Change {
  stack?: Partial<Omit<StackRow, "account" | "region" | "stack" | "event_count" | "last_event_ms">>;
  resources?: readonly ResourceChange[];
  formers?: readonly FormerChange[];
  events: readonly NewEvent[];
}

export const stackType = "AWS::CloudFormation::Stack";

export function stackArn({ account, region, stack, name }: StackKey & Pick<StackRow, "name">): string {
  return formatArn({ service: "cloudformation", region, account, resource: `stack/${name}/${stack}` });
}

/** Writes a change and gives the stack's row as it is then. */
export async function record(tx: Tx, stack: StackRow, change: Change, now: number): Promise<StackRow> {
  const events = change.events.map((event, index) => eventRow(stack, event, index, now));
  const counted = {
    event_count: stack.event_count + events.length,
    last_event_ms: events.at(-1)?.at_ms ?? stack.last_event_ms,
  };
  const next = { ...change.stack, ...counted };
  await tx.run(sql`update ${stacks.name} set ${assign(stacks, next)} where ${ofStack(stack)}`);
  for (const { logicalId, set } of change.resources ?? []) {
    const values = { ...set, updated_ms: now };
    await tx.run(sql`update ${stackResources.name} set ${assign(stackResources, values)}
      where ${ofStack(stack)} and logical_id = ${logicalId}`);
  }
  for (const { token, former } of change.formers ?? []) {
    const gone = sql`delete from ${formerResources.name} where ${ofStack(stack)} and token = ${token}`;
    await tx.run(former === undefined ? gone : upsert(formerResources, former));
  }
  for (const event of events) await tx.run(insert(stackEvents, event));
  return { ...stack, ...next };
}

function eventRow(stack: StackRow, event: NewEvent, index: number, now: number): EventRow {
  const { account, region, stack: id } = stack;
  const number = stack.event_count + index + 1;
  // Tools sort a stack's events by time and tell them apart by id, so no two have the same millisecond.
  const atMs = Math.max(now, stack.last_event_ms + 1 + index);
  const own = event.type === stackType && event.logicalId === stack.name;
  return {
    account,
    region,
    stack: id,
    number,
    // A body may run twice, so the id of an event follows from which event it is.
    event_id: own ? uuidOf(`${id} ${number}`) : `${event.logicalId}-${event.status}-${new Date(atMs).toISOString()}`,
    at_ms: atMs,
    logical_id: event.logicalId,
    physical_id: event.physicalId,
    type: event.type,
    status: event.status,
    reason: event.reason ?? null,
    properties: event.properties ?? null,
    client_request_token: stack.settings.clientRequestToken ?? null,
  };
}

/** The stack's own part of a change: its status, told as an event. */
export function stackChange(
  stack: StackRow,
  status: StackStatus,
  reason?: string,
): Change & Required<Pick<Change, "stack">> {
  return {
    stack: { status, reason: reason ?? null },
    events: [{ logicalId: stack.name, physicalId: stackArn(stack), type: stackType, status, reason }],
  };
}
