/**
 * A control group for each environment, where the node may make them: it stops and wakes, bounds and ends all that an
 * environment started, whatever that did to get away. Version 1 has a hierarchy for each controller, version 2 one
 * for all. Sources: cgroup-v1/freezer-subsystem.rst, cgroup-v1/memory.rst and cgroup-v2.rst of the Linux kernel.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { asError, errorCode } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import { processesMax, survivorsMsMax } from "../limits.ts";

export interface Cgroup {
  /** One for each hierarchy in use: a process is in it that writes its id to their `cgroup.procs`. */
  readonly directories: readonly string[];
  /** Undefined where the machine has no freezer for us. */
  readonly freezer: { freeze(): void; thaw(): void } | undefined;
  /** SIGKILL to all in it, stopped or not. */
  kill(): void;
  /** The kernel ended something in it for want of memory. */
  ranOutOfMemory(): boolean;
  /** True when it is gone: only if nothing is in it. */
  remove(): boolean;
}

export interface Cgroups {
  /** Directories that hold those of the environments, one for each hierarchy in use. Empty: there are none. */
  readonly roots: readonly string[];
  create(id: string, bounds: { memoryMiB: number }): Cgroup | undefined;
  /** Ends everything in the groups of former nodes, and removes these; how many processes there were. */
  endFormer(clock: Clock): Promise<number>;
  /** Ends and removes all that is left. */
  close(): void;
}

type Controller = "freezer" | "memory" | "pids";
type Hierarchies = Partial<Record<Controller, string>> & { unified?: string };

const mebibyte = 1024 * 1024;

/** What fails because somebody else has the say over groups here, or because a process or group is gone already. */
const expected = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "ESRCH", "EBUSY", "EINVAL", "ENODEV", "EOPNOTSUPP"]);

/** True when it could be done. */
function tried(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (!expected.has(errorCode(error) ?? "")) throw error;
    return false;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (!expected.has(errorCode(error) ?? "")) throw error;
    return "";
  }
}

/** Where this process is in each hierarchy: proc(5), cgroups(7). */
function ownPaths(): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of readIfThere("/proc/self/cgroup").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(",")) if (path !== "") paths.set(controller, path);
  }
  return paths;
}

/** The directories of this process's own groups. */
function ownDirectories(): Map<Controller | "unified", string> {
  const paths = ownPaths();
  const directories = new Map<Controller | "unified", string>();
  for (const line of readIfThere("/proc/self/mountinfo").split("\n")) {
    const [, root = "", mount = "", version = "", options = ""] =
      /^\S+ \S+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$/.exec(line) ?? [];
    const names = version === "cgroup2" ? ["unified"] : options.split(",");
    for (const name of names) {
      if (name !== "unified" && name !== "freezer" && name !== "memory" && name !== "pids") continue;
      // In a container the mount shows a part of the hierarchy, and the path may be named from its top.
      const below = relative(root, paths.get(name === "unified" ? "" : name) ?? "/");
      if (mount !== "") directories.set(name, below.startsWith("..") ? mount : join(mount, below));
    }
  }
  return directories;
}

/** Makes the node's own group in every hierarchy where that is allowed. */
function openHierarchies(name: string): Hierarchies {
  const found: Hierarchies = {};
  for (const [controller, directory] of ownDirectories()) {
    const root = join(directory, name);
    if (tried(() => mkdirSync(root, { recursive: true }))) found[controller] = root;
  }
  const { unified } = found;
  if (unified === undefined) return found;
  for (const controller of ["memory", "pids"] as const) {
    // Not where the node's own group holds processes, which is the rule for all but the topmost one.
    const enable = (group: string) => writeFileSync(join(group, "cgroup.subtree_control"), `+${controller}`);
    tried(() => enable(join(unified, "..")));
    if (found[controller] === undefined && tried(() => enable(unified))) found[controller] = unified;
  }
  return found;
}

