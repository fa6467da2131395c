/** Policies on users, groups and roles: written into them, or managed and attached. */
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { isAwsPolicy } from "./aws-policies.ts";
import { checkInlinePolicy, checkInlineSize } from "./documents.ts";
import {
  changeEntity,
  encoded,
  existingEntity,
  fault,
  noSuch,
  pageOfNames,
  titles,
  type Kind,
  type PageInput,
} from "./entities.ts";
import { attachedMax } from "./limits.ts";
import { findNamed, isRow, policies, type Entity, type Policy } from "./tables.ts";

/** The last part of an ARN's path: a policy's name. */
export const nameIn = (arn: string) => arn.slice(arn.lastIndexOf("/") + 1);

/** The account's own policy with this ARN; undefined when it has none such. */
export async function ownPolicy(tx: ReadTx, account: string, arn: string): Promise<Policy | undefined> {
  const parsed = parseArn(arn);
  if (parsed?.service !== "iam" || parsed.account !== account) return undefined;
  const policy = await findNamed(tx, policies, account, nameIn(arn));
  return policy !== undefined && parsed.resource === `policy${policy.path}${policy.name}` ? policy : undefined;
}

/** Keeps the count of a policy in step with what it is attached to. AWS's own policies are not counted. */
async function count(tx: Tx, account: string, arn: string, by: 1 | -1): Promise<void> {
  const policy = await ownPolicy(tx, account, arn);
  if (policy === undefined) return;
  await tx.run(sql`update ${policies.name} set attachments = attachments + ${by}
    where ${isRow(policy)} and attachments + ${by} >= 0`);
}

/** What an entity takes off its policies when it goes. */
export async function detachAll(tx: Tx, entity: Pick<Entity, "account" | "attached">): Promise<void> {
  for (const arn of entity.attached) await count(tx, entity.account, arn, -1);
}

/** Throws unless every ARN names a policy that can be attached. */
export async function attachAll(tx: Tx, account: string, arns: readonly string[]): Promise<void> {
  for (const arn of arns) {
    if (isAwsPolicy(arn)) continue;
    if ((await ownPolicy(tx, account, arn)) === undefined) {
      throw fault("NoSuchEntityException", `Policy ${arn} does not exist or is not attachable.`);
    }
    await count(tx, account, arn, 1);
  }
}

export function admitAttached(kind: Kind, attached: readonly string[]): void {
  if (attached.length <= attachedMax[kind]) return;
  throw fault("LimitExceededException", `Cannot exceed quota for PoliciesPer${titles[kind]}: ${attachedMax[kind]}`);
}

/** IAM deletes nothing that still has policies. */
export function admitDeletion({ attached, inline }: Pick<Entity, "attached" | "inline">): void {
  if (attached.length > 0) {
    throw fault("DeleteConflictException", "Cannot delete entity, must detach all policies first.");
  }
  if (Object.keys(inline).length > 0) {
    throw fault("DeleteConflictException", "Cannot delete entity, must delete policies first.");
  }
}

