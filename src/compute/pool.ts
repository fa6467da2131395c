/** The environments of one function, and the invocations that wait for one of them. */
import type { Clock, Instant, Timer } from "../base/clock.ts";
import { must } from "../base/errors.ts";
import type { Driver, Environment, StartFailure } from "./environment.ts";
import { FullError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { pendingMsMax, startPatienceMs } from "./limits.ts";
import type { FunctionSpec, FunctionStats, Invocation, InvocationResult } from "./ports.ts";

/** An invocation on its way. */
export interface Waiting {
  invocation: Invocation;
  sinceMs: number;
  resolve(result: InvocationResult): void;
  reject(reason: unknown): void;
}

interface Member {
  environment: Environment;
  state: "starting" | "free" | "busy" | "ending";
  /** When it began to start, or was last free; monotonic. */
  sinceMs: number;
  waiting: Waiting | undefined;
  secondTry: boolean;
}

/** What a pool shares with the others; the bounds over all functions are behind it. */
export interface PoolDeps {
  clock: Clock;
  driver: Driver;
  initMsMax: number;
  /** {@link Pool.startsWanted} is above 0. */
  onWanted(): void;
  onStarting(): void;
  /** One fewer is starting; `ms` when it went well. */
  onStarted(ms: number | undefined): void;
  onBusy(): void;
  /** An environment has nothing to do: another function may have its place. */
  onFree(): void;
  onQueued(): void;
  onDequeued(): void;
  onEnded(): void;
  /** Neither environments nor waiting invocations are left. */
  onEmpty(): void;
}

export class Pool {
  readonly #deps: PoolDeps;
  readonly #spec: FunctionSpec;
  readonly #members = new Set<Member>();
  /** Least recently used first. */
  readonly #free: Member[] = [];
  readonly #pending = new Fifo<Waiting>();
  #starting = 0;
  #ending = 0;
  #retired = false;
  #patience: Timer | undefined;
  readonly #onEmpty: (() => void)[] = [];

  constructor(deps: PoolDeps, spec: FunctionSpec) {
    this.#deps = deps;
    this.#spec = spec;
  }

  get stats(): FunctionStats {
    const { size } = this.#members;
    const [starting, idle] = [this.#starting, this.#free.length];
    return { specId: this.#spec.id, starting, idle, busy: size - starting - idle - this.#ending };
  }

  get endingCount(): number {
    return this.#ending;
  }

  /** When the environment that was free longest became so; undefined when none is. */
  get freeSinceMs(): number | undefined {
    return this.#free[0]?.sinceMs;
  }

  add(waiting: Waiting): void {
    const member = this.#free.pop();
    if (member !== undefined) {
      this.#run(member, waiting);
      return;
    }
    this.#pending.push(waiting);
    this.#deps.onQueued();
    this.#reconsider();
  }

  /**
   * How many more environments should be starting now, at most `countMax`: one for each invocation that waits, but while
   * some live, only for those that lost patience.
   */
  startsWanted(nowMs: number, countMax: number): number {
    let wanted = 0;
    for (; wanted < countMax; wanted += 1) {
      const waiting = this.#pending.at(this.#starting + wanted);
      if (waiting === undefined || (this.#live > 0 && nowMs - waiting.sinceMs < startPatienceMs)) break;
    }
    return wanted;
  }

  start(secondTry = false): void {
    const { clock, driver, initMsMax } = this.#deps;
    const events = {
      ready: () => this.#onReady(member),
      startFailed: (failure: StartFailure) => this.#onStartFailed(member, failure),
      answered: (result: InvocationResult, reusable: boolean) => this.#onAnswered(member, result, reusable),
      ended: () => this.#onEnded(member),
    };
    // The second try is AWS's "suppressed init": it has the time of the invocation itself.
    const options = { initMsMax: secondTry ? this.#spec.timeoutMs : initMsMax };
    const environment = driver.start(events, options);
    const member: Member = {
      environment,
      state: "starting",
      sinceMs: clock.monotonicMs(),
      waiting: undefined,
      secondTry,
    };
    this.#members.add(member);
    this.#starting += 1;
    this.#deps.onStarting();
  }

  /** Ends the environment that was free longest. */
  evict(): void {
    const member = this.#free.shift();
    if (member !== undefined) this.#end(member);
  }

  /** Ends what nobody used since `freeBefore`, and gives up on invocations that waited too long with no start under way. */
  tidy(nowMs: number, freeBefore: Instant): void {
    while ((this.freeSinceMs ?? Infinity) <= freeBefore) this.evict();
    if (this.#starting > 0) return;
    for (let head = this.#pending.at(0); head !== undefined; head = this.#pending.at(0)) {
      if (nowMs - head.sinceMs < pendingMsMax) return;
      this.#dequeue()?.reject(new FullError(`no environment was free for ${pendingMsMax} ms`));
    }
  }

  /** Calls `visit` for every environment that does something. */
  eachAtWork(visit: (environment: Environment) => void): void {
    for (const { state, environment } of this.#members) {
      if (state === "busy" || state === "starting") visit(environment);
    }
  }

  retire(): Promise<void> {
    this.#retired = true;
    while (this.#free.length > 0) this.evict();
    return this.whenEmpty();
  }

  whenEmpty(): Promise<void> {
    if (this.#empty) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
    });
  }

  /** Refuses what waits, and ends what is not busy. */
  close(reason: Error): void {
    this.#patience?.cancel();
    for (let waiting = this.#dequeue(); waiting !== undefined; waiting = this.#dequeue()) waiting.reject(reason);
    this.#retired = true;
    while (this.#free.length > 0) this.evict();
    for (const member of this.#members) if (member.state === "starting") member.environment.end();
  }

  /** Ends everything, busy or not. */
  kill(): void {
    for (const { environment } of this.#members) environment.end();
  }

  get #empty(): boolean {
    return this.#members.size === 0 && this.#pending.length === 0;
  }

  #dequeue(): Waiting | undefined {
    const waiting = this.#pending.shift();
    if (waiting !== undefined) this.#deps.onDequeued();
    return waiting;
  }

  get #live(): number {
    return this.#members.size - this.#starting - this.#ending;
  }

  /** Asks for a start when one is due, or comes back when the first invocation without one loses patience. */
  #reconsider(): void {
    const next = this.#pending.at(this.#starting);
    if (next === undefined) return;
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.startsWanted(nowMs, 1) > 0) {
      this.#deps.onWanted();
      return;
    }
    this.#patience ??= this.#deps.clock.after(Math.max(1, next.sinceMs + startPatienceMs - nowMs), () => {
      this.#patience = undefined;
      this.#reconsider();
    });
  }

  #run(member: Member, waiting: Waiting): void {
    member.state = "busy";
    member.waiting = waiting;
    this.#deps.onBusy();
    member.environment.run(waiting.invocation);
  }

  #onReady(member: Member): void {
    this.#starting -= 1;
    this.#deps.onStarted(this.#deps.clock.monotonicMs() - member.sinceMs);
    this.#onFree(member);
    this.#reconsider();
  }

  /** A free environment goes to the invocation that waited longest, or to the top of the stack. */
  #onFree(member: Member): void {
    for (let waiting = this.#dequeue(); waiting !== undefined; waiting = this.#dequeue()) {
      const { signal } = waiting.invocation;
      if (signal?.aborted) {
        waiting.reject(signal.reason);
        continue;
      }
      this.#run(member, waiting);
      return;
    }
    if (this.#retired) {
      this.#end(member);
      return;
    }
    member.state = "free";
    member.sinceMs = this.#deps.clock.monotonicMs();
    this.#free.push(member);
    this.#deps.onFree();
  }

  #onAnswered(member: Member, result: InvocationResult, reusable: boolean): void {
    const waiting = must(member.waiting, "the invocation of an answer");
    member.waiting = undefined;
    // The next one is on its way before this one's caller runs.
    if (reusable) this.#onFree(member);
    else this.#markEnding(member);
    waiting.resolve(result);
  }

  #onStartFailed(member: Member, failure: StartFailure): void {
    this.#starting -= 1;
    this.#markEnding(member);
    if (failure.retry && !member.secondTry && this.#pending.length > 0) this.start(true);
    else this.#failPending(member, failure);
    this.#deps.onStarted(undefined);
    this.#reconsider();
  }

  #failPending(member: Member, failure: StartFailure): void {
    // All that waited when it began would meet the same failure; but while others live or start, they may be served.
    const alone = this.#members.size === this.#ending;
    const countMax = alone ? this.#pending.length : 1;
    for (let count = 0; count < countMax; count += 1) {
      const head = this.#pending.at(0);
      if (head === undefined || (count > 0 && head.sinceMs > member.sinceMs)) break;
      this.#dequeue();
      head.resolve(failure.resultFor(head.invocation.requestId));
    }
  }

  #onEnded(member: Member): void {
    const waiting = member.waiting;
    // An end without its answer would leave the caller waiting for ever.
    waiting?.reject(new Error("the environment ended without an answer"));
    if (member.state === "free") this.#free.splice(this.#free.indexOf(member), 1);
    if (member.state === "ending") this.#ending -= 1;
    this.#members.delete(member);
    this.#deps.onEnded();
    this.#reconsider();
    if (!this.#empty) return;
    this.#patience?.cancel();
    this.#deps.onEmpty();
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  #markEnding(member: Member): void {
    member.state = "ending";
    this.#ending += 1;
  }

  #end(member: Member): void {
    this.#markEnding(member);
    member.environment.end();
  }
}
