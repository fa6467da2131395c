/** An environment's life, from its start to its end, in whatever vessel holds its programs. */
import type { Clock, Timer } from "../../base/clock.ts";
import { asError, assert, must } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Exit } from "../answers.ts";
import type { Driver, Environment, EnvironmentEvents, StartOptions } from "../environment.ts";
import { type FunctionLog, createFunctionLog } from "../function-log.ts";
import { memorySampleMs, shutdownMs, storageMiBDefault, storageSampleMs } from "../limits.ts";
import type { FailedStatus, InitPhase } from "../platform-events.ts";
import type { FunctionLogLine, FunctionSpec, InitializationType, Invocation, InvocationResult } from "../ports.ts";
import type { StartError, Vessel } from "../vessel.ts";
import { type Ending, errorTypeOf, mayStartBetter, verdictOf } from "./ending.ts";
import { type EnvironmentApi, openEnvironmentApi } from "./environment-api.ts";
import { createFramedLink } from "./framed-link.ts";
import { type LineCutter, createLineCutter } from "./lines.ts";
import type { FailureKind, Link, LinkEvents } from "./link.ts";
import type { ServeHttp } from "./runtime-api.ts";
import { type StreamedAnswer, openAnswer } from "./streamed-answer.ts";
import { holdsMoreThan } from "./storage.ts";

export interface EnvironmentDeps {
  clock: Clock;
  ids: Ids;
  log: Log;
  onLogLine(line: FunctionLogLine): void;
  /** Absent: runtimes that need the Runtime API cannot start. */
  serveHttp?: ServeHttp;
}

/** What a vessel is told of the environment that it is for. */
export interface VesselPlace {
  id: string;
  logStream: string;
  initialization: InitializationType;
}

/** The running invocation of an environment. */
interface Current {
  invocation: Invocation;
  startedMs: number;
  timer: Timer;
  /** Once the function streams its answer. */
  answer?: StreamedAnswer;
}

/** `"starting"` until its runtime waits for work; `"ending"` from the kill to the death of its processes. */
type State = "starting" | "free" | "busy" | "ending" | "ended";

/** A figure older than this is read again before it is reported. */
const memoryFreshMs = 1_000;
/** V8's last words when the heap limit is reached. */
const heapExhausted = "JavaScript heap out of memory";

class LivingEnvironment implements Environment, LinkEvents {
  readonly id: string;
  readonly #deps: EnvironmentDeps;
  readonly #spec: FunctionSpec;
  readonly #events: EnvironmentEvents;
  readonly #options: StartOptions;
  readonly #vessel: Vessel;
  readonly #log: FunctionLog;
  readonly #phase: InitPhase;
  readonly #cutters: Readonly<Record<1 | 2, LineCutter>>;
  #bornMs: number;
  #state: State = "starting";
  #wasReady = false;
  #ending: Ending | undefined;
  #frozen = false;
  #link: Link | undefined;
  #api: EnvironmentApi | undefined;
  #initTimer: Timer | undefined;
  #current: Current | undefined;
  #initMs: number | undefined;
  #peakKiB = 0;
  #sampledMs = -Infinity;
  #outOfMemory = false;
  #lookedMs = -Infinity;
  #storageSampledMs = -Infinity;

