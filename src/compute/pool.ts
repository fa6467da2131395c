/** The environments of one function, and the invocations that wait for one of them. */
import type { Clock, Instant, Timer } from "../base/clock.ts";
import { must } from "../base/errors.ts";
import type { Driver, Environment, StartFailure, StartOptions } from "./environment.ts";
import { FullError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { debugPendingMsMax, pendingMsMax, provisionedInitMsMin, startPatienceMs } from "./limits.ts";
import type {
  EnvironmentStart,
  FunctionReport,
  FunctionSpec,
  FunctionStats,
  Invocation,
  InvocationResult,
  ProvisionedStatus,
} from "./ports.ts";
import { Provision } from "./provision.ts";
import { type StartHistory, endReasonOf } from "./starts.ts";

/** An invocation on its way. */
export interface Waiting {
  invocation: Invocation;
  sinceMs: number;
  resolve(result: InvocationResult): void;
  reject(reason: unknown): void;
}

/** For whom an environment starts: whoever waits longest, one invocation and no other, or nobody yet. */
type Purpose = "pending" | "within" | "provisioned";

interface Member {
  environment: Environment;
  state: "starting" | "free" | "busy" | "ending";
  /** When it began to start, or was last free; monotonic. */
  sinceMs: number;
  waiting: Waiting | undefined;
  purpose: Purpose;
  start: EnvironmentStart;
  /** It has answered an invocation. */
  proved: boolean;
  frozen: boolean;
}

/** What a pool shares with the others; the bounds over all functions are behind it. */
export interface PoolDeps {
  clock: Clock;
  driver: Driver;
  initMsMax: number;
  history: StartHistory;
  /** {@link Pool.startsWanted} is above 0. */
  onWanted(): void;
  /** {@link Pool.provisionWanted} is true. */
  onProvisionWanted(): void;
  onStarting(provisioned: boolean): void;
  /** One fewer is starting; `ms` when it went well. */
  onStarted(ms: number | undefined): void;
  onBusy(): void;
  /** An environment has nothing to do: another function may have its place. */
  onFree(): void;
  onQueued(): void;
  onDequeued(): void;
  onEnded(provisioned: boolean): void;
  /** Neither environments nor waiting invocations are left. */
  onEmpty(): void;
}

/** Those that are frozen are the first of `free`, as they were free longest. */
function freezeIn(free: readonly Member[], freeBefore: Instant): number {
  let warm = 0;
  for (let index = free.length - 1; index >= 0; index -= 1) {
    const member = free[index];
    if (member === undefined || member.frozen) break;
    if (member.sinceMs > freeBefore) {
      warm += 1;
      continue;
    }
    member.frozen = true;
    member.environment.freeze();
  }
  return warm;
}

export class Pool {
  readonly spec: FunctionSpec;
  readonly #deps: PoolDeps;
  readonly #members = new Set<Member>();
  /** Least recently used first. */
  readonly #free: Member[] = [];
  readonly #freeProvisioned: Member[] = [];
  readonly #provision: Provision;
  readonly #pending = new Fifo<Waiting>();
  readonly #starting: Record<Purpose, number> = { pending: 0, within: 0, provisioned: 0 };
  /** Provisioned ones that are not ending. */
  #allocated = 0;
  #ending = 0;
  #retired = false;
  #patience: Timer | undefined;
  readonly #onEmpty: (() => void)[] = [];

  constructor(deps: PoolDeps, spec: FunctionSpec) {
    this.#deps = deps;
    this.spec = spec;
    this.#provision = new Provision({ clock: deps.clock, onDue: () => this.#reconsiderProvision() });
  }

  get stats(): FunctionStats {
    const { size } = this.#members;
    const starting = this.#startingCount;
    const idle = this.#free.length + this.#freeProvisioned.length;
    return { specId: this.spec.id, starting, idle, busy: size - starting - idle - this.#ending };
  }

  get report(): Pick<FunctionReport, "starting" | "idle" | "frozen" | "busy" | "provisioned"> {
    const { starting, idle, busy } = this.stats;
    const frozen = [...this.#free, ...this.#freeProvisioned].filter((member) => member.frozen).length;
    return { starting, idle, frozen, busy, provisioned: this.#allocated };
  }

  get provisioned(): ProvisionedStatus {
    const { count, failure } = this.#provision;
    const available = Math.min(count, this.#allocated - this.#starting.provisioned);
    const status = { requested: count, allocated: Math.min(count, this.#allocated), available };
    return failure === undefined ? status : { ...status, failure };
  }

  get endingCount(): number {
    return this.#ending;
  }

  /** When the environment that was free longest became so; undefined when none is. Provisioned ones stay. */
  get freeSinceMs(): number | undefined {
    return this.#free[0]?.sinceMs;
  }

  add(waiting: Waiting): void {
    const member = this.#freeProvisioned.pop() ?? this.#free.pop();
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
    // The one that a debugger has is all there is.
    if (this.spec.debug !== undefined) return 0;
    let wanted = 0;
    for (; wanted < countMax; wanted += 1) {
      const waiting = this.#pending.at(this.#starting.pending + wanted);
      if (waiting === undefined || (this.#live > 0 && nowMs - waiting.sinceMs < startPatienceMs)) break;
    }
    return wanted;
  }

  start(): void {
    this.#start("pending", { initMsMax: this.#deps.initMsMax, initialization: "on-demand" });
  }

  /** Keeps `count` environments from now on; see {@link Compute.provision}. */
  provision(count: number): void {
    if (count > 0) this.#retired = false;
    this.#provision.set(count);
    while (this.#allocated > count) {
      const member = this.#freeProvisioned.shift();
      // The others end when they are free.
      if (member === undefined) break;
      this.#end(member);
    }
    this.#reconsiderProvision();
    this.#endIfEmpty();
  }

  /** One more provisioned environment should be starting now. */
  get provisionWanted(): boolean {
    return !this.#retired && this.#provision.wants(this.#allocated);
  }

  startProvisioned(): void {
    const initMsMax = Math.max(provisionedInitMsMin, this.spec.timeoutMs);
    const initialization = this.spec.debug === undefined ? "provisioned-concurrency" : "on-demand";
    this.#start("provisioned", { initMsMax, initialization });
  }

  /** {@link provisionWanted} cannot be met, as there is no room. */
  lacksRoom(reason: string): void {
    this.#provision.lacksRoom(reason);
  }

  /** Ends the environment that was free longest. */
  evict(reason: "evicted" | "idle" = "evicted"): void {
    const member = this.#free.shift();
    if (member === undefined) return;
    this.#deps.history.ended(reason);
    this.#end(member);
  }

  /** Ends what nobody used since `freeBefore`, and gives up on invocations that waited too long with no start under way. */
  tidy(nowMs: number, freeBefore: Instant): void {
    while ((this.freeSinceMs ?? Infinity) <= freeBefore) this.evict("idle");
    if (this.#starting.pending > 0) return;
    const waitMsMax = this.#pendingMsMax;
    for (let head = this.#pending.at(0); head !== undefined; head = this.#pending.at(0)) {
      if (nowMs - head.sinceMs < waitMsMax) return;
      this.#dequeue()?.reject(new FullError(`no environment was free for ${waitMsMax} ms`));
    }
  }

  /** Behind somebody who debugs there is more patience; and none when that is over, as nothing starts any more. */
  get #pendingMsMax(): number {
    if (this.spec.debug === undefined) return pendingMsMax;
    return this.#retired ? 0 : debugPendingMsMax;
  }

  /** Freezes what nobody used since `freeBefore`. Returns how many are free and not yet frozen. */
  freeze(freeBefore: Instant): number {
    // A debugger speaks with it while nothing runs.
    if (this.spec.debug !== undefined) return 0;
    return freezeIn(this.#free, freeBefore) + freezeIn(this.#freeProvisioned, freeBefore);
  }

  /** Calls `visit` for every environment that does something. */
  eachAtWork(visit: (environment: Environment) => void): void {
    for (const { state, environment } of this.#members) {
      if (state === "busy" || state === "starting") visit(environment);
    }
  }

  retire(): Promise<void> {
    this.#retire();
    this.#endIfEmpty();
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
    this.#retire();
    for (const member of this.#members) if (member.state === "starting") member.environment.end();
  }

  /** Ends everything, busy or not. */
  kill(): void {
    for (const { environment } of this.#members) environment.end();
  }

  get #empty(): boolean {
    return this.#members.size === 0 && this.#pending.length === 0 && this.#provision.count === 0;
  }

  #retire(): void {
    this.#retired = true;
    this.#provision.set(0);
    for (const member of this.#free.splice(0)) this.#end(member);
    for (const member of this.#freeProvisioned.splice(0)) this.#end(member);
  }

  #start(purpose: Purpose, options: StartOptions, waiting?: Waiting): void {
    const { clock, driver, history } = this.#deps;
    const events = {
      ready: () => this.#onReady(member),
      startFailed: (failure: StartFailure) => this.#onStartFailed(member, failure),
      answered: (result: InvocationResult, reusable: boolean) => this.#onAnswered(member, result, reusable),
      ended: () => this.#onEnded(member),
    };
    const situation = {
      purpose,
      others: this.#members.size > this.#ending,
      provisioned: this.#provision.count > 0,
    };
    const start = history.began(this.spec, situation, clock.now());
    const environment = driver.start(events, options);
    const member: Member = {
      environment,
      state: "starting",
      sinceMs: clock.monotonicMs(),
      waiting,
      purpose,
      start,
      proved: false,
      frozen: false,
    };
    this.#members.add(member);
    this.#starting[purpose] += 1;
    if (purpose === "provisioned") this.#allocated += 1;
    this.#deps.onStarting(purpose === "provisioned");
  }

  /** AWS's "suppressed init": the second try is a part of the invocation that waits for it. */
  #startAgain(): void {
    const waiting = this.#takePending();
    if (waiting === undefined) return;
    const options = {
      initMsMax: this.spec.timeoutMs,
      initialization: "on-demand",
      within: waiting.invocation,
    } as const;
    this.#start("within", options, waiting);
  }

  #reconsiderProvision(): void {
    if (this.provisionWanted) this.#deps.onProvisionWanted();
  }

  #dequeue(): Waiting | undefined {
    const waiting = this.#pending.shift();
    if (waiting !== undefined) this.#deps.onDequeued();
    return waiting;
  }

  /** The first that waits and whose invoker is still there. */
  #takePending(): Waiting | undefined {
    for (let waiting = this.#dequeue(); waiting !== undefined; waiting = this.#dequeue()) {
      const { signal } = waiting.invocation;
      if (!signal?.aborted) return waiting;
      waiting.reject(signal.reason);
    }
    return undefined;
  }

  get #live(): number {
    return this.#members.size - this.#startingCount - this.#ending;
  }

  get #startingCount(): number {
    const { pending, within, provisioned } = this.#starting;
    return pending + within + provisioned;
  }

  /** Asks for a start when one is due, or comes back when the first invocation without one loses patience. */
  #reconsider(): void {
    const next = this.#pending.at(this.#starting.pending);
    if (next === undefined || this.spec.debug !== undefined) return;
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
    member.frozen = false;
    member.waiting = waiting;
    this.#deps.onBusy();
    member.environment.run(waiting.invocation);
  }

  #onReady(member: Member): void {
    this.#starting[member.purpose] -= 1;
    if (member.purpose === "provisioned") this.#provision.started(this.#allocated - this.#starting.provisioned);
    member.start.initMs = this.#deps.clock.monotonicMs() - member.sinceMs;
    this.#deps.onStarted(member.start.initMs);
    if (member.waiting === undefined) this.#onFree(member);
    else member.state = "busy";
    this.#reconsider();
  }

  /** A free environment goes to the invocation that waited longest, or to the top of the stack. */
  #onFree(member: Member): void {
    const next = this.#takePending();
    if (next !== undefined) {
      this.#run(member, next);
      return;
    }
    const surplus = member.purpose === "provisioned" && this.#allocated > this.#provision.count;
    if (this.#retired || surplus) {
      this.#end(member);
      return;
    }
    member.state = "free";
    member.sinceMs = this.#deps.clock.monotonicMs();
    this.#freeOf(member).push(member);
    this.#deps.onFree();
  }

  #freeOf({ purpose }: Member): Member[] {
    return purpose === "provisioned" ? this.#freeProvisioned : this.#free;
  }

  #onAnswered(member: Member, result: InvocationResult, reusable: boolean): void {
    const waiting = must(member.waiting, "the invocation of an answer");
    member.waiting = undefined;
    if (member.purpose === "provisioned" && !member.proved) {
      member.proved = true;
      this.#provision.proved();
    }
    // The next one is on its way before this one's caller runs.
    if (reusable) this.#onFree(member);
    else {
      this.#deps.history.ended(endReasonOf(result));
      this.#markEnding(member);
    }
    waiting.resolve(result);
  }

  #onStartFailed(member: Member, failure: StartFailure): void {
    this.#starting[member.purpose] -= 1;
    member.start.failed = true;
    this.#deps.history.ended("start-failed");
    this.#markEnding(member);
    const { waiting } = member;
    member.waiting = undefined;
    waiting?.resolve(failure.resultFor(waiting.invocation));
    if (member.purpose !== "provisioned") {
      if (failure.retry && waiting === undefined && this.#pending.length > 0) this.#startAgain();
      else this.#failPending(member, failure, waiting === undefined);
    }
    this.#deps.onStarted(undefined);
    this.#reconsider();
  }

  /** `forFirst`: the first that waits is the one that it was started for. */
  #failPending(member: Member, failure: StartFailure, forFirst: boolean): void {
    // All that waited when it began would meet the same failure; but while others live or start, they may be served.
    const alone = this.#members.size === this.#ending;
    const countMax = alone ? this.#pending.length : Number(forFirst);
    for (let count = 0; count < countMax; count += 1) {
      const head = this.#pending.at(0);
      if (head === undefined || ((count > 0 || !forFirst) && head.sinceMs > member.sinceMs)) break;
      this.#dequeue();
      head.resolve(failure.resultFor(head.invocation));
    }
  }

  #onEnded(member: Member): void {
    const waiting = member.waiting;
    // An end without its answer would leave the caller waiting for ever.
    waiting?.reject(new Error("the environment ended without an answer"));
    if (member.state === "free") {
      this.#deps.history.ended("crash");
      const free = this.#freeOf(member);
      free.splice(free.indexOf(member), 1);
    }
    if (member.state !== "ending") this.#markEnding(member);
    this.#ending -= 1;
    this.#members.delete(member);
    this.#deps.onEnded(member.purpose === "provisioned");
    this.#reconsider();
    if (member.purpose === "provisioned") this.#reconsiderProvision();
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (!this.#empty) return;
    this.#patience?.cancel();
    this.#deps.onEmpty();
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  #markEnding(member: Member): void {
    member.state = "ending";
    this.#ending += 1;
    if (member.purpose !== "provisioned") return;
    this.#allocated -= 1;
    // Whoever is ended because there are too many, or because nobody wants them, has not failed.
    if (!member.proved && this.#allocated < this.#provision.count) this.#provision.failed();
  }

  #end(member: Member): void {
    this.#markEnding(member);
    member.environment.end();
  }
}
