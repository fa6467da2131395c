/** A vessel that is a child process: a session of its own, a directory of its own, and nothing of the node's but a channel. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import type { Driver } from "../environment.ts";
import { killMsMax } from "../limits.ts";
import type { FunctionSpec } from "../ports.ts";
import type { Channel, Hindrance, Preparation, Vessel, VesselEvents } from "../vessel.ts";
import type { Cgroup, Cgroups } from "./cgroups.ts";
import { type Child, startChild } from "./child.ts";
import { confine, hold } from "./confinement.ts";
import { type EnvironmentDeps, type VesselPlace, createDriver } from "./environment.ts";
import { type Interpreters, launchOf } from "./launch.ts";
import { residentKiBOf } from "./memory.ts";
import type { Sandbox } from "./sandbox.ts";
import { execWrapper, externalExtensions } from "./starters.ts";
import { environmentsDirectory, recordProcess } from "./survivors.ts";
import { variablesOf } from "./variables.ts";
import type { Warden } from "./warden.ts";

export interface ProcessDeps extends EnvironmentDeps {
  directory: string;
  warden: Warden;
  cgroups: Cgroups;
  /** Undefined where functions see the machine as the node does. */
  sandbox: Sandbox | undefined;
  interpreters: Interpreters;
}

/** Its command line, as it was prepared. */
interface Program {
  wrapper: readonly string[];
  program: readonly string[];
  framed: boolean;
}

class ProcessVessel implements Vessel {
  readonly tmp: string;
  readonly #deps: ProcessDeps;
  readonly #spec: FunctionSpec;
  readonly #place: VesselPlace;
  readonly #directory: string;
  #program: Program | undefined;
  #variables: Readonly<Record<string, string>> = {};
  #child: Child | undefined;
  #cgroup: Cgroup | undefined;
  #ended = false;

  constructor(deps: ProcessDeps, spec: FunctionSpec, place: VesselPlace) {
    this.#deps = deps;
    this.#spec = spec;
    this.#place = place;
    this.#directory = join(environmentsDirectory(deps.directory), place.id);
    this.tmp = join(this.#directory, "tmp");
  }

  async prepare(): Promise<Preparation | Hindrance> {
    const { interpreters, sandbox } = this.#deps;
    const spec = this.#spec;
    await mkdir(this.tmp, { recursive: true });
    const external = await externalExtensions(spec);
    const held = await hold(sandbox, spec, this.tmp, await launchOf(spec, interpreters), interpreters, external);
    const { launch, wrapper } = held;
    if (!("command" in launch)) return launch;
    this.#program = { wrapper, program: [launch.command, ...launch.args], framed: launch.kind === "framed" };
    return {
      kind: launch.kind,
      external,
      isBeside: external.length > 0 || execWrapper(spec) !== undefined,
      variables: variablesOf(spec, { ...held, ...this.#place }),
    };
  }

  async make(variables: Readonly<Record<string, string>>): Promise<void> {
    this.#variables = variables;
  }

  start(events: VesselEvents): Channel | undefined {
    const { clock, warden, cgroups, sandbox } = this.#deps;
    const { wrapper, program, framed } = must(this.#program, "the program of a vessel that was prepared");
    this.#cgroup = cgroups.create(this.#place.id, this.#spec);
    const confined = confine(this.#cgroup?.directories ?? [], wrapper, program, this.#variables);
    const child = startChild(
      clock,
      { ...confined, cwd: this.#spec.codeDir, framed },
      {
        wrote: (fd, chunk) => events.wrote(fd, chunk),
        ended: (how) => {
          this.#ended = true;
          if (child.pid !== undefined) warden.forget(child.pid);
          events.ended("reason" in how ? how : (sandbox?.exitOf(how) ?? how));
        },
      },
    );
    this.#child = child;
    if (child.pid !== undefined) {
      warden.watch(child.pid);
      recordProcess(this.#directory, child.pid);
    }
    return child.channel;
  }

  freeze(): void {
    const freezer = this.#cgroup?.freezer;
    if (freezer === undefined) this.#child?.signal("SIGSTOP");
    else freezer.freeze();
  }

  thaw(): void {
    const freezer = this.#cgroup?.freezer;
    if (freezer === undefined) this.#child?.signal("SIGCONT");
    else freezer.thaw();
  }

  kill(): void {
    this.#child?.kill();
    // What left the process group, and what is frozen: it ends when it is thawed.
    this.#cgroup?.kill();
  }

  residentKiB(): number {
    const pid = this.#child?.pid;
    return pid === undefined || this.#ended ? 0 : residentKiBOf(pid);
  }

  ranOutOfMemory(): boolean {
    return this.#cgroup?.ranOutOfMemory() === true;
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
    await this.#removeCgroup(this.#deps.clock);
  }

  /** What was in it was killed, and may take a moment to go. What stays goes with the node. */
  async #removeCgroup(clock: Clock): Promise<void> {
    for (let waitMs = 1; this.#cgroup?.remove() === false && waitMs < killMsMax; waitMs *= 2) await clock.sleep(waitMs);
  }
}

/** Environments of `spec` as child processes. */
export function createProcessDriver(deps: ProcessDeps, spec: FunctionSpec): Driver {
  return createDriver(deps, spec, (place) => new ProcessVessel(deps, spec, place));
}
