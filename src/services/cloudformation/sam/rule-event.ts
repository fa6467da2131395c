/** Events `EventBridgeRule`, `CloudWatchEvent` and `Schedule`: a rule whose target is the function, and its permission. */
import { isMap, member, type Json, type JsonObject } from "../json.ts";
import { badEvent } from "./errors.ts";
import type { EventSource, SamEvent } from "./events.ts";
import { membersOf } from "./expansion.ts";
import { checkProperties, type Kinds } from "./properties.ts";

const common: Kinds = {
  RuleName: "text",
  Input: "text",
  Enabled: "boolean",
  State: "text",
  DeadLetterConfig: "map",
  RetryPolicy: "map",
};
const ofPattern: Kinds = {
  ...common,
  EventBusName: "text",
  Pattern: "map",
  InputPath: "text",
  Target: "map",
  InputTransformer: "map",
};
const ofSchedule: Kinds = { ...common, Schedule: "text!", Name: "text", Description: "text" };

/** Characters of a target's id. */
const idLengthMax = 64;
const idSuffix = "LambdaTarget";

const functionOf = ({ logicalId, eventId }: SamEvent) => logicalId.slice(0, -eventId.length);

function stateOf(event: SamEvent): JsonObject {
  const [state, enabled] = [member(event.properties, "State"), member(event.properties, "Enabled")];
  if (state && enabled !== undefined) {
    throw badEvent(functionOf(event), event.eventId, "State and Enabled Properties cannot both be specified.");
  }
  if (enabled !== undefined) return { State: enabled ? "ENABLED" : "DISABLED" };
  return state ? { State: state } : {};
}

interface Dead {
  arn: Json | undefined;
  made: Readonly<Record<string, JsonObject>>;
}

/** The queue that is named, or one that is made. */
function deadLettersOf(event: SamEvent, ruleArn: Json): Dead {
  const { logicalId, properties, target } = event;
  const config = member(properties, "DeadLetterConfig");
  if (!isMap(config)) return { arn: undefined, made: {} };
  const bad = (why: string) => badEvent(functionOf(event), logicalId, why);
  const [arn, type] = [member(config, "Arn"), member(config, "Type")];
  if (arn !== undefined && type !== undefined) {
    throw bad("You can either define 'Arn' or 'Type' property of DeadLetterConfig.");
  }
  if (type !== undefined && type !== "SQS") {
    throw bad("The only valid value for 'Type' property of DeadLetterConfig is 'SQS'.");
  }
  if (type === undefined && arn === undefined) throw bad("No 'Arn' or 'Type' property provided for DeadLetterConfig.");
  if (arn !== undefined) return { arn, made: {} };
  const given = member(config, "QueueLogicalId");
  if (given !== undefined && typeof given !== "string") throw bad("QueueLogicalId must be a string");
  const queueId = given ?? `${logicalId}Queue`;
  const queueArn = { "Fn::GetAtt": [queueId, "Arn"] };
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
            Principal: { Service: "events.amazonaws.com" },
            Resource: queueArn,
            Condition: { ArnEquals: { "aws:SourceArn": ruleArn } },
          },
        ],
      },
      Queues: [{ Ref: queueId }],
    },
  };
  const queue: JsonObject = { ...target.shared, Type: "AWS::SQS::Queue", Properties: {} };
  return { arn: queueArn, made: { [queueId]: queue, [`${logicalId}QueuePolicy`]: policy } };
}

function targetIdOf({ logicalId, properties }: SamEvent): Json {
  const target = member(properties, "Target");
  const given = isMap(target) ? member(target, "Id") : undefined;
  return given ?? `${logicalId.slice(0, idLengthMax - idSuffix.length)}${idSuffix}`;
}

interface RuleKind {
  type: string;
  kinds: Kinds;
  /** What of the event the rule has, by the rule's name for it. */
  rule: Readonly<Record<string, string>>;
}

function ruleEvent({ type, kinds, rule }: RuleKind): EventSource {
  return (event) => {
    const { logicalId, properties, target } = event;
    checkProperties(logicalId, type, properties, kinds);
    const arn = { "Fn::GetAtt": [logicalId, "Arn"] };
    const dead = deadLettersOf(event, arn);
    const own = Object.entries(rule).flatMap(([name, from]) => {
      const value = member(properties, from);
      return value === undefined ? [] : [[name, value] as const];
    });
    const made: JsonObject = {
      ...target.shared,
      Type: "AWS::Events::Rule",
      Properties: {
        ...Object.fromEntries(own),
        ...stateOf(event),
        Targets: [
          {
            Arn: target.arn,
            Id: targetIdOf(event),
            ...membersOf(properties, ["Input", "InputPath", "RetryPolicy", "InputTransformer"]),
            ...(dead.arn === undefined ? {} : { DeadLetterConfig: { Arn: dead.arn } }),
          },
        ],
      },
    };
    const permission: JsonObject = {
      ...target.shared,
      Type: "AWS::Lambda::Permission",
      Properties: {
        Action: "lambda:InvokeFunction",
        FunctionName: target.name,
        Principal: "events.amazonaws.com",
        SourceArn: arn,
      },
    };
    return { [logicalId]: made, ...dead.made, [`${logicalId}Permission`]: permission };
  };
}

const ofBus = { EventBusName: "EventBusName", EventPattern: "Pattern", Name: "RuleName" };

export const ruleEvents: Readonly<Record<string, EventSource>> = {
  CloudWatchEvent: ruleEvent({ type: "CloudWatchEvent", kinds: ofPattern, rule: ofBus }),
  EventBridgeRule: ruleEvent({ type: "EventBridgeRule", kinds: ofPattern, rule: ofBus }),
  Schedule: ruleEvent({
    type: "Schedule",
    kinds: ofSchedule,
    rule: { ScheduleExpression: "Schedule", Name: "Name", Description: "Description" },
  }),
};
