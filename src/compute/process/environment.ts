/** An environment as a child process: a session of its own, a directory of its own, and nothing of the node's but a channel. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "../../base/clock.ts";
import { asError, assert, must } from "../../base/errors.ts";
import type { Ids } from "../../base/ids.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Exit } from "../answers.ts";
import type { Driver, Environment, EnvironmentEvents, StartOptions } from "../environment.ts";
import { type FunctionLog, createFunctionLog } from "../function-log.ts";
import { killMsMax, shutdownMs, storageMiBDefault, storageSampleMs } from "../limits.ts";
import type { FailedStatus, InitPhase } from "../platform-events.ts";
import type { FunctionLogLine, FunctionSpec, Invocation, InvocationResult } from "../ports.ts";
import type { Cgroup, Cgroups } from "./cgroups.ts";
import { type Child, type StartError, startChild } from "./child.ts";
import { type Held, confine, hold } from "./confinement.ts";
import { type Ending, errorTypeOf, mayStartBetter, verdictOf } from "./ending.ts";
import { type EnvironmentApi, openEnvironmentApi } from "./environment-api.ts";
import { createFramedLink } from "./framed-link.ts";
import { type Interpreters, launchOf } from "./launch.ts";
import { type LineCutter, createLineCutter } from "./lines.ts";
import type { FailureKind, Link, LinkEvents } from "./link.ts";
import { residentKiBOf } from "./memory.ts";
import type { ServeHttp } from "./runtime-api.ts";
import { type StreamedAnswer, openAnswer } from "./streamed-answer.ts";
import type { Sandbox } from "./sandbox.ts";
import { execWrapper, externalExtensions } from "./starters.ts";
import { holdsMoreThan } from "./storage.ts";
import { environmentsDirectory, recordProcess } from "./survivors.ts";
import { variablesOf } from "./variables.ts";
import type { Warden } from "./warden.ts";

export interface ProcessDeps {
  directory: string;
  clock: Clock;
  ids: Ids;
  log: Log;
  warden: Warden;
  cgroups: Cgroups;
  /** Undefined where functions see the machine as the node does. */
  sandbox: Sandbox | undefined;
  interpreters: Interpreters;
  onLogLine(line: FunctionLogLine): void;
  /** Absent: runtimes that need the Runtime API cannot start. */
  serveHttp?: ServeHttp;
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

class ProcessEnvironment implements Environment, LinkEvents {
  readonly id: string;
  readonly #deps: ProcessDeps;
  readonly #spec: FunctionSpec;
  readonly #events: EnvironmentEvents;
  readonly #options: StartOptions;
  readonly #directory: string;
  readonly #log: FunctionLog;
  readonly #phase: InitPhase;
  readonly #cutters: Readonly<Record<1 | 2, LineCutter>>;
  #bornMs: number;
  #state: State = "starting";
  #wasReady = false;
  #ending: Ending | undefined;
  #child: Child | undefined;
  #cgroup: Cgroup | undefined;
  #frozen = false;
  #link: Link | undefined;
  #api: EnvironmentApi | undefined;
  #initTimer: Timer | undefined;
  #current: Current | undefined;
  #initMs: number | undefined;
  #peakKiB = 0;
  #sampledMs = -Infinity;
  #outOfMemory = false;
  #storageSampledMs = -Infinity;

