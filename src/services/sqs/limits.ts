/** What SQS enforces and the SDK's schemas do not carry. Source: developer guide, "Amazon SQS quotas", and the API reference. */

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;

/** QueueName, `.fifo` included. */
export const nameLengthMax = 80;
/** A message's body with its attributes, and all messages of a batch together. */
export const messageBytesMax = 1_048_576;
/** MaximumMessageSize, in bytes. */
export const maximumMessageSizeMin = 1_024;
export const attributesMax = 10;
export const attributeNameLengthMax = 256;
export const attributeTypeLengthMax = 256;
export const batchMax = 10;
export const batchIdLengthMax = 80;
/** MessageGroupId and MessageDeduplicationId. */
export const idLengthMax = 128;
export const receiveMax = 10;
export const waitSecondsMax = 20;
export const visibilitySecondsMax = 43_200;
export const delaySecondsMax = 900;
/** MessageRetentionPeriod, in seconds. */
export const retentionSecondsMin = 60;
export const retentionSecondsMax = 1_209_600;
/** KmsDataKeyReusePeriodSeconds. */
export const keyReuseSecondsMin = 60;
export const keyReuseSecondsMax = 86_400;
/** maxReceiveCount of a redrive policy. */
export const receiveCountMax = 1_000;
/** Source queues that a redrive allow policy may name. */
export const sourceQueuesMax = 10;
export const tagsMax = 50;
export const tagKeyLengthMax = 128;
export const tagValueLengthMax = 256;
/** Messages of a queue that are received and not deleted: both kinds of queue. */
export const inFlightMax = 120_000;
/** A send with the same MessageDeduplicationId is the same send for this long. */
export const deduplicationMs = 5 * minuteMs;
/** A receive with the same ReceiveRequestAttemptId is the same receive for this long. */
export const receiveAttemptMs = 5 * minuteMs;
/** A name can be taken again this long after DeleteQueue, and a queue be purged again this long after PurgeQueue. */
export const queueDeletedMs = minuteMs;
export const purgeMs = minuteMs;
/** ListQueues and ListDeadLetterSourceQueues. */
export const listMax = 1_000;
/** Label and principals of AddPermission. Source: API reference, AddPermission: 7 actions; quotas: 20 statements, 50 principals. */
export const labelLengthMax = 80;
export const permissionActionsMax = 7;
export const policyStatementsMax = 20;
export const policyPrincipalsMax = 50;

/** Receives of this node that wait for a message, below those that run at once: one that finds some must always have a place. */
export const waitersMax = 1_536;
/** How long what is known of a queue may be behind a change that another node has made. AWS: up to 60 s. */
export const queueCacheMs = secondMs;
export const queueCacheMax = 20_000;
/** A wait looks again this often for what another node was sent. */
export const waitPollMs = secondMs;
/** A longer body is kept beside its message, so that a receive does not write it again. */
export const inlineCharactersMax = 2_048;
/** The number of messages in flight is counted this often at most. */
export const flightCountMs = secondMs;
/** Claims that one receive makes when what it met was expired or dead: 10 messages each. */
export const receiveRoundsMax = 20;
/** Rows that are counted or deleted at once. */
export const chunkRows = 500;
/** Rows that one step of counting reads. */
export const countStepRows = 1_000;
/** The share of its time that a node counts one queue at most: a count of 100 ms holds for a second. */
export const countShareMax = 0.1;
export const countCacheMax = 1_000;
/** How often what has expired is deleted; a receive does not give it from its very millisecond on. */
export const sweepMs = minuteMs;
/** A deleted queue's record stays a little longer than its name is taken. */
export const deletedKeptMs = queueDeletedMs + 30 * secondMs;
/** StartMessageMoveTask: messages a second; without a rate, AWS's own maximum. */
export const moveRateMax = 500;
export const movePollMs = secondMs;
/** A node that dies lets its move tasks go after this long. */
export const moveLeaseMs = 10 * secondMs;
/** Messages of one transaction of a move. */
export const moveStepMessages = 50;
/** Active move tasks of an account. Source: API reference, StartMessageMoveTask. */
export const activeMovesMax = 100;
/** ListMessageMoveTasks, and the tasks of a queue that are remembered. */
export const moveListMax = 10;
/** Fair queues: a group that has this share of the last so many messages is noisy. */
export const fairRecent = 20;
export const fairShare = 0.7;
/** One receive in so many takes the queue's own order all the same. */
export const fairTurn = 4;
/** Groups that one receive looks at for a message of another tenant. */
export const fairHopsMax = 16;
