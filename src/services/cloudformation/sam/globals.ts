/** `Globals`: properties that every resource of a type starts from. Source: SAM guide, "Globals section". */
import { isList, isMap, member, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource, SamError } from "./errors.ts";

/** What each section may give. Of a function that is everything except `Role`, `Policies`, `FunctionName`, `Events`. */
const sections: Readonly<Record<string, readonly string[]>> = {
  Function: [
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
    "TenancyConfig",
    "DurableConfig",
    "CapacityProviderConfig",
    "FunctionScalingConfig",
    "PublishToLatestPublished",
    "VersionDeletionPolicy",
  ],
  Api: [
    "Auth",
    "Name",
    "DefinitionUri",
    "CacheClusterEnabled",
    "CacheClusterSize",
    "MergeDefinitions",
    "Variables",
    "EndpointConfiguration",
    "MethodSettings",
    "BinaryMediaTypes",
    "MinimumCompressionSize",
    "Cors",
    "GatewayResponses",
    "AccessLogSetting",
    "CanarySetting",
    "TracingEnabled",
    "OpenApiVersion",
    "Domain",
    "AlwaysDeploy",
    "PropagateTags",
    "SecurityPolicy",
    "EndpointAccessMode",
  ],
  HttpApi: [
    "Auth",
    "AccessLogSettings",
    "StageVariables",
    "Tags",
    "CorsConfiguration",
    "DefaultRouteSettings",
    "Domain",
    "RouteSettings",
    "FailOnWarnings",
    "PropagateTags",
  ],
  SimpleTable: ["SSESpecification"],
  StateMachine: ["PropagateTags"],
  LayerVersion: ["PublishLambdaVersion"],
  CapacityProvider: [
    "VpcConfig",
    "OperatorRole",
    "Tags",
    "InstanceRequirements",
    "ScalingConfig",
    "KmsKeyArn",
    "PropagateTags",
  ],
  WebSocketApi: [
    "AccessLogSettings",
    "ApiKeySelectionExpression",
    "DefaultRouteSettings",
    "DisableExecuteApiEndpoint",
    "DisableSchemaValidation",
    "Domain",
    "FailOnWarnings",
    "IpAddressType",
    "PropagateTags",
    "RouteSelectionExpression",
    "RouteSettings",
    "StageVariables",
    "Tags",
  ],
};

function badGlobals(why: string): SamError {
  return new SamError(`'Globals' section is invalid. ${why}`);
}

/** What the template's `Globals` say, by type: `Function` -> its properties. */
export function readGlobals(source: JsonObject): ReadonlyMap<string, JsonObject> {
  const globals = member(source, "Globals");
  if (globals === undefined) return new Map();
  if (!isMap(globals)) throw badGlobals("It must be a non-empty dictionary");
  return new Map(
    Object.entries(globals).map(([section, properties]) => {
      const names = Object.hasOwn(sections, section) ? sections[section] : undefined;
      if (names === undefined) {
        const known = Object.keys(sections).toSorted();
        throw badGlobals(`'${section}' is not supported. Must be one of the following values - ${quoted(known)}`);
      }
      if (!isMap(properties)) throw badGlobals("Value of ${section} must be a dictionary");
      const unknown = Object.keys(properties).find((name) => !names.includes(name));
      if (unknown !== undefined) {
        throw badGlobals(
          `'${unknown}' is not a supported property of '${section}'. Must be one of the following values - ${quoted(names)}`,
        );
      }
      return [section, properties];
    }),
  );
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
