/** Every bound of compute, with its reason. Source of AWS's figures: Lambda guide, "Lambda quotas". */

/** Longest answer of a synchronous invocation: 6 MB, as AWS counts it in its error message. */
export const responseBytesMax = 6_291_556;
/** Longest answer that is streamed: 200 MB. Source: Lambda guide, "Response streaming for Lambda functions". */
export const streamedBytesMax = 200 * 1024 * 1024;
/** Extensions of an environment. Source: Lambda guide, "Lambda quotas" (layers and extensions). */
export const extensionsMax = 10;
/** A registration, a subscription, or an error of an extension. */
export const extensionBodyBytesMax = 64 * 1024;
/** Extensions have this long after they were told of the shutdown. Source: Lambda guide, "Shutdown phase". */
export const shutdownMs = 2_000;
/** What a frame may hold besides the payload: ids, ARN, trace, client context (3,583 bytes on AWS). */
export const frameMetaBytesMax = 64 * 1024;
/** A function must be ready this long after its start; then it gets one more try. */
export const initMsMax = 10_000;
/**
 * A provisioned environment has the function's timeout, and at least this. Source: Lambda guide, "Understanding the
 * Lambda execution environment lifecycle".
 */
export const provisionedInitMsMin = 130_000;
/** After a provisioned environment failed to start, the next one waits this long, then twice as long, up to the last. */
export const provisionedRetryMsMin = 1_000;
export const provisionedRetryMsMax = 60_000;
/** Of all environments, those that may be provisioned: AWS, too, keeps a part of the account's concurrency for others. */
export const provisionedShareMax = 0.9;
/** An environment that nobody used for this long is ended. */
export const idleMs = 300_000;
/** Invocations that wait for an environment, over all functions. Lambda's concurrency keeps it far below. */
export const pendingMax = 10_000;
/** An invocation that got no environment for this long is answered {@link ComputeFull}. */
export const pendingMsMax = 60_000;
/** The same behind an invocation that is held in a debugger: Lambda's longest. */
export const debugPendingMsMax = 900_000;
/**
 * While environments of a function live, a new one is started only for an invocation that has waited this long: a warm
 * one is free again within a fraction of it when the function is quick, and a start costs ten times as much.
 */
export const startPatienceMs = 5;
/** One log event; CloudWatch Logs takes 256 KiB less its overhead of 26 bytes. */
export const logLineLengthMax = 262_118;
/** What one environment may log a second; the rest is dropped, and a line says how much. */
export const logBytesPerSecondMax = 4 * 1024 * 1024;
/** AWS returns the last 4 KB of an invocation's log. */
export const logTailBytesMax = 4096;
/** How often the memory of a busy environment is looked at. */
export const memorySampleMs = 50;
/** Environments looked at in one round, so that a round stays under a millisecond; the others wait for the next. */
export const memorySamplesMax = 32;
/** Processes and threads of one environment. Source: Lambda guide, "Lambda quotas". */
export const processesMax = 1_024;
/** Files that one of its processes may have open, as AWS has it. */
export const filesMax = 1_024;
/** An environment that is free for this long is frozen: one that is busy again at once never pays for it. */
export const freezeMs = 100;
/** How often those are looked for. */
export const freezeSweepMs = 50;
/** How often the `/tmp` of a busy environment is looked at. */
export const storageSampleMs = 1_000;
/** Its entries that are counted; more are no sign of much data. */
export const storageEntriesMax = 20_000;
/** `EphemeralStorage` of a function that names none. Source: Lambda guide, "Lambda quotas". */
export const storageMiBDefault = 512;
/** Processes of one environment that are counted. */
export const memoryProcessesMax = 64;
/** After SIGKILL an environment's output is read to its end, but no longer than this. */
export const drainMsMax = 500;
/** `close` waits this long for busy environments unless told otherwise. */
export const closeGraceMs = 5_000;
/** What was killed must be gone this long after; a process in an uninterruptible call may take a while. */
export const killMsMax = 5_000;
/** How often idle environments and overdue invocations are looked for. */
export const tidyMs = 1_000;
/** Survivors of a dead node must be gone this long after SIGKILL. */
export const survivorsMsMax = 5_000;
/** Requests to a container engine at once. */
export const engineConnectionsMax = 16;
/** An engine answers within this; making a container from a large image takes it a while on a busy machine. */
export const engineMsMax = 30_000;
/** An answer of a container engine, or a line of it. */
export const engineAnswerBytesMax = 4 * 1024 * 1024;
/** Time to fetch an image. */
export const pullMsMax = 15 * 60_000;
/** Attempts at ending a container, with ever longer waits between them. */
export const engineRemovalsMax = 5;
