/**
 * Inputs that AWS refuses, with its codes and messages. Sources: API reference of each operation, "Errors"; developer
 * guide, "Filter policy constraints", "Creating an HTTP/S delivery policy"; what the service itself answers.
 */

/** What rows refer to: a topic of each kind, a queue, and a subscription of each topic's. */
export interface Names {
  topic: string;
  fifo: string;
  queue: string;
  fifoQueue: string;
  subscription: string;
  text: string;
}

export interface Refusal {
  operation: string;
  what: string;
  input: (names: Names) => object;
  code: string;
  message: string | RegExp;
}

const invalid = "InvalidParameterException";
const valueInvalid = "InvalidParameterValueException";
const fifoName =
  "Invalid parameter: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.";

const row = (
  operation: string,
  what: string,
  input: Refusal["input"],
  message: string | RegExp,
  code: string = invalid,
): Refusal => ({ operation, what, input, code, message });

const entries = (count: number, rest: object = {}) =>
  Array.from({ length: count }, (_, i) => ({ Id: String(i), Message: "m", ...rest }));

const named =
  (Name: string, Attributes: object = {}) =>
  () => ({ Name, Attributes });

const ofTopics: readonly Refusal[] = [
  row("CreateTopic", "a dot", named("a.b"), "Invalid parameter: Topic Name"),
  row("CreateTopic", "no name", named(""), "Invalid parameter: Topic Name"),
  row("CreateTopic", "257 characters", named("a".repeat(257)), "Invalid parameter: Topic Name"),
  row("CreateTopic", ".fifo of a standard topic", named("a.fifo"), "Invalid parameter: Topic Name"),
  row("CreateTopic", "a FIFO topic without .fifo", named("a", { FifoTopic: "true" }), fifoName),
  row("CreateTopic", "an unknown attribute", named("a", { Color: "red" }), "Invalid parameter: AttributeName"),
  row(
    "CreateTopic",
    "an attribute of FIFO topics",
    named("a", { ContentBasedDeduplication: "true" }),
    "Invalid parameter: ContentBasedDeduplication",
  ),
  row(
    "CreateTopic",
    "other attributes than it has",
    named("orders", { DisplayName: "other" }),
    /already exists with different attributes/,
  ),
  row(
    "CreateTopic",
    "other tags than it has",
    () => ({ Name: "orders", Tags: [{ Key: "a", Value: "b" }] }),
    /already exists with different tags/,
  ),
  row(
    "SetTopicAttributes",
    "a policy that is none",
    ({ topic }) => ({ TopicArn: topic, AttributeName: "Policy", AttributeValue: "{" }),
    /^Invalid parameter: Attributes Reason: /,
  ),
  row(
    "SetTopicAttributes",
    "FifoTopic",
    ({ topic }) => ({ TopicArn: topic, AttributeName: "FifoTopic", AttributeValue: "true" }),
    "Invalid parameter: AttributeName",
  ),
  row(
    "GetTopicAttributes",
    "no ARN",
    () => ({ TopicArn: "orders" }),
    "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1",
  ),
  row("GetTopicAttributes", "an ARN of a queue", ({ queue }) => ({ TopicArn: queue }), "Invalid parameter: TopicArn"),
  row(
    "GetTopicAttributes",
    "an unknown topic",
    ({ topic }) => ({ TopicArn: `${topic}x` }),
    "Topic does not exist",
    "NotFoundException",
  ),
  row(
    "TagResource",
    "an unknown topic",
    ({ topic }) => ({ ResourceArn: `${topic}x`, Tags: [{ Key: "a", Value: "b" }] }),
    "Resource does not exist",
    "ResourceNotFoundException",
  ),
  row(
    "ListTopics",
    "a token that is none",
    () => ({ NextToken: "x" }),
    "Invalid parameter: NextToken Reason: Invalid pagination token",
  ),
];

const subscribed =
  (Protocol: string, Endpoint: string, Attributes: object = {}) =>
  ({ topic }: Names) => ({ TopicArn: topic, Protocol, Endpoint, Attributes });
const filtered =
  (FilterPolicy: object | string, rest: object = {}) =>
  ({ topic, queue }: Names) => ({
    TopicArn: topic,
    Protocol: "sqs",
    Endpoint: queue,
    Attributes: {
      FilterPolicy: typeof FilterPolicy === "string" ? FilterPolicy : JSON.stringify(FilterPolicy),
      ...rest,
    },
  });