  constructor(deps: ProcessDeps, spec: FunctionSpec, events: EnvironmentEvents, options: StartOptions) {
    this.#deps = deps;
    this.#spec = spec;
    this.#events = events;
    this.#options = options;
    this.id = deps.ids.hex(16);
    this.#directory = join(environmentsDirectory(deps.directory), this.id);
    const onRecord = (type: string, record: () => unknown) => this.#api?.record(type, record);
    this.#log = createFunctionLog({ ...deps, onRecord }, spec, this.id, options.initialization);
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
    const tmp = join(this.#directory, "tmp");
    await mkdir(tmp, { recursive: true });
    const { interpreters, sandbox } = this.#deps;
    const external = await externalExtensions(this.#spec);
    const held = await hold(sandbox, this.#spec, tmp, await launchOf(this.#spec, interpreters), interpreters, external);
    const { launch } = held;
    const variables = variablesOf(this.#spec, {
      ...held,
      logStream: this.#log.stream,
      initialization: this.#options.initialization,
    });
    // What goes with a framed runtime may speak to the API, and only then is it worth a listener.
    const isBeside = launch.kind === "framed" && (external.length > 0 || execWrapper(this.#spec) !== undefined);
    if (launch.kind === "runtime-api" || isBeside) {
      const { serveHttp } = this.#deps;
      assert(serveHttp !== undefined, "compute was made without the Runtime API");
      const api = await openEnvironmentApi({ ...this.#deps, serveHttp, spec: this.#spec, external, events: this });
      this.#api = api;
      if (launch.kind === "runtime-api") this.#link = api.runtime;
      variables["AWS_LAMBDA_RUNTIME_API"] = api.address;
    }
    if (this.#state === "starting") this.#launch(held, variables);
    else this.#gone({ status: null, signal: "SIGKILL" });
  }

  #launch({ launch, wrapper }: Held, variables: Record<string, string>): void {
    if (launch.kind === "unavailable") return this.#over(launch);
    if (launch.kind === "impossible") return this.#gone({ reason: launch.reason, retry: false });
    const { clock, warden, cgroups, sandbox } = this.#deps;
    const { initMsMax } = this.#options;
    this.#bornMs = clock.monotonicMs();
    this.#log.initBegin(this.#phase);
    this.#initTimer = clock.after(initMsMax, () => this.#kill({ kind: "init-timeout", limitMs: initMsMax }));
    this.#cgroup = cgroups.create(this.id, this.#spec);
    const program = [launch.command, ...launch.args];
    const child = startChild(
      clock,
      {
        ...confine(this.#cgroup?.directories ?? [], wrapper, program, variables),
        cwd: this.#spec.codeDir,
        framed: launch.kind === "framed",
      },
      {
        wrote: (fd, chunk) => this.wrote(fd, chunk),
        ended: (how) => this.#gone("reason" in how ? how : (sandbox?.exitOf(how) ?? how)),
      },
    );
    this.#child = child;
    if (child.channel !== undefined) {
      const { input, output } = child.channel;
      const link = createFramedLink(input, output, this.#api?.events ?? this);
      this.#link = this.#api?.told(link) ?? link;
    }
    if (child.pid === undefined) return;
    warden.watch(child.pid);
    recordProcess(this.#directory, child.pid);
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
    const freezer = this.#cgroup?.freezer;
    if (freezer === undefined) this.#child?.signal("SIGSTOP");
    else freezer.freeze();
  }

  #thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const freezer = this.#cgroup?.freezer;
    if (freezer === undefined) this.#child?.signal("SIGCONT");
    else freezer.thaw();
  }

  end(): void {
    const { clock } = this.#deps;
    const isTold = this.#state === "free" && this.#api?.shutdown("spindown", clock.now() + shutdownMs) === true;
    if (!isTold) return this.#kill({ kind: "asked" });
    this.#thaw();
    this.#ending = { kind: "asked" };
    this.#state = "ending";
    clock.after(shutdownMs, () => this.#child?.kill());
  }

  sampleMemory(): void {
    const pid = this.#child?.pid;
    if (pid === undefined || this.#state === "ending" || this.#state === "ended") return;
    this.resident(residentKiBOf(pid));
    if (this.#peakKiB > this.#spec.memoryMiB * 1024) this.#kill({ kind: "memory" });
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#storageSampledMs >= storageSampleMs) {
      // The next look comes a second after this one has ended.
      this.#storageSampledMs = Infinity;
      void this.#sampleStorage();
    }
  }

  async #sampleStorage(): Promise<void> {
    const { clock, log } = this.#deps;
    const { ephemeralStorageMiB: limitMiB = storageMiBDefault } = this.#spec;
    try {
      if (await holdsMoreThan(join(this.#directory, "tmp"), limitMiB * 1024 * 1024)) {
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
    const pid = this.#child?.pid;
    const fresh = this.#deps.clock.monotonicMs() - this.#sampledMs < memoryFreshMs;
    if (!fresh && pid !== undefined && this.#state !== "ended") this.resident(residentKiBOf(pid));
    const memoryUsedMiB = Math.ceil(this.#peakKiB / 1024);
    const initMs = this.#initMs;
    this.#initMs = undefined;
    return initMs === undefined ? { durationMs, memoryUsedMiB } : { durationMs, initMs, memoryUsedMiB };
  }

  #kill(ending: Ending): void {
    if (this.#state === "ending" || this.#state === "ended") return;
    this.#ending ??= ending;
    this.#state = "ending";
    this.#child?.kill();
    // What left the process group, and what is frozen: it ends when it is thawed.
    this.#cgroup?.kill();
  }

  /** Its processes are gone, or never were. */
  #gone(how: Exit | StartError): void {
    if ("reason" in how) this.#over({ kind: "not-started", ...how });
    else {
      const killedForIt = this.#cgroup?.ranOutOfMemory() === true;
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
    this.#child?.kill();
    this.#cgroup?.kill();
    if (this.#child?.pid !== undefined) this.#deps.warden.forget(this.#child.pid);
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
      await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
      await this.#removeCgroup();
    } finally {
      this.#events.ended();
    }
  }

  /** What was in it was killed, and may take a moment to go. What stays goes with the node. */
  async #removeCgroup(): Promise<void> {
    for (let waitMs = 1; this.#cgroup?.remove() === false && waitMs < killMsMax; waitMs *= 2) {
      await this.#deps.clock.sleep(waitMs);
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

/** Environments of `spec` as child processes. */
export function createProcessDriver(deps: ProcessDeps, spec: FunctionSpec): Driver {
  return { start: (events, options) => new ProcessEnvironment(deps, spec, events, options) };
}
