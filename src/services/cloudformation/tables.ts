/** Stacks, what is in them, and what happened to them. */
import type { Principal } from "../../kit/call.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { c, table, type Column, type Migration, type Row } from "../../store/tables.ts";
import { callbackAnswers, callbacks, macros } from "./callback-tables.ts";
import type { ResourceDifference } from "./changes.ts";
import { driftDetections, resourceDrifts, stackDrifts } from "./drift-tables.ts";
import type { Json, JsonObject } from "./json.ts";
import type { ParameterValue } from "./parameters.ts";
import type { ResourceStatus, StackStatus } from "./plan.ts";

/** A name out of a closed list. */
const oneOf = <T extends string>(): Column<T> => ({ kind: "id", nullable: false });

/** What CreateStack was asked for beside the template and its parameters. */
export interface StackSettings {
  capabilities: readonly string[];
  onFailure: "ROLLBACK" | "DELETE" | "DO_NOTHING";
  /** Of the running operation: what has failed stays as it is. */
  disableRollback: boolean;
  timeoutMinutes?: number;
  roleArn?: string;
  tags: readonly { Key: string; Value: string }[];
  terminationProtection: boolean;
  /** Deletes on a failed create even what the template says to retain. */
  retainExceptOnCreate: boolean;
  stackPolicy?: string;
  /** Instead of it, for the running update alone. */
  stackPolicyDuringUpdate?: string;
  clientRequestToken?: string;
  /** Ids of the stack that this one is a resource of, and of the outermost. */
  parentId?: string;
  rootId?: string;
  /** When the last update began. */
  updatedMs?: number;
  /** Of the last DeleteStack. */
  retainResources: readonly string[];
  deletionMode: "STANDARD" | "FORCE_DELETE_STACK";
}

export interface StackOutput {
  key: string;
  value: string;
  description?: string;
  exportName?: string;
}

/** One row for each stack, deleted ones too until `purge_ms`. */
export const stacks = table(
  "cloudformation_stacks",
  {
    account: c.id,
    region: c.id,
    /** The UUID at the end of the stack's ARN. */
    stack: c.id,
    name: c.id,
    description: c.nullable(c.text),
    status: oneOf<StackStatus>(),
    reason: c.nullable(c.text),
    created_ms: c.time,
    /** When the last deletion began. */
    deleted_ms: c.nullable(c.time),
    purge_ms: c.nullable(c.time),
    /** Counts CreateStack, DeleteStack ...: a resource that failed to be deleted by an earlier one is tried again. */
    operation: c.int,
    /** Creation fails when it is not done by then. */
    deadline_ms: c.nullable(c.time),
    /** Why creation fails although no resource did: a timeout, a missing export. */
    failure: c.nullable(c.text),
    parameters: c.json<readonly ParameterValue[]>(),
    settings: c.json<StackSettings>(),
    outputs: c.json<readonly StackOutput[]>(),
    /** On whose behalf resources are made. */
    principal: c.json<Principal>(),
    event_count: c.int,
    last_event_ms: c.time,
  },
  {
    key: ["account", "region", "stack"],
    indexes: [{ columns: ["account", "region", "name"] }, { columns: ["purge_ms"] }],
  },
);
export type StackRow = Row<typeof stacks>;

/** The names in use; a deleted stack gives its name back. */
export const stackNames = table(
  "cloudformation_stack_names",
  { account: c.id, region: c.id, name: c.id, stack: c.id },
  { key: ["account", "region", "name"] },
);

/** Apart from the stack's row, which changes with every event. */
export const templates = table(
  "cloudformation_templates",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    original: c.text,
    /** After transforms. */
    processed: c.json<JsonObject>(),
    transformed: c.bool,
  },
  { key: ["account", "region", "stack"] },
);

export const stackResources = table(
  "cloudformation_resources",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    logical_id: c.id,
    type: c.id,
    /** The order of the template. */
    position: c.int,
    /** Null until work on it begins; such a resource is not shown. */
    status: c.nullable(oneOf<ResourceStatus>()),
    reason: c.nullable(c.text),
    updated_ms: c.time,
    /** Number of the stack's operation that set the status. */
    operation: c.int,
    /** Both from before the first call of `create`: a repeat after a crash is the same request. */
    token: c.id,
    physical_name: c.id,
    /** Evaluated; null until creation begins. */
    properties: c.nullable(c.json<JsonObject>()),
    metadata: c.nullable(c.json<JsonObject>()),
    /** The properties as events show them: NoEcho values masked. */
    shown_properties: c.nullable(c.text),
    physical_id: c.nullable(c.text),
    attributes: c.nullable(c.json<Readonly<Record<string, Json>>>()),
  },
  { key: ["account", "region", "stack", "logical_id"], indexes: [{ columns: ["account", "region", "physical_id"] }] },
);
export type ResourceRow = Row<typeof stackResources>;

/** What an update has changed, as it was before: by its token, which a replacement does not share. */
export const formerResources = table(
  "cloudformation_former_resources",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    token: c.id,
    /**
     * `updated`: changed in place, and put back on a rollback; `preserved`: the same, by an earlier update that failed
     * without one; `restoring`: being put back, the row is what the update had made of it; `replaced`: still there
     * beside the new one; `leftover`: to be deleted.
     */
    kind: oneOf<"updated" | "preserved" | "restoring" | "replaced" | "leftover">(),
    row: c.json<ResourceRow>(),
  },
  { key: ["account", "region", "stack", "token"] },
);
export type FormerRow = Row<typeof formerResources>;

