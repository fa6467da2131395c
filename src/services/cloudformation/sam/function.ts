/** `AWS::Serverless::Function` as the function, role, version, alias and event sources that AWS's transform makes of it. */
import { member, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { eventInvokeOf } from "./event-invoke.ts";
import { eventsOf, type EventTarget } from "./events.ts";
import { inherited, membersOf, own, samTags, tagList, type Expand, type SamResource } from "./expansion.ts";
import { checkFunction, functionProperties, withSha } from "./function-properties.ts";
import { chooseRole, deadLetterPolicy, roleProperties } from "./role.ts";
import { urlOf } from "./url.ts";
import { publishedOf, type Published } from "./versions.ts";

type Resources = Readonly<Record<string, JsonObject>>;

/** @throws SamError for the first thing that is wrong with the function. */
export const expandFunction: Expand = (sam, context) => {
  const { logicalId, resource, properties } = sam;
  const { parameters } = context;
  checkFunction(logicalId, properties);
  const tags = samTags(logicalId, properties);
  const deadLetters = deadLetterPolicy(logicalId, properties);
  const made = functionProperties(sam, tags, parameters);
  const published = publishedOf(sam, made, context);
  if (published === undefined && Object.hasOwn(properties, "ProvisionedConcurrencyConfig")) {
    throw badResource(
      logicalId,
      "To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function",
    );
  }
  const { role, made: makesRole, condition, conditions } = chooseRole(logicalId, properties);
  const invokes = eventInvokeOf(sam, properties, published, parameters);
  const shared = membersOf(resource, inherited);
  const roleResource = {
    ...shared,
    ...(condition === undefined ? {} : { Condition: condition }),
    Type: "AWS::IAM::Role",
    Properties: roleProperties(logicalId, properties, tags, [...deadLetters, ...invokes.policies]),
  };
  const code = { ...withSha(made, published?.codeSha256, parameters), Role: role };
  const roles = makesRole ? { [`${logicalId}Role`]: roleResource } : {};
  const resources: Resources = {
    [logicalId]: { ...membersOf(resource, own), Type: "AWS::Lambda::Function", Properties: code },
    ...roles,
    ...(published === undefined ? {} : publishedResources(sam, shared, published)),
    ...urlOf(sam, published),
    ...invokes.resources,
    ...eventsOf(sam, targetOf(logicalId, shared, published, makesRole), roles, context),
  };
  return {
    resources: member(properties, "PropagateTags") === true ? tagged(resources, properties) : resources,
    generated: generatedIds(logicalId, published, Object.keys(invokes.resources)),
    conditions: { ...conditions, ...invokes.conditions },
  };
};

function targetOf(
  logicalId: string,
  shared: JsonObject,
  published: Published | undefined,
  makesRole: boolean,
): EventTarget {
  const roleId = makesRole ? `${logicalId}Role` : undefined;
  if (published === undefined) {
    return { name: { Ref: logicalId }, arn: { "Fn::GetAtt": [logicalId, "Arn"] }, roleId, shared };
  }
  const alias: Json = { Ref: published.aliasId };
  return { name: alias, arn: alias, roleId, shared };
}

/** What templates may call by SAM's own names. */
function generatedIds(logicalId: string, published: Published | undefined, invokes: readonly string[]) {
  const ids = new Map<string, string>();
  if (published !== undefined) {
    ids.set(`${logicalId}.Version`, published.versionId).set(`${logicalId}.Alias`, published.aliasId);
  }
  for (const id of invokes) {
    if (id.endsWith("Queue")) ids.set(`${logicalId}.DestinationQueue`, id);
    if (id.endsWith("Topic")) ids.set(`${logicalId}.DestinationTopic`, id);
  }
  return ids;
}

const taggedTypes = [
  "AWS::Lambda::Function",
  "AWS::IAM::Role",
  "AWS::S3::Bucket",
  "AWS::SQS::Queue",
  "AWS::SNS::Topic",
];

/** `PropagateTags`: the template's tags in place of whatever each resource has. */
function tagged(resources: Resources, properties: JsonObject): Resources {
  const tags = tagList(member(properties, "Tags"));
  if (tags.length === 0) return resources;
  return Object.fromEntries(
    Object.entries(resources).map(([id, resource]) => {
      const type = member(resource, "Type");
      const its = member(resource, "Properties") as JsonObject;
      const takes = taggedTypes.some((name) => name === type);
      return [id, takes ? { ...resource, Properties: { ...its, Tags: tags } } : resource];
    }),
  );
}

function publishedResources(
  { logicalId, properties }: SamResource,
  shared: JsonObject,
  { versionId, aliasId, aliasName }: Published,
): Resources {
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
