/**
 * Where the program of a Node.js environment is. In the package it lies beside this file, as JavaScript. In the checkout
 * it is TypeScript, and a process that strips types itself starts 45 ms later and is 30 MB larger: so its types are
 * stripped once for a node, by a process of their own, as the API for it prints a warning.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const folder = "runtime-node";
const stripMsMax = 10_000;

/** Reads a JSON list of sources from its input, and writes the list of what is left without types. */
const stripProgram = `
import { stripTypeScriptTypes } from "node:module";
import { json } from "node:stream/consumers";
process.stdout.write(JSON.stringify((await json(process.stdin)).map((source) => stripTypeScriptTypes(source))));
`;

async function strip(sources: readonly string[]): Promise<string[]> {
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", stripProgram];
  const run = promisify(execFile)(process.execPath, args, { timeout: stripMsMax, maxBuffer: 4 * 1024 * 1024 });
  run.child.stdin?.end(JSON.stringify(sources));
  return JSON.parse((await run).stdout) as string[];
}

async function stripInto(target: string): Promise<string> {
  const runtimeFiles = (await readdir(join(here, folder))).filter((name) => !name.includes(".test."));
  const files = ["frames.ts", ...runtimeFiles.map((name) => join(folder, name))];
  const sources = await strip(await Promise.all(files.map((file) => readFile(join(here, file), "utf8"))));
  await mkdir(join(target, folder), { recursive: true });
  const asModule = (name: string) => name.replace(/\.ts$/, ".mjs");
  const written = files.map((file, index) => {
    const source = (sources[index] ?? "").replaceAll(/(?<=from ")(\.[^"]+)(?=")/g, asModule);
    return writeFile(join(target, asModule(file)), source);
  });
  await Promise.all(written);
  return join(target, folder, "main.mjs");
}

/** The path of the program; `directory` is compute's own. The work is done once, when it is first asked for. */
export function nodeRuntimeIn(directory: string): () => Promise<string> {
  if (!import.meta.url.endsWith(".ts")) return () => Promise.resolve(join(here, folder, "main.js"));
  let stripped: Promise<string> | undefined;
  return async () => {
    stripped ??= stripInto(join(directory, "node-runtime"));
    try {
      return await stripped;
    } catch (error) {
      // The next environment tries again.
      stripped = undefined;
      throw error;
    }
  };
}
