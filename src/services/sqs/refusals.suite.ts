/**
 * Inputs that AWS refuses, with its codes and messages. Sources: API reference of each operation, "Errors"; developer
 * guide, "Amazon SQS quotas" and "Troubleshooting"; what the service itself answers.
 */

export interface Refusal {
  operation: string;
  what: string;
  /** `url` stands for a standard queue, `fifo` for a FIFO queue; `QueueUrl` is the first unless given. */
  input: (urls: { url: string; fifo: string }) => object;
  code: string;
  message: string | RegExp;
}

const entries = (count: number) => Array.from({ length: count }, (_, i) => ({ Id: String(i), MessageBody: "b" }));
const value = (text: string | number, parameter: string, reason: string) =>
  `Value ${text} for parameter ${parameter} is invalid. Reason: ${reason}`;
const typed = (DataType: string, rest: object = { StringValue: "1" }) => ({ DataType, ...rest });
const attribute = (name: string, given: object) => () => ({ MessageBody: "b", MessageAttributes: { [name]: given } });
const otherKind = "The request include parameter that is not valid for this queue type.";
const longId = "i".repeat(129);
const entryIdText =
  "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
const standardName = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
const fifoName = /^The name of a FIFO queue can only include alphanumeric characters, .* must end with .fifo suffix/;
const invalidParameter = "InvalidParameterValue";

