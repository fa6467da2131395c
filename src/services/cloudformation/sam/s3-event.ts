/** Event `S3`: a bucket of the same template that tells the function, and the permission that lets it. */
import { isList, isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent, badResource } from "./errors.ts";
import type { EventSource, SamEvent } from "./events.ts";
import { noValue } from "./expansion.ts";
import { checkKinds, type Kinds } from "./properties.ts";

const kinds: Kinds = { Bucket: "text!", Events: "any!", Filter: "any" };

export const s3Event: EventSource = (event, { resources }) => {
  const { eventId, logicalId, properties, target } = event;
  const unknown = Object.keys(properties).find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined) {
    throw badResource(logicalId, `property ${unknown} not defined for resource of type S3`);
  }
  checkKinds(properties, kinds, (why) => badResource(logicalId, why));
  const bucketId = bucketOf(event);
  const bucket = bucketId === undefined ? undefined : resources.get(bucketId);
  if (bucketId === undefined || bucket === undefined) {
    throw badEvent(functionOf(event), eventId, "S3 events must reference an S3 bucket in the same template.");
  }
  const permissionId = `${logicalId}Permission`;
  const permission: JsonObject = {
    ...target.shared,
    Type: "AWS::Lambda::Permission",
    Properties: {
      Action: "lambda:InvokeFunction",
      FunctionName: target.name,
      Principal: "s3.amazonaws.com",
      SourceAccount: { Ref: "AWS::AccountId" },
    },
  };
  return { [permissionId]: permission, [bucketId]: notifying(bucket, bucketId, permissionId, event) };
};

function functionOf({ logicalId, eventId }: SamEvent): string {
  return logicalId.slice(0, -eventId.length);
}

function bucketOf({ properties }: SamEvent): string | undefined {
  const bucket = member(properties, "Bucket");
  const name = isMap(bucket) ? member(bucket, "Ref") : undefined;
  return typeof name === "string" ? name : undefined;
}

/** The bucket with the function among its notifications, made after the permission without which S3 would refuse it. */
function notifying(bucket: JsonObject, bucketId: string, permissionId: string, event: SamEvent): JsonObject {
  const condition = member(event.target.shared, "Condition");
  const given = member(bucket, "Properties") ?? {};
  if (!isMap(given)) throw badResource(bucketId, "Properties should be a map.");
  const Properties: JsonObject = {
    ...given,
    NotificationConfiguration: withNotifications(given, bucketId, event, condition),
  };
  if (condition === undefined) {
    return { ...bucket, DependsOn: dependingOn(member(bucket, "DependsOn"), permissionId), Properties };
  }
  // A dependency cannot have a condition; a tag whose value refers to the permission can.
  const tags = member(given, "Tags") ?? [];
  if (!isList(tags)) throw badResource(bucketId, "Property 'Tags' should be a list.");
  const tag: Json = {
    Key: `sam:ConditionalDependsOn:${permissionId}`,
    Value: { "Fn::If": [condition, { Ref: permissionId }, "no dependency"] },
  };
  return { ...bucket, Properties: { ...Properties, Tags: [...tags, tag] } };
}

function dependingOn(former: Json | undefined, id: string): readonly Json[] {
  const list = former === undefined ? [] : isList(former) ? former : [former];
  return list.includes(id) ? list : [...list, id];
}

function withNotifications(
  bucket: JsonObject,
  bucketId: string,
  { properties, target }: SamEvent,
  condition: Json | undefined,
): JsonObject {
  const configuration = member(bucket, "NotificationConfiguration") ?? {};
  if (!isMap(configuration)) throw badResource(bucketId, "Property 'NotificationConfiguration' should be a map.");
  const former = member(configuration, "LambdaConfigurations") ?? [];
  if (!isList(former)) throw badResource(bucketId, "Invalid type for LambdaConfigurations. Must be a list.");
  const events = member(properties, "Events") ?? [];
  const filter = member(properties, "Filter");
  const made = (isList(events) ? events : [events]).map((Event): Json => {
    const one = { Function: target.arn, ...(filter === undefined ? {} : { Filter: filter }), Event };
    return condition === undefined ? one : { "Fn::If": [condition, one, noValue] };
  });
  const known = new Set(former.map((item) => JSON.stringify(item)));
  const added = made.filter((item) => !known.has(JSON.stringify(item)));
  return { ...configuration, LambdaConfigurations: [...former, ...added] };
}
