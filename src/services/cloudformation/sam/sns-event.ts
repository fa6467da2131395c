/** Event `SNS`: a subscription of the function to a topic, or of a queue before the function. Source: SAM guide, "SNS". */
import { must } from "../../../base/errors.ts";
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent, badResource } from "./errors.ts";
import type { EventSource, SamEvent } from "./events.ts";
import { membersOf, referredId, type SamContext } from "./expansion.ts";
import { checkKinds, type Kinds } from "./properties.ts";
import { pullEvents } from "./pull-event.ts";

const kinds: Kinds = {
  Topic: "text!",
  Region: "text",
  FilterPolicy: "any",
  FilterPolicyScope: "any",
  SqsSubscription: "any",
  RedrivePolicy: "map",
};
const passed = ["Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"];

/** The queue between topic and function. */
interface Between {
  arn: Json;
  url: Json;
  policyId: string;
  batchSize: Json;
  made: Readonly<Record<string, JsonObject>>;
}

export const snsEvent: EventSource = (event, context) => {
  const { logicalId, properties, target } = event;
  const unknown = Object.keys(properties).find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined) {
    throw badResource(logicalId, `property ${unknown} not defined for resource of type SNS`);
  }
  checkKinds(properties, kinds, (why) => badResource(logicalId, why));
  const topic = member(properties, "Topic") ?? null;
  const between = betweenOf(event, context);
  if (between !== undefined) {
    const { arn, made } = between;
    return { ...made, ...feeding(event, context, between), [logicalId]: subscription(event, "sqs", arn) };
  }
  const permission: JsonObject = {
    ...target.shared,
    Type: "AWS::Lambda::Permission",
    Properties: {
      Action: "lambda:InvokeFunction",
      FunctionName: target.name,
      Principal: "sns.amazonaws.com",
      SourceArn: topic,
    },
  };
  return { [`${logicalId}Permission`]: permission, [logicalId]: subscription(event, "lambda", target.arn) };
};

function subscription({ properties, target }: SamEvent, Protocol: string, Endpoint: Json): JsonObject {
  return {
    ...target.shared,
    Type: "AWS::SNS::Subscription",
    Properties: {
      Endpoint,
      Protocol,
      TopicArn: member(properties, "Topic") ?? null,
      ...membersOf(properties, passed),
    },
  };
}

function betweenOf(event: SamEvent, { resources }: SamContext): Between | undefined {
  const { eventId, logicalId, properties, target } = event;
  const asked = member(properties, "SqsSubscription");
  if (asked === undefined || asked === false || asked === null) return undefined;
  if (isMap(asked)) {
    const [arn, url] = [member(asked, "QueueArn"), member(asked, "QueueUrl")];
    if (!arn || !url) throw badEvent(functionOf(event), eventId, "No QueueARN or QueueURL provided.");
    const policyId = member(asked, "QueuePolicyLogicalId");
    const given = typeof policyId === "string" ? policyId : `${logicalId}QueuePolicy`;
    return { arn, url, policyId: given, batchSize: member(asked, "BatchSize") ?? 10, made: {} };
  }
  if (asked !== true) throw badResource(logicalId, "Type of property 'SqsSubscription' is invalid.");
  const queueId = `${logicalId}Queue`;
  const topicId = referredId(member(properties, "Topic"));
  const topic = topicId === undefined ? undefined : resources.get(topicId);
  const ofTopic = topic === undefined ? undefined : member(topic, "Properties");
  const fifo = isMap(ofTopic) ? member(ofTopic, "FifoTopic") : undefined;
  const queue: JsonObject = {
    ...target.shared,
    Type: "AWS::SQS::Queue",
    Properties: fifo ? { FifoQueue: fifo } : {},
  };
  const arn = { "Fn::GetAtt": [queueId, "Arn"] };
  const policyId = `${logicalId}QueuePolicy`;
  return { arn, url: { Ref: queueId }, policyId, batchSize: 10, made: { [queueId]: queue } };
}

/** What lets the topic into the queue, and the queue's messages to the function. */
function feeding(event: SamEvent, context: SamContext, { arn, url, policyId, batchSize }: Between) {
  const { logicalId, properties, target } = event;
  const policy: JsonObject = {
    ...target.shared,
    Type: "AWS::SQS::QueuePolicy",
    Properties: {
      PolicyDocument: {
        Version: "2012-10-17",
        Statement: [
          {
            Action: "sqs:SendMessage",
            Effect: "Allow",
            Principal: "*",
            Resource: arn,
            Condition: { ArnEquals: { "aws:SourceArn": member(properties, "Topic") ?? null } },
          },
        ],
      },
      Queues: [url],
    },
  };
  const mapping = must(pullEvents["SQS"], "the event of queues")(
    {
      ...event,
      logicalId: `${logicalId}EventSourceMapping`,
      properties: { Queue: arn, BatchSize: batchSize, Enabled: true },
    },
    context,
  );
  return { [policyId]: policy, ...mapping };
}

function functionOf({ logicalId, eventId }: SamEvent): string {
  return logicalId.slice(0, -eventId.length);
}
