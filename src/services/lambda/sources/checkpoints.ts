/** How far the shards of a mapping have been read, on disk: written when a batch is done with, read by whoever polls next. */
import type { Intent } from "../../../kit/delivery.ts";
import { sql } from "../../../store/sql.ts";
import { upsert } from "../../../store/tables.ts";
import type { LambdaDeps } from "../deps.ts";
import {
  eventSources,
  findShards,
  isSource,
  sourceShards,
  type EventSourceRow,
  type SourceShardRow,
  type WindowState,
} from "./tables.ts";

/** In place of a sequence number: from the shard's first record on, whatever the mapping's position. */
export const fromBeginning = "TRIM_HORIZON";

export interface Progress {
  sequence: string | null;
  isEnded: boolean;
  tumbling: WindowState | null;
}

export interface Checkpoints {
  read(): Promise<readonly SourceShardRow[]>;
  /** With what is to be told of records that were given up. */
  write(shardId: string, progress: Progress, intents?: readonly Intent[]): Promise<void>;
  /** `LastProcessingResult`; written where it has changed. */
  note(result: string): Promise<void>;
}

export function checkpointsOf({ store, delivery }: LambdaDeps, row: EventSourceRow): Checkpoints {
  const { account, region, uuid } = row;
  let noted = row.last_result;
  return {
    read: () => store.read((tx) => findShards(tx, row)),
    write: (shardId, { sequence, isEnded, tumbling }, intents = []) =>
      store.tx(async (tx) => {
        const shard: SourceShardRow = {
          account,
          region,
          uuid,
          shard_id: shardId,
          sequence,
          is_ended: isEnded,
          tumbling,
        };
        await tx.run(upsert(sourceShards, shard));
        for (const intent of intents) await delivery.enqueue(tx, intent);
      }),
    async note(result) {
      if (noted === result) return;
      noted = result;
      await store.tx((tx) =>
        tx.run(sql`update ${eventSources.name} set last_result = ${result} where ${isSource(row)}`),
      );
    },
  };
}
