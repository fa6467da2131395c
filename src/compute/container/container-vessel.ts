/** A vessel that is a container: started by the engine, on the machine's network, and stopped and ended as a whole. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Duplex } from "node:stream";
import { asError, must } from "../../base/errors.ts";
import type { Exit } from "../answers.ts";
import type { Driver } from "../environment.ts";
import { drainMsMax, engineRemovalsMax } from "../limits.ts";
import type { FunctionSpec } from "../ports.ts";
import { type EnvironmentDeps, type VesselPlace, createDriver } from "../process/environment.ts";
import { bootstrapOf } from "../process/launch.ts";
import { residentKiBOf } from "../process/memory.ts";
import { exitOfStatus, taskRoot } from "../process/sandbox.ts";
import { externalExtensions, extensionStarter } from "../process/starters.ts";
import { lambdaVariables } from "../process/variables.ts";
import { runtimeKind } from "../runtimes.ts";
import type { Hindrance, Preparation, StartError, Vessel, VesselEvents } from "../vessel.ts";
import { type ContainerProgram, containerBody } from "./container-settings.ts";
import type { ContainerEngine } from "./engine.ts";
import { createOutputReader } from "./output.ts";
import { imageOfRuntime } from "./runtime-images.ts";

export interface ContainerDeps extends EnvironmentDeps {
  /** The engine, opened when it is first asked for. Throws an error named `EngineError` where there is none. */
  engine(): Promise<ContainerEngine>;
  /** The operator's own image of a runtime. */
  images: Readonly<Record<string, string>>;
}

const isEngineError = (error: unknown): error is Error & { status: number } =>
  error instanceof Error && error.name === "EngineError";

/** An engine refuses with a status of the client's when the image or its program is at fault: no second try helps. */
const startErrorOf = ({ message, status }: Error & { status: number }): StartError => ({
  reason: message,
  retry: status === 0,
});

/** A process of this machine that is in this container; engines on another machine name processes of that one. */
function isIn(pid: number, id: string): boolean {
  if (process.platform !== "linux" || pid === 0) return false;
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "latin1").includes(id);
  } catch {
    // It ended meanwhile, or never was here.
    return false;
  }
}

class ContainerVessel implements Vessel {
  /** The engine bounds it. */
  readonly tmp = undefined;
  readonly #deps: ContainerDeps;
  readonly #spec: FunctionSpec;
  readonly #place: VesselPlace;
  readonly #over = new AbortController();
  #engine: ContainerEngine | undefined;
  #program: ContainerProgram | undefined;
  #id: string | undefined;
  #output: Duplex | undefined;
  #failure: StartError | undefined;
  #pid: number | undefined;
  #killed = false;
  #removal: Promise<void> | undefined;
  #wantsPause = false;
  #isPaused = false;
  /** Pausing and waking, one after the other. */
  #order: Promise<void> = Promise.resolve();
  #outOfMemory = false;

  constructor(deps: ContainerDeps, spec: FunctionSpec, place: VesselPlace) {
    this.#deps = deps;
    this.#spec = spec;
    this.#place = place;
  }

