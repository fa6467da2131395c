/** What EventBridge refuses, with AWS's codes and words. Source: API reference of each operation; answers recorded from AWS. */

export interface Refusal {
  operation: string;
  input: object;
  code: string;
  message: string;
}

const queue = "arn:aws:sqs:us-east-1:000000000000:q";
const bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const target = (rest: object) => ({ Rule: "there", Targets: [{ Id: "t", Arn: queue, ...rest }] });
const validation = (operation: string, input: object, message: string): Refusal => ({
  operation,
  input,
  code: "ValidationException",
  message,
});
const absent = (operation: string, input: object, message: string): Refusal => ({
  operation,
  input,
  code: "ResourceNotFoundException",
  message,
});
const notYet = (operation: string, input: object, what: string): Refusal => ({
  operation,
  input,
  code: "NotImplemented",
  message: `Mikan does not implement ${what} of EventBridge.`,
});

const auth = { ApiKeyAuthParameters: { ApiKeyName: "k", ApiKeyValue: "v" } };
const window = { EventStartTime: new Date(1_000), EventEndTime: new Date(0) };

/** There are: the rule `there`, the archive `kept`, and no more. */
export const refusals: readonly Refusal[] = [
  validation("DeleteEventBus", { Name: "default" }, "Cannot delete event bus default."),
  absent("DeleteEventBus", { Name: "gone" }, "Event bus gone does not exist."),
  absent("DescribeEventBus", { Name: "gone" }, "Event bus gone does not exist."),
  absent("ListRules", { EventBusName: "gone" }, "Event bus gone does not exist."),
  {
    operation: "CreateEventBus",
    input: { Name: "default" },
    code: "ResourceAlreadyExistsException",
    message: "Event bus default already exists.",
  },
  validation("PutRule", { Name: "r" }, "Parameter(s) EventPattern or ScheduleExpression must be specified."),
  ...[
    "rate(10 seconds)",
    "rate(1 minutes)",
    "rate(2 minute)",
    "rate(0 minutes)",
    "rate( 10 minutes )",
    "at(2026-01-01)",
  ].map((ScheduleExpression) =>
    validation("PutRule", { Name: "r", ScheduleExpression }, "Parameter ScheduleExpression is not valid."),
  ),
  ...["cron(0 1 * * * *)", "cron(INVALID)", "cron(71 8 1 * ? *)"].map((ScheduleExpression) =>
    validation("PutRule", { Name: "r", ScheduleExpression }, "Parameter ScheduleExpression is not valid."),
  ),
  {
    operation: "PutRule",
    input: { Name: "r", EventPattern: '{"source": "shop"}' },
    code: "InvalidEventPatternException",
    message: 'Event pattern is not valid. Reason: "source" must be an object or an array',
  },
  absent("DescribeRule", { Name: "gone" }, "Rule gone does not exist on EventBus default."),
  absent("PutTargets", { ...target({}), Rule: "gone" }, "Rule gone does not exist on EventBus default."),
  validation(
    "PutTargets",
    target({ Arn: "queue" }),
    "Parameter queue is not valid. Reason: Provided Arn is not in correct format.",
  ),
  validation(
    "PutTargets",
    target({ Arn: `${queue}.fifo` }),
    "Parameter(s) SqsParameters must be specified for target: t.",
  ),
  validation(
    "PutTargets",
    target({ Input: "{}", InputPath: "$" }),
    "Only one of Input, InputPath, or InputTransformer must be provided for target t.",
  ),
  validation("PutTargets", target({ Input: "{" }), "JSON syntax error in input for target t."),
  validation(
    "PutTargets",
    target({ InputTransformer: { InputTemplate: '"<unknown>"' } }),
    "InputTemplate for target t contains invalid placeholder unknown.",
  ),
  {
    operation: "PutTargets",
    input: { Rule: "there", Targets: Array.from({ length: 6 }, (_, i) => ({ Id: `t${i}`, Arn: queue })) },
    code: "LimitExceededException",
    message: "The requested resource exceeds the maximum number allowed.",
  },
  notYet(
    "PutTargets",
    target({ Arn: "arn:aws:states:us-east-1:000000000000:stateMachine:s" }),
    "targets of the service states",
  ),
  notYet("CreateEventBus", { Name: "aws.partner", EventSourceName: "aws.partner/a/b" }, "partner event sources"),
  validation(
    "PutEvents",
    { Entries: [{ Source: "s", DetailType: "t", Detail: "x".repeat(1_048_576) }] },
    "Total size of the entries in the request is over the limit.",
  ),
  absent("RemovePermission", { StatementId: "gone" }, "Statement with the provided id does not exist."),
  validation("TestEventPattern", { EventPattern: '{"source": ["a"]}', Event: "{}" }, "Parameter Event is not valid."),
  absent("DescribeArchive", { ArchiveName: "gone" }, "Archive gone does not exist."),
  validation(
    "UpdateArchive",
    { ArchiveName: "kept" },
    "At least one of EventPattern, RetentionDays or Description must be provided.",
  ),
  absent("DescribeReplay", { ReplayName: "gone" }, "Replay gone does not exist."),
  validation(
    "StartReplay",
    {
      ReplayName: "again",
      EventSourceArn: "arn:aws:events:us-east-1:000000000000:archive/gone",
      Destination: { Arn: bus },
      ...window,
    },
    "Parameter EventSourceArn is not valid. Reason: Archive gone does not exist.",
  ),
  validation(
    "StartReplay",
    {
      ReplayName: "again",
      EventSourceArn: "arn:aws:events:us-east-1:000000000000:archive/kept",
      Destination: { Arn: bus },
      ...window,
    },
    "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.",
  ),
  absent(
    "DescribeConnection",
    { Name: "gone" },
    "Failed to describe the connection(s). Connection 'gone' does not exist.",
  ),
  absent(
    "DescribeApiDestination",
    { Name: "gone" },
    "Failed to describe the api-destination(s). An api-destination 'gone' does not exist.",
  ),
  validation(
    "CreateConnection",
    { Name: "c", AuthorizationType: "BASIC", AuthParameters: auth },
    "Parameter AuthParameters is not valid. Reason: BasicAuthParameters must be specified for BASIC.",
  ),
];

/** Absent on purpose: partners' sources and global endpoints. */
export const absentOperations = [
  "ActivateEventSource",
  "CreateEndpoint",
  "CreatePartnerEventSource",
  "DeactivateEventSource",
  "DeleteEndpoint",
  "DeletePartnerEventSource",
  "DescribeEndpoint",
  "DescribeEventSource",
  "DescribePartnerEventSource",
  "ListEndpoints",
  "ListEventSources",
  "ListPartnerEventSourceAccounts",
  "ListPartnerEventSources",
  "PutPartnerEvents",
  "UpdateEndpoint",
];
