/** What EventBridge enforces and the SDK's schemas do not carry. Source: EventBridge user guide, "Quotas", and the API reference. */

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** Entries of one PutEvents together. AWS raised it from 256 KB on 2026-01-29. */
export const entriesBytesMax = 1_048_576;
/** What a Time counts for in the size of an entry. Source: user guide, "Calculating PutEvents event entry size". */
export const timeBytes = 14;
export const targetsPerRuleMax = 5;
/** Rules of one bus. AWS's default is 300, and can be raised; here it is what memory is kept for. */
export const rulesPerBusMax = 20_000;
/** Custom buses of an account in a region. AWS's default is 100, and can be raised. */
export const busesMax = 1_000;
/** Bytes of a bus's policy. */
export const policyBytesMax = 10_240;
export const tagsMax = 50;
/** Members of a page, when the caller does not say. */
export const listMax = 100;
/** Source: API reference, RetryPolicy: the default is the maximum. */
export const retriesMax = 185;
export const eventAgeSecondsMax = 86_400;
/** Waits between attempts: so that 185 of them fill a day. */
export const retryFirstMs = secondMs;
export const retryLongestMs = 10 * minuteMs;

/** Compiled sets of buses that are kept; one that was forgotten is made anew. */
export const rulebooksMax = 1_000;
/** Changes of a bus that are kept; who is further behind reads all of its rules. */
export const changesKept = 1_000;
/** Rules that are compiled in one turn of the loop: some 10 ms. */
export const rulesPerTurn = 50;
/** Rows that are read or deleted at once. */
export const chunkRows = 500;
/** How often schedules are looked at: a rule runs within the minute that AWS promises. */
export const schedulePollMs = secondMs;
/** Rules with a schedule that are run in one round. */
export const scheduleBatch = 100;

/** Archives and replays. Source: quotas; "Archiving and replaying events". */
export const activeReplaysMax = 10;
/** Events that one step of a replay takes on. */
export const replayStepEvents = 50;
export const replayPollMs = secondMs;
/** A node that dies lets its replays go after this long. */
export const replayLeaseMs = 30 * secondMs;
/** Replays that have ended are shown for 90 days. */
export const replayKeptMs = 90 * dayMs;
export const sweepMs = minuteMs;

/** Connections, and API destinations. Source: quotas; "API destinations as targets". */
export const invocationTimeoutMs = 5 * secondMs;
export const invocationsPerSecondDefault = 300;
export const connectionsMax = 3_000;
/** Of an answer, so much is read for what a dead letter says of it. */
export const answerBytesMax = 2_048;
/** Of an authorization endpoint's answer. */
export const tokenAnswerBytesMax = 64 * 1_024;
/** A token is asked for again so long before its end. */
export const tokenMarginMs = minuteMs;
/** An access token whose life nobody says is good for this long. */
export const tokenLifeMs = hourMs;
export const authorizePollMs = secondMs;
export const authorizeLeaseMs = 30 * secondMs;
