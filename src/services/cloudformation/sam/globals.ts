/** `Globals`: properties that every function of the template starts from. Source: SAM guide, "Globals section". */
import { isList, isMap, member, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource, SamError } from "./errors.ts";

/** Everything of a function except `Role`, `Policies`, `FunctionName`, `Events`. */
const functionProperties = [
  "Handler",
  "Runtime",
  "CodeUri",
  "DeadLetterQueue",
  "Description",
  "MemorySize",
  "Timeout",
  "VpcConfig",
  "Environment",
  "Tags",
  "PropagateTags",
  "Tracing",
  "KmsKeyArn",
  "AutoPublishAlias",
  "AutoPublishAliasAllProperties",
  "Layers",
  "DeploymentPreference",
  "RolePath",
  "PermissionsBoundary",
  "ReservedConcurrentExecutions",
  "ProvisionedConcurrencyConfig",
  "AssumeRolePolicyDocument",
  "EventInvokeConfig",
  "FileSystemConfigs",
  "CodeSigningConfigArn",
  "Architectures",
  "SnapStart",
  "EphemeralStorage",
  "FunctionUrlConfig",
  "RuntimeManagementConfig",
  "LoggingConfig",
  "RecursiveLoop",
  "SourceKMSKeyArn",
] as const;
/** Sections for resource types that Mikan does not transform yet. */
const laterSections = [
  "Api",
  "CapacityProvider",
  "HttpApi",
  "LayerVersion",
  "SimpleTable",
  "StateMachine",
  "WebSocketApi",
];

function badGlobals(why: string): SamError {
  return new SamError(`'Globals' section is invalid. ${why}`);
}

/** What the template's `Globals` say of functions. */
export function functionGlobals(source: JsonObject): JsonObject {
  const globals = member(source, "Globals");
  if (globals === undefined) return {};
  if (!isMap(globals)) throw badGlobals("It must be a non-empty dictionary");
  for (const section of Object.keys(globals)) {
    if (section === "Function") continue;
    if (laterSections.includes(section)) throw badGlobals(`Mikan does not implement '${section}' yet.`);
    const known = ["Function", ...laterSections].toSorted();
    throw badGlobals(`'${section}' is not supported. Must be one of the following values - ${quoted(known)}`);
  }
  const properties = member(globals, "Function") ?? {};
  if (!isMap(properties)) throw badGlobals("Value of ${section} must be a dictionary");
  const unknown = Object.keys(properties).find((name) => !functionProperties.some((known) => known === name));
  if (unknown !== undefined) {
    throw badGlobals(
      `'${unknown}' is not a supported property of 'Function'. Must be one of the following values - ${quoted(functionProperties)}`,
    );
  }
  return properties;
}

/** A list as Python prints it. */
function quoted(names: readonly string[]): string {
  return `[${names.map((name) => `'${name}'`).join(", ")}]`;
}

/** Takes away what a resource's `IgnoreGlobals` names. */
export function globalsFor(logicalId: string, globals: JsonObject, ignore: Json | undefined): JsonObject {
  if (ignore === undefined) return globals;
  if (ignore === "*") return {};
  const whole = `Resource ${logicalId} has invalid resource attribute 'IgnoreGlobals'`;
  if (!isList(ignore)) throw badResource(logicalId, `${whole}.`);
  const unknown = ignore.find((name) => typeof name !== "string" || !Object.hasOwn(globals, name));
  if (unknown !== undefined)
    throw badResource(
      logicalId,
      `${whole} on item '${typeof unknown === "string" ? unknown : JSON.stringify(unknown)}'.`,
    );
  return Object.fromEntries(Object.entries(globals).filter(([name]) => !ignore.includes(name)));
}

/** Maps are merged, lists are joined, everything else is the resource's own; a function counts as a plain value. */
export function merge(global: Json, local: Json): Json {
  if (isList(global) && isList(local)) return [...global, ...local];
  if (!isMap(global) || !isMap(local) || isIntrinsic(global) || isIntrinsic(local)) return local;
  const merged = new Map(Object.entries(global));
  for (const [name, value] of Object.entries(local)) {
    const base = merged.get(name);
    merged.set(name, base === undefined ? value : merge(base, value));
  }
  return Object.fromEntries(merged);
}

export function isIntrinsic(value: Json): boolean {
  const name = onlyMember(value)?.[0];
  return name !== undefined && (name === "Ref" || name === "Condition" || name.startsWith("Fn::"));
}
