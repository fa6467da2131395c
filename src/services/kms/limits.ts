/** What KMS enforces and the SDK's schemas do not carry. Source: KMS developer guide, "Quotas", unless another is named. */

export const aliasesPerKeyMax = 50;
export const grantsPerKeyMax = 50_000;
export const tagsMax = 50;
/** PutKeyPolicy. */
export const policyBytesMax = 32 * 1024;
/** ScheduleKeyDeletion, in days. */
export const deletionDaysMin = 7;
export const deletionDaysMax = 30;
/** EnableKeyRotation, in days. */
export const rotationDaysDefault = 365;
/** RotateKeyOnDemand, for the life of a key. */
export const onDemandRotationsMax = 25;
export const pageDefault = 100;
/** ListKeyPolicies, ListGrants and ListResourceTags show so many unless told. */
export const shortPageDefault = 50;
/** Keys that stay unsealed in memory: parsing a private key costs as much as signing with it. */
export const unsealedMax = 512;
export const dayMs = 24 * 3600_000;