const ofQueues: readonly Refusal[] = [
  {
    operation: "CreateQueue",
    what: "a dot",
    input: () => ({ QueueName: "a.b" }),
    code: invalidParameter,
    message: standardName,
  },
  {
    operation: "CreateQueue",
    what: "no name",
    input: () => ({ QueueName: "" }),
    code: invalidParameter,
    message: standardName,
  },
  {
    operation: "CreateQueue",
    what: "81 characters",
    input: () => ({ QueueName: "a".repeat(81) }),
    code: invalidParameter,
    message: standardName,
  },
  {
    operation: "CreateQueue",
    what: ".fifo of a standard queue",
    input: () => ({ QueueName: "a.fifo" }),
    code: invalidParameter,
    message: standardName,
  },
  {
    operation: "CreateQueue",
    what: "a FIFO queue without .fifo",
    input: () => ({ QueueName: "a", Attributes: { FifoQueue: "true" } }),
    code: invalidParameter,
    message: fifoName,
  },
  {
    operation: "CreateQueue",
    what: "FifoQueue false",
    input: () => ({ QueueName: "a", Attributes: { FifoQueue: "false" } }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute FifoQueue.",
  },
  {
    operation: "CreateQueue",
    what: "an attribute that is none",
    input: () => ({ QueueName: "a", Attributes: { Colour: "red" } }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute Colour.",
  },
  {
    operation: "CreateQueue",
    what: "51 tags",
    input: () => ({ QueueName: "a", tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, "v"])) }),
    code: invalidParameter,
    message: /Too many tags/,
  },
  {
    operation: "GetQueueUrl",
    what: "an unknown queue",
    input: () => ({ QueueName: "absent" }),
    code: "QueueDoesNotExist",
    message: "The specified queue does not exist.",
  },
  {
    operation: "GetQueueAttributes",
    what: "an unknown queue",
    input: ({ url }) => ({ QueueUrl: `${url}x` }),
    code: "QueueDoesNotExist",
    message: "The specified queue does not exist.",
  },
  {
    operation: "GetQueueAttributes",
    what: "an attribute that is none",
    input: () => ({ AttributeNames: ["Colour"] }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute Colour.",
  },
  {
    operation: "GetQueueAttributes",
    what: "no URL of a queue",
    input: () => ({ QueueUrl: "orders" }),
    code: "InvalidAddress",
    message: "The address orders is not valid for this endpoint.",
  },
  {
    operation: "SetQueueAttributes",
    what: "what nobody sets",
    input: () => ({ Attributes: { QueueArn: "a" } }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute QueueArn.",
  },
  {
    operation: "SetQueueAttributes",
    what: "FIFO afterwards",
    input: () => ({ Attributes: { FifoQueue: "true" } }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute FifoQueue.",
  },
  {
    operation: "ListQueues",
    what: "1001 results",
    input: () => ({ MaxResults: 1001 }),
    code: invalidParameter,
    message: /MaxResults must be an integer between 1 and 1000/,
  },
  {
    operation: "ListQueues",
    what: "a token that is none",
    input: () => ({ MaxResults: 1, NextToken: "x" }),
    code: invalidParameter,
    message: /Invalid or expired next token/,
  },
  {
    operation: "TagQueue",
    what: "a reserved key",
    input: () => ({ Tags: { "aws:a": "b" } }),
    code: invalidParameter,
    message: /reserved/,
  },
  {
    operation: "AddPermission",
    what: "an action that is none",
    input: () => ({ Label: "l", AWSAccountIds: ["111111111111"], Actions: ["Fly"] }),
    code: invalidParameter,
    message: /^Value SQS:Fly for parameter ActionName is invalid/,
  },
  {
    operation: "AddPermission",
    what: "an account that is none",
    input: () => ({ Label: "l", AWSAccountIds: ["me"], Actions: ["*"] }),
    code: invalidParameter,
    message: value("me", "PrincipalId", "Unable to verify."),
  },
  {
    operation: "AddPermission",
    what: "a label with a space",
    input: () => ({ Label: "a b", AWSAccountIds: ["111111111111"], Actions: ["*"] }),
    code: invalidParameter,
    message: /^Value a b for parameter Label is invalid/,
  },
  {
    operation: "RemovePermission",
    what: "an unknown label",
    input: () => ({ Label: "l" }),
    code: invalidParameter,
    message: /^Value l for parameter Label is invalid/,
  },
  {
    operation: "StartMessageMoveTask",
    what: "an unknown queue",
    input: () => ({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:absent" }),
    code: "ResourceNotFoundException",
    message: /SourceArn parameter doesn't exist/,
  },
  {
    operation: "StartMessageMoveTask",
    what: "no dead-letter queue",
    input: () => ({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:orders" }),
    code: invalidParameter,
    message: "Source queue must be configured as a Dead Letter Queue.",
  },
  {
    operation: "StartMessageMoveTask",
    what: "501 a second",
    input: () => ({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:orders", MaxNumberOfMessagesPerSecond: 501 }),
    code: invalidParameter,
    message: /Must be between 1 and 500/,
  },
  {
    operation: "CancelMessageMoveTask",
    what: "a handle that is none",
    input: () => ({ TaskHandle: "x" }),
    code: invalidParameter,
    message: /task handle/,
  },
  {
    operation: "ListMessageMoveTasks",
    what: "11 results",
    input: () => ({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:orders", MaxResults: 11 }),
    code: invalidParameter,
    message: /Must be between 1 and 10/,
  },
];

const ofSends: readonly Refusal[] = [
  {
    operation: "SendMessage",
    what: "no body",
    input: () => ({ MessageBody: "" }),
    code: "MissingParameter",
    message: "The request must contain the parameter MessageBody.",
  },
  {
    operation: "SendMessage",
    what: "a forbidden character",
    input: () => ({ MessageBody: "a\u0001" }),
    code: "InvalidMessageContents",
    message: /^Invalid characters found\. Valid unicode characters are #x9/,
  },
  {
    operation: "SendMessage",
    what: "half a character",
    input: () => ({ MessageBody: "\ud800" }),
    code: "InvalidMessageContents",
    message: /^Invalid characters found/,
  },
  {
    operation: "SendMessage",
    what: "more than 1 MiB",
    input: () => ({ MessageBody: "b".repeat(1_048_577) }),
    code: invalidParameter,
    message: "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
  },
  {
    operation: "SendMessage",
    what: "a delay of 901 s",
    input: () => ({ MessageBody: "b", DelaySeconds: 901 }),
    code: invalidParameter,
    message: value(901, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."),
  },
  {
    operation: "SendMessage",
    what: "a delay before now",
    input: () => ({ MessageBody: "b", DelaySeconds: -1 }),
    code: invalidParameter,
    message: value(-1, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."),
  },
  {
    operation: "SendMessage",
    what: "a deduplication id to a standard queue",
    input: () => ({ MessageBody: "b", MessageDeduplicationId: "d" }),
    code: invalidParameter,
    message: value("d", "MessageDeduplicationId", otherKind),
  },
  {
    operation: "SendMessage",
    what: "no group",
    input: ({ fifo }) => ({ QueueUrl: fifo, MessageBody: "b", MessageDeduplicationId: "d" }),
    code: "MissingParameter",
    message: "The request must contain the parameter MessageGroupId.",
  },
  {
    operation: "SendMessage",
    what: "no deduplication id",
    input: ({ fifo }) => ({ QueueUrl: fifo, MessageBody: "b", MessageGroupId: "g" }),
    code: invalidParameter,
    message:
      "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  },
  {
    operation: "SendMessage",
    what: "a delay of its own to a FIFO queue",
    input: ({ fifo }) => ({
      QueueUrl: fifo,
      MessageBody: "b",
      MessageGroupId: "g",
      MessageDeduplicationId: "d",
      DelaySeconds: 1,
    }),
    code: invalidParameter,
    message: value(1, "DelaySeconds", otherKind),
  },
  {
    operation: "SendMessage",
    what: "a group of 129 characters",
    input: ({ fifo }) => ({ QueueUrl: fifo, MessageBody: "b", MessageGroupId: longId, MessageDeduplicationId: "d" }),
    code: invalidParameter,
    message: value(
      longId,
      "MessageGroupId",
      "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
    ),
  },
  {
    operation: "SendMessage",
    what: "a deduplication id with a space",
    input: ({ fifo }) => ({ QueueUrl: fifo, MessageBody: "b", MessageGroupId: "g", MessageDeduplicationId: "a b" }),
    code: invalidParameter,
    message: value(
      "a b",
      "MessageDeduplicationId",
      "MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
    ),
  },
  {
    operation: "SendMessage",
    what: "11 attributes",
    input: () => ({
      MessageBody: "b",
      MessageAttributes: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}`, typed("String")])),
    }),
    code: invalidParameter,
    message: "Number of message attributes [11] exceeds the allowed maximum [10].",
  },
  {
    operation: "SendMessage",
    what: "an attribute with a space",
    input: attribute("a b", typed("String")),
    code: invalidParameter,
    message: /^The message attribute name 'a b' is invalid\./,
  },
  {
    operation: "SendMessage",
    what: "an attribute of AWS's",
    input: attribute("AWS.a", typed("String")),
    code: invalidParameter,
    message: /reserved for internal use\.$/,
  },
  {
    operation: "SendMessage",
    what: "an attribute of no type",
    input: attribute("a", typed("")),
    code: invalidParameter,
    message: "The message attribute 'a' must contain non-empty message attribute type.",
  },
  {
    operation: "SendMessage",
    what: "an attribute of another type",
    input: attribute("a", typed("Date")),
    code: invalidParameter,
    message: /^The message attribute 'a' has an invalid message attribute type/,
  },
  {
    operation: "SendMessage",
    what: "a number that is none",
    input: attribute("a", typed("Number", { StringValue: "one" })),
    code: invalidParameter,
    message: "Can't cast the value of message (user) attribute 'a' to a number.",
  },
  {
    operation: "SendMessage",
    what: "an empty attribute",
    input: attribute("a", typed("String", { StringValue: "" })),
    code: invalidParameter,
    message:
      "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
  },
  {
    operation: "SendMessage",
    what: "bytes as text",
    input: attribute("a", typed("String", { BinaryValue: Buffer.from("a") })),
    code: invalidParameter,
    message: "The message attribute 'a' with type 'String' must use field 'String'.",
  },
  {
    operation: "SendMessage",
    what: "a list",
    input: attribute("a", typed("String", { StringListValues: ["a"] })),
    code: "UnsupportedOperation",
    message: "Message attribute list values in SendMessage operation are not supported.",
  },
  {
    operation: "SendMessage",
    what: "a system attribute that is none",
    input: () => ({ MessageBody: "b", MessageSystemAttributes: { Trace: typed("String") } }),
    code: invalidParameter,
    message: /'Trace' is invalid/,
  },
  {
    operation: "SendMessageBatch",
    what: "no entries",
    input: () => ({ Entries: [] }),
    code: "EmptyBatchRequest",
    message: "There should be at least one SendMessageBatchRequestEntry in the request.",
  },
  {
    operation: "SendMessageBatch",
    what: "11 entries",
    input: () => ({ Entries: entries(11) }),
    code: "TooManyEntriesInBatchRequest",
    message: "Maximum number of entries per request are 10. You have sent 11.",
  },
  {
    operation: "SendMessageBatch",
    what: "an id twice",
    input: () => ({ Entries: [...entries(1), ...entries(1)] }),
    code: "BatchEntryIdsNotDistinct",
    message: "Id 0 repeated.",
  },
  {
    operation: "SendMessageBatch",
    what: "an id with a dot",
    input: () => ({ Entries: [{ Id: "a.b", MessageBody: "b" }] }),
    code: "InvalidBatchEntryId",
    message: entryIdText,
  },
  {
    operation: "SendMessageBatch",
    what: "more than 1 MiB together",
    input: () => ({ Entries: entries(2).map(({ Id }) => ({ Id, MessageBody: "b".repeat(600_000) })) }),
    code: "BatchRequestTooLong",
    message: "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes.",
  },
];

const ofReceives: readonly Refusal[] = [
  {
    operation: "ReceiveMessage",
    what: "11 messages",
    input: () => ({ MaxNumberOfMessages: 11 }),
    code: invalidParameter,
    message: value(11, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."),
  },
  {
    operation: "ReceiveMessage",
    what: "no message",
    input: () => ({ MaxNumberOfMessages: 0 }),
    code: invalidParameter,
    message: value(0, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."),
  },
  {
    operation: "ReceiveMessage",
    what: "a wait of 21 s",
    input: () => ({ WaitTimeSeconds: 21 }),
    code: invalidParameter,
    message: value(21, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided."),
  },
  {
    operation: "ReceiveMessage",
    what: "more than 12 hours",
    input: () => ({ VisibilityTimeout: 43_201 }),
    code: invalidParameter,
    message: value(43_201, "VisibilityTimeout", "Must be between 0 and 43200, if provided."),
  },
  {
    operation: "ReceiveMessage",
    what: "an attribute that is none",
    input: () => ({ AttributeNames: ["Colour"] }),
    code: "InvalidAttributeName",
    message: "Unknown Attribute Colour.",
  },
  {
    operation: "ReceiveMessage",
    what: "an attempt id on a standard queue",
    input: () => ({ ReceiveRequestAttemptId: "a" }),
    code: invalidParameter,
    message: value("a", "ReceiveRequestAttemptId", otherKind),
  },
  {
    operation: "DeleteMessage",
    what: "a handle that is none",
    input: () => ({ ReceiptHandle: "x" }),
    code: "ReceiptHandleIsInvalid",
    message: 'The input receipt handle "x" is not a valid receipt handle.',
  },
  {
    operation: "DeleteMessageBatch",
    what: "no entries",
    input: () => ({ Entries: [] }),
    code: "EmptyBatchRequest",
    message: "There should be at least one DeleteMessageBatchRequestEntry in the request.",
  },
  {
    operation: "ChangeMessageVisibility",
    what: "a handle that is none",
    input: () => ({ ReceiptHandle: "x", VisibilityTimeout: 1 }),
    code: "ReceiptHandleIsInvalid",
    message: 'The input receipt handle "x" is not a valid receipt handle.',
  },
  {
    operation: "ChangeMessageVisibilityBatch",
    what: "no entries",
    input: () => ({ Entries: [] }),
    code: "EmptyBatchRequest",
    message: "There should be at least one ChangeMessageVisibilityBatchRequestEntry in the request.",
  },
];

export const refusals: readonly Refusal[] = [...ofQueues, ...ofSends, ...ofReceives];
