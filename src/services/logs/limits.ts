/** What CloudWatch Logs enforces and the SDK's schemas do not carry. Source: API reference, PutLogEvents, where no other is named. */

/** Each event of a batch counts this much more than its message. */
export const eventOverheadBytes = 26;
export const batchBytesMax = 1_048_576;
/** 256 KB until 2025. */
export const eventBytesMax = 1_048_576;
export const batchSpanMsMax = 24 * 3600_000;
export const eventAgeMsMax = 14 * 24 * 3600_000;
export const eventFutureMsMax = 2 * 3600_000;

/** One answer of GetLogEvents or FilterLogEvents. */
export const pageEventsMax = 10_000;
export const pageBytesMax = 1_048_576;
/** DescribeLogGroups and DescribeLogStreams. */
export const describePageMax = 50;
export const tagsMax = 50;

/** Source: API reference, PutRetentionPolicy. */
export const retentionDays: readonly number[] = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
