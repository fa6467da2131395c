/** What Secrets Manager enforces and the SDK's schemas do not carry. Source: user guide, "Quotas". */

export const valueBytesMax = 65_536;
export const versionsMax = 100;
export const stagesMax = 20;
export const tagsMax = 50;
export const policyCharactersMax = 20_480;
/** DeleteSecret, in days. */
export const recoveryDaysMin = 7;
export const recoveryDaysMax = 30;
export const listPageDefault = 100;
export const batchMax = 20;
export const passwordLengthDefault = 32;
/** RotateSecret's rules, in days. */
export const rotationDaysMax = 1_000;
export const hourMs = 3600_000;
export const dayMs = 24 * hourMs;
/** How long a stack's change of a schedule waits for the rotation that is under way. */
export const rotationWaitMsMax = 60_000;
export const rotationPollMs = 100;