/** The policies of one kind of entity; each operation below is one of these with the kind and its name filled in. */
export function policiesOf({ store }: Deps, kind: Kind) {
  const read = (call: Call, name: string) => store.read((tx) => existingEntity(tx, kind, call.account, name));
  const change = (call: Call, name: string, changes: (entity: Entity, tx: Tx) => Promise<Partial<Entity>>) =>
    store.tx(async (tx) => {
      const entity = await existingEntity(tx, kind, call.account, name);
      await changeEntity(tx, kind, entity, await changes(entity, tx));
      return {};
    });

  return {
    kind,
    async put(name: string, policy: { PolicyName: string; PolicyDocument: string }, call: Call) {
      checkInlinePolicy(policy.PolicyDocument);
      return change(call, name, async (entity) => {
        const inline = { ...entity.inline, [policy.PolicyName]: policy.PolicyDocument };
        checkInlineSize(kind, name, inline);
        return { inline };
      });
    },
    async get(name: string, PolicyName: string, call: Call) {
      const document = (await read(call, name)).inline[PolicyName];
      if (document === undefined) throw noSuch(`${kind} policy`, PolicyName);
      return { PolicyName, PolicyDocument: encoded(document) };
    },
    async names(name: string, operation: string, input: PageInput, call: Call) {
      const { inline } = await read(call, name);
      const listing = { operation, filters: name, input, call };
      const { page, paged } = await pageOfNames(listing, Object.keys(inline), String);
      return { PolicyNames: [...page], ...paged };
    },
    remove: (name: string, policyName: string, call: Call) =>
      change(call, name, async (entity) => {
        const { [policyName]: gone, ...inline } = entity.inline;
        if (gone === undefined) throw noSuch(`${kind} policy`, policyName);
        return { inline };
      }),
    attach: (name: string, arn: string, call: Call) =>
      change(call, name, async (entity, tx) => {
        if (entity.attached.includes(arn)) return { attached: entity.attached };
        const attached = [...entity.attached, arn];
        admitAttached(kind, attached);
        await attachAll(tx, call.account, [arn]);
        return { attached };
      }),
    detach: (name: string, arn: string, call: Call) =>
      change(call, name, async (entity, tx) => {
        if (!entity.attached.includes(arn)) throw fault("NoSuchEntityException", `Policy ${arn} was not found.`);
        await count(tx, call.account, arn, -1);
        return { attached: entity.attached.filter((other) => other !== arn) };
      }),
    async attached(name: string, operation: string, input: PageInput, call: Call) {
      const { attached } = await read(call, name);
      const prefix = input.PathPrefix ?? "/";
      const under = attached.filter((arn) => arn.slice(arn.indexOf(":policy/") + 7).startsWith(prefix));
      const { page, paged } = await pageOfNames({ operation, filters: name, input, call }, under, (arn) => arn);
      return { AttachedPolicies: page.map(attachedPolicy), ...paged };
    },
  };
}

export type EntityPolicies = ReturnType<typeof policiesOf>;

export const attachedPolicy = (PolicyArn: string) => ({ PolicyArn, PolicyName: nameIn(PolicyArn) });

export function attachmentOperations(deps: Deps) {
  const user = policiesOf(deps, "user");
  const group = policiesOf(deps, "group");
  const role = policiesOf(deps, "role");
  return {
    PutUserPolicy: (input, call) => user.put(input.UserName, input, call),
    PutGroupPolicy: (input, call) => group.put(input.GroupName, input, call),
    PutRolePolicy: (input, call) => role.put(input.RoleName, input, call),

    async GetUserPolicy({ UserName, PolicyName }, call) {
      return { UserName, ...(await user.get(UserName, PolicyName, call)) };
    },
    async GetGroupPolicy({ GroupName, PolicyName }, call) {
      return { GroupName, ...(await group.get(GroupName, PolicyName, call)) };
    },
    async GetRolePolicy({ RoleName, PolicyName }, call) {
      return { RoleName, ...(await role.get(RoleName, PolicyName, call)) };
    },

    ListUserPolicies: (input, call) => user.names(input.UserName, "ListUserPolicies", input, call),
    ListGroupPolicies: (input, call) => group.names(input.GroupName, "ListGroupPolicies", input, call),
    ListRolePolicies: (input, call) => role.names(input.RoleName, "ListRolePolicies", input, call),

    DeleteUserPolicy: (input, call) => user.remove(input.UserName, input.PolicyName, call),
    DeleteGroupPolicy: (input, call) => group.remove(input.GroupName, input.PolicyName, call),
    DeleteRolePolicy: (input, call) => role.remove(input.RoleName, input.PolicyName, call),

    AttachUserPolicy: (input, call) => user.attach(input.UserName, input.PolicyArn, call),
    AttachGroupPolicy: (input, call) => group.attach(input.GroupName, input.PolicyArn, call),
    AttachRolePolicy: (input, call) => role.attach(input.RoleName, input.PolicyArn, call),

    DetachUserPolicy: (input, call) => user.detach(input.UserName, input.PolicyArn, call),
    DetachGroupPolicy: (input, call) => group.detach(input.GroupName, input.PolicyArn, call),
    DetachRolePolicy: (input, call) => role.detach(input.RoleName, input.PolicyArn, call),

    ListAttachedUserPolicies: (input, call) => user.attached(input.UserName, "ListAttachedUserPolicies", input, call),
    ListAttachedGroupPolicies: (input, call) =>
      group.attached(input.GroupName, "ListAttachedGroupPolicies", input, call),
    ListAttachedRolePolicies: (input, call) => role.attached(input.RoleName, "ListAttachedRolePolicies", input, call),
  } satisfies Handlers<typeof import("@aws-sdk/client-iam")>;
}