/** The other side of an update under way: what the stack was before; of a rollback, what it was to become. */
export const counterparts = table(
  "cloudformation_counterparts",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    original: c.text,
    processed: c.json<JsonObject>(),
    transformed: c.bool,
    description: c.nullable(c.text),
    parameters: c.json<readonly ParameterValue[]>(),
    settings: c.json<StackSettings>(),
  },
  { key: ["account", "region", "stack"] },
);
export type CounterpartRow = Row<typeof counterparts>;
export type TemplateRow = Row<typeof templates>;

/** A change set: the target of an update, or of a creation, and what it would do. */
export const changeSets = table(
  "cloudformation_change_sets",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    name: c.id,
    /** The UUID at the end of its ARN. */
    id: c.id,
    type: oneOf<"CREATE" | "UPDATE">(),
    status: oneOf<"CREATE_COMPLETE" | "FAILED">(),
    reason: c.nullable(c.text),
    executed: c.bool,
    created_ms: c.time,
    description: c.nullable(c.text),
    /** The stack's operation that it was compared after; after another it is obsolete. */
    operation: c.int,
    original: c.text,
    processed: c.json<JsonObject>(),
    transformed: c.bool,
    parameters: c.json<readonly ParameterValue[]>(),
    settings: c.json<StackSettings>(),
    principal: c.json<Principal>(),
    differences: c.json<readonly ResourceDifference[]>(),
  },
  { key: ["account", "region", "stack", "name"], indexes: [{ columns: ["account", "region", "id"] }] },
);
export type ChangeSetRow = Row<typeof changeSets>;

export const stackEvents = table(
  "cloudformation_events",
  {
    account: c.id,
    region: c.id,
    stack: c.id,
    number: c.int,
    event_id: c.id,
    at_ms: c.time,
    logical_id: c.id,
    physical_id: c.text,
    type: c.id,
    status: oneOf<ResourceStatus | StackStatus>(),
    reason: c.nullable(c.text),
    properties: c.nullable(c.text),
    client_request_token: c.nullable(c.id),
  },
  { key: ["account", "region", "stack", "number"] },
);
export type EventRow = Row<typeof stackEvents>;

export const stackExports = table(
  "cloudformation_exports",
  { account: c.id, region: c.id, name: c.id, stack: c.id, stack_id: c.id, value: c.text },
  { key: ["account", "region", "name"], indexes: [{ columns: ["account", "region", "stack"] }] },
);
export type ExportRow = Row<typeof stackExports>;

export const stackImports = table(
  "cloudformation_imports",
  { account: c.id, region: c.id, name: c.id, stack: c.id, stack_name: c.id },
  { key: ["account", "region", "name", "stack"], indexes: [{ columns: ["account", "region", "stack"] }] },
);

/** A row for each stack that is under way: its lease, and in `claims` the fence of whoever drives it. */
export const stackWork = table(
  "cloudformation_work",
  { account: c.id, region: c.id, stack: c.id, due_ms: c.time, claims: c.int },
  { key: ["account", "region", "stack"], indexes: [{ columns: ["due_ms"] }] },
);
export type WorkRow = Row<typeof stackWork>;

export const migrations: readonly Migration[] = [
  {
    version: 1,
    create: [stacks, stackNames, templates, stackResources, stackEvents, stackExports, stackImports, stackWork],
  },
  { version: 2, create: [formerResources, counterparts, changeSets] },
  { version: 3, create: [callbacks, callbackAnswers, macros] },
  { version: 4, create: [resourceDrifts, stackDrifts, driftDetections] },
];

/** Which stack: the start of every key. */
export type StackKey = Pick<StackRow, "account" | "region" | "stack">;

export function ofStack({ account, region, stack }: StackKey): Sql {
  return sql`account = ${account} and region = ${region} and stack = ${stack}`;
}

export function readStack(tx: ReadTx, key: StackKey): Promise<StackRow | undefined> {
  return tx.one<StackRow>(sql`select ${stacks.columns} from ${stacks.name} where ${ofStack(key)}`);
}

export function readResources(tx: ReadTx, key: StackKey): Promise<ResourceRow[]> {
  return tx.all<ResourceRow>(
    sql`select ${stackResources.columns} from ${stackResources.name} where ${ofStack(key)} order by position`,
  );
}

export function readFormers(tx: ReadTx, key: StackKey): Promise<FormerRow[]> {
  return tx.all<FormerRow>(
    sql`select ${formerResources.columns} from ${formerResources.name} where ${ofStack(key)} order by token`,
  );
}

export function readTemplateRow(tx: ReadTx, key: StackKey): Promise<TemplateRow | undefined> {
  return tx.one<TemplateRow>(sql`select ${templates.columns} from ${templates.name} where ${ofStack(key)}`);
}

export function readCounterpart(tx: ReadTx, key: StackKey): Promise<CounterpartRow | undefined> {
  return tx.one<CounterpartRow>(sql`select ${counterparts.columns} from ${counterparts.name} where ${ofStack(key)}`);
}
