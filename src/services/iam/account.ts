/** The account as a whole: what it has, and may have. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import {
  accessKeysPerUserMax,
  attachedMax,
  groupsMax,
  groupsPerUserMax,
  inlineCharactersMax,
  instanceProfilesMax,
  managedCharactersMax,
  policiesMax,
  rolesMax,
  trustCharactersMax,
  usersMax,
  versionsPerPolicyMax,
} from "./limits.ts";
import { countOf, groups, instanceProfiles, policies, policyVersions, roles, users } from "./tables.ts";

const quotas = {
  AccessKeysPerUserQuota: accessKeysPerUserMax,
  AssumeRolePolicySizeQuota: trustCharactersMax,
  AttachedPoliciesPerGroupQuota: attachedMax.group,
  AttachedPoliciesPerRoleQuota: attachedMax.role,
  AttachedPoliciesPerUserQuota: attachedMax.user,
  GroupPolicySizeQuota: inlineCharactersMax.group,
  GroupsPerUserQuota: groupsPerUserMax,
  GroupsQuota: groupsMax,
  InstanceProfilesQuota: instanceProfilesMax,
  PoliciesQuota: policiesMax,
  PolicySizeQuota: managedCharactersMax,
  RolePolicySizeQuota: inlineCharactersMax.role,
  RolesQuota: rolesMax,
  UserPolicySizeQuota: inlineCharactersMax.user,
  UsersQuota: usersMax,
  VersionsPerPolicyQuota: versionsPerPolicyMax,
};
/** What an account has none of here. */
const none = {
  AccountAccessKeysPresent: 0,
  AccountMFAEnabled: 0,
  AccountSigningCertificatesPresent: 0,
  MFADevices: 0,
  MFADevicesInUse: 0,
  Providers: 0,
  ServerCertificates: 0,
};

export function accountOperations({ store }: Deps) {
  return {
    GetAccountSummary: (_input, { account }) =>
      store.read(async (tx) => ({
        SummaryMap: {
          ...quotas,
          ...none,
          Users: await countOf(tx, users, account),
          Groups: await countOf(tx, groups, account),
          Roles: await countOf(tx, roles, account),
          InstanceProfiles: await countOf(tx, instanceProfiles, account),
          Policies: await countOf(tx, policies, account),
          PolicyVersionsInUse: await countOf(tx, policyVersions, account),
        },
      })),

    async ListAccountAliases() {
      return { AccountAliases: [], IsTruncated: false };
    },

    async ListMFADevices() {
      return { MFADevices: [], IsTruncated: false };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
