/** The engine on environments that do what a test says, on a clock that stands still. */
import { FakeClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { type Bounds, Engine } from "./engine.ts";
import type { Environment, EnvironmentEvents, StartOptions } from "./environment.ts";
import { invocationOf, specOf } from "./harness.suite.ts";
import type { FunctionSpec, Invocation, InvocationResult } from "./ports.ts";

export class Puppet implements Environment {
  readonly id: string;
  readonly spec: FunctionSpec;
  readonly events: EnvironmentEvents;
  readonly options: StartOptions;
  readonly runs: Invocation[] = [];
  ends = 0;
  samples = 0;
  freezes = 0;

  constructor(id: number, spec: FunctionSpec, events: EnvironmentEvents, options: StartOptions) {
    this.id = String(id);
    this.spec = spec;
    this.events = events;
    this.options = options;
  }

  run(invocation: Invocation): void {
    this.runs.push(invocation);
  }

  end(): void {
    this.ends += 1;
  }

  freeze(): void {
    this.freezes += 1;
  }

  sampleMemory(): void {
    this.samples += 1;
  }

  answer(reusable = true): void {
    this.events.answered(this.#result(`${this.id}:${this.runs.at(-1)?.requestId}`), reusable);
  }

  fail(retry: boolean): void {
    this.events.startFailed({
      retry,
      resultFor: ({ requestId }) => ({
        ...this.#result(`failed ${this.id}:${requestId}`),
        error: "unhandled",
        cause: "init",
      }),
    });
    this.events.ended();
  }

  #result(text: string): InvocationResult {
    const { initialization } = this.options;
    return { payload: Buffer.from(text), logTail: "", durationMs: 1, memoryUsedMiB: 1, initialization };
  }
}

/** An engine of small bounds; `made` are its environments in the order in which they were started. */
export function openPuppets(bounds: Bounds = {}) {
  const clock = new FakeClock();
  const made: Puppet[] = [];
  let closed = false;
  const engine = new Engine({
    startsAtOnceMax: 2,
    environmentsMax: 10,
    idleMs: 60_000,
    ...bounds,
    clock,
    log: silentLog,
    metrics: createMetrics(),
    driverOf: (spec) => ({
      start(events, options) {
        const puppet = new Puppet(made.length, spec, events, options);
        made.push(puppet);
        return puppet;
      },
    }),
    findImage: () => Promise.reject(new Error("puppets have no images")),
    debugHindrance: () => Promise.resolve(undefined),
    onClosed: () => {
      closed = true;
    },
  });
  const spec = specOf("/code", { timeoutMs: 3_000 });
  const invoke = async (requestId: string, of = spec, more: Partial<Invocation> = {}) =>
    Buffer.from((await engine.invoke(of, invocationOf({}, { requestId, ...more }))).payload).toString();
  const puppet = (index: number): Puppet => {
    const found = made[index];
    if (found === undefined) throw new Error(`there is no environment ${index}`);
    return found;
  };
  return { engine, clock, made, spec, invoke, puppet, isClosed: () => closed };
}
