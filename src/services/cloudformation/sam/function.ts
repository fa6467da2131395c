/** `AWS::Serverless::Function` as the Lambda function, role, version and alias that AWS's transform makes of it. */
import { isList, isMap, isScalar, member, type Json, type JsonObject } from "../json.ts";
import { codeOf } from "./code.ts";
import { badEvent, badResource } from "./errors.ts";
import { isIntrinsic } from "./globals.ts";
import { resolveParameterRefs, type KnownParameters } from "./parameter-refs.ts";
import { roleProperties, tracesIn } from "./role.ts";
import { publishedOf, type Published } from "./versions.ts";

export interface Expanded {
  resources: Readonly<Record<string, JsonObject>>;
  /** `Tiles.Version` -> logical id. */
  generated: ReadonlyMap<string, string>;
}

/** Properties that Lambda's own resource has under the same name. */
const passed = [
  "FunctionName",
  "Handler",
  "Runtime",
  "Description",
  "MemorySize",
  "Timeout",
  "VpcConfig",
  "Environment",
  "KmsKeyArn",
  "ReservedConcurrentExecutions",
  "Layers",
  "FileSystemConfigs",
  "ImageConfig",
  "PackageType",
  "Architectures",
  "SnapStart",
  "EphemeralStorage",
  "CodeSigningConfigArn",
  "RuntimeManagementConfig",
  "LoggingConfig",
  "RecursiveLoop",
] as const;
/** Properties that SAM itself reads. */
const read = [
  "AssumeRolePolicyDocument",
  "AutoPublishAlias",
  "AutoPublishAliasAllProperties",
  "AutoPublishCodeSha256",
  "CodeUri",
  "Events",
  "ImageUri",
  "InlineCode",
  "PermissionsBoundary",
  "Policies",
  "PropagateTags",
  "ProvisionedConcurrencyConfig",
  "Role",
  "RolePath",
  "SourceKMSKeyArn",
  "Tags",
  "Tracing",
  "VersionDeletionPolicy",
  "VersionDescription",
] as const;
/** Properties that make resources which do not exist here yet: refused by name. */
const later = [
  "CapacityProviderConfig",
  "DeadLetterQueue",
  "DeploymentPreference",
  "DurableConfig",
  "EventInvokeConfig",
  "FunctionScalingConfig",
  "FunctionUrlConfig",
  "PublishToLatestPublished",
  "TenancyConfig",
] as const;
const known = new Set<string>([...passed, ...read]);
/** Attributes that every resource made of a function has from it. */
const inherited = ["Condition", "DeletionPolicy", "UpdateReplacePolicy"] as const;

/** What the properties that SAM reads must be; a function may stand for any. */
const kinds: Readonly<Record<string, (value: Json) => boolean>> = {
  AssumeRolePolicyDocument: isMap,
  Environment: isMap,
  Events: isMap,
  Layers: isList,
  SnapStart: isMap,
  Tags: isMap,
};

function wrongKind(name: string): string {
  // AWS's translator says what is expected of a plain map, and of nothing else.
  const isPlainMap = name === "AssumeRolePolicyDocument" || name === "SnapStart" || name === "Tags";
  return isPlainMap ? `Property '${name}' should be a map.` : `Type of property '${name}' is invalid.`;
}

/** @throws SamError for the first thing that is wrong with the function. */
export function expandFunction(
  logicalId: string,
  resource: JsonObject,
  properties: JsonObject,
  parameters: KnownParameters,
): Expanded {
  checkProperties(logicalId, properties);
  const tags = tagsOf(logicalId, properties);
  const made = forPublishing(functionProperties(logicalId, properties, tags, parameters), properties, parameters);
  const published = publishedOf(logicalId, properties, made, parameters);
  if (published === undefined && Object.hasOwn(properties, "ProvisionedConcurrencyConfig")) {
    throw badResource(
      logicalId,
      "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function",
    );
  }
  const own = attributesOf(resource, ["DependsOn", ...inherited, "UpdatePolicy", "Metadata"]);
  const shared = attributesOf(resource, inherited);
  const roleId = `${logicalId}Role`;
  const role = member(properties, "Role");
  const described = withSha(made, published, parameters);
  const code = { ...described, Role: role ?? { "Fn::GetAtt": [roleId, "Arn"] } };
  return {
    resources: {
      [logicalId]: { ...own, Type: "AWS::Lambda::Function", Properties: code },
      ...(role === undefined
        ? { [roleId]: { ...shared, Type: "AWS::IAM::Role", Properties: roleProperties(logicalId, properties, tags) } }
        : {}),
      ...(published === undefined ? {} : publishedResources(logicalId, properties, shared, published)),
    },
    generated: new Map(
      published === undefined
        ? []
        : [
            [`${logicalId}.Version`, published.versionId],
            [`${logicalId}.Alias`, published.aliasId],
          ],
    ),
  };
}

function attributesOf(resource: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(resource, name) ? [[name, resource[name] ?? ""]] : [])),
  );
}

