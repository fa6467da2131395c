/**
 * The runtimes of Lambda, and how this node runs each: its own Node, the Python that is found, a JVM with AWS's client, a
 * bootstrap over the Runtime API, or not at all. Source of the names: Lambda guide, "Lambda runtimes", supported and
 * deprecated ones, and the enumeration of the AWS SDK.
 */
import type { RuntimeCheck } from "./ports.ts";
import type { Java } from "./process/java.ts";
import type { Python } from "./process/python.ts";

export type RuntimeKind =
  /** `callbacks`: handlers may take a callback; AWS removed that with Node.js 24. */
  | { kind: "node"; callbacks: boolean }
  /** An interpreter of this version or another, if the machine has one. */
  | { kind: "python" }
  /** AWS's runtime interface client, on a JVM of this version or a later one. */
  | { kind: "java" }
  /** An executable named `bootstrap` that speaks the Runtime API. */
  | { kind: "bootstrap" }
  | { kind: "unavailable"; hint: string };

const bootstrapHint = "use nodejs24.x, or provided.al2023 with a bootstrap of your own that starts it";
const missing = (language: string, start: string): RuntimeKind => ({
  kind: "unavailable",
  hint: `Mikan brings no ${language} runtime: run it in a container (mikan up --compute container), or ${bootstrapHint}: ${start}.`,
});

const callbacks: RuntimeKind = { kind: "node", callbacks: true };
const modern: RuntimeKind = { kind: "node", callbacks: false };
const python: RuntimeKind = { kind: "python" };
const java: RuntimeKind = { kind: "java" };
const bootstrap: RuntimeKind = { kind: "bootstrap" };
const ruby = missing("Ruby", "`aws_lambda_ric app.handler`, of the gem of that name");
const dotnet = missing(".NET", "an executable assembly with Amazon.Lambda.RuntimeSupport");
/** Python 2.7 and 3.6, 3.7 have no interpreter that Mikan's runtime runs on. */
const oldPython: RuntimeKind = { kind: "unavailable", hint: "Its language has ended: use python3.8 or later." };

/** One row for each; the older ones AWS no longer creates, and Mikan runs where it can. */
const rows: readonly (readonly [runtime: string, kind: RuntimeKind])[] = [
  ["nodejs26.x", modern],
  ["nodejs24.x", modern],
  ["nodejs22.x", callbacks],
  ["nodejs20.x", callbacks],
  ["nodejs18.x", callbacks],
  ["nodejs16.x", callbacks],
  ["nodejs14.x", callbacks],
  ["nodejs12.x", callbacks],
  ["nodejs10.x", callbacks],
  ["nodejs8.10", callbacks],
  ["nodejs6.10", callbacks],
  ["nodejs4.3", callbacks],
  ["nodejs4.3-edge", callbacks],
  ["nodejs", callbacks],
  ["python3.15", python],
  ["python3.14", python],
  ["python3.13", python],
  ["python3.12", python],
  ["python3.11", python],
  ["python3.10", python],
  ["python3.9", python],
  ["python3.8", python],
  ["python3.7", oldPython],
  ["python3.6", oldPython],
  ["python2.7", oldPython],
  ["java25", java],
  ["java21", java],
  ["java17", java],
  ["java17.al2023", java],
  ["java11", java],
  ["java11.al2023", java],
  ["java8.al2023", java],
  ["java8.al2", java],
  ["java8", java],
  ["provided.al2023", bootstrap],
  ["provided.al2", bootstrap],
  ["provided", bootstrap],
  [
    "go1.x",
    { kind: "unavailable", hint: "Its programs are not in a bootstrap: build for provided.al2023, as AWS asks too." },
  ],
  ["ruby4.0", ruby],
  ["ruby3.4", ruby],
  ["ruby3.3", ruby],
  ["ruby3.2", ruby],
  ["ruby2.7", ruby],
  ["ruby2.5", ruby],
  ["dotnet10", dotnet],
  ["dotnet9", dotnet],
  ["dotnet8", dotnet],
  ["dotnet7", dotnet],
  ["dotnet6", dotnet],
  ["dotnet5.0", dotnet],
  ["dotnetcore3.1", dotnet],
  ["dotnetcore2.1", dotnet],
  ["dotnetcore2.0", dotnet],
  ["dotnetcore1.0", dotnet],
];

const known: ReadonlyMap<string, RuntimeKind> = new Map(rows);

/** How `runtime` is run here. A name that AWS does not have either is unavailable too. */
export function runtimeKind(runtime: string): RuntimeKind {
  return (
    known.get(runtime) ?? {
      kind: "unavailable",
      hint: `It is no runtime of Lambda that Mikan knows: ${bootstrapHint}.`,
    }
  );
}

export interface RuntimeSearch {
  /** Finds the interpreter of a Python runtime. */
  pythonOf(runtime: string): Promise<Python>;
  /** Finds the JVM of a Java runtime. */
  javaOf(runtime: string): Promise<Java>;
}

/**
 * Every runtime of Lambda, and whether this node runs it.
 *
 * @example
 * const checks = await checkRuntimes({ pythonOf: createPythons(log), javaOf: createJavas(log) });
 * checks.find(({ runtime }) => runtime === "nodejs24.x"); // { runtime: "nodejs24.x", available: true }
 */
export function checkRuntimes({ pythonOf, javaOf }: RuntimeSearch): Promise<RuntimeCheck[]> {
  const find = (runtime: string, kind: RuntimeKind) => {
    if (kind.kind === "python") return pythonOf(runtime);
    return kind.kind === "java" ? javaOf(runtime) : kind;
  };
  const checkOf = async ([runtime, kind]: readonly [string, RuntimeKind]): Promise<RuntimeCheck> => {
    const found = await find(runtime, kind);
    return "hint" in found ? { runtime, available: false, hint: found.hint } : { runtime, available: true };
  };
  return Promise.all(rows.map(checkOf));
}
