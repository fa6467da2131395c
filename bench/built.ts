/** Mikan as it is published, in a directory of its own: built, and started with `./mikan up` as a user would. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { buildPackage } from "../tools/build.ts";

const root = resolve(import.meta.dirname, "..");
const readyMsMax = 20_000;

export interface Built extends AsyncDisposable {
  directory: string;
}

export interface BuiltNode extends AsyncDisposable {
  url: string;
  pid: number;
  /** From the start of the process to its line that it is ready. */
  readyMs: number;
}

/** Inside the checkout, so that its dependencies are found; `.build` is nobody's source. */
export async function buildMikan(): Promise<Built> {
  const parent = join(root, "bench/.build");
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, "mikan-"));
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    for (const file of ["mikan", "package.json"]) await copyFile(join(root, file), join(directory, file));
    await symlink(join(root, "node_modules"), join(directory, "node_modules"));
    await buildPackage(join(directory, "dist"));
  } catch (error) {
    await remove();
    throw error;
  }
  return { directory, [Symbol.asyncDispose]: remove };
}

/** `./mikan up --port 0`, and `nodeOptions` for Node itself. Ends with SIGTERM when disposed of. */
export async function startBuilt(
  { directory }: Built,
  nodeOptions = "",
  place: readonly string[] = ["--ephemeral"],
): Promise<BuiltNode> {
  const startedMs = performance.now();
  const child = spawn("./mikan", ["up", ...place, "--port", "0"], {
    cwd: directory,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  });
  const gone = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await gone;
  };
  const { promise: ready, resolve: isReady, reject: isNot } = Promise.withResolvers<string>();
  const timer = setTimeout(() => isNot(new Error(`no node is ready after ${readyMsMax} ms`)), readyMsMax);
  void gone.then(([code]) => isNot(new Error(`the node ended with code ${String(code)} before it was ready`)));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const [, url] = /ready at (http:\/\/\S+)/.exec(output) ?? [];
    if (url !== undefined) isReady(url);
  });
  try {
    const url = await ready;
    return { url, pid: child.pid ?? 0, readyMs: performance.now() - startedMs, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
