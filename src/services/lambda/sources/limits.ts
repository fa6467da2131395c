/** What AWS enforces of event source mappings and does not model. Source: API reference, CreateEventSourceMapping, where no other is named. */

export const queueBatchDefault = 10;
/** Without a batching window, and always from a FIFO queue. */
export const queueBatchUnwindowedMax = 10;
export const streamBatchDefault = 100;
/** -1 is for ever. */
export const recordAgeSecondsMin = 60;
/** Source: Lambda guide, "Control which events Lambda sends to your function". */
export const filtersMax = 5;
export const mappingTagsMax = 50;
/** ListEventSourceMappings gives this many at most. */
export const mappingsPageMax = 100;
/** Mappings of all accounts that one node takes up. */
export const mappingsMax = 10_000;

/** Of a batch as the function gets it. Source: Lambda guide, "Batching behavior". */
export const batchBytesMax = 6 * 1024 * 1024;

/** Invocations at once of a queue's mapping: at first, more each minute, and at most. Source: Lambda guide, "Scaling and concurrency with SQS". */
export const pollersAtFirst = 5;
export const pollersMorePerMinute = 300;
export const pollersMax = 1_250;
/** SQS's own: messages of one receive, entries of one batch operation, seconds of one wait. */
export const receiveMax = 10;
export const waitSecondsMax = 20;
/** Times that a batch of deletions is tried. What could not be deleted comes back. */
export const deletionsMax = 3;
/** Waits after a throttle or an error of the source: from the first to the second, doubling. */
export const backoffMsMin = 500;
export const backoffMsMax = 30_000;
/** How long the end of a node waits for what is under way; it comes again later. */
export const stopMsMax = 2_000;

/** Streams are asked so often when they had nothing. Source: Lambda guide, "Polling and batching streams". */
export const streamPollMs: Readonly<Record<"kinesis" | "dynamodb", number>> = { kinesis: 1_000, dynamodb: 250 };
/** Records of one read. Source: API references of Kinesis and DynamoDB Streams, GetRecords. */
export const readMax: Readonly<Record<"kinesis" | "dynamodb", number>> = { kinesis: 10_000, dynamodb: 1_000 };
/** Shards of a stream are listed again after this, and when one of them has ended. */
export const shardsEveryMs = 30_000;
/** Shards of one mapping that are read at once. */
export const shardsMax = 1_000;
/** What a window hands from one invocation to the next, as JSON. Source: Lambda guide, "Tumbling windows". */
export const windowStateBytesMax = 1024 * 1024;
/** Waits between attempts at a batch of a stream: from the first to the second, doubling. */
export const batchRetryMsMin = 1_000;
export const batchRetryMsMax = 60_000;
