/** Debuggers that environments are started with: Node's inspector, and debugpy. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { FunctionSpec } from "../ports.ts";
import { runtimeKind } from "../runtimes.ts";
import type { Interpreters } from "./launch.ts";

const loopback = "127.0.0.1";
const probeMsMax = 10_000;

/** The inspector's address is asked for over HTTP, and not written to the function's log. */
export function nodeDebugFlags({ debug }: FunctionSpec): string[] {
  if (debug === undefined) return [];
  return [`--inspect${debug.wait ? "-wait" : ""}=${loopback}:${debug.port}`, "--inspect-publish-uid=http"];
}

/** debugpy runs the program that follows. */
export function pythonDebugFlags({ debug }: FunctionSpec): string[] {
  if (debug === undefined) return [];
  return ["-m", "debugpy", "--listen", `${loopback}:${debug.port}`, ...(debug.wait ? ["--wait-for-client"] : [])];
}

/** Packages may bring debugpy along; else the interpreter has it. */
async function hasDebugpy({ codeDir, optDir }: FunctionSpec, command: string): Promise<boolean> {
  const folders = [codeDir, ...(optDir === undefined ? [] : [join(optDir, "python")])];
  if (folders.some((folder) => existsSync(join(folder, "debugpy", "__main__.py")))) return true;
  return new Promise((resolve) => {
    execFile(command, ["-c", "import debugpy"], { timeout: probeMsMax }, (error) => resolve(error === null));
  });
}

export function createDebuggers({ pythonOf }: Pick<Interpreters, "pythonOf">) {
  return {
    /** Why there is no debugger for a function, and what would help. */
    async hindranceOf(spec: FunctionSpec): Promise<string | undefined> {
      const runtime = runtimeKind(spec.runtime);
      if (runtime.kind === "node") return undefined;
      if (runtime.kind === "unavailable") return runtime.hint;
      if (runtime.kind !== "python") {
        return `There is no debugger for ${spec.runtime} here: Node.js and Python functions can be debugged.`;
      }
      const python = await pythonOf(spec.runtime);
      if ("hint" in python) return python.hint;
      if (await hasDebugpy(spec, python.command)) return undefined;
      return `debugpy is missing: install it for ${python.command} (${python.command} -m pip install debugpy), or package it with the function.`;
    },
  };
}
