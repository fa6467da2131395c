/** Versions of managed policies: five at most, of which one counts. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { insert } from "../../store/tables.ts";
import { awsPolicy, isAwsPolicy } from "./aws-policies.ts";
import { checkManagedPolicy } from "./documents.ts";
import { encoded, fault } from "./entities.ts";
import { versionsPerPolicyMax } from "./limits.ts";
import {
  awsVersion,
  changePolicy,
  describedVersion,
  existingPolicy,
  existingVersion,
  isVersion,
  missing,
  missingVersion,
  refuseAws,
  versionRow,
  versionsOf,
} from "./managed.ts";
import { policyVersions } from "./tables.ts";

export function policyVersionOperations({ store, clock }: Deps) {
  return {
    async CreatePolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "CreatePolicyVersion");
      checkManagedPolicy(input.PolicyDocument);
      const now = clock.now();
      return store.tx(async (tx) => {
        const policy = await existingPolicy(tx, call, input.PolicyArn);
        if ((await versionsOf(tx, policy)).length >= versionsPerPolicyMax) {
          throw fault(
            "LimitExceededException",
            `A managed policy can have up to ${versionsPerPolicyMax} versions. Before you create a new version, you must delete an existing version.`,
          );
        }
        const version = versionRow(policy, policy.last_version + 1, input.PolicyDocument, now);
        await tx.run(insert(policyVersions, version));
        const default_version = input.SetAsDefault === true ? version.version : policy.default_version;
        await changePolicy(tx, policy, { last_version: version.version, default_version, updated_ms: now });
        return { PolicyVersion: describedVersion(version, { ...policy, default_version }) };
      });
    },

    GetPolicyVersion: ({ PolicyArn: arn, VersionId: id }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) {
          const aws = awsPolicy(arn);
          if (aws === undefined || id !== awsVersion.VersionId) throw missingVersion(arn, id);
          return { PolicyVersion: { ...awsVersion, Document: encoded(aws.document) } };
        }
        const policy = await existingPolicy(tx, call, arn);
        const version = await existingVersion(tx, policy, id);
        return { PolicyVersion: { ...describedVersion(version, policy), Document: encoded(version.document) } };
      }),

    ListPolicyVersions: ({ PolicyArn: arn }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) {
          if (awsPolicy(arn) === undefined) throw missing(arn);
          return { Versions: [awsVersion], IsTruncated: false };
        }
        const policy = await existingPolicy(tx, call, arn);
        const versions = await versionsOf(tx, policy);
        return { Versions: versions.map((version) => describedVersion(version, policy)), IsTruncated: false };
      }),

    async SetDefaultPolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "SetDefaultPolicyVersion");
      const now = clock.now();
      return store.tx(async (tx) => {
        const policy = await existingPolicy(tx, call, input.PolicyArn);
        const { version } = await existingVersion(tx, policy, input.VersionId);
        await changePolicy(tx, policy, { default_version: version, updated_ms: now });
        return {};
      });
    },

    async DeletePolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "DeletePolicyVersion");
      return store.tx(async (tx) => {
        const policy = await existingPolicy(tx, call, input.PolicyArn);
        const { version } = await existingVersion(tx, policy, input.VersionId);
        if (version === policy.default_version) {
          throw fault("DeleteConflictException", "Cannot delete the default version of a policy.");
        }
        await tx.run(sql`delete from ${policyVersions.name} where ${isVersion(policy, version)}`);
        return {};
      });
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
