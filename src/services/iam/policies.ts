/** Managed policies and their versions: the account's own, and AWS's. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { globalRegion } from "../../kit/call.ts";
import { ownPolicy } from "./attachments.ts";
import { awsPolicies, awsPolicy, awsPolicyMs, awsPolicyVersion, isAwsPolicy, type AwsPolicy } from "./aws-policies.ts";
import { checkManagedPolicy } from "./documents.ts";
import { admitName, arnOf, encoded, entitiesOf, fault, mergeTags, pageByName, type PageInput } from "./entities.ts";
import { policiesMax, versionsPerPolicyMax } from "./limits.ts";
import {
  findNamed,
  isRow,
  namedAfter,
  policies,
  policyVersions,
  type Policy,
  type PolicyVersion,
  type Tag,
} from "./tables.ts";

const missing = (arn: string) => fault("NoSuchEntityException", `Policy ${arn} does not exist or is not attachable.`);
const missingVersion = (arn: string, id: string) =>
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

async function existing(tx: ReadTx, call: Call, arn: string): Promise<Policy> {
  const policy = await ownPolicy(tx, call.account, arn);
  if (policy === undefined) throw missing(arn);
  return policy;
}

const isVersion = (policy: Policy, version: number) =>
  sql`account = ${policy.account} and region = ${policy.region} and policy_name = ${policy.name} and version = ${version}`;

async function existingVersion(tx: ReadTx, policy: Policy, id: string): Promise<PolicyVersion> {
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

/** What kinds of entities a policy is on, and which. */
async function holdersOf(tx: ReadTx, call: Call, arn: string) {
  const holders: { kind: "user" | "group" | "role"; name: string; id: string; path: string }[] = [];
  for (const kind of ["user", "group", "role"] as const) {
    for (const { name, id, path, attached } of await entitiesOf(tx, kind, call.account)) {
      if (attached.includes(arn)) holders.push({ kind, name, id, path });
    }
  }
  return holders;
}

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

const change = (tx: Tx, policy: Policy, changes: Partial<Policy>) =>
  tx.run(sql`update ${policies.name} set ${assign(policies, changes)} where ${isRow(policy)}`);

function refuseAws(arn: string, operation: string): void {
  if (!isAwsPolicy(arn)) return;
  throw fault("AccessDenied", `${operation} is not allowed on ${arn}: AWS manages it.`);
}

type ListInput = PageInput & {
  Scope?: string | undefined;
  OnlyAttached?: boolean | undefined;
  PolicyUsageFilter?: string | undefined;
};

