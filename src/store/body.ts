/** The rules of a transaction body, the same on both engines: it awaits nothing but `tx`, does not nest, does not grow old. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "../base/clock.ts";
import { asError, Bug } from "../base/errors.ts";
import { BodyTimeout } from "./errors.ts";
import type { Sql } from "./sql.ts";
import type { Tx } from "./store.ts";

/** Statements on an engine: SQLite answers at once, PostgreSQL with a promise. */
export interface Statements {
  one(query: Sql): unknown;
  all(query: Sql): unknown;
  run(statement: Sql): unknown;
}

export type Outcome<T> = { ok: true; value: T } | { ok: false; error: Error };

/** A body as those see it who wait for its end. */
export type Running = Pick<BodyRun<never>, "active" | "failure" | "refuse">;

const running = new AsyncLocalStorage<Running>();

/** Throws when called from inside a body that is still running: a second transaction there would wait for the first. */
export function refuseNesting(call: string): void {
  if (running.getStore()?.active) throw new Bug(`store.${call} was called inside a transaction body; use its tx`);
}

/**
 * Calls `check` once every promise that can settle without I/O or a timer has settled. The queue of ticks is looked at
 * only when the queue of microtasks is empty, so a tick made in a microtask runs after all of them.
 */
export function afterMicrotasks(check: () => void): void {
  queueMicrotask(() => process.nextTick(check));
}

/** One run of one body. */
export class BodyRun<T> implements Tx {
  /** Settles when the body has ended or was refused; never rejects. */
  readonly outcome: Promise<Outcome<T>>;
  /** What the body wants done after COMMIT. */
  readonly effects: (() => void)[] = [];
  /** The first statement that failed; from then on the transaction is lost, whatever the body makes of it. */
  failure: Error | undefined;
  /** Statements whose answer is still to come. */
  outstanding = 0;
  readonly #statements: Statements;
  readonly #clock: Clock;
  readonly #bodyMsMax: number;
  readonly #startedMs: number;
  #settle: ((outcome: Outcome<T>) => void) | undefined;
  #onIdle: (() => void) | undefined;

  /** A body older than `bodyMsMax` gets no further statement. `onIdle` is called each time the last outstanding answer has come. */
  constructor(clock: Clock, bodyMsMax: number, statements: Statements, onIdle?: () => void) {
    this.#clock = clock;
    this.#bodyMsMax = bodyMsMax;
    this.#statements = statements;
    this.#startedMs = clock.monotonicMs();
    this.#onIdle = onIdle;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** False once the outcome is known; whatever the body does after that is refused. */
  get active(): boolean {
    return this.#settle !== undefined;
  }

  start(body: (tx: Tx) => Promise<T>): void {
    let ending: Promise<T>;
    try {
      ending = running.run(this, body, this);
    } catch (error) {
      this.#end({ ok: false, error: asError(error) });
      return;
    }
    ending.then(
      // A statement's failure that the body swallowed: its change is lost all the same.
      (value) => this.#end(this.failure ? { ok: false, error: this.failure } : { ok: true, value }),
      (error: unknown) => this.#end({ ok: false, error: asError(error) }),
    );
  }

  /** Ends the body from outside. */
  refuse(error: Error): void {
    this.failure ??= error;
    this.#end({ ok: false, error });
  }

  one<R extends object>(query: Sql): Promise<R | undefined> {
    return this.#call<R | undefined>(() => this.#statements.one(query));
  }

  all<R extends object>(query: Sql): Promise<R[]> {
    return this.#call<R[]>(() => this.#statements.all(query));
  }

  run(statement: Sql): Promise<number> {
    return this.#call<number>(() => this.#statements.run(statement));
  }

  afterCommit(effect: () => void): void {
    this.effects.push(effect);
  }

  #end(outcome: Outcome<T>): void {
    this.#settle?.(outcome);
    this.#settle = undefined;
    this.#onIdle = undefined;
  }

  /** The rows' type is the caller's word, as the contract has it; the engines decode by column. */
  #call<R>(work: () => unknown): Promise<R> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    try {
      const answer = work();
      return answer instanceof Promise ? this.#track<R>(answer) : Promise.resolve(answer as R);
    } catch (error) {
      this.failure = asError(error);
      return Promise.reject(this.failure);
    }
  }

  async #track<R>(answer: Promise<unknown>): Promise<R> {
    this.outstanding += 1;
    try {
      return (await answer) as R;
    } catch (error) {
      this.failure ??= asError(error);
      throw error;
    } finally {
      this.outstanding -= 1;
      if (this.outstanding === 0) this.#onIdle?.();
    }
  }

  #refusal(): Error | undefined {
    if (this.failure !== undefined) return this.failure;
    if (!this.active) return new Bug("a transaction body went on after its end: a promise in it was not awaited");
    const ageMs = this.#clock.monotonicMs() - this.#startedMs;
    if (ageMs <= this.#bodyMsMax) return undefined;
    this.failure = new BodyTimeout(
      `a transaction body ran for ${Math.round(ageMs)} ms; ${this.#bodyMsMax} are allowed`,
    );
    return this.failure;
  }
}

/** Why a body that is still pending with nothing outstanding is refused. */
export function foreignAwait(): Bug {
  return new Bug("a transaction body awaited something other than its tx");
}
