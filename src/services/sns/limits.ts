/** What SNS enforces and the SDK's schemas do not carry. Source: "Amazon SNS endpoints and quotas", and the API reference. */

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const dayMs = 24 * 60 * minuteMs;

/** Name of a topic, `.fifo` included. */
export const nameLengthMax = 256;
export const displayNameLengthMax = 100;
/** Topics of an account and region. */
export const topicsMax = 100_000;
export const fifoTopicsMax = 1_000;
/** Subscriptions of a FIFO topic. */
export const fifoSubscriptionsMax = 100;
/** Subscriptions of a standard topic. AWS: 12,500,000. */
export const subscriptionsMax = 100_000;
/** Subscriptions of an account that wait for their confirmation. */
export const pendingMax = 5_000;
/** A message with its attributes, and all messages of a batch together. */
export const messageBytesMax = 262_144;
export const subjectLengthMax = 100;
export const batchMax = 10;
export const batchIdLengthMax = 80;
/** MessageGroupId and MessageDeduplicationId. */
export const idLengthMax = 128;
export const attributeNameLengthMax = 256;
export const tagsMax = 50;
export const tagKeyLengthMax = 128;
export const tagValueLengthMax = 256;
/** A page of ListTopics, ListSubscriptions and ListSubscriptionsByTopic. */
export const pageRows = 100;
/** A publish with the same MessageDeduplicationId is the same publish for this long. */
export const deduplicationMs = 5 * minuteMs;
/** Source: API reference, Subscribe: "confirmation tokens are valid for two days"; the developer guide says three. */
export const tokenMs = 3 * dayMs;
/** Filter policies. Source: developer guide, "Filter policy constraints". */
export const filterKeysMax = 5;
export const filterCombinationsMax = 150;
export const filterBytesMax = 262_144;
/** Filter policies of a topic. */
export const filtersPerTopicMax = 200;
/** Label and principals of AddPermission. */
export const labelLengthMax = 80;
/** SQS takes this many attributes of a message; raw delivery of more fails. */
export const rawAttributesMax = 10;
/** How long an HTTP endpoint may take to answer. Source: developer guide, "Message delivery retries". */
export const httpTimeoutMs = 15 * secondMs;
/** What is read of an endpoint's answer, for the log of deliveries. */
export const httpAnswerBytesMax = 4_096;
/** Source: developer guide, "Creating an HTTP/S delivery policy": the largest delay, and all delays together. */
export const retryDelaySecondsMax = 3_600;
export const retriesMax = 100;
/** How long a message waits for its endpoint at most. Source: developer guide, "Message delivery retries": 23 days. */
export const deliveryMsMax = 23 * dayMs;

/**
 * Subscriptions that are served with the publish itself; more are in steps of so many, by a job. Each takes up to 0.1 ms
 * of the event loop, which nothing may hold for 10 ms. A FIFO topic, which has few, serves all at once.
 */
export const fanoutRows = 50;
/** Bytes that one transaction writes for a publish to its subscriptions; more are in steps too. */
export const fanoutBytes = 4 * 1024 * 1024;
/** Publishes of a topic that wait for such steps. */
export const fanoutsWaitingMax = 10_000;
export const fanoutPollMs = secondMs;
/** How long what is known of a topic may be behind a change that another node has made. */
export const topicCacheMs = secondMs;
export const topicCacheMax = 2_000;
/** Signatures that are kept for the other subscriptions of their message. */
export const signaturesMax = 1_000;
/** Rows that are deleted at once. */
export const chunkRows = 500;
export const sweepMs = minuteMs;
/** Emails and texts that the outbox keeps for an account and region: the newest. */
export const outboxRows = 1_000;