export function policyOperations(deps: Deps) {
  const { store, clock } = deps;
  const create = policyCreation(deps);

  /** AWS's policies come first, then the account's, each in order of name: the marker says how far a client is. */
  async function listed(tx: ReadTx, input: ListInput, call: Call, after: string, limit: number) {
    const { Scope: scope = "All", PathPrefix: path = "/", OnlyAttached: attached = false } = input;
    const shown: { key: string; policy: ReturnType<typeof describedPolicy> }[] = [];
    if (scope !== "Local") {
      const counts = await awsAttachments(tx, call.account);
      for (const aws of awsPolicies.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        const attachments = counts.get(aws.arn) ?? 0;
        if (aws.path.startsWith(path) && !(attached && attachments === 0)) {
          shown.push({ key: `aws/${aws.name}`, policy: describedAws(aws, attachments) });
        }
      }
    }
    if (scope !== "AWS") {
      const from = after.startsWith("own/") ? after.slice(4) : "";
      const all = await namedAfter(tx, policies, { account: call.account, path, after: from, limit: policiesMax });
      const own = all.filter(({ attachments }) => !(attached && attachments === 0));
      shown.push(...own.map((policy) => ({ key: `own/${policy.name}`, policy: describedPolicy(policy) })));
    }
    return shown.filter(({ key }) => key > after).slice(0, limit);
  }

  return {
    async CreatePolicy(input, call) {
      const {
        PolicyName: name,
        PolicyDocument: document,
        Path: path,
        Description: description,
        Tags: tags = [],
      } = input;
      const policy = await create({ name, document, path, description, tags }, call);
      return { Policy: { ...describedPolicy(policy), ...(tags.length === 0 ? {} : { Tags: policy.tags }) } };
    },

    GetPolicy: ({ PolicyArn: arn }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) {
          const aws = awsPolicy(arn);
          if (aws === undefined) throw missing(arn);
          return { Policy: describedAws(aws, (await awsAttachments(tx, call.account)).get(arn) ?? 0) };
        }
        const policy = await existing(tx, call, arn);
        const description = policy.description === null ? {} : { Description: policy.description };
        return { Policy: { ...describedPolicy(policy), ...description, Tags: policy.tags } };
      }),

    async ListPolicies(input, call) {
      if (input.PolicyUsageFilter === "PermissionsBoundary") return { Policies: [], IsTruncated: false };
      const filters = [input.Scope ?? null, input.OnlyAttached ?? null];
      const { page, paged } = await pageByName(
        { operation: "ListPolicies", filters, input, call },
        (after, limit) => store.read((tx) => listed(tx, input, call, after, limit)),
        ({ key }) => key,
      );
      return { Policies: page.map(({ policy }) => policy), ...paged };
    },

    async DeletePolicy({ PolicyArn: arn }, call) {
      refuseAws(arn, "DeletePolicy");
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, arn);
        if (policy.attachments > 0) {
          throw fault("DeleteConflictException", "Cannot delete a policy attached to entities.");
        }
        if ((await versionsOf(tx, policy)).length > 1) {
          throw fault(
            "DeleteConflictException",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
          );
        }
        await removePolicy(tx, policy);
        return {};
      });
    },

    async CreatePolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "CreatePolicyVersion");
      checkManagedPolicy(input.PolicyDocument);
      const now = clock.now();
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, input.PolicyArn);
        if ((await versionsOf(tx, policy)).length >= versionsPerPolicyMax) {
          throw fault(
            "LimitExceededException",
            `A managed policy can have up to ${versionsPerPolicyMax} versions. Before you create a new version, you must delete an existing version.`,
          );
        }
        const version = versionRow(policy, policy.last_version + 1, input.PolicyDocument, now);
        await tx.run(insert(policyVersions, version));
        const default_version = input.SetAsDefault === true ? version.version : policy.default_version;
        await change(tx, policy, { last_version: version.version, default_version, updated_ms: now });
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
        const policy = await existing(tx, call, arn);
        const version = await existingVersion(tx, policy, id);
        return { PolicyVersion: { ...describedVersion(version, policy), Document: encoded(version.document) } };
      }),

    ListPolicyVersions: ({ PolicyArn: arn }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) {
          if (awsPolicy(arn) === undefined) throw missing(arn);
          return { Versions: [awsVersion], IsTruncated: false };
        }
        const policy = await existing(tx, call, arn);
        const versions = await versionsOf(tx, policy);
        return { Versions: versions.map((version) => describedVersion(version, policy)), IsTruncated: false };
      }),

    async SetDefaultPolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "SetDefaultPolicyVersion");
      const now = clock.now();
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, input.PolicyArn);
        const { version } = await existingVersion(tx, policy, input.VersionId);
        await change(tx, policy, { default_version: version, updated_ms: now });
        return {};
      });
    },

    async DeletePolicyVersion(input, call) {
      refuseAws(input.PolicyArn, "DeletePolicyVersion");
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, input.PolicyArn);
        const { version } = await existingVersion(tx, policy, input.VersionId);
        if (version === policy.default_version) {
          throw fault("DeleteConflictException", "Cannot delete the default version of a policy.");
        }
        await tx.run(sql`delete from ${policyVersions.name} where ${isVersion(policy, version)}`);
        return {};
      });
    },

    async ListEntitiesForPolicy(input, call) {
      const arn = input.PolicyArn;
      if (input.PolicyUsageFilter === "PermissionsBoundary") return { IsTruncated: false };
      const all = await store.read(async (tx) => {
        if (!isAwsPolicy(arn)) await existing(tx, call, arn);
        return holdersOf(tx, call, arn);
      });
      const wanted = all.filter(
        ({ kind, path }) =>
          path.startsWith(input.PathPrefix ?? "/") &&
          (input.EntityFilter === undefined || input.EntityFilter.toLowerCase() === kind),
      );
      const filters = [arn, input.EntityFilter ?? null];
      const { page, paged } = await pageByName(
        { operation: "ListEntitiesForPolicy", filters, input, call },
        async (after, limit) =>
          wanted
            .filter((each) => keyOf(each) > after)
            .toSorted(byKey)
            .slice(0, limit),
        keyOf,
      );
      const of = (kind: string) => page.filter((each) => each.kind === kind);
      return {
        PolicyUsers: of("user").map(({ name, id }) => ({ UserName: name, UserId: id })),
        PolicyGroups: of("group").map(({ name, id }) => ({ GroupName: name, GroupId: id })),
        PolicyRoles: of("role").map(({ name, id }) => ({ RoleName: name, RoleId: id })),
        ...paged,
      };
    },

    async TagPolicy(input, call) {
      refuseAws(input.PolicyArn, "TagPolicy");
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, input.PolicyArn);
        await change(tx, policy, { tags: mergeTags("Policy", policy.tags, input.Tags) });
        return {};
      });
    },

    async UntagPolicy(input, call) {
      refuseAws(input.PolicyArn, "UntagPolicy");
      return store.tx(async (tx) => {
        const policy = await existing(tx, call, input.PolicyArn);
        await change(tx, policy, { tags: policy.tags.filter(({ Key }) => !input.TagKeys.includes(Key)) });
        return {};
      });
    },

    ListPolicyTags: ({ PolicyArn: arn }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) return { Tags: [], IsTruncated: false };
        return { Tags: (await existing(tx, call, arn)).tags, IsTruncated: false };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

const keyOf = ({ kind, name }: { kind: string; name: string }) => `${kind}/${name}`;
const byKey = (a: { kind: string; name: string }, b: { kind: string; name: string }) => (keyOf(a) < keyOf(b) ? -1 : 1);
