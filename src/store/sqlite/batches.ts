/**
 * Group commit: work runs one after another, each in a savepoint, and many share one COMMIT; nobody is answered before it.
 * A batch runs in one turn of the event loop, because no body awaits anything that needs I/O.
 */
import type { Clock } from "../../base/clock.ts";
import { asError, Bug } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { afterMicrotasks, BodyRun, foreignAwait, type Outcome, type Running } from "../body.ts";
import { StoreBusy, StoreClosed, StoreFailure } from "../errors.ts";
import type { Tx } from "../store.ts";
import { sqliteError, type Connection } from "./connection.ts";

/** One fsync is worth about 30 bodies of work; more than 64 would only lengthen the wait of the first. */
const batchBodiesMax = 64;
/** Work after which a batch ends, so that I/O is looked at: with the COMMIT it stays well under the loop's bound of 10 ms. */
const batchMsMax = 2;
/** A body on SQLite holds every other writer and the event loop; a machine under load may hold it that long by itself. */
const bodyMsMax = 2_000;
/** Callers that wait for their turn: about 60 ms of work. One more is answered {@link StoreBusy} at once. */
const waitingMax = 4_096;

interface Entry {
  /** Does the work, or starts it. */
  perform(): Outcome<unknown> | Promise<Outcome<unknown>>;
  /** Tells the caller, and runs what waits for the commit. */
  answer(outcome: Outcome<unknown>): void;
  outcome: Outcome<unknown>;
  effects?: readonly (() => void)[];
}

export interface BatchDeps {
  connection: Connection;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

export interface BatchOptions {
  /** `write`, `read`: in logs and metrics. */
  name: string;
  begin: () => void;
  commit: () => void;
  /** Savepoints keep a body that fails from its neighbours; readers change nothing and need none. */
  savepoints: boolean;
}

const pending: Outcome<unknown> = { ok: false, error: new Bug("a batch ended without having run this") };

export class Batches {
  readonly #deps: BatchDeps;
  readonly #begin: () => void;
  readonly #commit: () => void;
  readonly #savepoint: () => void;
  readonly #keep: () => void;
  readonly #undo: () => void;
  readonly #batchMs;
  readonly #batchBodies;
  readonly #busy;
  readonly #waitingCount;
  #waiting: Entry[] = [];
  #current: Running | undefined;
  #scheduled = false;
  #closing = false;
  #closed: (() => void) | undefined;

  constructor(deps: BatchDeps, { name, begin, commit, savepoints }: BatchOptions) {
    const { connection, metrics } = deps;
    this.#deps = deps;
    this.#begin = begin;
    this.#commit = commit;
    const nothing = () => {};
    const rollback = connection.command("rollback to body");
    this.#savepoint = savepoints ? connection.command("savepoint body") : nothing;
    this.#keep = savepoints ? connection.command("release body") : nothing;
    this.#undo = savepoints ? rollback : nothing;
    this.#batchMs = metrics.histogram("store_batch_ms", { kind: name });
    this.#batchBodies = metrics.histogram("store_batch_bodies", { kind: name });
    this.#waitingCount = metrics.gauge("store_waiting", { kind: name });
    this.#busy = metrics.counter("store_busy", { kind: name });
  }

