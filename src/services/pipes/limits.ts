/** What Pipes enforces and the SDK's schemas do not carry. Source: EventBridge guide, "EventBridge Pipes", where no other is named. */

export const secondMs = 1_000;

/** BatchSize when it is left out, and of a FIFO queue at most. */
export const batchSizeDefault = 10;
export const fifoBatchSizeMax = 10;
/** Filters of a pipe. Source: guide, "Pipes quotas". */
export const filtersMax = 5;
/** ListPipes. */
export const pageMax = 100;
/** Pipes of an account in a region. Source: guide, "Pipes quotas". */
export const pipesMax = 1_000;

/** What SQS gives with one receive, waits for with one, and takes with one batch. */
export const receiveMax = 10;
export const waitSecondsMax = 20;
export const entriesMax = 10;
/** Bytes of a batch: Lambda's synchronous payload, less its frame. */
export const batchBytesMax = 6_291_456 - 4_096;
/** Batches of a pipe under way at once on one node. Source: guide, "Pipes throughput and latency": a poller begins with five. */
export const batchesMax = 5;
/** Waits after failed polls: doubling. */
export const pollFirstMs = secondMs;
export const pollLastMs = 60 * secondMs;
/** Attempts at deleting what is done; what still fails comes again. */
export const deletionsMax = 3;

/** A node that dies lets its pipes go after this long. */
export const leaseMs = 30 * secondMs;
/** How often a node looks for pipes that were made, changed or let go. */
export const lookMs = secondMs;
/** Bytes of one line of a pipe's log. Source: guide, "Logging Pipes performance", Truncating data. */
export const logLineCharactersMax = 200_000;
/** Lines of a pipe's log that wait to be written; more are dropped, and counted. */
export const logLinesMax = 1_000;

/** Of what an API destination answers, as the events of an enrichment. */
export const destinationAnswerBytesMax = 1024 * 1024;
