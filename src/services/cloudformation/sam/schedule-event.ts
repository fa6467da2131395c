/** Event `ScheduleV2`: a schedule of EventBridge Scheduler, the role that runs it, and its dead-letter queue. */
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent, badResource } from "./errors.ts";
import type { EventSource, SamEvent } from "./events.ts";
import { checkKinds, type Kinds } from "./properties.ts";

/** Properties of the event. Source: SAM guide, "ScheduleV2". */
const kinds: Kinds = {
  PermissionsBoundary: "text",
  ScheduleExpression: "text!",
  FlexibleTimeWindow: "map",
  Name: "text",
  State: "text",
  Description: "text",
  StartDate: "text",
  EndDate: "text",
  ScheduleExpressionTimezone: "text",
  GroupName: "text",
  KmsKeyArn: "text",
  Input: "text",
  RoleArn: "text",
  DeadLetterConfig: "map",
  RetryPolicy: "map",
  OmitName: "boolean",
};
/** Properties that the schedule has as they are. */
const passed = ["Description", "StartDate", "EndDate", "ScheduleExpressionTimezone", "GroupName", "KmsKeyArn"];

const schedulerMayAssume: JsonObject = {
  Version: "2012-10-17",
  Statement: [{ Action: ["sts:AssumeRole"], Effect: "Allow", Principal: { Service: ["scheduler.amazonaws.com"] } }],
};

const given = (properties: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = member(properties, name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );

const wrong = ({ logicalId, eventId }: SamEvent, why: string) =>
  badEvent(logicalId.slice(0, -eventId.length), logicalId, why);

export const scheduleEvent: EventSource = (event) => {
  const { logicalId, properties, target } = event;
  const unknown = Object.keys(properties).find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined) {
    throw badResource(logicalId, `property ${unknown} not defined for resource of type ScheduleV2`);
  }
  checkKinds(properties, kinds, (why) => badResource(logicalId, why));
  const { shared } = target;
  const name = nameOf(event);
  const dead = deadLetterOf(event);
  const roleId = `${logicalId}Role`;
  const ownRole = member(properties, "RoleArn");
  const state = member(properties, "State");
  return {
    [logicalId]: {
      ...shared,
      Type: "AWS::Scheduler::Schedule",
      Properties: {
        ScheduleExpression: member(properties, "ScheduleExpression") ?? null,
        ...(state ? { State: state } : {}),
        ...(name === undefined ? {} : { Name: name }),
        FlexibleTimeWindow: windowOf(properties),
        ...given(properties, passed),
        Target: {
          Arn: target.arn,
          RoleArn: ownRole || { "Fn::GetAtt": [roleId, "Arn"] },
          ...given(properties, ["Input", "RetryPolicy"]),
          ...(dead === undefined ? {} : { DeadLetterConfig: { Arn: dead.arn } }),
        },
      },
    },
    ...(ownRole ? {} : { [roleId]: roleOf(event, dead?.arn) }),
    ...(dead?.queueId === undefined ? {} : { [dead.queueId]: { ...shared, Type: "AWS::SQS::Queue", Properties: {} } }),
  };
};

/** SAM names the schedule as it names the event, unless told not to. */
function nameOf(event: SamEvent): Json | undefined {
  const name = member(event.properties, "Name");
  if (member(event.properties, "OmitName") !== true) return name || event.logicalId;
  if (name) throw wrong(event, "Name cannot be set when OmitName is True");
  return undefined;
}

function windowOf(properties: JsonObject): Json {
  const window = member(properties, "FlexibleTimeWindow");
  return isMap(window) && Object.keys(window).length > 0 ? window : { Mode: "OFF" };
}

interface DeadLetter {
  arn: Json;
  /** Of the queue that SAM makes. */
  queueId?: string;
}

function deadLetterOf(event: SamEvent): DeadLetter | undefined {
  const config = member(event.properties, "DeadLetterConfig");
  if (!isMap(config)) return undefined;
  const [arn, type] = [member(config, "Arn"), member(config, "Type")];
  if (arn !== undefined && type !== undefined) {
    throw wrong(event, "You can either define 'Arn' or 'Type' property of DeadLetterConfig.");
  }
  if (type !== undefined && type !== "SQS") {
    throw wrong(event, "The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.");
  }
  if (arn !== undefined) return { arn };
  if (type === undefined) throw wrong(event, "No 'Arn' or 'Type' property provided for DeadLetterConfig.");
  const queueId = member(config, "QueueLogicalId") ?? `${event.logicalId}Queue`;
  if (typeof queueId !== "string") throw wrong(event, "QueueLogicalId must be a string");
  return { arn: { "Fn::GetAtt": [queueId, "Arn"] }, queueId };
}

function roleOf({ logicalId, properties, target }: SamEvent, deadArn: Json | undefined): JsonObject {
  const allow = (kind: string, Action: string, Resource: Json): JsonObject => ({
    PolicyName: `${logicalId}${kind}`,
    PolicyDocument: { Statement: [{ Action, Effect: "Allow", Resource }] },
  });
  const boundary = member(properties, "PermissionsBoundary");
  return {
    ...target.shared,
    Type: "AWS::IAM::Role",
    Properties: {
      AssumeRolePolicyDocument: schedulerMayAssume,
      Policies: [
        allow("LambdaPolicy", "lambda:InvokeFunction", target.arn),
        ...(deadArn === undefined ? [] : [allow("SQSPolicy", "sqs:SendMessage", deadArn)]),
      ],
      ...(boundary ? { PermissionsBoundary: boundary } : {}),
    },
  };
}
