/** The properties of an `AWS::Serverless::Function`, and those of the Lambda function that is made of them. */
import { isScalar, member, type Json, type JsonObject } from "../json.ts";
import { codeOf } from "./code.ts";
import { badResource } from "./errors.ts";
import { membersOf, type SamResource } from "./expansion.ts";
import { resolveParameterRefs, type KnownParameters } from "./parameter-refs.ts";
import { checkProperties, type Kinds } from "./properties.ts";
import { tracesIn } from "./role.ts";

/** Properties that Lambda's own resource has under the same name. */
const passed: Kinds = {
  FunctionName: "mapOrText",
  Handler: "any",
  Runtime: "any",
  Description: "any",
  MemorySize: "any",
  Timeout: "any",
  VpcConfig: "any",
  Environment: "content",
  KmsKeyArn: "any",
  ReservedConcurrentExecutions: "any",
  Layers: "list",
  FileSystemConfigs: "any",
  ImageConfig: "any",
  PackageType: "any",
  Architectures: "any",
  SnapStart: "map",
  EphemeralStorage: "any",
  CodeSigningConfigArn: "any",
  RuntimeManagementConfig: "any",
  LoggingConfig: "any",
  RecursiveLoop: "any",
};
/** Properties that SAM itself reads. */
const read: Kinds = {
  AssumeRolePolicyDocument: "map",
  AutoPublishAlias: "text",
  AutoPublishAliasAllProperties: "boolean",
  AutoPublishCodeSha256: "text",
  CodeUri: "any",
  DeadLetterQueue: "map",
  DeploymentPreference: "map",
  EventInvokeConfig: "map",
  Events: "content",
  FunctionUrlConfig: "map",
  ImageUri: "any",
  InlineCode: "any",
  PermissionsBoundary: "text",
  Policies: "any",
  PropagateTags: "boolean",
  ProvisionedConcurrencyConfig: "any",
  Role: "text",
  RolePath: "any",
  SourceKMSKeyArn: "any",
  Tags: "map",
  Tracing: "mapOrText",
  VersionDeletionPolicy: "text",
  VersionDescription: "any",
};
/** Properties of what Lambda here does not have: refused by name. */
const later = [
  "CapacityProviderConfig",
  "DurableConfig",
  "FunctionScalingConfig",
  "PublishToLatestPublished",
  "TenancyConfig",
] as const;
const type = "AWS::Serverless::Function";
const known: Kinds = { ...passed, ...read };

/** @throws SamError for the first property that cannot be. */
export function checkFunction(logicalId: string, properties: JsonObject): void {
  const awaited = later.find((name) => Object.hasOwn(properties, name));
  if (awaited !== undefined) throw badResource(logicalId, `Mikan does not implement '${awaited}' of ${type} yet.`);
  checkProperties(logicalId, type, properties, known);
  checkDeployment(logicalId, properties);
}

/** All at once is what an alias does by itself; the rest is CodeDeploy's. */
function checkDeployment(logicalId: string, properties: JsonObject): void {
  const preference = member(properties, "DeploymentPreference");
  if (preference === undefined || typeof preference !== "object" || preference === null) return;
  const settings = preference as JsonObject;
  const enabled = member(settings, "Enabled") ?? true;
  if (enabled === false || enabled === "false" || enabled === "False") return;
  if (!Object.hasOwn(properties, "AutoPublishAlias")) {
    throw badResource(logicalId, "'DeploymentPreference' requires AutoPublishAlias property to be specified.");
  }
  const others = Object.keys(settings).filter((name) => name !== "Enabled" && name !== "Type");
  if (enabled === true && member(settings, "Type") === "AllAtOnce" && others.length === 0) return;
  throw badResource(
    logicalId,
    "Mikan does not implement 'DeploymentPreference' other than Type AllAtOnce alone yet: it needs CodeDeploy.",
  );
}

/** Properties of the Lambda function; its role comes later. `publishes`: a version is made of it. */
export function functionProperties(
  { logicalId, properties }: SamResource,
  tags: readonly Json[],
  parameters: KnownParameters,
): JsonObject {
  const code = codeOf(logicalId, properties);
  const publishes = Object.hasOwn(properties, "AutoPublishAlias");
  const made: JsonObject = {
    ...membersOf(properties, Object.keys(passed)),
    // A version's id follows from where the code is, so that AWS's transform leaves no reference in it.
    Code: publishes ? resolveParameterRefs(code, parameters) : code,
    Tags: tags,
  };
  checkPackageType(logicalId, properties, made);
  const tracing = resolveParameterRefs(member(properties, "Tracing") ?? "Disabled", parameters);
  const traced = tracesIn({ Tracing: tracing }) ? { TracingConfig: { Mode: properties["Tracing"] ?? "" } } : {};
  const queue = member(properties, "DeadLetterQueue");
  const target = typeof queue === "object" && queue !== null ? member(queue as JsonObject, "TargetArn") : undefined;
  return { ...made, ...traced, ...(target === undefined ? {} : { DeadLetterConfig: { TargetArn: target } }) };
}

function checkPackageType(logicalId: string, properties: JsonObject, made: JsonObject): void {
  const image = member(properties, "PackageType") === "Image";
  if (!image && (!Object.hasOwn(made, "Runtime") || !Object.hasOwn(made, "Handler"))) {
    throw badResource(logicalId, "Runtime and Handler needs to be present when PackageType is of type `Zip`");
  }
  if (!image && Object.hasOwn(made, "ImageConfig")) {
    throw badResource(logicalId, "ImageUri or ImageConfig cannot be present when PackageType is of type `Zip`");
  }
  if (image && ["Handler", "Runtime", "Layers"].some((name) => Object.hasOwn(made, name))) {
    throw badResource(logicalId, "Runtime, Handler, Layers cannot be present when PackageType is of type `Image`");
  }
}

/** The hash that the template gives goes into the description: it changes the function, and so makes a version. */
export function withSha(made: JsonObject, sha: string | undefined, parameters: KnownParameters): JsonObject {
  if (sha === undefined) return made;
  const description = resolveParameterRefs(member(made, "Description") ?? "", parameters);
  if (description === "") return { ...made, Description: sha };
  if (isScalar(description)) return { ...made, Description: `${description} ${sha}` };
  return { ...made, Description: { "Fn::Join": [" ", [description, sha]] } };
}
