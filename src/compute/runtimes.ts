/**
 * The runtimes of Lambda, and how this node runs each: its own Node, the Python that is found, a bootstrap over
 * the Runtime API, or not at all.
 */
import type { RuntimeCheck } from "./ports.ts";
import type { Python } from "./process/python.ts";

export type RuntimeKind =
  /** `callbacks`: handlers may take a callback; AWS removed that with Node.js 24. */
  | { kind: "node"; callbacks: boolean }
  /** An interpreter of this version or another, if the machine has one. */
  | { kind: "python" }
  /** An executable named `bootstrap` that speaks the Runtime API. */
  | { kind: "bootstrap" }
  | { kind: "unavailable"; hint: string };

const nodeVersions = [18, 20, 22, 24];
const firstWithoutCallbacks = 24;
const pythonMinors = [8, 9, 10, 11, 12, 13, 14];

const bootstrapHint = "use nodejs24.x, or provided.al2023 with a bootstrap of your own that starts it";
const unavailable: readonly (readonly [language: string, runtimes: readonly string[]])[] = [
  ["Java", ["java8.al2", "java11", "java17", "java21", "java25"]],
  [".NET", ["dotnet6", "dotnet8", "dotnet10"]],
  ["Ruby", ["ruby3.2", "ruby3.3", "ruby3.4"]],
];

function knownRuntimes(): Map<string, RuntimeKind> {
  const known = new Map<string, RuntimeKind>();
  for (const version of nodeVersions) {
    known.set(`nodejs${version}.x`, { kind: "node", callbacks: version < firstWithoutCallbacks });
  }
  for (const minor of pythonMinors) known.set(`python3.${minor}`, { kind: "python" });
  for (const runtime of ["provided", "provided.al2", "provided.al2023"]) known.set(runtime, { kind: "bootstrap" });
  for (const [language, runtimes] of unavailable) {
    const hint = `Mikan brings no ${language} runtime yet: ${bootstrapHint}.`;
    for (const runtime of runtimes) known.set(runtime, { kind: "unavailable", hint });
  }
  return known;
}

const known = knownRuntimes();

/** How `runtime` is run here. A name that AWS does not have either is unavailable too. */
export function runtimeKind(runtime: string): RuntimeKind {
  return (
    known.get(runtime) ?? {
      kind: "unavailable",
      hint: `It is no runtime of Lambda that Mikan knows: ${bootstrapHint}.`,
    }
  );
}

/**
 * Every runtime of Lambda, and whether this node runs it. `pythonOf` finds the interpreter of a Python runtime.
 *
 * @example
 * const checks = await checkRuntimes(createPythons(log));
 * checks.find(({ runtime }) => runtime === "nodejs24.x"); // { runtime: "nodejs24.x", available: true }
 */
export function checkRuntimes(pythonOf: (runtime: string) => Promise<Python>): Promise<RuntimeCheck[]> {
  const checkOf = async ([runtime, kind]: [string, RuntimeKind]): Promise<RuntimeCheck> => {
    const found = kind.kind === "python" ? await pythonOf(runtime) : kind;
    return "hint" in found ? { runtime, available: false, hint: found.hint } : { runtime, available: true };
  };
  return Promise.all(Array.from(known, checkOf));
}
