/** What a function's container is: its program, its limits and what it sees. Source: Docker Engine API, "Create a container". */
import { processesMax, storageMiBDefault } from "../limits.ts";
import type { FunctionSpec } from "../ports.ts";
import { functionUid, taskRoot } from "../process/sandbox.ts";

const mebibyte = 1024 * 1024;
/** Memory that comes with one processor. Source: Lambda guide, "Configure Lambda function memory". */
const mebibytesPerCpu = 1_769;
/** The engine's weight of a container that has one processor's share. */
const sharesPerCpu = 1_024;
/** A quarter of what a container has that nobody gave a weight: the smallest functions, too, get on beside others. */
const sharesMin = 256;

/** What it starts; absent parts are the image's own. */
export interface ContainerProgram {
  image: string;
  entryPoint?: readonly string[];
  command?: readonly string[];
  workingDirectory?: string;
}

/** Mounts are written `from:to`, so a path with a colon cannot be one. */
function bind(from: string, to: string): string {
  if (from.includes(":")) throw new Error(`${from} cannot be shown in a container: its path has a colon`);
  // `z`: where SELinux is in force, containers may read it.
  return `${from}:${to}:ro,z`;
}

function bindsOf({ image, codeDir, optDir }: FunctionSpec): string[] {
  if (image !== undefined) return [];
  return [bind(codeDir, taskRoot), ...(optDir === undefined ? [] : [bind(optDir, "/opt")])];
}

/** Weights, and no quota: on a machine with nothing else to do a small function starts as fast as a large one. */
function cpuShares(memoryMiB: number): number {
  return Math.max(sharesMin, Math.round((sharesPerCpu * memoryMiB) / mebibytesPerCpu));
}

/**
 * The body of the request that makes it. As on AWS: a file system that cannot be written but for `/tmp`, one user without
 * rights whatever the image says, and the memory of the function with no swap.
 */
export function containerBody(
  spec: FunctionSpec,
  { image, entryPoint, command, workingDirectory }: ContainerProgram,
  variables: Readonly<Record<string, string>>,
): object {
  const { memoryMiB, ephemeralStorageMiB = storageMiBDefault } = spec;
  return {
    Image: image,
    Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    User: `${functionUid}:${functionUid}`,
    ...(entryPoint === undefined ? {} : { Entrypoint: entryPoint }),
    ...(command === undefined ? {} : { Cmd: command }),
    ...(workingDirectory === undefined ? {} : { WorkingDir: workingDirectory }),
    HostConfig: {
      // The Runtime API and the node's endpoint are on the machine's loopback, and stay there: see docs/security.md.
      NetworkMode: "host",
      Binds: bindsOf(spec),
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": `rw,exec,nosuid,nodev,mode=1777,size=${ephemeralStorageMiB}m` },
      Memory: memoryMiB * mebibyte,
      MemorySwap: memoryMiB * mebibyte,
      CpuShares: cpuShares(memoryMiB),
      PidsLimit: processesMax,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      // Its output goes to the node, which bounds it; the engine would keep a copy on disk.
      LogConfig: { Type: "none" },
    },
  };
}
