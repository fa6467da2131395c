/** Reads one shard from its checkpoint to its end, and gives the records to the function in order. */
import { isFault } from "../../../base/errors.ts";
import type { LambdaDeps } from "../deps.ts";
import { fromBeginning, type Checkpoints } from "./checkpoints.ts";
import { failureIntent } from "./failure-records.ts";
import { filterOf, type Filter } from "./filters.ts";
import { batchRunner, slept } from "./invocations.ts";
import { isStream } from "./kinds.ts";
import { batchBytesMax, streamPollMs } from "./limits.ts";
import type { Mapping } from "./pollers.ts";
import { sourceCall } from "./readers.ts";
import { batchTaker, type Abandoned, type BatchWork } from "./stream-batches.ts";
import type { StreamRecord } from "./stream-events.ts";
import type { Place, Stream } from "./streams.ts";
import type { SourceShardRow, WindowState } from "./tables.ts";
import { stateOf, windowAt, windowEvent, withinWindow, type WindowEnd } from "./windows.ts";

export interface ShardWork {
  shard: SourceShardRow;
  /** The shard was there when the mapping began, and nothing was read of it before. */
  isNew: boolean;
  stream: Stream;
  checkpoints: Checkpoints;
  signal: AbortSignal;
}

/** Reads to the shard's end; true when that is reached, false when the node or the mapping ends before. */
export async function readShard(deps: LambdaDeps, mapping: Mapping, work: ShardWork): Promise<boolean> {
  const reader = new ShardReader(deps, mapping, work);
  return reader.run();
}

class ShardReader {
  readonly #deps: LambdaDeps;
  readonly #mapping: Mapping;
  readonly #work: ShardWork;
  readonly #isWanted: Filter;
  readonly #take: ReturnType<typeof batchTaker>;
  readonly #run: ReturnType<typeof batchRunner>;
  readonly #windowMs: number;
  #sequence: string | null;
  #tumbling: WindowState | null;
  /** Of the window's last answer. */
  #isTooLarge = false;

  constructor(deps: LambdaDeps, mapping: Mapping, work: ShardWork) {
    const { settings } = mapping.row;
    this.#deps = deps;
    this.#mapping = mapping;
    this.#work = work;
    this.#isWanted = filterOf(settings.FilterCriteria);
    this.#take = batchTaker(deps, settings);
    this.#run = batchRunner(deps, mapping);
    this.#windowMs = (settings.TumblingWindowInSeconds ?? 0) * 1_000;
    this.#sequence = work.shard.sequence;
    this.#tumbling = work.shard.tumbling;
  }

