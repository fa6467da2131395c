/** What Scheduler enforces and the SDK's schemas do not carry. Source: API reference and user guide, "Quotas". */

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;

/** "All schedule types invoke their targets with 60 second precision": what is later was missed. Source: user guide, "Schedule types". */
export const precisionMs = minuteMs;
/** A StartDate may lie this far back. Source: API reference, CreateSchedule. */
export const startPastMsMax = 5 * minuteMs;
/** RetryPolicy when the target has none, or leaves a member out. Source: API reference, RetryPolicy. */
export const retryAttemptsDefault = 185;
export const eventAgeSecondsDefault = 86_400;
/** Waits between attempts; AWS says "exponential backoff" and gives no figures. */
export const retryFirstMs = secondMs;
export const retryLastMs = 10 * minuteMs;
/** ListSchedules and ListScheduleGroups. */
export const pageMax = 100;
/** Groups of an account in a region. Source: user guide, "Quotas". */
export const groupsMax = 500;
export const tagsMax = 200;
/** Characters of an error in a dead letter's attribute. */
export const errorCharactersMax = 1_024;

/** Occurrences that a node takes up at once; each has a transaction of its own, and those of SQLite share a commit. */
export const firingAtOnce = 64;
/** How often a node looks for schedules that were made since. */
export const firingPollMs = secondMs;
/** A schedule whose lane is full is looked at again after this. */
export const crowdedMs = 10 * secondMs;
/** Schedules of a deleted group that go in one transaction. */
export const chunkRows = 500;
export const groupPollMs = secondMs;
