/** What several operations refuse alike. Sources: as in refusals.suite.ts. */
import type { Refusal } from "./refusals.suite.ts";

const handle = { ReceiptHandle: "x" };
const handleEntry = (Id: string) => ({ Id, ...handle, VisibilityTimeout: 1 });

/** Every operation on a queue, each with what it needs besides. */
const onQueues: readonly (readonly [operation: string, rest: object])[] = [
  ["AddPermission", { Label: "a", AWSAccountIds: ["123456789012"], Actions: ["SendMessage"] }],
  ["ChangeMessageVisibility", { ...handle, VisibilityTimeout: 1 }],
  ["ChangeMessageVisibilityBatch", { Entries: [handleEntry("a")] }],
  ["DeleteMessage", handle],
  ["DeleteMessageBatch", { Entries: [{ Id: "a", ...handle }] }],
  ["DeleteQueue", {}],
  ["GetQueueAttributes", {}],
  ["ListDeadLetterSourceQueues", {}],
  ["ListQueueTags", {}],
  ["PurgeQueue", {}],
  ["ReceiveMessage", {}],
  ["RemovePermission", { Label: "a" }],
  ["SendMessage", { MessageBody: "b" }],
  ["SendMessageBatch", { Entries: [{ Id: "a", MessageBody: "b" }] }],
  ["SetQueueAttributes", { Attributes: { DelaySeconds: "1" } }],
  ["TagQueue", { Tags: { a: "b" } }],
  ["UntagQueue", { TagKeys: ["a"] }],
];
const ofUnknownQueues = onQueues.map(([operation, rest]): Refusal => ({
  operation,
  what: "a queue that is none",
  input: ({ url }) => ({ ...rest, QueueUrl: `${url}-none` }),
  code: "QueueDoesNotExist",
  message: "The specified queue does not exist.",
}));

/** The rules of a batch as a whole, for those that name messages by their handles. */
const ofHandleBatches = ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"].flatMap((operation): Refusal[] => [
  {
    operation,
    what: "11 entries",
    input: () => ({ Entries: Array.from({ length: 11 }, (_, i) => handleEntry(String(i))) }),
    code: "TooManyEntriesInBatchRequest",
    message: "Maximum number of entries per request are 10. You have sent 11.",
  },
  {
    operation,
    what: "an id twice",
    input: () => ({ Entries: [handleEntry("a"), handleEntry("a")] }),
    code: "BatchEntryIdsNotDistinct",
    message: "Id a repeated.",
  },
  {
    operation,
    what: "an id with a dot",
    input: () => ({ Entries: [handleEntry("a.b")] }),
    code: "InvalidBatchEntryId",
    message: /^A batch entry id can only contain alphanumeric characters/,
  },
]);

export const alike: readonly Refusal[] = [...ofUnknownQueues, ...ofHandleBatches];
