/** The variables of a function's process: its own, and those that Lambda defines; nothing of the node's. */
import { dirname } from "node:path";
import type { FunctionSpec, InitializationType } from "../ports.ts";

export interface Place {
  /** The stand-in for `/tmp`. */
  tmp: string;
  /** Where the function finds its code. */
  taskRoot: string;
  logStream: string;
  initialization: InitializationType;
  /** Where the function finds its layers: `/opt`, or a directory in its stead. */
  opt?: string | undefined;
}

/** Where each language looks into layers. Source: Lambda guide, "Packaging your layer content". */
function layerVariables({ runtime }: FunctionSpec, taskRoot: string, opt: string): Record<string, string> {
  const node = `node${/^nodejs(\d+)/.exec(runtime)?.[1] ?? ""}`;
  const python = `python${/^python(3\.\d+)/.exec(runtime)?.[1] ?? "3"}`;
  return {
    LD_LIBRARY_PATH: `${taskRoot}:${taskRoot}/lib:${opt}/lib`,
    ...(runtime.startsWith("nodejs")
      ? { NODE_PATH: `${opt}/nodejs/${node}/node_modules:${opt}/nodejs/node_modules` }
      : {}),
    ...(runtime.startsWith("python") ? { PYTHONPATH: `${opt}/python/lib/${python}/site-packages:${opt}/python` } : {}),
  };
}

/**
 * What a function finds wherever it runs, its own variables among it: the reserved ones win over those, the others do
 * not. An image has neither handler nor runtime. Source: Lambda guide, "Defined runtime environment variables".
 */
export function lambdaVariables(
  spec: FunctionSpec,
  { taskRoot, logStream, initialization }: Pick<Place, "taskRoot" | "logStream" | "initialization">,
): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = spec.credentials;
  return {
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    AWS_ENDPOINT_URL: spec.endpointUrl,
    ...spec.environment,
    ...(spec.image === undefined ? { _HANDLER: spec.handler, AWS_EXECUTION_ENV: `AWS_Lambda_${spec.runtime}` } : {}),
    AWS_DEFAULT_REGION: spec.region,
    AWS_REGION: spec.region,
    AWS_LAMBDA_FUNCTION_NAME: spec.functionName,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(spec.memoryMiB),
    AWS_LAMBDA_FUNCTION_VERSION: spec.version,
    AWS_LAMBDA_INITIALIZATION_TYPE: initialization,
    AWS_LAMBDA_LOG_GROUP_NAME: spec.logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: logStream,
    AWS_LAMBDA_LOG_FORMAT: spec.logFormat ?? "Text",
    ...(spec.logFormat === "JSON" ? { AWS_LAMBDA_LOG_LEVEL: spec.applicationLogLevel ?? "INFO" } : {}),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
    LAMBDA_TASK_ROOT: taskRoot,
  };
}

/**
 * The variables of a process of this machine. `/tmp` itself is the machine's in a plain process, so `TMPDIR` names a directory of the environment.
 */
export function variablesOf(spec: FunctionSpec, place: Place): Record<string, string> {
  return {
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin:${place.opt ?? "/opt"}/bin`,
    ...(place.opt === undefined ? {} : layerVariables(spec, place.taskRoot, place.opt)),
    // The operator's home holds profiles that an AWS SDK would read.
    HOME: place.tmp,
    ...lambdaVariables(spec, place),
    ...(place.opt === undefined ? {} : { MIKAN_OPT: place.opt }),
    TMPDIR: place.tmp,
  };
}
