/**
 * Finds what runs a Java function: a JVM of this machine, and AWS's own runtime interface client, in the function's
 * package or where the operator put it. AWS's managed runtimes bring both along.
 */
import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { asError, errorCode } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { FunctionSpec } from "../ports.ts";

export type Java =
  /** The JVM itself, and its major version. */
  | { command: string; major: number }
  /** What to install. */
  | { hint: string };

/** The variable of the node that names a directory with the client's jars. */
export const clientVariable = "MIKAN_JAVA_RIC";
const mainClass = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
const clientJar = /^aws-lambda-java-runtime-interface-client-[\d.]+\.jar$/;

/** A JVM takes its time to say who it is, on a busy machine. */
const probeMsMax = 20_000;

/** `java8.al2` is 8. */
export function majorOf(runtime: string): number {
  return Number(/^java(\d+)/.exec(runtime)?.[1] ?? 0);
}

async function probe(log: Log): Promise<Java | undefined> {
  try {
    const { stderr } = await promisify(execFile)("java", ["-XshowSettings:properties", "-version"], {
      timeout: probeMsMax,
    });
    const home = /^\s*java\.home = (.+)$/m.exec(stderr)?.[1];
    const major = /^\s*java\.specification\.version = (?:1\.)?(\d+)/m.exec(stderr)?.[1];
    return home === undefined || major === undefined
      ? undefined
      : { command: join(home, "bin", "java"), major: Number(major) };
  } catch (error) {
    log.debug("there is no Java here", { error: asError(error) });
    return undefined;
  }
}

/** Looks until there is one. */
export function createJavas(log: Log): (runtime: string) => Promise<Java> {
  let found: Promise<Java | undefined> | undefined;
  return async (runtime) => {
    const wanted = majorOf(runtime);
    found ??= probe(log);
    const java = await found;
    if (java === undefined) found = undefined;
    if (java !== undefined && ("hint" in java || java.major >= wanted)) return java;
    const instead = java === undefined ? "" : ` The one found is Java ${java.major}.`;
    return { hint: `Install Java ${wanted} or later, and put it in the PATH of the node.${instead}` };
  };
}

async function hasClient(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).some((name) => clientJar.test(name));
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}

/** AWS's share for the heap, and its choice for short-lived programs; `JAVA_TOOL_OPTIONS` of the function wins. */
function jvmFlags({ memoryMiB }: FunctionSpec): string[] {
  return [`-Xmx${Math.floor(memoryMiB * 0.85)}m`, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
}

/**
 * The arguments of the JVM; or what to get. The client finds the function's own classes by `LAMBDA_TASK_ROOT`, and the
 * working directory is that, too.
 */
export async function javaArguments(
  spec: FunctionSpec,
  clientDir: string | undefined,
): Promise<string[] | { hint: string }> {
  const { codeDir, handler } = spec;
  const classFile = join(codeDir, `${mainClass.replaceAll(".", "/")}.class`);
  const isPackaged = (await hasClient(join(codeDir, "lib"))) || (await isThere(classFile));
  if (isPackaged) return [...jvmFlags(spec), "-cp", ".:lib/*", mainClass, handler];
  if (clientDir !== undefined && (await hasClient(clientDir))) {
    return [...jvmFlags(spec), "-cp", join(clientDir, "*"), mainClass, handler];
  }
  return {
    hint:
      `Its package has no AWS runtime interface client: add com.amazonaws:aws-lambda-java-runtime-interface-client to its ` +
      `dependencies, or set ${clientVariable} of the node to a directory with that jar and those it needs.`,
  };
}