const reason = "Invalid parameter: Attributes Reason: ";
const delivered = (healthyRetryPolicy: object) =>
  subscribed("http", "http://localhost:9", { DeliveryPolicy: JSON.stringify({ healthyRetryPolicy }) });

const ofSubscriptions: readonly Refusal[] = [
  row(
    "Subscribe",
    "an unknown topic",
    ({ topic, queue }) => ({ TopicArn: `${topic}x`, Protocol: "sqs", Endpoint: queue }),
    "Topic does not exist",
    "NotFoundException",
  ),
  row(
    "Subscribe",
    "an unknown protocol",
    subscribed("pigeon", "coop"),
    "Invalid parameter: Amazon SNS does not support this protocol string: pigeon",
  ),
  row("Subscribe", "no endpoint", ({ topic }) => ({ TopicArn: topic, Protocol: "sqs" }), "Invalid parameter: Endpoint"),
  row(
    "Subscribe",
    "a queue that is none",
    subscribed("sqs", "queue"),
    "Invalid parameter: Endpoint Reason: SQS endpoint ARN",
  ),
  row(
    "Subscribe",
    "a URL of another protocol",
    subscribed("https", "http://localhost"),
    "Invalid parameter: Endpoint Reason: Endpoint must match the specified protocol",
  ),
  row(
    "Subscribe",
    "no address",
    subscribed("email", "nobody"),
    "Invalid parameter: Endpoint Reason: Invalid email address",
  ),
  row(
    "Subscribe",
    "no number",
    subscribed("sms", "nobody"),
    "Invalid parameter: Endpoint Reason: Invalid SMS endpoint",
  ),
  row(
    "Subscribe",
    "a FIFO queue of a standard topic",
    ({ topic, fifoQueue }) => ({ TopicArn: topic, Protocol: "sqs", Endpoint: fifoQueue }),
    /FIFO SQS Queues can not be subscribed to standard SNS topics$/,
  ),
  row(
    "Subscribe",
    "HTTP of a FIFO topic",
    ({ fifo }) => ({ TopicArn: fifo, Protocol: "http", Endpoint: "http://localhost" }),
    /FIFO topics do not support the protocol http$/,
  ),
  row(
    "Subscribe",
    "raw delivery of a text",
    subscribed("sms", "+15550001111", { RawMessageDelivery: "true" }),
    `${reason}RawMessageDelivery: Delivery protocol [sms] does not support raw message delivery.`,
  ),
  row(
    "Subscribe",
    "an unknown attribute",
    subscribed("sms", "+15550001111", { Color: "red" }),
    `${reason}AttributeName`,
  ),
  row("Subscribe", "a filter policy that is no JSON", filtered("{"), `${reason}FilterPolicy: failed to parse JSON.`),
  row(
    "Subscribe",
    "a filter policy of six keys",
    filtered({ a: [1], b: [1], c: [1], d: [1], e: [1], f: [1] }),
    `${reason}FilterPolicy: Filter policy can not have more than 5 keys`,
  ),
  row(
    "Subscribe",
    "a filter policy of 151 combinations",
    filtered({ a: Array.from({ length: 151 }, (_, i) => i) }),
    `${reason}FilterPolicy: Filter policy is too complex`,
  ),
  row(
    "Subscribe",
    "a nested filter policy of attributes",
    filtered({ a: { b: [1] } }),
    `${reason}Filter policy scope MessageAttributes does not support nested filter policy`,
  ),
  row(
    "Subscribe",
    "a nested filter policy that is too complex",
    filtered({ a: { b: { c: Array.from({ length: 51 }, (_, i) => i) } } }, { FilterPolicyScope: "MessageBody" }),
    `${reason}FilterPolicy: Filter policy is too complex`,
  ),
  row(
    "Subscribe",
    "a filter policy with an unknown operator",
    filtered({ a: [{ like: "b" }] }),
    /^Invalid parameter: Attributes Reason: FilterPolicy: Unrecognized match type like/,
  ),
  row("Subscribe", "a filter policy without values", filtered({ a: [] }), /FilterPolicy: Empty arrays are not allowed/),
  row(
    "Subscribe",
    "an unknown scope",
    filtered({ a: [1] }, { FilterPolicyScope: "Everything" }),
    `${reason}FilterPolicyScope: Invalid value [Everything]. Please use either MessageBody or MessageAttributes`,
  ),
  row(
    "Subscribe",
    "a dead-letter queue that is none",
    subscribed("sms", "+15550001111", { RedrivePolicy: '{"deadLetterTargetArn":"q"}' }),
    `${reason}RedrivePolicy: deadLetterTargetArn is an invalid arn`,
  ),
  row(
    "Subscribe",
    "a dead-letter queue elsewhere",
    subscribed("sms", "+15550001111", {
      RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111111111111:q"}',
    }),
    /must be in same account and region/,
  ),
  row(
    "Subscribe",
    "101 retries",
    delivered({ numRetries: 101 }),
    `${reason}DeliveryPolicy: healthyRetryPolicy.numRetries must be between 0 and 100`,
  ),
  row(
    "Subscribe",
    "phases of more retries than there are",
    delivered({ numRetries: 1, numNoDelayRetries: 2 }),
    /must be at least the sum/,
  ),
  row(
    "Subscribe",
    "a greatest delay below the least",
    delivered({ minDelayTarget: 9, maxDelayTarget: 8 }),
    /maxDelayTarget must be greater/,
  ),
  row(
    "Subscribe",
    "delays of over an hour",
    delivered({ minDelayTarget: 600, maxDelayTarget: 600, numRetries: 10 }),
    /must not exceed 3600 seconds$/,
  ),
  row(
    "Subscribe",
    "an unknown backoff function",
    delivered({ backoffFunction: "random" }),
    /backoffFunction must be one of/,
  ),
  row(
    "Subscribe",
    "Firehose",
    subscribed("firehose", "arn:aws:firehose:us-east-1:0:s"),
    "Mikan does not implement the protocol firehose of SNS yet.",
    "NotImplemented",
  ),
  row(
    "Subscribe",
    "a platform endpoint",
    subscribed("application", "arn:aws:sns:us-east-1:0:endpoint/a"),
    /^Mikan does not implement the protocol application/,
    "NotImplemented",
  ),
  row(
    "SetSubscriptionAttributes",
    "a filter policy that is no JSON",
    ({ subscription }) => ({ SubscriptionArn: subscription, AttributeName: "FilterPolicy", AttributeValue: "[" }),
    "Invalid parameter: FilterPolicy: failed to parse JSON.",
  ),
  row(
    "GetSubscriptionAttributes",
    "an unknown subscription",
    ({ topic }) => ({ SubscriptionArn: `${topic}:${"0".repeat(8)}-0000-4000-8000-${"0".repeat(12)}` }),
    "Subscription does not exist",
    "NotFoundException",
  ),
  row(
    "GetSubscriptionAttributes",
    "the ARN of a topic",
    ({ topic }) => ({ SubscriptionArn: topic }),
    "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 7 elements, not 6",
  ),
  row(
    "ConfirmSubscription",
    "a token that is none",
    ({ topic }) => ({ TopicArn: topic, Token: "x" }),
    "Invalid parameter: Token",
  ),
];