function checkProperties(logicalId: string, properties: JsonObject): void {
  for (const name of Object.keys(properties)) {
    if (known.has(name)) continue;
    if (later.some((property) => property === name)) {
      throw badResource(logicalId, `Mikan does not implement '${name}' of AWS::Serverless::Function yet.`);
    }
    throw badResource(logicalId, `property ${name} not defined for resource of type AWS::Serverless::Function`);
  }
  for (const [name, isRight] of Object.entries(kinds)) {
    const value = member(properties, name);
    if (value === undefined || isRight(value) || isIntrinsic(value)) continue;
    throw badResource(logicalId, wrongKind(name));
  }
  checkEvents(logicalId, member(properties, "Events"));
}

function checkEvents(logicalId: string, events: Json | undefined): void {
  if (!isMap(events)) return;
  for (const [eventId, event] of Object.entries(events)) {
    const type = isMap(event) ? member(event, "Type") : undefined;
    if (typeof type !== "string") {
      throw badEvent(logicalId, eventId, "Resource dict has missing or invalid value for field Type.");
    }
    throw badEvent(logicalId, eventId, `Mikan does not implement events of type '${type}' yet.`);
  }
}

/** SAM's own tag comes first, then the template's. */
function tagsOf(logicalId: string, properties: JsonObject): readonly Json[] {
  const tags = member(properties, "Tags");
  const own = isMap(tags) ? Object.entries(tags) : [];
  const reserved = own.find(([name]) => name === "lambda:createdBy");
  if (reserved !== undefined) {
    throw badResource(
      logicalId,
      "lambda:createdBy is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.",
    );
  }
  return [["lambda:createdBy", "SAM"] as const, ...own].map(([Key, Value]) => ({ Key, Value }));
}

function functionProperties(
  logicalId: string,
  properties: JsonObject,
  tags: readonly Json[],
  parameters: KnownParameters,
): JsonObject {
  const kept = passed.flatMap((name) => (Object.hasOwn(properties, name) ? [[name, properties[name] ?? ""]] : []));
  const made: JsonObject = { ...Object.fromEntries(kept), Code: codeOf(logicalId, properties), Tags: tags };
  const tracing = resolveParameterRefs(member(properties, "Tracing") ?? "Disabled", parameters);
  const traced = tracesIn({ Tracing: tracing }) ? { TracingConfig: { Mode: properties["Tracing"] ?? "" } } : {};
  const image = member(properties, "PackageType") === "Image";
  if (!image && (!Object.hasOwn(made, "Runtime") || !Object.hasOwn(made, "Handler"))) {
    throw badResource(logicalId, "Runtime and Handler needs to be present when PackageType is of type `Zip`");
  }
  if (image && ["Handler", "Runtime", "Layers"].some((name) => Object.hasOwn(made, name))) {
    throw badResource(logicalId, "Runtime, Handler, Layers cannot be present when PackageType is of type `Image`");
  }
  return { ...made, ...traced };
}

/** A version's id follows from where the code is, so that AWS's transform leaves no reference in it. */
function forPublishing(made: JsonObject, properties: JsonObject, parameters: KnownParameters): JsonObject {
  const publishes = Object.hasOwn(properties, "AutoPublishAlias");
  return publishes ? { ...made, Code: resolveParameterRefs(made["Code"] ?? {}, parameters) } : made;
}

/** The hash that the template gives goes into the description: it changes the function, and so makes a version. */
function withSha(made: JsonObject, published: Published | undefined, parameters: KnownParameters): JsonObject {
  const sha = published?.codeSha256;
  if (sha === undefined) return made;
  const description = resolveParameterRefs(member(made, "Description") ?? "", parameters);
  if (description === "") return { ...made, Description: sha };
  if (isScalar(description)) return { ...made, Description: `${description} ${sha}` };
  return { ...made, Description: { "Fn::Join": [" ", [description, sha]] } };
}

function publishedResources(
  logicalId: string,
  properties: JsonObject,
  shared: JsonObject,
  { versionId, aliasId, aliasName }: Published,
): Record<string, JsonObject> {
  const functionName: Json = { Ref: logicalId };
  const description = member(properties, "VersionDescription");
  const provisioned = member(properties, "ProvisionedConcurrencyConfig");
  return {
    [versionId]: {
      // A version that is no longer in the template stays: something may still run it.
      DeletionPolicy: member(properties, "VersionDeletionPolicy") ?? "Retain",
      ...shared,
      Type: "AWS::Lambda::Version",
      Properties: { FunctionName: functionName, ...(description === undefined ? {} : { Description: description }) },
    },
    [aliasId]: {
      ...shared,
      Type: "AWS::Lambda::Alias",
      Properties: {
        Name: aliasName,
        FunctionName: functionName,
        FunctionVersion: { "Fn::GetAtt": [versionId, "Version"] },
        ...(provisioned === undefined ? {} : { ProvisionedConcurrencyConfig: provisioned }),
      },
    },
  };
}
