/**
 * A view of the machine for a function alone: its code at `/var/task`, its layers at `/opt`, a `/tmp` of its own, the
 * system's programs and libraries to read, and nothing else; no other process can be seen, and where the node is root
 * the function is not. Made by bubblewrap. What it keeps out, and what not: docs/security.md.
 */
import { execFile } from "node:child_process";
import { chown, lstat, mkdir, realpath } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Exit } from "../answers.ts";

/** Where a function finds its things, as on AWS. */
export const taskRoot = "/var/task";
const runtimeRoot = "/var/runtime";

/** The user and group of functions where the node is root: in no table of a usual system, and within one of 65,536. */
export const functionUid = 60_600;

/** What makes an environment's view. */
export interface SandboxPlace {
  codeDir: string;
  optDir: string | undefined;
  /** Becomes `/tmp`. */
  tmp: string;
}

export interface Sandboxed {
  /** What makes the view and goes before the program; it runs with the node's rights. */
  wrapper: readonly string[];
  program: readonly string[];
}

export interface Sandbox {
  /** The directory is made the function's own. */
  own(directory: string): Promise<void>;
  /** A command line inside the view. Paths of the code, and of Mikan's own runtime, are written as they are there. */
  enter(place: SandboxPlace, command: string, args: readonly string[]): Promise<Sandboxed>;
  /** How the function ended; bubblewrap, its parent, ends with a status for a signal. */
  exitOf(exit: Exit): Exit;
}

export interface SandboxDeps {
  /** Compute's own. */
  directory: string;
  log: Log;
}

const bwrap = "/usr/bin/bwrap";
const setpriv = ["/usr/bin/setpriv", `--reuid=${functionUid}`, `--regid=${functionUid}`, "--clear-groups"] as const;
/** A machine that takes longer for an empty program would hold up every cold start. */
const probeMsMax = 5_000;

/** Those by which programs die; other statuses above 128 are a program's own (AWS's runtimes exit with 128 and 129). */
const fatalSignals = ["SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGSEGV", "SIGTERM"] as const;
const signalOfStatus = new Map(fatalSignals.map((signal) => [128 + constants.signals[signal], signal]));

/** How a program ended whose parent gives a status for a signal. */
export function exitOfStatus(exit: Exit): Exit {
  const signal = exit.status === null ? undefined : signalOfStatus.get(exit.status);
  return signal === undefined ? exit : { status: null, signal };
}

const isWithin = (path: string, root: string) => path === root || path.startsWith(root + sep);

/** Top-level directories of programs and libraries; on most systems some are links into `/usr`. */
async function systemArgs(): Promise<string[]> {
  const args: string[] = [];
  for (const path of ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/nix"]) {
    try {
      const isLink = (await lstat(path)).isSymbolicLink();
      args.push(...(isLink ? ["--symlink", await realpath(path), path] : ["--ro-bind", path, path]));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  // Often a link to what a service of the system keeps elsewhere.
  const resolver = dirname(await realpath("/etc/resolv.conf").catch(() => "/etc/resolv.conf"));
  return isWithin(resolver, "/etc") ? args : [...args, "--ro-bind-try", resolver, resolver];
}

/** An interpreter with its libraries: the directory above its own, unless that would show more than is its. */
async function installationsOf(command: string, hidden: readonly string[]): Promise<string[]> {
  const real = await realpath(command).catch(() => command);
  const prefixes = [command, real].map((path) => {
    const prefix = dirname(dirname(path));
    const shows = prefix === "/" || hidden.some((path) => isWithin(path, prefix));
    return shows ? path : prefix;
  });
  return [...new Set(prefixes)].filter((path) => !["/usr", "/bin", "/sbin"].some((root) => isWithin(path, root)));
}

/** Shows `path`, and makes the way to it passable: bubblewrap makes directories for the node's user alone. */
function showArgs(path: string, as: string): string[] {
  const ways: string[] = [];
  for (let way = dirname(as); way !== "/"; way = dirname(way)) ways.unshift("--perms", "0755", "--dir", way);
  return [...ways, "--ro-bind", path, as];
}

/** Undefined when the machine does not allow it. */
export async function openSandbox({ directory, log }: SandboxDeps): Promise<Sandbox | undefined> {
  if (process.platform !== "linux") return undefined;
  const isRoot = process.getuid?.() === 0;
  // Code that is unpacked under a mask of 077 is for the node's user alone.
  const dropsUser = isRoot && (process.umask() & 0o005) === 0;
  const system = await systemArgs();
  const hidden = [resolve(directory), process.env["HOME"] ?? "/root"];
  const nodes = await installationsOf(process.execPath, hidden);

  const viewArgs = ({ codeDir, optDir, tmp }: SandboxPlace, shown: readonly string[]): string[] => [
    "--die-with-parent",
    "--unshare-pid",
    "--unshare-ipc",
    ...(dropsUser ? ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] : []),
    ...system,
    // In the order in which they are mounted.
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--bind",
    tmp,
    "/tmp",
    ...showArgs(codeDir, taskRoot),
    ...(optDir === undefined ? ["--ro-bind-try", "/opt", "/opt"] : ["--ro-bind", optDir, "/opt"]),
    ...shown,
    "--chdir",
    taskRoot,
    "--",
    ...(dropsUser ? setpriv : []),
  ];

  const sandbox: Sandbox = {
    async own(path) {
      if (dropsUser) await chown(path, functionUid, functionUid);
    },
    async enter(place, command, args) {
      const shown: string[] = [];
      const { codeDir, optDir } = place;
      const isOwn = (path: string) => isWithin(path, codeDir) || (optDir !== undefined && isWithin(path, optDir));
      const inside = (path: string): string => {
        if (isWithin(path, codeDir)) return taskRoot + path.slice(codeDir.length);
        return optDir !== undefined && isWithin(path, optDir) ? `/opt${path.slice(optDir.length)}` : path;
      };
      // Node.js is in every function's PATH.
      const needed = isOwn(command) ? nodes : [...nodes, ...(await installationsOf(command, hidden))];
      for (const path of new Set(needed)) shown.push(...showArgs(path, path));
      // Mikan's own runtime: the one program that is named by its path among the arguments.
      const program = args.find((arg) => arg.startsWith("/") && !isOwn(arg));
      const runtimeDir = program === undefined ? undefined : dirname(dirname(program));
      if (runtimeDir !== undefined) shown.push(...showArgs(runtimeDir, runtimeRoot));
      const mapped = args.map((arg) =>
        runtimeDir !== undefined && arg === program ? runtimeRoot + arg.slice(runtimeDir.length) : inside(arg),
      );
      return { wrapper: [bwrap, ...viewArgs(place, shown)], program: [inside(command), ...mapped] };
    },
    exitOf: exitOfStatus,
  };

  const empty = join(directory, "empty");
  await mkdir(empty, { recursive: true });
  const { wrapper, program } = await sandbox.enter({ codeDir: empty, optDir: undefined, tmp: empty }, "/bin/true", []);
  const [command = bwrap, ...args] = [...wrapper, ...program];
  return new Promise((done) => {
    execFile(command, args, { timeout: probeMsMax, env: {} }, (error) => {
      if (error === null) return done(sandbox);
      log.warn("functions run without a view of their own, as bubblewrap (bwrap) does not run here: see security.md", {
        error,
      });
      return done(undefined);
    });
  });
}
