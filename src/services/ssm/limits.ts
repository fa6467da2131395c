/** What Parameter Store enforces and the SDK's schemas do not carry. Source: user guide, "Quotas" of Parameter Store. */

export const standardCharactersMax = 4_096;
export const advancedCharactersMax = 8_192;
export const nameCharactersMax = 1_011;
export const levelsMax = 15;
/** Of one parameter; the oldest goes when another is made. */
export const versionsMax = 100;
export const labelsMax = 10;
export const labelCharactersMax = 100;
export const tagsMax = 50;
/** By tier, in an account and region. */
export const standardParametersMax = 10_000;
export const advancedParametersMax = 100_000;
export const describePageMax = 50;
export const pathPageMax = 10;
export const historyPageMax = 50;
/** The longest plaintext that KMS takes itself; longer ones go under a data key. */
export const kmsPlaintextBytesMax = 4_096;
/** A pattern is the caller's own regular expression: one that backtracks for ever ends here. */
export const patternMsMax = 20;
