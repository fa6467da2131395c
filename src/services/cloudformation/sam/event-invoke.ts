/** `EventInvokeConfig`: how asynchronous invocations are retried, and where their results go. */
import { createHash } from "node:crypto";
import { isList, isMap, member, onlyMember, type Json, type JsonObject } from "../json.ts";
import { badResource } from "./errors.ts";
import { inherited, isNoValue, membersOf } from "./expansion.ts";
import { resolveParameterRefs, type KnownParameters } from "./parameter-refs.ts";
import { type Published } from "./versions.ts";

export interface EventInvoke {
  resources: Readonly<Record<string, JsonObject>>;
  /** What the function's role must allow for its destinations. */
  policies: readonly JsonObject[];
  conditions: JsonObject;
}

const nothing: EventInvoke = { resources: {}, policies: [], conditions: {} };
const destinationTypes = ["SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"];
/** Destinations that SAM makes where the template names none. */
const madeTypes: Readonly<Record<string, { type: string; suffix: string; attribute: (id: string) => Json }>> = {
  SQS: { type: "AWS::SQS::Queue", suffix: "Queue", attribute: (id) => ({ "Fn::GetAtt": [id, "Arn"] }) },
  SNS: { type: "AWS::SNS::Topic", suffix: "Topic", attribute: (id) => ({ Ref: id }) },
};

interface Owner {
  logicalId: string;
  resource: JsonObject;
}

/** What `EventInvokeConfig` makes; nothing where it is not there. */
export function eventInvokeOf(
  owner: Owner,
  properties: JsonObject,
  published: Published | undefined,
  known: KnownParameters,
): EventInvoke {
  const config = resolveParameterRefs(member(properties, "EventInvokeConfig") ?? {}, known);
  if (!isMap(config) || Object.keys(config).length === 0) return nothing;
  const { logicalId, resource } = owner;
  const id = `${logicalId}EventInvokeConfig`;
  const destinations = destinationsOf(owner, id, member(config, "DestinationConfig"));
  const made = {
    ...membersOf(resource, [...inherited, "UpdatePolicy", "Metadata"]),
    ...(published === undefined ? {} : { DependsOn: [published.aliasId] }),
    Type: "AWS::Lambda::EventInvokeConfig",
    Properties: {
      FunctionName: { Ref: logicalId },
      Qualifier: published?.aliasName ?? "$LATEST",
      DestinationConfig: Object.fromEntries(destinations.map(({ name, arn }) => [name, { Destination: arn }])),
      ...membersOf(config, ["MaximumEventAgeInSeconds", "MaximumRetryAttempts"]),
    },
  };
  return {
    resources: Object.assign({ [id]: made }, ...destinations.map((destination) => destination.resources)) as Record<
      string,
      JsonObject
    >,
    policies: destinations.map(({ policy }) => policy),
    conditions: Object.assign({}, ...destinations.map(({ conditions }) => conditions)) as JsonObject,
  };
}

interface Destination {
  name: string;
  arn: Json;
  policy: JsonObject;
  resources: Readonly<Record<string, JsonObject>>;
  conditions: JsonObject;
}

function destinationsOf(owner: Owner, id: string, config: Json | undefined): readonly Destination[] {
  if (config === undefined) return [];
  if (!isMap(config))
    throw badResource(owner.logicalId, "Property 'EventInvokeConfig.DestinationConfig' should be a map.");
  return ["OnSuccess", "OnFailure"].flatMap((name) => {
    const given = member(config, name);
    if (given === undefined) return [];
    if (!isMap(given)) {
      throw badResource(owner.logicalId, `Property 'EventInvokeConfig.DestinationConfig.${name}' should be a map.`);
    }
    return [destinationOf(owner, id, name, given)];
  });
}