  constructor(
    deps: EnvironmentDeps,
    spec: FunctionSpec,
    events: EnvironmentEvents,
    options: StartOptions,
    open: (place: VesselPlace) => Vessel,
  ) {
    this.#deps = deps;
    this.#spec = spec;
    this.#events = events;
    this.#options = options;
    this.id = deps.ids.hex(16);
    const onRecord = (type: string, record: () => unknown) => this.#api?.record(type, record);
    this.#log = createFunctionLog({ ...deps, onRecord }, spec, this.id, options.initialization);
    const { initialization } = options;
    this.#vessel = open({ id: this.id, logStream: this.#log.stream, initialization });
    this.#phase = options.within === undefined ? "init" : "invoke";
    this.#bornMs = deps.clock.monotonicMs();
    const cutter = () => createLineCutter((text) => this.#line(text));
    this.#cutters = { 1: cutter(), 2: cutter() };
    this.#start().catch((error: unknown) => {
      deps.log.error("an environment could not be prepared", { function: spec.id, error: asError(error) });
      this.#gone({ reason: `the environment could not be prepared: ${asError(error).message}`, retry: true });
    });
  }

  async #start(): Promise<void> {
    const vessel = this.#vessel;
    const prepared = await vessel.prepare();
    if (prepared.kind === "unavailable") return this.#over(prepared);
    if (prepared.kind === "impossible") return this.#gone({ reason: prepared.reason, retry: false });
    const { kind, external, isBeside } = prepared;
    const variables = { ...prepared.variables };
    // What goes with a framed runtime may speak to the API, and only then is it worth a listener.
    if (kind === "runtime-api" || isBeside) {
      const { serveHttp } = this.#deps;
      assert(serveHttp !== undefined, "compute was made without the Runtime API");
      const api = await openEnvironmentApi({ ...this.#deps, serveHttp, spec: this.#spec, external, events: this });
      this.#api = api;
      if (kind === "runtime-api") this.#link = api.runtime;
      variables["AWS_LAMBDA_RUNTIME_API"] = api.address;
    }
    if (this.#state === "starting") await vessel.make(variables);
    if (this.#state === "starting") this.#launch();
    else this.#gone({ status: null, signal: "SIGKILL" });
  }

  #launch(): void {
    const { clock } = this.#deps;
    const { initMsMax } = this.#options;
    this.#bornMs = clock.monotonicMs();
    this.#log.initBegin(this.#phase);
    this.#initTimer = clock.after(initMsMax, () => this.#kill({ kind: "init-timeout", limitMs: initMsMax }));
    const channel = this.#vessel.start({
      wrote: (fd, chunk) => this.wrote(fd, chunk),
      ended: (how) => this.#gone(how),
    });
    if (channel === undefined) return;
    const link = createFramedLink(channel.input, channel.output, this.#api?.events ?? this);
    this.#link = this.#api?.told(link) ?? link;
  }

  run(invocation: Invocation): void {
    this.#run(invocation, this.#deps.clock.monotonicMs());
  }

  /** What passed since `startedMs` is a part of the time that it has. */
  #run(invocation: Invocation, startedMs: number): void {
    assert(this.#state === "free", `an environment that is ${this.#state} was given an invocation`);
    const { clock } = this.#deps;
    const leftMs = Math.max(1, startedMs + this.#spec.timeoutMs - clock.monotonicMs());
    this.#state = "busy";
    this.#thaw();
    this.#log.begin(invocation);
    this.#current = { invocation, startedMs, timer: clock.after(leftMs, () => this.#kill({ kind: "timeout" })) };
    must(this.#link, "the link of a free environment").send(invocation, clock.now() + leftMs);
  }

  freeze(): void {
    if (this.#state !== "free") return;
    this.#frozen = true;
    this.#vessel.freeze();
  }

  #thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#vessel.thaw();
  }

  end(): void {
    const { clock } = this.#deps;
    const isTold = this.#state === "free" && this.#api?.shutdown("spindown", clock.now() + shutdownMs) === true;
    if (!isTold) return this.#kill({ kind: "asked" });
    this.#thaw();
    this.#ending = { kind: "asked" };
    this.#state = "ending";
    clock.after(shutdownMs, () => this.#vessel.kill());
  }

  sampleMemory(): void {
    if (this.#state === "ending" || this.#state === "ended") return;
    if (this.#isWorthALook()) this.#look();
    if (this.#peakKiB > this.#spec.memoryMiB * 1024) this.#kill({ kind: "memory" });
    const nowMs = this.#deps.clock.monotonicMs();
    const { tmp } = this.#vessel;
    if (tmp !== undefined && nowMs - this.#storageSampledMs >= storageSampleMs) {
      // The next look comes a second after this one has ended.
      this.#storageSampledMs = Infinity;
      void this.#sampleStorage(tmp);
    }
  }

  /** What is not known, or not yet, is no figure. */
  #look(): void {
    const kiB = this.#vessel.residentKiB();
    if (kiB > 0) this.resident(kiB);
  }

  /** Short invocations are done before they are looked at, and most runtimes say what they hold: once a second is enough. */
  #isWorthALook(): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    const isShort = this.#current !== undefined && nowMs - this.#current.startedMs < memorySampleMs;
    if (isShort && nowMs - this.#lookedMs < memoryFreshMs) return false;
    this.#lookedMs = nowMs;
    return true;
  }

  async #sampleStorage(tmp: string): Promise<void> {
    const { clock, log } = this.#deps;
    const { ephemeralStorageMiB: limitMiB = storageMiBDefault } = this.#spec;
    try {
      if (await holdsMoreThan(tmp, limitMiB * 1024 * 1024)) {
        this.#kill({ kind: "storage", limitMiB });
      }
    } catch (error) {
      log.warn("the files of an environment could not be counted", { environment: this.id, error: asError(error) });
    }
    this.#storageSampledMs = clock.monotonicMs();
  }

  // What the runtime says.

  ready(): void {
    if (this.#state !== "starting") return;
    this.#initTimer?.cancel();
    const initMs = this.#deps.clock.monotonicMs() - this.#bornMs;
    this.#log.initEnd({ phase: this.#phase, durationMs: initMs });
    this.#wasReady = true;
    this.#state = "free";
    this.#events.ready();
    const { within } = this.#options;
    if (within === undefined) this.#initMs = initMs;
    else this.#run(within, this.#bornMs);
  }

  initFailed(payload: Uint8Array): void {
    if (this.#state === "starting") this.#kill({ kind: "init-failed", payload });
  }

  answered(payload: Uint8Array): void {
    this.#settle(payload, {}, true);
  }

  streamBegan(contentType: string): void {
    if (this.#current?.answer !== undefined) return this.broken("an answer began twice");
    if (this.#current !== undefined) this.#current.answer = openAnswer(this.#current.invocation.stream, contentType);
  }

  streamed(chunk: Uint8Array): Promise<void> | undefined {
    return this.#current?.answer?.write(chunk);
  }

  streamEnded(): void {
    const answer = this.#current?.answer;
    if (answer === undefined) return this.broken("the end of an answer that never began");
    const tooLarge = answer.tooLarge();
    if (tooLarge === undefined) this.answered(answer.payload());
    else this.failed(tooLarge, "too-large");
  }

  failed(payload: Uint8Array, how: FailureKind): void {
    if (how === "handled") return this.#settle(payload, { error: "handled" }, true);
    if (how === "too-large") return this.#settle(payload, { error: "unhandled", cause: "too-large" }, true);
    // Between invocations there is nobody to tell; the exit that follows ends the environment.
    if (this.#state !== "busy") return this.#kill({ kind: "fatal" });
    this.#settle(payload, { error: "unhandled", cause: "crash" }, false);
  }

  logged(text: string): void {
    this.#line(text);
  }

  wrote(fd: 1 | 2, chunk: Buffer): void {
    this.#cutters[fd].push(chunk);
  }

  resident(kiB: number): void {
    this.#sampledMs = this.#deps.clock.monotonicMs();
    if (kiB > this.#peakKiB) this.#peakKiB = kiB;
  }

  broken(reason: string): void {
    this.#kill({ kind: "broken", reason });
  }

  // Its end.

  #line(text: string): void {
    if (text.includes(heapExhausted)) this.#outOfMemory = true;
    this.#log.write(text);
  }

  #settle(payload: Uint8Array, outcome: Pick<InvocationResult, "error" | "cause">, reusable: boolean): void {
    if (this.#state !== "busy") {
      if (this.#state === "free") this.broken("an answer to no invocation");
      return;
    }
    const result = this.#conclude(payload, outcome, reusable ? undefined : { errorType: "Runtime.ExitError" });
    this.#state = "free";
    if (!reusable) this.#kill({ kind: "fatal" });
    this.#events.answered(result, reusable);
  }

  /** Writes the last lines of the running invocation and makes its result. */
  #conclude(
    payload: Uint8Array,
    outcome: Pick<InvocationResult, "error" | "cause">,
    status: FailedStatus | undefined,
  ): InvocationResult {
    const { invocation, startedMs, timer, answer } = must(this.#current, "the invocation of a busy environment");
    const nowMs = this.#deps.clock.monotonicMs();
    timer.cancel();
    this.#current = undefined;
    this.#cutters[1].flush();
    this.#cutters[2].flush();
    const figures = this.#figures(nowMs - startedMs);
    const logTail = this.#log.end(invocation, {
      ...figures,
      ...(status === undefined ? {} : { status }),
      ...(outcome.error === "handled" ? { handledErrorType: errorTypeOf(payload) } : {}),
    });
    const streamed = answer?.passedOn === true ? { streamed: true as const } : {};
    return { payload, ...outcome, ...streamed, logTail, ...figures, initialization: this.#options.initialization };
  }

  #figures(durationMs: number): Pick<InvocationResult, "durationMs" | "initMs" | "memoryUsedMiB"> {
    const fresh = this.#deps.clock.monotonicMs() - this.#sampledMs < memoryFreshMs;
    if (!fresh && this.#state !== "ended") this.#look();
    const memoryUsedMiB = Math.ceil(this.#peakKiB / 1024);
    const initMs = this.#initMs;
    this.#initMs = undefined;
    return initMs === undefined ? { durationMs, memoryUsedMiB } : { durationMs, initMs, memoryUsedMiB };
  }

  #kill(ending: Ending): void {
    if (this.#state === "ending" || this.#state === "ended") return;
    this.#ending ??= ending;
    this.#state = "ending";
    this.#vessel.kill();
  }

  /** Its processes are gone, or never were. */
  #gone(how: Exit | StartError): void {
    if ("reason" in how) this.#over({ kind: "not-started", ...how });
    else {
      const killedForIt = this.#vessel.ranOutOfMemory();
      // The last sample was taken before the limit was reached.
      if (killedForIt) this.resident(this.#spec.memoryMiB * 1024);
      const outOfMemory = this.#outOfMemory || killedForIt;
      this.#over({ kind: "exited", exit: how, outOfMemory });
    }
  }

  #over(last: Ending): void {
    if (this.#state === "ended") return;
    const ending = (this.#ending ??= last);
    this.#state = "ended";
    this.#initTimer?.cancel();
    // Only alive here when the preparation failed after the start.
    this.#vessel.kill();
    if (!this.#wasReady) this.#tellStartFailed(ending);
    else if (this.#current !== undefined) this.#tellCrashed(ending, this.#current.invocation);
    this.#remove().catch((error: unknown) => {
      this.#deps.log.warn("an environment was not cleared away", { environment: this.id, error: asError(error) });
    });
  }

  async #remove(): Promise<void> {
    try {
      await this.#link?.close();
      await this.#api?.close();
      await this.#vessel.remove();
    } finally {
      this.#events.ended();
    }
  }

  #tellCrashed(ending: Ending, { requestId }: Invocation): void {
    const { payload, cause, status, logText } = verdictOf(ending, this.#spec, requestId, "crash");
    this.#log.fault(status === "timeout" ? `${this.#time()} ${logText}` : logText);
    this.#events.answered(this.#conclude(payload, { error: "unhandled", cause }, status), false);
  }

  #tellStartFailed(ending: Ending): void {
    this.#cutters[1].flush();
    this.#cutters[2].flush();
    const durationMs = this.#deps.clock.monotonicMs() - this.#bornMs;
    if (ending.kind !== "asked") {
      const { status } = verdictOf(ending, this.#spec, "", "init");
      this.#log.initEnd({ phase: this.#phase, durationMs, status });
    }
    this.#events.startFailed({
      retry: mayStartBetter(ending),
      resultFor: (invocation) => this.#startFailedResult(ending, invocation, durationMs),
    });
  }

  #startFailedResult(ending: Ending, invocation: Invocation, durationMs: number): InvocationResult {
    const { payload, cause, status, logText } = verdictOf(ending, this.#spec, invocation.requestId, "init");
    this.#log.begin(invocation);
    if (ending.kind !== "init-failed") this.#log.fault(status === "timeout" ? `${this.#time()} ${logText}` : logText);
    const figures = this.#figures(durationMs);
    const logTail = this.#log.end(invocation, { ...figures, status });
    const { initialization } = this.#options;
    return { payload, error: "unhandled", cause, logTail, ...figures, initialization };
  }

  #time(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }
}

/** Environments of `spec`, each in a vessel of its own. */
export function createDriver(deps: EnvironmentDeps, spec: FunctionSpec, open: (place: VesselPlace) => Vessel): Driver {
  return { start: (events, options) => new LivingEnvironment(deps, spec, events, options, open) };
}
