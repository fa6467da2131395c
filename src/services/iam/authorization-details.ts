/** GetAccountAuthorizationDetails: everybody and every policy of an account, page by page. */
import type { Call } from "../../kit/call.ts";
import type { Handlers, OutputOf } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { attachedPolicy } from "./attachments.ts";
import { awsPolicies } from "./aws-policies.ts";
import { encoded, pageByName } from "./entities.ts";
import { describedGroup, groupsOf } from "./groups.ts";
import { describedProfile, profilesWith } from "./instance-profiles.ts";
import { groupsPerUserMax, instanceProfilesMax } from "./limits.ts";
import { awsAttachments, awsVersion, describedAws, describedPolicy, describedVersion, versionsOf } from "./managed.ts";
import { describedRole } from "./roles.ts";
import { groups, namedAfter, policies, roles, users, type Entity } from "./tables.ts";
import { describedUser } from "./users.ts";

type Details = OutputOf<typeof import("@aws-sdk/client-iam"), "GetAccountAuthorizationDetails">;
type DetailOf<K extends keyof Details> = NonNullable<Details[K]> extends readonly (infer D)[] ? D : never;

interface Detail {
  /** `role/work`: where a listing goes on. */
  key: string;
  user?: DetailOf<"UserDetailList">;
  group?: DetailOf<"GroupDetailList">;
  role?: DetailOf<"RoleDetailList">;
  policy?: DetailOf<"Policies">;
}

const inlineList = ({ inline }: Pick<Entity, "inline">) =>
  Object.entries(inline).map(([PolicyName, document]) => ({ PolicyName, PolicyDocument: encoded(document) }));
const attachedList = ({ attached }: Pick<Entity, "attached">) => attached.map(attachedPolicy);

interface Range {
  account: string;
  after: string;
  limit: number;
}
type Source = (tx: ReadTx, range: Range) => Promise<Detail[]>;

const from = (range: Range) => ({ ...range, path: "/" });

/** AWS's policies are told where they are attached. */
const awsDetails: Source = async (tx, { account, after }) => {
  const counts = await awsAttachments(tx, account);
  const used = awsPolicies.filter(({ arn, name }) => counts.has(arn) && name > after);
  return used
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((aws) => ({
      key: `AWSManagedPolicy/${aws.name}`,
      policy: {
        ...describedAws(aws, counts.get(aws.arn) ?? 0),
        PolicyVersionList: [{ ...awsVersion, Document: encoded(aws.document) }],
      },
    }));
};

const groupDetails: Source = async (tx, range) => {
  const rows = await namedAfter(tx, groups, from(range));
  return rows.map((group) => ({
    key: `Group/${group.name}`,
    group: {
      ...describedGroup(group),
      GroupPolicyList: inlineList(group),
      AttachedManagedPolicies: attachedList(group),
    },
  }));
};

const policyDetails: Source = async (tx, range) => {
  const details: Detail[] = [];
  for (const policy of await namedAfter(tx, policies, from(range))) {
    const versions = await versionsOf(tx, policy);
    const PolicyVersionList = versions.map((version) => ({
      ...describedVersion(version, policy),
      Document: encoded(version.document),
    }));
    details.push({
      key: `LocalManagedPolicy/${policy.name}`,
      policy: { ...describedPolicy(policy), PolicyVersionList },
    });
  }
  return details;
};

const roleDetails: Source = async (tx, range) => {
  const details: Detail[] = [];
  for (const role of await namedAfter(tx, roles, from(range))) {
    const InstanceProfileList: Awaited<ReturnType<typeof describedProfile>>[] = [];
    for (const profile of await profilesWith(tx, range.account, role.name, "", instanceProfilesMax)) {
      InstanceProfileList.push(await describedProfile(tx, profile));
    }
    const { MaxSessionDuration: _, Description: __, ...described } = describedRole(role);
    const lists = { RolePolicyList: inlineList(role), AttachedManagedPolicies: attachedList(role) };
    details.push({ key: `Role/${role.name}`, role: { ...described, ...lists, InstanceProfileList } });
  }
  return details;
};

const userDetails: Source = async (tx, range) => {
  const details: Detail[] = [];
  for (const user of await namedAfter(tx, users, from(range))) {
    const inGroups = await groupsOf(tx, range.account, user.name, "", groupsPerUserMax);
    const lists = { UserPolicyList: inlineList(user), AttachedManagedPolicies: attachedList(user) };
    const GroupList = inGroups.map(({ name }) => name);
    details.push({ key: `User/${user.name}`, user: { ...describedUser(user), ...lists, GroupList, Tags: user.tags } });
  }
  return details;
};

/** In the order of their names, which is the order of a listing. */
const sources: readonly (readonly [filter: string, read: Source])[] = [
  ["AWSManagedPolicy", awsDetails],
  ["Group", groupDetails],
  ["LocalManagedPolicy", policyDetails],
  ["Role", roleDetails],
  ["User", userDetails],
];

async function detailsAfter(
  tx: ReadTx,
  wanted: readonly string[] | undefined,
  { account, after, limit }: Range,
): Promise<Detail[]> {
  const slash = after.indexOf("/");
  const [reached, name] = [after.slice(0, Math.max(slash, 0)), after.slice(slash + 1)];
  const details: Detail[] = [];
  for (const [filter, read] of sources) {
    const room = limit - details.length;
    if (room <= 0 || filter < reached || (wanted !== undefined && !wanted.includes(filter))) continue;
    const range = { account, after: filter === reached ? name : "", limit: room };
    details.push(...(await read(tx, range)).slice(0, room));
  }
  return details;
}

export function authorizationDetailsOperations({ store }: Deps) {
  return {
    async GetAccountAuthorizationDetails(input, call: Call) {
      const wanted = input.Filter === undefined || input.Filter.length === 0 ? undefined : input.Filter;
      const { page, paged } = await pageByName(
        { operation: "GetAccountAuthorizationDetails", filters: wanted ?? null, input, call },
        (after, limit) => store.read((tx) => detailsAfter(tx, wanted, { account: call.account, after, limit })),
        ({ key }) => key,
      );
      return {
        UserDetailList: page.flatMap(({ user }) => user ?? []),
        GroupDetailList: page.flatMap(({ group }) => group ?? []),
        RoleDetailList: page.flatMap(({ role }) => role ?? []),
        Policies: page.flatMap(({ policy }) => policy ?? []),
        ...paged,
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
