/** What starts before a function's own program, in the same environment: its extensions, and its wrapper script. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../base/errors.ts";
import type { FunctionSpec } from "../ports.ts";
import type { Launch } from "./launch.ts";

/** `$1`: their directory. They have nothing of the framed channel; one that fails takes its environment with it. */
const extensionsScript = `
(
  for file in "$1"/*; do
    if [ -f "$file" ]; then
      ( "$file" || { echo "EXTENSION\tName: \${file##*/}\tState: Crashed\tExit Status: $?" >&2; kill -KILL 0; } ) &
    fi
  done
  wait
  kill -KILL 0
) 3<&- 4<&- </dev/null &
shift
exec "$@"
`;

/** Names of the files in `/opt/extensions`; each has to be a program. Source: Lambda guide, "Lambda Extensions API". */
export async function externalExtensions({ optDir }: FunctionSpec): Promise<string[]> {
  if (optDir === undefined) return [];
  const directory = join(optDir, "extensions");
  try {
    const names = await readdir(directory);
    const files = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).isFile()));
    return names.filter((_, index) => files[index] === true);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return [];
    throw error;
  }
}

/** A script that is given the runtime's command line. Custom runtimes start theirs themselves, as on AWS. */
export function execWrapper({ environment, runtime }: FunctionSpec): string | undefined {
  const wrapper = environment["AWS_LAMBDA_EXEC_WRAPPER"] ?? "";
  return wrapper === "" || runtime.startsWith("provided") ? undefined : wrapper;
}

/** The start of a command line that starts the programs in `directory` beside the rest of it. */
export function extensionStarter(directory: string): string[] {
  return ["/bin/sh", "-c", extensionsScript, "mikan", directory];
}

/** The start of the command line; `inside` where the program sees `/opt` and `/var/task` under these names. */
export function startersOf(spec: FunctionSpec, launch: Launch, external: readonly string[], inside: boolean): string[] {
  if (!("command" in launch)) return [];
  const { codeDir, optDir = "/opt" } = spec;
  const place = (path: string) =>
    inside ? path : path.replace(/^\/var\/task(?=\/)/, codeDir).replace(/^\/opt(?=\/)/, optDir);
  const wrapper = execWrapper(spec);
  return [
    ...(external.length === 0 ? [] : extensionStarter(place("/opt/extensions"))),
    ...(wrapper === undefined ? [] : [place(wrapper)]),
  ];
}
