/**
 * Where the program of a Node.js environment is: one script, CommonJS. Measured as processor time of a start: 25 ms for
 * Node itself, 29 ms with this script and a handler, 39 ms with the same modules one by one. In the package it lies
 * beside this file. In the checkout there is TypeScript: so its types are stripped, and its modules joined, once for a
 * node, by a process of their own, as the API for it prints a warning.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
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

/** What the runtime's sources use of the language of modules; another form would be left standing, and not run. */
const importForm = /^import \{([^}]*)\} from "([^"]+)";$/gm;
const exportForm = /^export (?=(?:async )?(?:function|class|const)\*? ([\w$]+))/gm;

/** Each module as a function that is called once, in the order in which they need one another. */
export function joinModules(modules: ReadonlyMap<string, string>, entry: string): string {
  const joined = new Map<string, string>();
  const add = (path: string): string => {
    const name = `$${path.replaceAll(/\W/g, "_")}`;
    const source = modules.get(path);
    if (source === undefined) throw new Error(`the runtime has no module ${path}`);
    if (joined.has(path)) return name;
    const body = source.replaceAll(importForm, (_, names: string, from: string) => {
      const value = from.startsWith(".") ? add(posix.join(posix.dirname(path), from)) : `require("${from}")`;
      return `const {${names.replaceAll(/ as /g, ": ")}} = ${value};`;
    });
    const exported: string[] = [];
    const plain = body.replaceAll(exportForm, (_, exportedName: string) => {
      exported.push(exportedName);
      return "";
    });
    const located = plain.replaceAll(/import\.meta\.url/g, 'require("node:url").pathToFileURL(__filename).href');
    joined.set(path, `const ${name} = (() => {\n${located}\nreturn { ${exported.join(", ")} };\n})();\n`);
    return name;
  };
  add(entry);
  return `"use strict";\n${[...joined.values()].join("")}`;
}

async function joinInto(target: string): Promise<string> {
  const runtimeFiles = (await readdir(join(here, folder))).filter((name) => !name.includes(".test."));
  const files = ["frames.ts", ...runtimeFiles.map((name) => posix.join(folder, name))];
  const sources = await strip(await Promise.all(files.map((file) => readFile(join(here, file), "utf8"))));
  const program = join(target, folder, "main.cjs");
  await mkdir(dirname(program), { recursive: true });
  const modules = new Map(files.map((file, index) => [file, sources[index] ?? ""]));
  await writeFile(program, joinModules(modules, posix.join(folder, "main.ts")));
  return program;
}

/** The path of the program; `directory` is compute's own. The work is done once, when it is first asked for. */
export function nodeRuntimeIn(directory: string): () => Promise<string> {
  if (!import.meta.url.endsWith(".ts")) return () => Promise.resolve(join(here, folder, "main.cjs"));
  let joined: Promise<string> | undefined;
  return async () => {
    joined ??= joinInto(join(directory, "node-runtime"));
    try {
      return await joined;
    } catch (error) {
      // The next environment tries again.
      joined = undefined;
      throw error;
    }
  };
}
