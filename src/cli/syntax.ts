/** Whether source files can be read at all, told before anything runs them. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { extname } from "node:path";
import { errorCode } from "../base/errors.ts";

/** More files than that were not written by hand. */
const filesMax = 20;
const checkMsMax = 10_000;

const pythonCheck = "import ast, sys; ast.parse(open(sys.argv[1], 'rb').read(), sys.argv[1])";

type Check = (file: string) => readonly [command: string, args: readonly string[]];
const node: Check = (file) => [process.execPath, ["--check", file]];
const checks: Readonly<Record<string, Check>> = {
  ".js": node,
  ".mjs": node,
  ".cjs": node,
  ".py": (file) => ["python3", ["-c", pythonCheck, file]],
};

/** The error as the language tells it, without where its own parser was. */
function errorIn(output: string): string {
  const lines = output.trimEnd().split("\n");
  const isTrace = (line: string) => /^ {4}at |^Node\.js v|^Traceback |^ {2}File "(<string>|.*\/ast\.py)", /.test(line);
  return lines.filter((line, index) => !isTrace(line) && !isTrace(lines[index - 1] ?? "   ") && line !== "").join("\n");
}

function check(file: string): Promise<string | undefined> {
  const [command, args] = checks[extname(file)]?.(file) ?? [];
  if (command === undefined || args === undefined || !existsSync(file)) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    execFile(command, args, { timeout: checkMsMax }, (error, _, stderr) => {
      // No interpreter, or the file is gone again: nothing is known.
      const unknown = error === null || errorCode(error) === "ENOENT" || !existsSync(file);
      resolve(unknown || stderr === "" ? undefined : errorIn(stderr));
    });
  });
}

/** What is wrong with those of the files whose language is known. */
export async function syntaxErrors(files: Iterable<string>): Promise<string[]> {
  const checked = await Promise.all([...files].slice(0, filesMax).map(check));
  return checked.filter((error) => error !== undefined);
}