function destinationOf({ logicalId, resource }: Owner, id: string, name: string, given: JsonObject): Destination {
  const type = member(given, "Type");
  if (typeof type !== "string" || !destinationTypes.includes(type)) {
    const list = destinationTypes.map((one) => `'${one}'`).join(", ");
    throw badResource(logicalId, `'Type: ${typeof type === "string" ? type : "None"}' must be one of [${list}]`);
  }
  const named = member(given, "Destination");
  const choice = named === undefined ? undefined : choiceOf(named, id);
  const prefix = `${id}${name}`;
  if (named !== undefined && choice === undefined) {
    return { name, arn: named, policy: policyOf(type, named, prefix), resources: {}, conditions: {} };
  }
  const make = madeTypes[type];
  if (make === undefined) throw badResource(logicalId, "Destination is required if Type is not ['SQS', 'SNS']");
  const madeId = `${prefix}${make.suffix}`;
  const passed = membersOf(resource, inherited);
  const condition = bothConditions(member(resource, "Condition"), choice?.condition, logicalId);
  const arn: Json =
    choice === undefined
      ? make.attribute(madeId)
      : { "Fn::If": [choice.condition, make.attribute(madeId), choice.otherwise] };
  return {
    name,
    arn,
    policy: policyOf(type, arn, prefix),
    resources: {
      [madeId]: {
        ...passed,
        ...(condition.name === undefined ? {} : { Condition: condition.name }),
        Type: make.type,
        Properties: {},
      },
    },
    conditions: { ...choice?.conditions, ...condition.conditions },
  };
}

interface Choice {
  /** Under which SAM makes the destination. */
  condition: string;
  otherwise: Json;
  conditions: JsonObject;
}

/** A destination that is somewhere else under a condition, and SAM's own otherwise. */
function choiceOf(destination: Json, id: string): Choice | undefined {
  const [name, branches] = onlyMember(destination) ?? [];
  if (name !== "Fn::If" || !isList(branches)) return undefined;
  const [condition, then, otherwise] = branches;
  if (typeof condition !== "string" || then === undefined || otherwise === undefined) return undefined;
  if (isNoValue(then) && !isNoValue(otherwise)) return { condition, otherwise, conditions: {} };
  if (!isNoValue(otherwise) || isNoValue(then)) return undefined;
  const not = conditionName(`NOT${condition}`, id);
  return { condition: not, otherwise: then, conditions: { [not]: { "Fn::Not": [{ Condition: condition }] } } };
}

function bothConditions(own: Json | undefined, choice: string | undefined, logicalId: string) {
  if (typeof own !== "string" || choice === undefined) {
    return { name: choice ?? (typeof own === "string" ? own : undefined), conditions: {} };
  }
  // AWS's translator writes each of these as a condition in a condition, which its CloudFormation refuses.
  const name = conditionName(`${own}AND${choice}`, logicalId);
  return { name, conditions: { [name]: { "Fn::And": [{ Condition: own }, { Condition: choice }] } } };
}

function conditionName(name: string, hashed: string): string {
  return `${name}${createHash("sha1").update(hashed).digest("hex").slice(0, 10)}`;
}

/** What a role must allow to reach a destination. */
export function policyOf(type: string, arn: Json, prefix: string): JsonObject {
  const may = (action: string, resource: Json): Json => ({ Action: action, Effect: "Allow", Resource: resource });
  const [suffix, statements] = {
    SQS: ["SQSPolicy", [may("sqs:SendMessage", arn)]] as const,
    SNS: ["SNSPolicy", [may("sns:publish", arn)]] as const,
    EventBridge: ["EventBridgePolicy", [may("events:PutEvents", arn)]] as const,
    Lambda: ["LambdaPolicy", [may("lambda:InvokeFunction", arn)]] as const,
    S3Bucket: [
      "S3Policy",
      [may("s3:PutObject", { "Fn::Join": ["/", [arn, "*"]] }), may("s3:ListBucket", arn)],
    ] as const,
  }[type] ?? ["", []];
  return { PolicyName: `${prefix}${suffix}`, PolicyDocument: { Statement: statements } };
}
