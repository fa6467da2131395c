/** Finds the handler that `_HANDLER` names, by the rules of AWS's Node.js runtime and with its errors. */
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { RuntimeError } from "./failure.ts";

export type Handler = (...args: unknown[]) => unknown;

const handlerShape = /^([^.]*)\.(.*)$/;
const extensions = ["", ".js", ".mjs", ".cjs"];

async function importModule(taskRoot: string, folder: string, name: string): Promise<unknown> {
  const path = resolve(taskRoot, folder, name);
  const kindOf = (extension: string) => statSync(path + extension, { throwIfNoEntry: false });
  const found = extensions.find((extension) => kindOf(extension)?.isFile());
  if (found !== undefined) return import(pathToFileURL(path + found).href);
  // A folder with an index, or a package: what `require` finds from the task root.
  const require = createRequire(join(taskRoot, "index.js"));
  const wanted = kindOf("")?.isDirectory() ? path : name;
  return require(require.resolve(wanted, { paths: [taskRoot, join(taskRoot, folder)] }));
}

async function loadModule(taskRoot: string, folder: string, name: string): Promise<unknown> {
  try {
    return await importModule(taskRoot, folder, name);
  } catch (error) {
    if (error instanceof SyntaxError) {
      const wrapped = new RuntimeError("UserCodeSyntaxError", String(error), { cause: error });
      if (error.stack !== undefined) wrapped.stack = error.stack;
      throw wrapped;
    }
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") {
      throw new RuntimeError("ImportModuleError", String(error), { cause: error });
    }
    throw error;
  }
}

function memberOf(holder: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    const holds = (typeof value === "object" && value !== null) || typeof value === "function";
    return holds ? (value as Record<string, unknown>)[key] : undefined;
  }, holder);
}

/** `src/app.handler`: folder, module, and the path of the function in it; exports of CommonJS are under `default`. */
export async function loadHandler(taskRoot: string, name: string): Promise<Handler> {
  if (name.includes("..")) {
    throw new RuntimeError(
      "MalformedHandlerName",
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = basename(name);
  const [, moduleName, path] = handlerShape.exec(last) ?? [];
  if (moduleName === undefined || path === undefined) throw new RuntimeError("MalformedHandlerName", "Bad handler");
  const module = await loadModule(taskRoot, name.slice(0, name.length - last.length), moduleName);
  const handler = memberOf(module, path) ?? memberOf(memberOf(module, "default"), path);
  if (!handler) throw new RuntimeError("HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new RuntimeError("HandlerNotFound", `${name} is not a function`);
  return handler as Handler;
}
