/** Every attribute of a queue, as the API reference has it under CreateQueue and SetQueueAttributes. */

export interface AttributeCase {
  name: string;
  fifo?: boolean;
  /** What GetQueueAttributes shows of a queue that was made without it; undefined: nothing. */
  unset: string | undefined;
  good: readonly string[];
  bad: readonly string[];
  /** With these beside it. */
  with?: Readonly<Record<string, string>>;
}

const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "sqs:SendMessage", Resource: "*" }],
});
const arn = "arn:aws:sqs:us-east-1:000000000000:other";

/** Source: docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
export const attributeCases: readonly AttributeCase[] = [
  { name: "DelaySeconds", unset: "0", good: ["0", "900"], bad: ["-1", "901", "x", "", "1.5"] },
  { name: "MaximumMessageSize", unset: "1048576", good: ["1024", "1048576"], bad: ["1023", "1048577", "x"] },
  { name: "MessageRetentionPeriod", unset: "345600", good: ["60", "1209600"], bad: ["59", "1209601", ""] },
  { name: "Policy", unset: undefined, good: [policy], bad: ["{", "[]", '{"Statement":[{"Effect":"Maybe"}]}'] },
  { name: "ReceiveMessageWaitTimeSeconds", unset: "0", good: ["0", "20"], bad: ["-1", "21"] },
  { name: "VisibilityTimeout", unset: "30", good: ["0", "43200"], bad: ["-1", "43201", "half a minute"] },
  {
    name: "RedrivePolicy",
    unset: undefined,
    good: [],
    bad: [
      "{}",
      "nothing",
      JSON.stringify({ deadLetterTargetArn: arn }),
      JSON.stringify({ deadLetterTargetArn: "other", maxReceiveCount: 1 }),
      JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: 0 }),
      JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: 1_001 }),
    ],
  },
  {
    name: "RedriveAllowPolicy",
    unset: undefined,
    good: [
      JSON.stringify({ redrivePermission: "allowAll" }),
      JSON.stringify({ redrivePermission: "denyAll" }),
      JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [arn] }),
    ],
    bad: [
      "{}",
      JSON.stringify({ redrivePermission: "some" }),
      JSON.stringify({ redrivePermission: "byQueue" }),
      JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: Array.from({ length: 11 }, () => arn) }),
      JSON.stringify({ redrivePermission: "denyAll", sourceQueueArns: [arn] }),
    ],
  },
  { name: "KmsMasterKeyId", unset: undefined, good: ["alias/aws/sqs"], bad: ["k".repeat(2_049)] },
  { name: "KmsDataKeyReusePeriodSeconds", unset: undefined, good: ["60", "86400"], bad: ["59", "86401"] },
  { name: "SqsManagedSseEnabled", unset: "true", good: ["true", "false"], bad: ["yes", ""] },
  { name: "ContentBasedDeduplication", fifo: true, unset: "false", good: ["true", "false"], bad: ["1"] },
  { name: "DeduplicationScope", fifo: true, unset: "queue", good: ["queue", "messageGroup"], bad: ["group"] },
  {
    name: "FifoThroughputLimit",
    fifo: true,
    unset: "perQueue",
    good: ["perQueue", "perMessageGroupId"],
    bad: ["none"],
    with: { DeduplicationScope: "messageGroup" },
  },
];