function processesIn(group: string): number[] {
  return readIfThere(join(group, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
}

function killIn(group: string): number[] {
  const pids = processesIn(group);
  for (const pid of pids) tried(() => process.kill(pid, "SIGKILL"));
  return pids;
}

const thawFiles = [
  ["freezer.state", "THAWED"],
  ["cgroup.freeze", "0"],
] as const;

/** A process that is killed while it is frozen ends when it is thawed, and does nothing before. */
function killAndThaw(group: string): number[] {
  const killed = killIn(group);
  for (const [file, text] of thawFiles) {
    const path = join(group, file);
    if (existsSync(path)) tried(() => writeFileSync(path, text));
  }
  return killed;
}

function freezerOf(group: string, isUnified: boolean) {
  const file = join(group, isUnified ? "cgroup.freeze" : "freezer.state");
  let fd: number | undefined;
  // Kept open: a warm invocation that follows an idle time pays one write.
  if (!tried(() => (fd = openSync(file, "w")))) return undefined;
  const write = (text: string) => {
    const to = fd;
    if (to !== undefined) tried(() => writeSync(to, text, 0));
  };
  return {
    freeze: () => write(isUnified ? "1" : "FROZEN"),
    thaw: () => write(isUnified ? "0" : "THAWED"),
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function bound(groups: Hierarchies, memoryMiB: number): void {
  const { memory, pids, unified } = groups;
  const bytes = String(memoryMiB * mebibyte);
  if (memory !== undefined) {
    const isUnified = memory === unified;
    tried(() => writeFileSync(join(memory, isUnified ? "memory.max" : "memory.limit_in_bytes"), bytes));
    // Memory that could be swapped out would be no limit.
    const swap = isUnified ? (["memory.swap.max", "0"] as const) : (["memory.memsw.limit_in_bytes", bytes] as const);
    const file = join(memory, swap[0]);
    if (existsSync(file)) tried(() => writeFileSync(file, swap[1]));
  }
  if (pids !== undefined) tried(() => writeFileSync(join(pids, "pids.max"), String(processesMax)));
}

function createCgroup(groups: Hierarchies): Cgroup {
  const { unified, memory } = groups;
  const all = [...new Set(Object.values(groups))];
  const freezerGroup = groups.freezer ?? unified;
  const freezer = freezerGroup === undefined ? undefined : freezerOf(freezerGroup, freezerGroup === unified);
  const memoryFile =
    memory === undefined ? undefined : join(memory, memory === unified ? "memory.events" : "memory.oom_control");
  return {
    freezer,
    directories: all,
    kill() {
      for (const group of all) killAndThaw(group);
    },
    ranOutOfMemory: () => memoryFile !== undefined && /^oom_kill [1-9]/m.test(readIfThere(memoryFile)),
    remove() {
      freezer?.close();
      return all.every((group) => !existsSync(group) || tried(() => rmdirSync(group)));
    },
  };
}

function groupsIn(parent: string): string[] {
  let names: string[] = [];
  tried(() => {
    names = readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  });
  return names.map((name) => join(parent, name));
}

/** Ends what is in a node's group and in those of its environments, and removes what is empty; who was still there. */
function endGroup(root: string): number[] {
  const left = [...groupsIn(root), root].flatMap((group) => {
    const pids = killAndThaw(group);
    tried(() => rmdirSync(group));
    return pids;
  });
  return left;
}

export interface CgroupOptions {
  /** Compute's own. */
  directory: string;
  log: Log;
  /** Otherwise there are none. */
  allowed: boolean;
}

/** The groups of all environments of a node lie under a name that its successor on the same directory finds again. */
export function openCgroups({ directory, log, allowed }: CgroupOptions): Cgroups {
  // A name of its own for each node: the warden of a dead one must not meet what its successor starts.
  const family = `mikan-${createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 16)}-`;
  const name = `${family}${randomBytes(4).toString("hex")}`;
  let hierarchies: Hierarchies = {};
  try {
    if (allowed && process.platform === "linux") hierarchies = openHierarchies(name);
  } catch (error) {
    log.warn("control groups cannot be used", { error: asError(error) });
  }
  const roots = [...new Set(Object.values(hierarchies))];
  // Tried, and removed again: a node that runs no function leaves none behind, however it ends.
  roots.forEach(endGroup);
  let isOpen = false;
  return {
    roots,
    create(id, { memoryMiB }) {
      if (!isOpen && roots.length > 0) hierarchies = openHierarchies(name);
      isOpen = true;
      const groups: Hierarchies = {};
      for (const [controller, root] of Object.entries(hierarchies) as [keyof Hierarchies, string][]) {
        const group = join(root, id);
        if (tried(() => mkdirSync(group, { recursive: true }))) groups[controller] = group;
      }
      if (Object.keys(groups).length === 0) return undefined;
      bound(groups, memoryMiB);
      return createCgroup(groups);
    },
    async endFormer(clock) {
      const killed = new Set<number>();
      for (const deadlineMs = clock.monotonicMs() + survivorsMsMax; ;) {
        const former = roots
          .map((root) => dirname(root))
          .flatMap((parent) => groupsIn(parent).filter((group) => basename(group).startsWith(family)))
          .filter((group) => !roots.includes(group));
        const left = former.flatMap(endGroup);
        if (left.length === 0) return killed.size;
        if (clock.monotonicMs() > deadlineMs) {
          throw new Error(`processes of a former node do not end: ${left.join(", ")}`);
        }
        for (const pid of left) killed.add(pid);
      }
    },
    close() {
      roots.forEach(endGroup);
    },
  };
}