const published =
  (Message: string, rest: object = {}) =>
  ({ topic }: Names) => ({ TopicArn: topic, Message, ...rest });
const inOrder =
  (rest: object) =>
  ({ fifo }: Names) => ({ TopicArn: fifo, Message: "m", ...rest });
const attribute = (name: string, given: object) => published("m", { MessageAttributes: { [name]: given } });
const text = (StringValue: string) => ({ DataType: "String", StringValue });

const ofMessages: readonly Refusal[] = [
  row(
    "Publish",
    "no target",
    () => ({ Message: "m" }),
    "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
  ),
  row(
    "Publish",
    "an unknown topic",
    ({ topic }) => ({ TopicArn: `${topic}x`, Message: "m" }),
    "Topic does not exist",
    "NotFoundException",
  ),
  row("Publish", "no message", published(""), "Invalid parameter: Empty message"),
  row("Publish", "262,145 bytes", published("m".repeat(262_145)), "Invalid parameter: Message too long"),
  row(
    "Publish",
    "262,144 bytes and an attribute",
    published("m".repeat(262_144), { MessageAttributes: { a: text("b") } }),
    "Invalid parameter: Message too long",
  ),
  row(
    "Publish",
    "a subject of 101 characters",
    published("m", { Subject: "s".repeat(101) }),
    "Invalid parameter: Subject",
  ),
  row("Publish", "a subject of two lines", published("m", { Subject: "a\nb" }), "Invalid parameter: Subject"),
  row("Publish", "an empty subject", published("m", { Subject: "" }), "Invalid parameter: Subject"),
  row(
    "Publish",
    "a structure that is no JSON",
    published("{", { MessageStructure: "json" }),
    "Invalid parameter: Message Structure - JSON message body failed to parse",
  ),
  row(
    "Publish",
    "a structure without default",
    published('{"sqs":"m"}', { MessageStructure: "json" }),
    "Invalid parameter: Message Structure - No default entry in JSON message body",
  ),
  row(
    "Publish",
    "another structure",
    published("m", { MessageStructure: "xml" }),
    "Invalid parameter: MessageStructure",
  ),
  row(
    "Publish",
    "no number",
    () => ({ PhoneNumber: "1", Message: "m" }),
    "Invalid parameter: PhoneNumber Reason: 1 is not valid to publish to",
  ),
  row(
    "Publish",
    "two targets",
    ({ topic }) => ({ TopicArn: topic, PhoneNumber: "+15550001111", Message: "m" }),
    /^Invalid parameter: /,
  ),
  row(
    "Publish",
    "an attribute of an unknown type",
    attribute("a", { DataType: "Text", StringValue: "b" }),
    /has an invalid message attribute type/,
    valueInvalid,
  ),
  row(
    "Publish",
    "an attribute without a value",
    attribute("a", { DataType: "String", StringValue: "" }),
    /must contain non-empty message attribute value/,
    valueInvalid,
  ),
  row(
    "Publish",
    "a number that is none",
    attribute("a", { DataType: "Number", StringValue: "b" }),
    "Could not cast message attribute 'a' value to number.",
    valueInvalid,
  ),
  row(
    "Publish",
    "an array that is none",
    attribute("a", { DataType: "String.Array", StringValue: "{}" }),
    /must be a JSON array/,
    valueInvalid,
  ),
  row(
    "Publish",
    "binary in a text",
    attribute("a", { DataType: "Binary", StringValue: "b" }),
    /must use field 'Binary'/,
    valueInvalid,
  ),
  row("Publish", "a reserved attribute", attribute("AWS.a", text("b")), /reserved for internal use/, valueInvalid),
  row(
    "Publish",
    "an attribute with a blank",
    attribute("a b", text("b")),
    /^Invalid non-alphanumeric character/,
    valueInvalid,
  ),
  row(
    "Publish",
    "a FIFO topic without a group",
    inOrder({}),
    "Invalid parameter: The MessageGroupId parameter is required for FIFO topics",
  ),
  row(
    "Publish",
    "a FIFO topic without a deduplication id",
    inOrder({ MessageGroupId: "g" }),
    "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  ),
  row(
    "Publish",
    "a group of 129 characters",
    inOrder({ MessageGroupId: "g".repeat(129) }),
    /^Invalid parameter: MessageGroupId Reason: /,
  ),
  row(
    "Publish",
    "a deduplication id for a standard topic",
    published("m", { MessageDeduplicationId: "d" }),
    "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
  ),
  row(
    "PublishBatch",
    "no entries",
    ({ topic }) => ({ TopicArn: topic, PublishBatchRequestEntries: [] }),
    "The batch request doesn't contain any entries.",
    "EmptyBatchRequestException",
  ),
  row(
    "PublishBatch",
    "11 entries",
    ({ topic }) => ({ TopicArn: topic, PublishBatchRequestEntries: entries(11) }),
    "The batch request contains more entries than permissible.",
    "TooManyEntriesInBatchRequestException",
  ),
  row(
    "PublishBatch",
    "an id twice",
    ({ topic }) => ({ TopicArn: topic, PublishBatchRequestEntries: entries(2, { Id: "a" }) }),
    "Two or more batch entries in the request have the same Id.",
    "BatchEntryIdsNotDistinctException",
  ),
  row(
    "PublishBatch",
    "an id with a blank",
    ({ topic }) => ({ TopicArn: topic, PublishBatchRequestEntries: entries(1, { Id: "a b" }) }),
    /doesn't abide by the specification/,
    "InvalidBatchEntryIdException",
  ),
  row(
    "PublishBatch",
    "over 256 KB together",
    ({ topic }) => ({ TopicArn: topic, PublishBatchRequestEntries: entries(2, { Message: "m".repeat(140_000) }) }),
    /more than the limit/,
    "BatchRequestTooLongException",
  ),
  row(
    "AddPermission",
    "an unknown action",
    ({ topic }) => ({ TopicArn: topic, Label: "l", AWSAccountId: ["111111111111"], ActionName: ["Fly"] }),
    "Invalid parameter: Policy statement action out of service scope!",
  ),
  row(
    "SetSMSAttributes",
    "an unknown attribute",
    () => ({ attributes: { Color: "red" } }),
    "Invalid parameter: Color is not a valid attribute",
  ),
];

export const refusals: readonly Refusal[] = [...ofTopics, ...ofSubscriptions, ...ofMessages];
