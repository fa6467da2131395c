/** Events `SQS`, `Kinesis` and `DynamoDB`: an event source mapping, and what it needs of the function's role. */
import { isList, isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent, badResource } from "./errors.ts";
import { policyOf } from "./event-invoke.ts";
import type { EventSource, SamEvent } from "./events.ts";
import { isIntrinsic } from "./globals.ts";
import { managedPolicyArn } from "./managed-policy-paths.ts";
import { checkKinds, type Kinds } from "./properties.ts";

/** Properties that all sources have in SAM. */
const common: Kinds = {
  BatchSize: "integer",
  StartingPosition: "any",
  StartingPositionTimestamp: "any",
  Enabled: "boolean",
  MaximumBatchingWindowInSeconds: "integer",
  MaximumRetryAttempts: "integer",
  BisectBatchOnFunctionError: "boolean",
  MaximumRecordAgeInSeconds: "integer",
  DestinationConfig: "content",
  ParallelizationFactor: "integer",
  Topics: "list",
  Queues: "list",
  SourceAccessConfigurations: "list",
  SecretsManagerKmsKeyId: "text",
  TumblingWindowInSeconds: "integer",
  FunctionResponseTypes: "list",
  KafkaBootstrapServers: "list",
  FilterCriteria: "content",
  KmsKeyArn: "any",
  ConsumerGroupId: "text",
  ScalingConfig: "content",
  ProvisionedPollerConfig: "content",
  SchemaRegistryConfig: "content",
  MetricsConfig: "content",
  LoggingConfig: "content",
};
/** Of other sources; they say nothing of a queue or a stream. */
const elsewhere = ["SecretsManagerKmsKeyId", "KafkaBootstrapServers", "ConsumerGroupId", "SchemaRegistryConfig"];

interface Pull {
  type: string;
  /** The property that names the source. */
  source: "Queue" | "Stream";
  policy: string;
}

/** The event source of one type. Source: SAM guide, "SQS", "Kinesis", "DynamoDB". */
function pullEvent({ type, source, policy }: Pull): EventSource {
  const kinds: Kinds = {
    ...common,
    [source]: "any!",
    ...(source === "Stream" ? { StartingPosition: "any!" } : {}),
  };
  return (event, { resources }) => {
    const { logicalId, properties, target } = event;
    const unknown = Object.keys(properties).find((name) => !Object.hasOwn(kinds, name));
    if (unknown !== undefined) {
      throw badResource(logicalId, `property ${unknown} not defined for resource of type ${type}`);
    }
    checkKinds(properties, kinds, (why) => badResource(logicalId, why));
    checkFilters(event);
    if (member(properties, "ConsumerGroupId") !== undefined) {
      throw badEvent(
        functionOf(event),
        logicalId,
        `Property ConsumerGroupId not defined for resource of type ${type}.`,
      );
    }
    const { config, policies } = destinationOf(event);
    const passed = Object.entries(properties).filter(
      ([name]) => name !== source && name !== "DestinationConfig" && !elsewhere.includes(name),
    );
    const mapping: JsonObject = {
      ...target.shared,
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: {
        FunctionName: target.name,
        EventSourceArn: member(properties, source) ?? null,
        ...Object.fromEntries(passed),
        ...(config === undefined ? {} : { DestinationConfig: config }),
      },
    };
    const { roleId } = target;
    const role = roleId === undefined ? undefined : resources.get(roleId);
    if (roleId === undefined || role === undefined) return { [logicalId]: mapping };
    return { [logicalId]: mapping, [roleId]: allowing(role, managedPolicyArn(policy), policies) };
  };
}

function functionOf({ logicalId, eventId }: SamEvent): string {
  return logicalId.slice(0, -eventId.length);
}

function checkFilters(event: SamEvent): void {
  const criteria = member(event.properties, "FilterCriteria");
  if (!isMap(criteria) || isIntrinsic(criteria)) return;
  const names = Object.keys(criteria);
  if (names.length === 0 || (names.length === 1 && names[0] === "Filters")) return;
  throw badEvent(functionOf(event), event.eventId, "FilterCriteria field has a wrong format");
}

/** Kinds of destinations, and what the function's own have for the same policy; Kafka needs none. */
const policyKinds: Readonly<Record<string, string>> = { SQS: "SQS", SNS: "SNS", S3: "S3Bucket", Kafka: "" };

interface Destination {
  config: JsonObject | undefined;
  policies: readonly JsonObject[];
}

/** `Type` is SAM's own: it says which policy the role needs. */
function destinationOf(event: SamEvent): Destination {
  const { logicalId, properties } = event;
  const config = member(properties, "DestinationConfig");
  if (!isMap(config) || Object.keys(config).length === 0) return { config: undefined, policies: [] };
  const onFailure = member(config, "OnFailure");
  if (!isMap(onFailure)) {
    throw badEvent(functionOf(event), logicalId, "Property 'DestinationConfig.OnFailure' should be a map.");
  }
  const { Type, ...rest } = onFailure;
  if (!Type) return { config, policies: [] };
  const policy = typeof Type === "string" && Object.hasOwn(policyKinds, Type) ? policyKinds[Type] : undefined;
  if (policy === undefined) {
    throw badEvent(
      functionOf(event),
      logicalId,
      "The only valid values for 'Type' are 'SQS', 'SNS', 'S3', and 'Kafka'",
    );
  }
  const to = member(onFailure, "Destination") ?? null;
  const policies = policy === "" ? [] : [policyOf(policy, to, logicalId)];
  return { config: { ...config, OnFailure: rest }, policies };
}

/** The role with what the mapping needs, once. */
function allowing(role: JsonObject, managed: Json, policies: readonly JsonObject[]): JsonObject {
  const given = member(role, "Properties");
  const properties = isMap(given) ? given : {};
  const listOf = (name: string): readonly Json[] => {
    const list = member(properties, name);
    return isList(list) ? list : [];
  };
  const documentOf = (policy: Json) =>
    JSON.stringify(isMap(policy) ? (member(policy, "PolicyDocument") ?? null) : null);
  const documents = new Set(listOf("Policies").map(documentOf));
  const inline = [...listOf("Policies"), ...policies.filter((policy) => !documents.has(documentOf(policy)))];
  const arns = listOf("ManagedPolicyArns");
  const isThere = arns.some((arn) => JSON.stringify(arn) === JSON.stringify(managed));
  return {
    ...role,
    Properties: {
      ...properties,
      ManagedPolicyArns: isThere ? arns : [...arns, managed],
      ...(inline.length === 0 ? {} : { Policies: inline }),
    },
  };
}

export const pullEvents: Readonly<Record<string, EventSource>> = {
  SQS: pullEvent({ type: "SQS", source: "Queue", policy: "AWSLambdaSQSQueueExecutionRole" }),
  Kinesis: pullEvent({ type: "Kinesis", source: "Stream", policy: "AWSLambdaKinesisExecutionRole" }),
  DynamoDB: pullEvent({ type: "DynamoDB", source: "Stream", policy: "AWSLambdaDynamoDBExecutionRole" }),
};
