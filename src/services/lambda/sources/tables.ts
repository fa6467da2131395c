/** Event source mappings, and how far the shards of their streams have been read. */
import type {
  DestinationConfig,
  EventSourceMappingLoggingConfig,
  EventSourceMappingMetricsConfig,
  EventSourcePosition,
  FilterCriteria,
  FunctionResponseType,
  ProvisionedPollerConfig,
  ScalingConfig,
} from "@aws-sdk/client-lambda";
import { sql, type Sql } from "../../../store/sql.ts";
import type { ReadTx } from "../../../store/store.ts";
import { c, table, type Row } from "../../../store/tables.ts";
import type { FunctionRef } from "../names.ts";

/** Members that may be changed, with their defaults filled in. */
export interface SourceSettings {
  BatchSize: number;
  MaximumBatchingWindowInSeconds: number;
  FunctionResponseTypes: FunctionResponseType[];
  FilterCriteria?: FilterCriteria | undefined;
  KMSKeyArn?: string | undefined;
  MetricsConfig?: EventSourceMappingMetricsConfig | undefined;
  LoggingConfig?: EventSourceMappingLoggingConfig | undefined;
  /** Of queues. */
  ScalingConfig?: ScalingConfig | undefined;
  ProvisionedPollerConfig?: ProvisionedPollerConfig | undefined;
  /** Of streams. */
  ParallelizationFactor?: number | undefined;
  DestinationConfig?: DestinationConfig | undefined;
  MaximumRecordAgeInSeconds?: number | undefined;
  BisectBatchOnFunctionError?: boolean | undefined;
  MaximumRetryAttempts?: number | undefined;
  TumblingWindowInSeconds?: number | undefined;
}

export type SourceState = "Creating" | "Enabling" | "Enabled" | "Disabling" | "Disabled" | "Updating" | "Deleting";

export const eventSources = table(
  "lambda_event_sources",
  {
    account: c.id,
    region: c.id,
    uuid: c.id,
    /** Of the function. */
    name: c.id,
    /** A version's number or an alias; empty for the function itself. */
    qualifier: c.id,
    source_arn: c.id,
    state: c.id,
    enabled: c.bool,
    starting_position: c.nullable(c.id),
    /** The time of AT_TIMESTAMP; of LATEST that of the mapping's creation. */
    starting_ms: c.nullable(c.time),
    settings: c.json<SourceSettings>(),
    tags: c.json<Record<string, string>>(),
    modified_ms: c.time,
    /** Of the last batch of a stream. */
    last_result: c.nullable(c.text),
    token: c.nullable(c.id),
    /** Grows with every change; whoever polls begins anew. */
    revision: c.int,
    /** The node that polls, until `due_ms`. */
    owner: c.id,
    due_ms: c.time,
  },
  {
    key: ["account", "region", "uuid"],
    indexes: [
      { columns: ["due_ms"] },
      { columns: ["owner"] },
      { columns: ["account", "region", "source_arn"] },
      { columns: ["account", "region", "name"] },
    ],
  },
);
export type EventSourceRow = Omit<Row<typeof eventSources>, "state" | "starting_position"> & {
  state: SourceState;
  starting_position: EventSourcePosition | null;
};

/** What a tumbling window has come to. */
export interface WindowState {
  startMs: number;
  endMs: number;
  /** What the function handed on. */
  state: unknown;
}

export const sourceShards = table(
  "lambda_source_shards",
  {
    account: c.id,
    region: c.id,
    uuid: c.id,
    shard_id: c.id,
    /** The last record that is done with. */
    sequence: c.nullable(c.id),
    is_ended: c.bool,
    tumbling: c.nullable(c.json<WindowState>()),
  },
  { key: ["account", "region", "uuid", "shard_id"] },
);
export type SourceShardRow = Row<typeof sourceShards>;

export interface SourceKey {
  account: string;
  region: string;
  uuid: string;
}

export const isSource = ({ account, region, uuid }: SourceKey): Sql =>
  sql`account = ${account} and region = ${region} and uuid = ${uuid}`;

/** The function that a mapping feeds, as it was named. */
export const functionOf = ({ account, region, name, qualifier }: EventSourceRow): FunctionRef => ({
  account,
  region,
  name,
  qualifier: qualifier === "" ? undefined : qualifier,
});

export function findSource(tx: ReadTx, key: SourceKey): Promise<EventSourceRow | undefined> {
  return tx.one<EventSourceRow>(sql`select ${eventSources.columns} from ${eventSources.name} where ${isSource(key)}`);
}

export function findShards(tx: ReadTx, key: SourceKey): Promise<SourceShardRow[]> {
  return tx.all<SourceShardRow>(sql`select ${sourceShards.columns} from ${sourceShards.name} where ${isSource(key)}`);
}