  /** Runs a body in the next batch; resolves with its value once that is committed. */
  body<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const { clock, connection } = this.#deps;
    return this.#enqueue<T>((entry) => {
      const run = new BodyRun<T>(clock, bodyMsMax, connection);
      this.#current = run;
      entry.effects = run.effects;
      run.start(body);
      return run.outcome;
    });
  }

  /** Runs `work`, which awaits nothing, in the next batch. */
  work<T>(work: (connection: Connection) => T): Promise<T> {
    return this.#enqueue<T>(() => {
      try {
        return { ok: true, value: work(this.#deps.connection) };
      } catch (error) {
        return { ok: false, error: asError(error) };
      }
    });
  }

  /** Refuses what comes from now on, and resolves when all that was accepted has been answered. */
  close(): Promise<void> {
    this.#closing = true;
    return new Promise((resolve) => {
      this.#closed = resolve;
      if (!this.#scheduled) resolve();
    });
  }

  #enqueue<T>(perform: (entry: Entry) => Outcome<T> | Promise<Outcome<T>>): Promise<T> {
    if (this.#closing) return Promise.reject(new StoreClosed());
    if (this.#waiting.length >= waitingMax) {
      this.#busy.add();
      return Promise.reject(new StoreBusy(`${waitingMax} callers wait for the store`));
    }
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        perform: () => perform(entry),
        // The outcome is of this entry's own body, whose type the signature holds.
        answer: (outcome) => (outcome.ok ? resolve(outcome.value as T) : reject(outcome.error)),
        outcome: pending,
      };
      this.#waiting.push(entry);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Not now: callers that this turn of the loop still brings share the commit.
    setImmediate(() => void this.#round());
  }

  /** Never rejects: what goes wrong is the answer of every body in it. */
  async #round(): Promise<void> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    const waiting = this.#waiting;
    this.#waitingCount.set(waiting.length);
    const batch: Entry[] = [];
    let next = 0;
    let running = true;
    const watch = () => {
      if (!running) return;
      this.#current?.refuse(foreignAwait());
      afterMicrotasks(watch);
    };
    afterMicrotasks(watch);
    try {
      this.#begin();
      do {
        const entry = waiting[next] as Entry;
        next += 1;
        batch.push(entry);
        await this.#perform(entry);
      } while (next < waiting.length && next < batchBodiesMax && clock.monotonicMs() - startedMs < batchMsMax);
      this.#commit();
    } catch (error) {
      this.#lose(batch, waiting[0] as Entry, error);
      next = Math.max(1, next);
    }
    running = false;
    waiting.splice(0, next);
    this.#batchBodies.record(next);
    this.#batchMs.record(clock.monotonicMs() - startedMs);
    this.#answer(batch);
  }

  /** Throws when the transaction of the whole batch is gone. */
  async #perform(entry: Entry): Promise<void> {
    const { connection } = this.#deps;
    this.#savepoint();
    const outcome = entry.perform();
    entry.outcome = outcome instanceof Promise ? await outcome : outcome;
    const failure = this.#current?.failure;
    this.#current = undefined;
    if (entry.outcome.ok) {
      this.#keep();
    } else if (connection.inTransaction) {
      this.#undo();
      this.#keep();
    } else {
      const lost = failure ?? entry.outcome.error;
      entry.outcome = pending;
      throw lost;
    }
  }

  /** The engine has dropped the transaction, or COMMIT failed: everybody in it hears so, and the next batch starts clean. */
  #lose(batch: Entry[], first: Entry, error: unknown): void {
    const { connection, log } = this.#deps;
    this.#current = undefined;
    const cause = sqliteError(error);
    log.error("the store lost a batch", { bodies: batch.length, error: cause });
    if (batch.length === 0) batch.push(first);
    const failure =
      cause instanceof StoreFailure
        ? cause
        : new StoreFailure(`the batch was not committed: ${cause.message}`, { cause });
    for (const entry of batch) {
      // Who failed on his own keeps his own error.
      if (entry.outcome.ok || entry.outcome === pending) entry.outcome = { ok: false, error: failure };
    }
    try {
      if (connection.inTransaction) connection.exec("rollback");
    } catch (rollbackError) {
      // Every later BEGIN will fail by name until the engine has let go; there is nothing to try beyond that.
      log.error("the store could not roll back", { error: asError(rollbackError) });
    }
  }

  #answer(batch: readonly Entry[]): void {
    for (const entry of batch) {
      if (entry.outcome.ok) entry.effects?.forEach((effect) => this.#affect(effect));
      entry.answer(entry.outcome);
    }
    this.#scheduled = false;
    if (this.#waiting.length > 0) this.#schedule();
    else this.#closed?.();
  }

  #affect(effect: () => void): void {
    try {
      effect();
    } catch (error) {
      this.#deps.log.error("an effect after commit threw", { error: asError(error) });
    }
  }
}
