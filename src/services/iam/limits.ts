/** IAM's quotas, as an account has them that asked for nothing. Source: IAM guide, "IAM and AWS STS quotas". */

export const usersMax = 5_000;
export const groupsMax = 300;
export const rolesMax = 1_000;
export const policiesMax = 1_500;
export const instanceProfilesMax = 1_000;
export const serverCertificatesMax = 20;
export const versionsPerPolicyMax = 5;
export const groupsPerUserMax = 10;
export const accessKeysPerUserMax = 2;
export const tagsMax = 50;
/** Roles may have 20 on request; Mikan gives it to them unasked. */
export const attachedMax = { user: 10, group: 10, role: 20 } as const;

/** Characters of policies, without white space. Inline: of all that an entity has. */
export const inlineCharactersMax = { user: 2_048, group: 5_120, role: 10_240 } as const;
export const managedCharactersMax = 6_144;
/** The default of trust policies is 2,048; 4,096 on request, as above. */
export const trustCharactersMax = 4_096;

export const sessionSecondsDefault = 3_600;
export const pageSizeDefault = 100;
