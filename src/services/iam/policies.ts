/** Managed policies: created, found, listed with what they are attached to, tagged and deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { awsPolicies, awsPolicy, isAwsPolicy } from "./aws-policies.ts";
import { entitiesOf, fault, mergeTags, pageByName, type PageInput } from "./entities.ts";
import { policiesMax } from "./limits.ts";
import {
  awsAttachments,
  changePolicy,
  describedAws,
  describedPolicy,
  existingPolicy,
  missing,
  policyCreation,
  refuseAws,
  removePolicy,
  versionsOf,
} from "./managed.ts";
import { namedAfter, policies } from "./tables.ts";

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

type ListInput = PageInput & {
  Scope?: string | undefined;
  OnlyAttached?: boolean | undefined;
  PolicyUsageFilter?: string | undefined;
};

export function policyOperations(deps: Deps) {
  const { store } = deps;
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
        const policy = await existingPolicy(tx, call, arn);
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
        const policy = await existingPolicy(tx, call, arn);
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

    async ListEntitiesForPolicy(input, call) {
      const arn = input.PolicyArn;
      if (input.PolicyUsageFilter === "PermissionsBoundary") return { IsTruncated: false };
      const all = await store.read(async (tx) => {
        if (!isAwsPolicy(arn)) await existingPolicy(tx, call, arn);
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
        const policy = await existingPolicy(tx, call, input.PolicyArn);
        await changePolicy(tx, policy, { tags: mergeTags("Policy", policy.tags, input.Tags) });
        return {};
      });
    },

    async UntagPolicy(input, call) {
      refuseAws(input.PolicyArn, "UntagPolicy");
      return store.tx(async (tx) => {
        const policy = await existingPolicy(tx, call, input.PolicyArn);
        await changePolicy(tx, policy, { tags: policy.tags.filter(({ Key }) => !input.TagKeys.includes(Key)) });
        return {};
      });
    },

    ListPolicyTags: ({ PolicyArn: arn }, call) =>
      store.read(async (tx) => {
        if (isAwsPolicy(arn)) return { Tags: [], IsTruncated: false };
        return { Tags: (await existingPolicy(tx, call, arn)).tags, IsTruncated: false };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}

const keyOf = ({ kind, name }: { kind: string; name: string }) => `${kind}/${name}`;
const byKey = (a: { kind: string; name: string }, b: { kind: string; name: string }) => (keyOf(a) < keyOf(b) ? -1 : 1);