  async prepare(): Promise<Preparation | Hindrance> {
    const spec = this.#spec;
    try {
      this.#engine = await this.#deps.engine();
      const external = await externalExtensions(spec);
      const program = await this.#programOf(this.#engine, external);
      if ("kind" in program) return program;
      this.#program = program;
      const variables = lambdaVariables(spec, { taskRoot, ...this.#place });
      return { kind: "runtime-api", external, isBeside: false, variables };
    } catch (error) {
      if (!isEngineError(error)) throw error;
      return { kind: "unavailable", hint: error.message };
    }
  }

  async #programOf(engine: ContainerEngine, external: readonly string[]): Promise<ContainerProgram | Hindrance> {
    const { image, runtime, handler } = this.#spec;
    if (image !== undefined) {
      const { reference, elsewhere, ...own } = image;
      return { image: (await engine.image(reference, elsewhere)).id, ...own };
    }
    const reference = this.#deps.images[runtime] ?? imageOfRuntime(runtime);
    if (reference === undefined) {
      return { kind: "unavailable", hint: "AWS has no image of it: name one of your own (mikan up --image)." };
    }
    const starter = external.length === 0 ? [] : extensionStarter("/opt/extensions");
    const found = await engine.image(reference);
    if (runtimeKind(runtime).kind !== "bootstrap") {
      // The entry point of AWS's images takes the handler; it starts the runtime, through a wrapper if there is one.
      return { image: found.id, entryPoint: [...starter, ...found.entryPoint], command: [handler] };
    }
    const launch = await bootstrapOf(this.#spec);
    if (!("command" in launch)) return launch;
    const folder = launch.command.startsWith(this.#spec.codeDir) ? taskRoot : "/opt";
    return { image: found.id, entryPoint: [...starter, `${folder}/${basename(launch.command)}`], command: [] };
  }

  async make(variables: Readonly<Record<string, string>>): Promise<void> {
    const engine = must(this.#engine, "the engine of a vessel that was prepared");
    const program = must(this.#program, "the program of a vessel that was prepared");
    try {
      const name = `mikan-${this.#spec.functionName}-${this.#place.id}`;
      this.#id = await engine.create(name, containerBody(this.#spec, program, variables));
      this.#output = await engine.attach(this.#id);
      // Podman has a process for it by now, Docker from the start on: an invocation may be over before that is asked for.
      await this.#findProcess(engine, this.#id);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      this.#failure = startErrorOf(error);
    }
  }

  start(events: VesselEvents): undefined {
    const ended = (how: Exit | StartError) => events.ended(how);
    this.#run(events).then(ended, (error: unknown) => {
      this.#deps.log.error("a container could not be followed", { error: asError(error) });
      ended({ reason: asError(error).message, retry: true });
    });
  }

  async #run(events: VesselEvents): Promise<Exit | StartError> {
    const engine = must(this.#engine, "the engine of a vessel that was made");
    if (this.#failure !== undefined) return this.#failure;
    const id = must(this.#id, "the container of a vessel that was made");
    const outputOver = this.#follow(must(this.#output, "the output of a vessel that was made"), events);
    try {
      await engine.start(id);
      if (this.#pid === undefined) await this.#findProcess(engine, id);
      await outputOver;
      // Only now: an engine tells of an end when it has tidied up, and may look for it four times a second.
      if (!this.#killed) return this.#exit(await engine.exitOf(id, this.#over.signal));
    } catch (error) {
      if (!isEngineError(error)) throw error;
      // What was killed while it started is not there any more.
      if (!this.#killed) return startErrorOf(error);
    }
    await this.#removal;
    return { status: null, signal: "SIGKILL" };
  }

  async #findProcess(engine: ContainerEngine, id: string): Promise<void> {
    const pid = await engine.pidOf(id);
    if (isIn(pid, id)) this.#pid = pid;
  }

  #exit({ status, outOfMemory }: { status: number; outOfMemory: boolean }): Exit {
    this.#pid = undefined;
    const exit = exitOfStatus({ status, signal: null });
    // Podman does not always say so. Nobody in a container can send this signal to its first process, and the node did not.
    this.#outOfMemory = outOfMemory || exit.signal === "SIGKILL";
    return exit;
  }

  /** Resolves when it has written its last. */
  #follow(output: Duplex, events: VesselEvents): Promise<void> {
    const read = createOutputReader((fd, chunk) => events.wrote(fd, chunk));
    output.on("data", read);
    return new Promise((resolve) => {
      output.on("close", resolve);
      // What breaks is over, too; the engine says why.
      output.on("error", () => resolve());
      output.on("end", resolve);
    });
  }

  freeze(): void {
    this.#wantsPause = true;
    this.#settle();
  }

  thaw(): void {
    this.#wantsPause = false;
    this.#settle();
  }

  #settle(): void {
    this.#order = this.#order.then(() => this.#pauseOrWake());
  }

  async #pauseOrWake(): Promise<void> {
    const { log } = this.#deps;
    const [engine, id, pauses] = [this.#engine, this.#id, this.#wantsPause];
    if (engine === undefined || id === undefined || this.#killed || this.#isPaused === pauses) return;
    try {
      await (pauses ? engine.pause(id) : engine.unpause(id));
      this.#isPaused = pauses;
    } catch (error) {
      // One that cannot be woken is ended by the timeout of its invocation.
      if (!this.#killed) log.warn("a container was not frozen or woken", { container: id, error: asError(error) });
    }
  }

  kill(): void {
    if (this.#killed || this.#id === undefined) return;
    this.#killed = true;
    this.#removal = this.#end(this.#id);
  }

  async #end(id: string): Promise<void> {
    const { clock, log } = this.#deps;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await must(this.#engine, "the engine of a container").remove(id);
        break;
      } catch (error) {
        log.error("a container could not be ended", { container: id, attempt, error: asError(error) });
        // The next node on this directory will.
        if (attempt === engineRemovalsMax) break;
        await clock.sleep(attempt * drainMsMax);
      }
    }
    // Its last words have a moment to arrive.
    clock.after(drainMsMax, () => this.#output?.destroy());
  }

  residentKiB(): number {
    return this.#pid === undefined || this.#killed ? 0 : residentKiBOf(this.#pid);
  }

  ranOutOfMemory(): boolean {
    return this.#outOfMemory;
  }

  async remove(): Promise<void> {
    this.#over.abort();
    if (this.#id !== undefined) this.kill();
    await this.#removal;
    this.#output?.destroy();
  }
}

/** Environments of `spec` as containers. */
export function createContainerDriver(deps: ContainerDeps, spec: FunctionSpec): Driver {
  return createDriver(deps, spec, (place) => new ContainerVessel(deps, spec, place));
}
