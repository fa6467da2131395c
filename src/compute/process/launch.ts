/** What is started for a runtime: the command, and whether it is spoken to in frames or over the Runtime API. */
import { existsSync } from "node:fs";
import { access, constants, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { responseHost } from "../../base/response-host.ts";
import type { FunctionSpec } from "../ports.ts";
import { runtimeKind } from "../runtimes.ts";
import type { Hindrance } from "../vessel.ts";
import { nodeDebugFlags, pythonDebugFlags } from "./debuggers.ts";
import { type Java, javaArguments } from "./java.ts";
import type { OptMount } from "./opt-mount.ts";
import { type Python, pythonProgram } from "./python.ts";

export type Launch =
  | { kind: "framed"; command: string; args: readonly string[] }
  | { kind: "runtime-api"; command: string; args: readonly string[] }
  | Hindrance;

/** A function that sets its own heap limits keeps them, as on AWS; flags would win over its NODE_OPTIONS. */
const ownHeapLimits = /--max[-_](old|semi)[-_]space[-_]size/;

/** AWS's shares: a tenth of the memory for the young generation and for what is not JavaScript, the rest is old space. */
function heapFlags({ memoryMiB, environment }: FunctionSpec): string[] {
  if (ownHeapLimits.test(environment["NODE_OPTIONS"] ?? "")) return [];
  const youngMiB = Math.max(1, Math.floor(memoryMiB / 20));
  const oldMiB = memoryMiB - Math.floor(memoryMiB / 10);
  return [`--max-semi-space-size=${youngMiB}`, `--max-old-space-size=${oldMiB}`];
}

/** A map is read with its module, and takes a few times its size of the function's memory. */
const sourceMapBytesMax = 4 * 1024 * 1024;

/** A map beside the handler's module is there to be used: stack traces name the sources. NODE_OPTIONS that speak of maps win. */
async function sourceMapFlags({ codeDir, handler, environment }: FunctionSpec): Promise<string[]> {
  if (/--(no-)?enable-source-maps/.test(environment["NODE_OPTIONS"] ?? "")) return [];
  const module = join(codeDir, handler.replace(/\.[^./]*$/, ""));
  const sizes = await Promise.all([".js", ".mjs", ".cjs"].map((extension) => sizeOf(`${module}${extension}.map`)));
  return sizes.some((bytes) => bytes > 0 && bytes <= sourceMapBytesMax) ? ["--enable-source-maps"] : [];
}

/** 0 for what is not there. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return 0;
    throw error;
  }
}

/** ELF's numbers of the machines that Node runs on; another machine's program is the usual mistake of a build. */
const elfMachines: Partial<Record<NodeJS.Architecture, number>> = { x64: 0x3e, arm64: 0xb7 };

/** The kernel reads no more of a script's first line. */
const scriptLineBytesMax = 256;

/** Why the kernel would not start it, in its own words: what starts it here says less. Undefined: it would. */
async function refusalOf(path: string): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(scriptLineBytesMax), 0, scriptLineBytesMax, 0);
    const interpreter = /^#![ \t]*([^ \t\n\0]+)/.exec(buffer.toString("utf8", 0, bytesRead))?.[1];
    if (interpreter !== undefined) return existsSync(interpreter) ? undefined : "no such file or directory";
    const machine = elfMachines[process.arch];
    const elf = bytesRead >= 20 && buffer.toString("latin1", 1, 4) === "ELF";
    return elf && (machine === undefined || buffer.readUInt16LE(18) === machine) ? undefined : "exec format error";
  } finally {
    await file.close();
  }
}

/** The first bootstrap there is. Source: Lambda guide, "Building a custom runtime". */
export async function bootstrapOf(spec: FunctionSpec): Promise<Launch> {
  const places = [join(spec.codeDir, "bootstrap"), join(spec.optDir ?? "/opt", "bootstrap")];
  for (const command of places) {
    try {
      await access(command, constants.X_OK);
      const refusal = await refusalOf(command);
      if (refusal === undefined) return { kind: "runtime-api", command, args: [] };
      return { kind: "impossible", reason: `fork/exec ${command}: ${refusal}` };
    } catch (error) {
      const code = errorCode(error);
      if (code === "EACCES") return { kind: "impossible", reason: `fork/exec ${command}: permission denied` };
      if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    }
  }
  return { kind: "impossible", reason: `Couldn't find valid bootstrap(s): [${places.join(" ")}]` };
}

/**
 * `-B`: bytecode is not written beside the code, which is not the environment's to change. UTF-8 as on AWS, where the
 * locale is `en_US.UTF-8`; this machine may have no such locale.
 */
const pythonFlags = ["-B", "-X", "utf8"];

/** The one host whose https requests Mikan's own runtimes take to the node's endpoint, and that endpoint. */
function routeOf({ endpointUrl }: FunctionSpec): readonly [host: string, endpoint: string] {
  return [responseHost, endpointUrl];
}

export interface Interpreters {
  /** See {@link OptMount}. */
  optMount: OptMount;
  /** The path of Mikan's runtime for Node.js. */
  nodeRuntime(): Promise<string>;
  /** What runs `python3.12` here. */
  pythonOf(runtime: string): Promise<Python>;
  /** What runs `java21` here. */
  javaOf(runtime: string): Promise<Java>;
  /** Where AWS's runtime interface client for Java is, for packages without it. */
  javaClientDir: string | undefined;
}

async function pythonLaunch(spec: FunctionSpec, pythonOf: Interpreters["pythonOf"]): Promise<Launch> {
  const python = await pythonOf(spec.runtime);
  if ("hint" in python) return { kind: "unavailable", hint: python.hint };
  return {
    kind: "framed",
    command: python.command,
    args: [...pythonFlags, ...pythonDebugFlags(spec), pythonProgram, ...routeOf(spec)],
  };
}

async function javaLaunch(spec: FunctionSpec, { javaOf, javaClientDir }: Interpreters): Promise<Launch> {
  const java = await javaOf(spec.runtime);
  if ("hint" in java) return { kind: "unavailable", hint: java.hint };
  const args = await javaArguments(spec, javaClientDir);
  if ("hint" in args) return { kind: "unavailable", hint: args.hint };
  return { kind: "runtime-api", command: java.command, args };
}

/** The launch with `/opt` mounted before it where the function has layers, and where its process will find them. */
export async function withLayers(
  launch: Launch,
  { optDir }: FunctionSpec,
  { optMount }: Pick<Interpreters, "optMount">,
): Promise<{ launch: Launch; opt: string | undefined }> {
  if (optDir === undefined || !("command" in launch)) return { launch, opt: optDir };
  const mount = await optMount(optDir);
  if (mount === undefined) return { launch, opt: optDir };
  const [command, ...args] = mount;
  return { launch: { ...launch, command, args: [...args, launch.command, ...launch.args] }, opt: "/opt" };
}

export async function launchOf(spec: FunctionSpec, interpreters: Interpreters): Promise<Launch> {
  const runtime = runtimeKind(spec.runtime);
  if (runtime.kind === "unavailable") return runtime;
  if (runtime.kind === "bootstrap") return bootstrapOf(spec);
  if (runtime.kind === "python") return pythonLaunch(spec, interpreters.pythonOf);
  if (runtime.kind === "java") return javaLaunch(spec, interpreters);
  const generation = runtime.callbacks ? "callbacks" : "modern";
  const flags = [...heapFlags(spec), ...(await sourceMapFlags(spec)), ...nodeDebugFlags(spec)];
  const args = [...flags, await interpreters.nodeRuntime(), generation, ...routeOf(spec)];
  return { kind: "framed", command: process.execPath, args };
}
