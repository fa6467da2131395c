/** Polls the shards of a stream for a function: parents before the shards that they were split or merged into. */
import { asError } from "../../../base/errors.ts";
import type { LambdaDeps } from "../deps.ts";
import { checkpointsOf, fromBeginning } from "./checkpoints.ts";
import { backoffMs, slept } from "./invocations.ts";
import { shardsEveryMs, shardsMax } from "./limits.ts";
import type { Mapping, Poller } from "./pollers.ts";
import { sourceCall, type StreamShard } from "./readers.ts";
import { readShard } from "./shard-reader.ts";
import { streamOf } from "./streams.ts";
import type { SourceShardRow } from "./tables.ts";

export function createStreamPoller(deps: LambdaDeps, mapping: Mapping): Poller {
  const { clock, ids, log } = deps;
  const { row, source, roleArn } = mapping;
  const stream = streamOf(deps, mapping);
  const checkpoints = checkpointsOf(deps, row);
  const stopping = new AbortController();
  const { signal } = stopping;
  const reading = new Map<string, Promise<void>>();
  /** Shards as they were when they were last looked at. */
  const known = new Map<string, SourceShardRow>();
  /** A shard has ended: its children may begin. */
  let wakeUp: (() => void) | undefined;

  const read = async (shard: SourceShardRow, isNew: boolean) => {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const current = (await checkpoints.read()).find(({ shard_id: id }) => id === shard.shard_id) ?? shard;
        const isEnded = await readShard(deps, mapping, {
          shard: current,
          isNew: isNew && failures === 0,
          stream,
          checkpoints,
          signal,
        });
        if (isEnded) known.set(shard.shard_id, { ...current, is_ended: true });
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn("a shard could not be read and will be again", {
          stream: source.arn,
          shard: shard.shard_id,
          error: asError(error),
        });
      }
      await slept(clock, backoffMs(failures, ids), signal);
    }
  };

  const begin = (shard: SourceShardRow, isNew: boolean) => {
    const run = read(shard, isNew).finally(() => {
      reading.delete(shard.shard_id);
      wakeUp?.();
    });
    reading.set(shard.shard_id, run);
  };

  const look = async (): Promise<void> => {
    const shards = (await stream.shards(sourceCall(deps, row, roleArn, row.name, signal))).slice(0, shardsMax);
    const rows = await checkpoints.read();
    const isFirst = rows.length === 0;
    for (const one of rows) if (!known.has(one.shard_id)) known.set(one.shard_id, one);
    const listed = new Set(shards.map(({ ShardId }) => ShardId));
    for (const shard of shards) {
      const { ShardId = "" } = shard;
      const state = known.get(ShardId) ?? newShard(ShardId, isFirst);
      if (!known.has(ShardId)) {
        await checkpoints.write(ShardId, { sequence: state.sequence, isEnded: false, tumbling: null });
        known.set(ShardId, state);
      }
      if (state.is_ended || reading.has(ShardId) || !parentsOf(shard, listed).every((id) => known.get(id)?.is_ended))
        continue;
      begin(state, isFirst);
    }
  };

  const newShard = (shardId: string, isFirst: boolean): SourceShardRow => ({
    account: row.account,
    region: row.region,
    uuid: row.uuid,
    shard_id: shardId,
    // A shard that was made since is a child of one that is read: nothing of it may be missed.
    sequence: isFirst ? null : fromBeginning,
    is_ended: false,
    tumbling: null,
  });

  /** Until the next look is due, or a shard has ended. */
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const end = () => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        wakeUp = undefined;
        resolve();
      };
      const timer = clock.after(ms, end);
      signal.addEventListener("abort", end, { once: true });
      wakeUp = end;
      if (signal.aborted) end();
    });

  const poll = async () => {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await look();
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        log.warn("the shards of a stream could not be listed", { stream: source.arn, error: asError(error) });
      }
      await pause(failures === 0 ? shardsEveryMs : backoffMs(failures, ids));
    }
    await Promise.all(reading.values());
  };

  const polling = poll();
  return {
    async stop() {
      stopping.abort(new Error("the event source mapping is stopping"));
      await polling;
    },
  };
}

/** Those parents that are still listed: others have been trimmed. */
function parentsOf({ ParentShardId, AdjacentParentShardId }: StreamShard, listed: ReadonlySet<string | undefined>) {
  return [ParentShardId, AdjacentParentShardId].filter((id) => id !== undefined).filter((id) => listed.has(id));
}
