/** `AWS::Serverless::LayerVersion`: a layer whose logical id follows its contents, so that each is a version of its own. */
import { isMap, isScalar, member, type Json, type JsonObject } from "../json.ts";
import { locationOf } from "./code.ts";
import { badResource } from "./errors.ts";
import { inherited, membersOf, type Expand } from "./expansion.ts";
import { isIntrinsic } from "./globals.ts";
import { resolveParameterRefs, type KnownParameters } from "./parameter-refs.ts";
import { checkProperties, type Kinds } from "./properties.ts";
import { idHash } from "./versions.ts";

const type = "AWS::Serverless::LayerVersion";
const kinds: Kinds = {
  LayerName: "mapOrText",
  Description: "text",
  PublishLambdaVersion: "boolean",
  ContentUri: "mapOrText!",
  CompatibleArchitectures: "list",
  CompatibleRuntimes: "list",
  LicenseInfo: "text",
  RetentionPolicy: "text",
};
const resolvedProperties = ["LayerName", "LicenseInfo", "Description", "RetentionPolicy"];
const policies = ["Retain", "Delete"];
const policyList = "['Retain', 'Delete']";

export const expandLayer: Expand = ({ logicalId, resource, properties }, { parameters }) => {
  checkProperties(logicalId, type, properties, kinds);
  const resolved = withParameters(logicalId, properties, parameters);
  const retention = retentionOf(logicalId, member(resolved, "RetentionPolicy"));
  // AWS hashes these and no more: another deletion policy is not another layer.
  const hashed = {
    ...membersOf(resource, ["DependsOn", "Condition", "UpdatePolicy"]),
    Type: type,
    Properties: resolved,
  };
  const id = `${logicalId}${idHash({ [logicalId]: hashed })}`;
  const architectures = member(resolved, "CompatibleArchitectures");
  checkArchitectures(id, architectures);
  const layer: JsonObject = {
    // A version that is no longer in the template stays: something may still use it.
    DeletionPolicy: "Retain",
    ...membersOf(resource, ["DependsOn", ...inherited]),
    ...(retention === undefined ? {} : { DeletionPolicy: retention }),
    Type: "AWS::Lambda::LayerVersion",
    Properties: {
      LayerName: logicalId,
      ...membersOf(resolved, [
        "LayerName",
        "Description",
        "CompatibleArchitectures",
        "CompatibleRuntimes",
        "LicenseInfo",
      ]),
      Content: locationOf(id, member(resolved, "ContentUri") ?? "", "ContentUri"),
    },
  };
  return { resources: { [id]: layer }, renamed: id };
};

function withParameters(logicalId: string, properties: JsonObject, parameters: KnownParameters): JsonObject {
  const entries = Object.entries(properties).map(([name, value]): [string, Json] => {
    if (!resolvedProperties.includes(name)) return [name, value];
    const resolved = resolveParameterRefs(value, parameters);
    if (isScalar(resolved) ? typeof resolved === "string" : isMap(resolved)) return [name, resolved];
    throw badResource(logicalId, `Could not resolve parameter for '${name}' or parameter is not a String.`);
  });
  return Object.fromEntries(entries);
}

function retentionOf(logicalId: string, policy: Json | undefined): string | undefined {
  if (policy === undefined) return undefined;
  if (isIntrinsic(policy)) {
    throw badResource(
      logicalId,
      `'RetentionPolicy' does not accept intrinsic functions, please use one of the following options: ${policyList}`,
    );
  }
  const found = policies.find((name) => typeof policy === "string" && name.toLowerCase() === policy.toLowerCase());
  if (found === undefined) {
    throw badResource(logicalId, `'RetentionPolicy' must be one of the following options: ${policyList}.`);
  }
  return found;
}

function checkArchitectures(id: string, architectures: Json | undefined): void {
  if (!Array.isArray(architectures)) return;
  const wrong = (architectures as readonly Json[]).some(
    (one) => !isIntrinsic(one) && one !== "x86_64" && one !== "arm64",
  );
  if (wrong) throw badResource(id, "CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'");
}
