/** The start of every command line of an environment: the control groups it belongs to, its limits, and its view. */
import { filesMax } from "../limits.ts";
import type { FunctionSpec } from "../ports.ts";
import { type Interpreters, type Launch, withLayers } from "./launch.ts";
import { type Sandbox, taskRoot } from "./sandbox.ts";
import { startersOf } from "./starters.ts";

/** Where an environment's programs find its things, and how they are started there. */
export interface Held {
  /** As the program calls them; `opt` only with layers. */
  tmp: string;
  taskRoot: string;
  opt: string | undefined;
  /** What goes before the program. */
  wrapper: readonly string[];
  launch: Launch;
}

/** `tmp` is the environment's own directory of the machine; `external` names its extensions. */
export async function hold(
  sandbox: Sandbox | undefined,
  spec: FunctionSpec,
  tmp: string,
  launch: Launch,
  interpreters: Interpreters,
  external: readonly string[],
): Promise<Held> {
  const { codeDir, optDir } = spec;
  const starters = startersOf(spec, launch, external, sandbox !== undefined);
  if (sandbox === undefined) {
    return {
      tmp,
      taskRoot: codeDir,
      wrapper: [],
      ...(await withLayers(startedBy(starters, launch), spec, interpreters)),
    };
  }
  const place = { tmp: "/tmp", taskRoot, opt: optDir === undefined ? undefined : "/opt" };
  if (!("command" in launch)) return { ...place, wrapper: [], launch };
  await sandbox.own(tmp);
  const { wrapper, program } = await sandbox.enter({ codeDir, optDir, tmp }, launch.command, launch.args);
  const [command = launch.command, ...args] = program;
  return { ...place, wrapper, launch: startedBy(starters, { ...launch, command, args }) };
}

function startedBy([first, ...rest]: readonly string[], launch: Launch): Launch {
  if (first === undefined || !("command" in launch)) return launch;
  return { ...launch, command: first, args: [...rest, launch.command, ...launch.args] };
}

export interface Confined {
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

/**
 * Joins groups before it starts anything, so that nothing can be left behind. `$1`: how many follow. No core dumps: they
 * hold the function's secrets, and lie where the operator does not look.
 */
const enterScript = `
left=$1
shift
while [ "$left" -gt 0 ]; do
  echo $$ > "$1/cgroup.procs"
  shift
  left=$((left - 1))
done 2>/dev/null
ulimit -c 0
ulimit -n ${filesMax} 2>/dev/null
exec "$@"
`;

/** Variables that change what a program is before it runs: the loader's and the shell's. */
const loadersOwn = /^(LD_|GLIBC_|GCONV_|MALLOC_|DYLD_|BASH|ENV$|SHELLOPTS$|PS4$|IFS$)/;

/**
 * `wrapper` is run with the node's rights, and must not be changed by variables of the function: those that could are
 * given to the function's own program alone.
 */
export function confine(
  groups: readonly string[],
  wrapper: readonly string[],
  program: readonly string[],
  env: Readonly<Record<string, string>>,
): Confined {
  const held = Object.entries(env).filter(([name]) => loadersOwn.test(name));
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !loadersOwn.test(name)));
  const late = held.length === 0 ? [] : ["/usr/bin/env", ...held.map(([name, value]) => `${name}=${value}`)];
  return {
    command: "/bin/sh",
    args: ["-c", enterScript, "mikan", String(groups.length), ...groups, ...wrapper, ...late, ...program],
    env: rest,
  };
}
