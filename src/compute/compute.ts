/** Compute with its drivers, of processes and of containers: what the composition root opens. */
import { mkdir } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { type Ids, randomIds } from "../base/ids.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type Bounds, Engine } from "./engine.ts";
import { createContainers } from "./container/containers.ts";
import { createContainerDriver } from "./container/container-vessel.ts";
import type { Compute, ContainerSettings, FunctionLogLine, FunctionSpec } from "./ports.ts";
import { clientVariable, createJavas } from "./process/java.ts";
import { nodeRuntimeIn } from "./process/node-runtime.ts";
import { createDebuggers } from "./process/debuggers.ts";
import { createOptMount } from "./process/opt-mount.ts";
import { type ProcessDeps, createProcessDriver } from "./process/process-vessel.ts";
import { createPythons } from "./process/python.ts";
import type { ServeHttp } from "./process/runtime-api.ts";
import { openSandbox } from "./process/sandbox.ts";
import { endSurvivors } from "./process/survivors.ts";
import { openCgroups } from "./process/cgroups.ts";
import { createWarden } from "./process/warden.ts";

export interface ComputeOptions extends Bounds {
  /** Compute's own; one node at a time uses it. Holds the environments' `/tmp` and the list of their processes. */
  directory: string;
  /**
   * `sandbox`: a function sees its own files and processes alone, where bubblewrap runs; elsewhere, and with `process`,
   * it is a process of the node's user. Default: `sandbox`.
   */
  isolation?: "sandbox" | "process";
  containers?: ContainerSettings;
  /** Use control groups where the node may make them. Default: true. */
  controlGroups?: boolean;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  ids?: Ids;
  /** Called for every line of every function, in order within an environment; must not throw or wait. */
  onLogLine(line: FunctionLogLine): void;
  /** Serves the Runtime API; without it only functions in Node.js and Python run. */
  serveHttp?: ServeHttp;
}

/**
 * Ends what a former node left running in `directory`, and opens compute on it.
 *
 * @example
 * const compute = await createCompute({ directory, clock: systemClock, log, metrics, onLogLine: (line) => lines.push(line) });
 * const { payload } = await compute.invoke(spec, { requestId, payload: Buffer.from("{}"), invokedArn, traceHeader });
 */
export async function createCompute(options: ComputeOptions): Promise<Compute> {
  const { directory, clock, log } = options;
  await mkdir(directory, { recursive: true });
  const cgroups = openCgroups({ directory, log, allowed: options.controlGroups ?? true });
  const killed = (await cgroups.endFormer(clock)) + (await endSurvivors(directory, clock));
  if (killed > 0) log.warn("processes of functions had outlived their node, and were ended", { processes: killed });
  const warden = createWarden(log, cgroups.roots);
  const { ids = randomIds, isolation = "sandbox", onLogLine, serveHttp } = options;
  const deps: ProcessDeps = {
    directory,
    clock,
    ids,
    log,
    warden,
    cgroups,
    sandbox: isolation === "process" ? undefined : await openSandbox({ directory, log }),
    interpreters: {
      nodeRuntime: nodeRuntimeIn(directory),
      pythonOf: createPythons(log),
      javaOf: createJavas(log),
      javaClientDir: process.env[clientVariable],
      optMount: createOptMount({ directory, log }),
    },
    onLogLine,
    ...(serveHttp === undefined ? {} : { serveHttp }),
  };
  const debuggers = createDebuggers(deps.interpreters);
  const containers = await createContainers({ ...options, ...options.containers });
  const { everything = false, images = {} } = options.containers ?? {};
  const inContainer = ({ image, runtime }: FunctionSpec) =>
    image !== undefined || everything || images[runtime] !== undefined;
  const containerDeps = { ...deps, engine: containers.open, images };
  return new Engine({
    ...options,
    driverOf: (spec) =>
      inContainer(spec) ? createContainerDriver(containerDeps, spec) : createProcessDriver(deps, spec),
    async findImage(reference) {
      const { id, digest } = await (await containers.open()).image(reference);
      return { id, digest };
    },
    async debugHindrance(spec) {
      if (inContainer(spec)) return "Functions in containers have no debugger here yet: run it as a process.";
      return debuggers.hindranceOf(spec);
    },
    async onClosed() {
      await containers.close();
      warden.close();
      // What a function started in a session of its own knows of no end but this one.
      await endSurvivors(directory, clock);
      cgroups.close();
    },
  });
}
