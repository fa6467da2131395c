/** Managed policies as they are kept and shown: the account's own, and AWS's. */
import { globalRegion, type Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { ownPolicy } from "./attachments.ts";
import { awsPolicyMs, awsPolicyVersion, isAwsPolicy, type AwsPolicy } from "./aws-policies.ts";
import { checkManagedPolicy } from "./documents.ts";
import { admitName, arnOf, entitiesOf, fault, mergeTags } from "./entities.ts";
import { policiesMax } from "./limits.ts";
import { findNamed, isRow, policies, policyVersions, type Policy, type PolicyVersion, type Tag } from "./tables.ts";

export const missing = (arn: string) =>
  fault("NoSuchEntityException", `Policy ${arn} does not exist or is not attachable.`);
export const missingVersion = (arn: string, id: string) =>
  fault("NoSuchEntityException", `Policy ${arn} version ${id} does not exist or is not attachable.`);

export const policyArn = (policy: Policy) => arnOf("policy", policy);

export function describedPolicy(policy: Policy) {
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: policyArn(policy),
    Path: policy.path,
    DefaultVersionId: `v${policy.default_version}`,
    AttachmentCount: policy.attachments,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    CreateDate: new Date(policy.created_ms),
    UpdateDate: new Date(policy.updated_ms),
  };
}

export function describedAws({ arn, name, path }: AwsPolicy, attachments: number) {
  return {
    PolicyName: name,
    PolicyId: `ANPA${Buffer.from(name).toString("hex").toUpperCase().padEnd(17, "0").slice(0, 17)}`,
    Arn: arn,
    Path: path,
    DefaultVersionId: `v${awsPolicyVersion}`,
    AttachmentCount: attachments,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    CreateDate: new Date(awsPolicyMs),
    UpdateDate: new Date(awsPolicyMs),
  };
}

export const describedVersion = (version: PolicyVersion, policy: Policy) => ({
  VersionId: `v${version.version}`,
  IsDefaultVersion: version.version === policy.default_version,
  CreateDate: new Date(version.created_ms),
});

export const awsVersion = {
  VersionId: `v${awsPolicyVersion}`,
  IsDefaultVersion: true,
  CreateDate: new Date(awsPolicyMs),
};

export async function existingPolicy(tx: ReadTx, call: Call, arn: string): Promise<Policy> {
  const policy = await ownPolicy(tx, call.account, arn);
  if (policy === undefined) throw missing(arn);
  return policy;
}

export const isVersion = (policy: Policy, version: number) =>
  sql`account = ${policy.account} and region = ${policy.region} and policy_name = ${policy.name} and version = ${version}`;

export async function existingVersion(tx: ReadTx, policy: Policy, id: string): Promise<PolicyVersion> {
  const number = Number(/^v(\d{1,9})/.exec(id)?.[1] ?? 0);
  const found = await tx.one<PolicyVersion>(sql`select ${policyVersions.columns} from ${policyVersions.name}
    where ${isVersion(policy, number)}`);
  if (found === undefined) throw missingVersion(policyArn(policy), id);
  return found;
}

export const versionsOf = (tx: ReadTx, policy: Policy) =>
  tx.all<PolicyVersion>(sql`select ${policyVersions.columns} from ${policyVersions.name}
    where account = ${policy.account} and region = ${policy.region} and policy_name = ${policy.name}
    order by version desc`);

/** How often each of AWS's policies is attached in an account. */
export async function awsAttachments(tx: ReadTx, account: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const kind of ["user", "group", "role"] as const) {
    for (const { attached } of await entitiesOf(tx, kind, account)) {
      for (const arn of attached) if (isAwsPolicy(arn)) counts.set(arn, (counts.get(arn) ?? 0) + 1);
    }
  }
  return counts;
}

export interface NewPolicy {
  name: string;
  document: string;
  path?: string | undefined;
  description?: string | undefined;
  tags?: readonly Tag[];
  token?: string;
}

/** Creates a managed policy; a second call with the same token gives the policy that the first one made. */
export function policyCreation({ store, ids, clock }: Deps) {
  return async (input: NewPolicy, call: Call): Promise<Policy> => {
    checkManagedPolicy(input.document);
    const now = clock.now();
    const row: Policy = {
      account: call.account,
      region: globalRegion,
      name: input.name,
      id: `ANPA${ids.suffix(17)}`,
      path: input.path ?? "/",
      description: input.description ?? null,
      created_ms: now,
      updated_ms: now,
      default_version: 1,
      last_version: 1,
      attachments: 0,
      tags: mergeTags("Policy", [], input.tags ?? []),
      token: input.token ?? null,
    };
    return store.tx(async (tx) => {
      const present = await findNamed(tx, policies, call.account, input.name);
      if (present !== undefined && present.token !== null && present.token === row.token) return present;
      if (present !== undefined) {
        throw fault(
          "EntityAlreadyExistsException",
          `A policy called ${input.name} already exists. Duplicate names are not allowed.`,
        );
      }
      const { account, name } = row;
      await admitName(tx, policies, { title: "Policy", quota: "PoliciesPerAccount", max: policiesMax, account, name });
      await tx.run(insert(policies, row));
      await tx.run(insert(policyVersions, versionRow(row, 1, input.document, now)));
      return row;
    });
  };
}

export function versionRow(policy: Policy, version: number, document: string, now: number): PolicyVersion {
  const { account, region, name } = policy;
  return { account, region, policy_name: name, version, document, created_ms: now };
}

export async function removePolicy(tx: Tx, policy: Policy): Promise<void> {
  await tx.run(sql`delete from ${policyVersions.name}
    where account = ${policy.account} and region = ${policy.region} and policy_name = ${policy.name}`);
  await tx.run(sql`delete from ${policies.name} where ${isRow(policy)}`);
}

export const changePolicy = (tx: Tx, policy: Policy, changes: Partial<Policy>) =>
  tx.run(sql`update ${policies.name} set ${assign(policies, changes)} where ${isRow(policy)}`);

/** AWS's policies are as AWS makes them. */
export function refuseAws(arn: string, operation: string): void {
  if (!isAwsPolicy(arn)) return;
  throw fault("AccessDenied", `${operation} is not allowed on ${arn}: AWS manages it.`);
}