  async run(): Promise<boolean> {
    const { signal } = this.#work;
    let iterator = await this.#open();
    let gathered: StreamRecord[] = [];
    let untilMs = Number.POSITIVE_INFINITY;
    while (!signal.aborted) {
      const read = iterator === undefined ? { records: [], next: undefined } : await this.#read(iterator);
      if (read === undefined) {
        gathered = [];
        await slept(this.#deps.clock, streamPollMs[this.#kind], signal);
        iterator = await this.#open();
        continue;
      }
      const records = read.records.filter((record) => this.#isDue(record));
      if (gathered.length === 0 && records.length > 0) untilMs = this.#deps.clock.now() + this.#batchingMs;
      for (const record of records) gathered.push(record);
      iterator = read.next;
      const isEnd = iterator === undefined;
      if (!(await this.#flush(gathered, isEnd || this.#deps.clock.now() >= untilMs))) return false;
      if (isEnd) {
        if (this.#tumbling !== null && !(await this.#endWindow({ isFinal: true, isEarly: false }))) return false;
        await this.#checkpoint(true);
        return true;
      }
      if (!(await this.#endOldWindow(gathered))) return false;
      if (read.records.length > 0) continue;
      const idleMs = streamPollMs[this.#kind];
      const waitMs = gathered.length === 0 ? idleMs : Math.min(idleMs, Math.max(1, untilMs - this.#deps.clock.now()));
      await slept(this.#deps.clock, waitMs, signal);
    }
    return false;
  }

  get #kind(): "kinesis" | "dynamodb" {
    const { kind } = this.#mapping.source;
    return isStream(kind) ? kind : "kinesis";
  }

  get #batchingMs(): number {
    return this.#mapping.row.settings.MaximumBatchingWindowInSeconds * 1_000;
  }

  #call(signal?: AbortSignal) {
    const { row, roleArn } = this.#mapping;
    return sourceCall(this.#deps, row, roleArn, row.name, signal);
  }

  #place(): Place {
    const { starting_position: position, starting_ms: ms } = this.#mapping.row;
    if (this.#sequence === fromBeginning) return { type: "TRIM_HORIZON" };
    if (this.#sequence !== null) return { type: "AFTER_SEQUENCE_NUMBER", sequence: this.#sequence };
    const isLatest = position === "LATEST" && ms !== null;
    // LATEST is the mapping's beginning: what comes before its first read, or while nobody polls, is not lost.
    if (ms !== null && (position === "AT_TIMESTAMP" || (isLatest && this.#kind === "kinesis"))) {
      return { type: "AT_TIMESTAMP", ms };
    }
    return { type: isLatest && this.#work.isNew ? "LATEST" : "TRIM_HORIZON" };
  }

  async #open(): Promise<string | undefined> {
    const { stream, shard, signal } = this.#work;
    try {
      return await stream.iterator(shard.shard_id, this.#place(), this.#call(signal));
    } catch (error) {
      if (!isFault(error, "TrimmedDataAccessException")) throw error;
      return stream.iterator(shard.shard_id, { type: "TRIM_HORIZON" }, this.#call(signal));
    }
  }

  /** Undefined where the iterator is of no use any more. */
  async #read(iterator: string) {
    const { stream, shard, signal } = this.#work;
    try {
      return await stream.read(shard.shard_id, iterator, this.#call(signal));
    } catch (error) {
      if (isFault(error, "ExpiredIteratorException") || isFault(error, "TrimmedDataAccessException")) return undefined;
      throw error;
    }
  }

  /** With LATEST, records from before the mapping are passed over when the horizon is read. */
  #isDue({ arrivalMs }: StreamRecord): boolean {
    const { starting_position: position, starting_ms: ms } = this.#mapping.row;
    if (position !== "LATEST" || ms === null || this.#sequence !== null) return true;
    return arrivalMs >= Math.floor(ms / 1_000) * 1_000;
  }

  /** Gives the function what is full, or with `all` everything. `gathered` keeps the rest; false when the node ends. */
  async #flush(gathered: StreamRecord[], all: boolean): Promise<boolean> {
    const { BatchSize, ParallelizationFactor: lanes = 1 } = this.#mapping.row.settings;
    const size = BatchSize * lanes;
    const isDue = () =>
      all || this.#batchingMs === 0 || gathered.length >= size || bytesOf(gathered) >= batchBytesMax * lanes;
    while (gathered.length > 0 && isDue()) {
      let chunk: readonly StreamRecord[] = gathered.slice(0, size);
      if (this.#windowMs > 0) {
        const [first] = chunk;
        if (first !== undefined && !(await this.#enterWindow(first))) return false;
        if (this.#tumbling !== null) chunk = withinWindow(chunk, this.#tumbling);
      }
      if (!(await this.#give(chunk))) return false;
      gathered.splice(0, chunk.length);
    }
    return true;
  }

  /** Gives records to the function: those of a key one after the other, those of others beside them. */
  async #give(chunk: readonly StreamRecord[]): Promise<boolean> {
    const { BatchSize, ParallelizationFactor: lanes = 1 } = this.#mapping.row.settings;
    const pending = new Set(chunk);
    const done = async (records: readonly StreamRecord[], abandoned?: Abandoned) => {
      for (const record of records) pending.delete(record);
      const first = chunk.findIndex((record) => pending.has(record));
      const last = chunk[(first === -1 ? chunk.length : first) - 1];
      if (last !== undefined) this.#sequence = last.sequence;
      await this.#checkpoint(false, abandoned);
    };
    const work: BatchWork = {
      eventOf: (records) => this.#eventOf(records),
      run: (event) => this.#run({ event }),
      done: (records) => done(records),
      abandon: (batch) => done(batch.records, batch),
      accept: (payload) => this.#accept(payload),
      note: (result) => this.#work.checkpoints.note(result),
      signal: this.#work.signal,
    };
    const unwanted = chunk.filter(({ filtered }) => !this.#isWanted(filtered));
    if (unwanted.length > 0) await done(unwanted);
    const byLane = Map.groupBy(pending, ({ orderKey }) => (lanes === 1 ? 0 : laneOf(orderKey, lanes)));
    const ends = await Promise.all(
      [...byLane.values()].map(async (records) => {
        for (let start = 0; start < records.length; start += BatchSize) {
          if (!(await this.#take(records.slice(start, start + BatchSize), work))) return false;
          if (this.#isTooLarge && !(await this.#endWindow({ isFinal: true, isEarly: true }))) return false;
        }
        return true;
      }),
    );
    return ends.every(Boolean);
  }

  #eventOf(records: readonly StreamRecord[], end: WindowEnd = { isFinal: false, isEarly: false }): object {
    if (this.#tumbling === null) return { Records: records.map(({ event }) => event) };
    return windowEvent(records, this.#tumbling, this.#work.shard.shard_id, this.#mapping.source.arn, end);
  }

  /** In a window an answer must hand its state on. */
  #accept(payload: Uint8Array): boolean {
    if (this.#tumbling === null) return true;
    const answer = stateOf(payload);
    if (answer === undefined) return false;
    this.#tumbling = { ...this.#tumbling, state: answer.state };
    this.#isTooLarge = answer.isTooLarge;
    return true;
  }

  async #enterWindow({ arrivalMs }: StreamRecord): Promise<boolean> {
    if (this.#tumbling !== null && arrivalMs >= this.#tumbling.endMs) {
      if (!(await this.#endWindow({ isFinal: true, isEarly: false }))) return false;
    }
    this.#tumbling ??= windowAt(arrivalMs, this.#windowMs);
    return true;
  }

  /** A window is over when its time is, even if no record says so. */
  async #endOldWindow(gathered: readonly StreamRecord[]): Promise<boolean> {
    if (this.#tumbling === null || gathered.length > 0 || this.#deps.clock.now() < this.#tumbling.endMs) return true;
    return this.#endWindow({ isFinal: true, isEarly: false });
  }

  /** The last run of a window, without records; as often as a batch is tried. */
  async #endWindow(end: WindowEnd): Promise<boolean> {
    const window = this.#tumbling;
    if (window === null) return true;
    const { MaximumRetryAttempts: retriesMax = -1 } = this.#mapping.row.settings;
    for (let failures = 0; ; failures += 1) {
      if (this.#work.signal.aborted) return false;
      const outcome = await this.#run({ event: this.#eventOf([], end) });
      if (outcome.kind === "answered" || (retriesMax !== -1 && failures >= retriesMax)) break;
      await slept(this.#deps.clock, streamPollMs.kinesis, this.#work.signal);
    }
    this.#isTooLarge = false;
    this.#tumbling = end.isEarly ? { ...window, state: {} } : null;
    await this.#checkpoint(false);
    return true;
  }

  async #checkpoint(isEnded: boolean, abandoned?: Abandoned): Promise<void> {
    const { checkpoints, shard } = this.#work;
    const intent = abandoned === undefined ? undefined : this.#intentOf(abandoned);
    const progress = { sequence: this.#sequence, isEnded, tumbling: this.#tumbling };
    await checkpoints.write(shard.shard_id, progress, intent === undefined ? [] : [intent]);
  }

  #intentOf({ records, condition, invokeCount, requestId, executedVersion, payload }: Abandoned) {
    const call = this.#call();
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const batch = {
      condition,
      requestId: requestId ?? call.requestId,
      invokeCount,
      executedVersion,
      shardId: this.#work.shard.shard_id,
      firstSequence: first.sequence,
      lastSequence: last.sequence,
      firstArrivalMs: first.arrivalMs,
      lastArrivalMs: last.arrivalMs,
      size: records.length,
      payload,
    };
    return failureIntent(this.#mapping, this.#kind, batch, call, this.#deps.clock.now());
  }
}

const bytesOf = (records: readonly StreamRecord[]) => records.reduce((sum, { bytes }) => sum + bytes, 0);

/** The same lane for the same key. FNV-1a. */
function laneOf(key: string, lanes: number): number {
  let hash = 2_166_136_261;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 16_777_619);
  return (hash >>> 0) % lanes;
}
