/** The CloudFormation types of policies: managed ones, and those that are written into users, groups and roles. */
import type { Call } from "../../kit/call.ts";
import type { JsonObject, Resource } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign, insert } from "../../store/tables.ts";
import { ownPolicy, policiesOf, type EntityPolicies } from "./attachments.ts";
import { checkManagedPolicy } from "./documents.ts";
import { fault, titles, type Kind } from "./entities.ts";
import { versionsPerPolicyMax } from "./limits.ts";
import { comparison, inlinePolicyReader, managedPolicyReader } from "./live.ts";
import { policyArn, policyCreation, removePolicy, versionRow, versionsOf } from "./managed.ts";
import { documentOf, textOf, textsOf, unlessGone } from "./properties.ts";
import { isRow, policies, policyVersions, type Policy } from "./tables.ts";

const kinds = ["user", "group", "role"] as const satisfies readonly Kind[];
type Holder = { of: EntityPolicies; name: string };

/** `Users`, `Groups` and `Roles` of a policy. */
function holdersIn(properties: JsonObject, deps: Deps): Holder[] {
  return kinds.flatMap((kind) => {
    const of = policiesOf(deps, kind);
    return textsOf(properties[`${titles[kind]}s`]).map((name) => ({ of, name }));
  });
}

/** Those of the one that are not in the other. */
function without(some: readonly Holder[], others: readonly Holder[]): Holder[] {
  return some.filter(({ of, name }) => !others.some((other) => other.of.kind === of.kind && other.name === name));
}

/** `AWS::IAM::Policy`, and the newer types that write a policy into one user, group or role. */
export function inlinePolicyResources(deps: Deps): Resource[] {
  const several = inlinePolicy(
    "AWS::IAM::Policy",
    { properties: ["Groups", "Roles", "Users"], required: [] },
    deps,
    (properties) => {
      const holders = holdersIn(properties, deps);
      if (holders.length > 0) return holders;
      throw fault("ValidationError", "At least one of [Groups,Roles,Users] must be non-empty.");
    },
  );
  const single = kinds.map((kind) => {
    const name = `${titles[kind]}Name`;
    return inlinePolicy(
      `AWS::IAM::${titles[kind]}Policy`,
      { properties: [name], required: [name] },
      deps,
      (properties) => [{ of: policiesOf(deps, kind), name: textOf(properties[name]) ?? "" }],
    );
  });
  return [several, ...single];
}

function inlinePolicy(
  type: string,
  own: { properties: readonly string[]; required: readonly string[] },
  deps: Deps,
  holdersOf: (properties: JsonObject) => Holder[],
): Resource {
  const put = async (PolicyName: string, properties: JsonObject, call: Call) => {
    const PolicyDocument = documentOf(properties["PolicyDocument"]);
    for (const { of, name } of holdersOf(properties)) await of.put(name, { PolicyName, PolicyDocument }, call);
  };
  return {
    type,
    properties: [...own.properties, "PolicyDocument", "PolicyName"],
    required: [...own.required, "PolicyName"],
    attributes: ["Id"],
    async create({ properties }, call) {
      const name = textOf(properties["PolicyName"]) ?? "";
      await put(name, properties, call);
      return { physicalId: name, attributes: { Id: name } };
    },
    replaceOn: ["PolicyName", ...own.required],
    async update({ properties, former, physicalId, attributes }, call) {
      await put(physicalId, properties, call);
      for (const { of, name } of without(holdersOf(former.properties), holdersOf(properties))) {
        await unlessGone(of.remove(name, physicalId, call));
      }
      return { physicalId, attributes };
    },
    read: inlinePolicyReader(deps),
    comparison,
    async delete({ properties, physicalId }, call) {
      for (const { of, name } of holdersOf(properties)) await unlessGone(of.remove(name, physicalId, call));
    },
  };
}

function attributesOf(policy: Policy) {
  return {
    PolicyArn: policyArn(policy),
    PolicyId: policy.id,
    DefaultVersionId: `v${policy.default_version}`,
    CreateDate: new Date(policy.created_ms).toISOString(),
    UpdateDate: new Date(policy.updated_ms).toISOString(),
    AttachmentCount: policy.attachments,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
  };
}

/** Makes a document the default version, unless it is; the oldest version goes where there is no room. */
async function changeDocument({ store, clock }: Deps, arn: string, document: string, call: Call): Promise<Policy> {
  checkManagedPolicy(document);
  const now = clock.now();
  return store.tx(async (tx) => {
    const policy = await ownPolicy(tx, call.account, arn);
    if (policy === undefined) throw fault("NoSuchEntityException", `Policy ${arn} was not found.`);
    const versions = await versionsOf(tx, policy);
    const current = versions.find(({ version }) => version === policy.default_version);
    if (current?.document === document) return policy;
    const oldest = versions.findLast(({ version }) => version !== policy.default_version);
    if (versions.length >= versionsPerPolicyMax && oldest !== undefined) {
      await tx.run(sql`delete from ${policyVersions.name} where account = ${policy.account}
        and region = ${policy.region} and policy_name = ${policy.name} and version = ${oldest.version}`);
    }
    const version = policy.last_version + 1;
    await tx.run(insert(policyVersions, versionRow(policy, version, document, now)));
    const changes = { last_version: version, default_version: version, updated_ms: now };
    await tx.run(sql`update ${policies.name} set ${assign(policies, changes)} where ${isRow(policy)}`);
    return { ...policy, ...changes };
  });
}

export function managedPolicyResource(deps: Deps): Resource {
  const create = policyCreation(deps);
  const { store } = deps;
  return {
    type: "AWS::IAM::ManagedPolicy",
    properties: ["Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"],
    required: ["PolicyDocument"],
    attributes: [
      "AttachmentCount",
      "CreateDate",
      "DefaultVersionId",
      "IsAttachable",
      "PermissionsBoundaryUsageCount",
      "PolicyArn",
      "PolicyId",
      "UpdateDate",
    ],
    name: { property: "ManagedPolicyName", lengthMax: 128 },
    async create({ properties, physicalName, token }, call) {
      const policy = await create(
        {
          name: physicalName,
          document: documentOf(properties["PolicyDocument"]),
          path: textOf(properties["Path"]),
          description: textOf(properties["Description"]),
          token,
        },
        call,
      );
      const arn = policyArn(policy);
      for (const { of, name } of holdersIn(properties, deps)) await of.attach(name, arn, call);
      return { physicalId: arn, attributes: attributesOf(policy) };
    },
    replaceOn: ["Description", "Path"],
    async update({ properties, former, physicalId: arn }, call) {
      const policy = await changeDocument(deps, arn, documentOf(properties["PolicyDocument"]), call);
      const holders = holdersIn(properties, deps);
      for (const { of, name } of without(holdersIn(former.properties, deps), holders)) {
        await unlessGone(of.detach(name, arn, call));
      }
      for (const { of, name } of holders) await of.attach(name, arn, call);
      return { physicalId: arn, attributes: attributesOf(policy) };
    },
    read: managedPolicyReader(deps),
    comparison,
    async delete({ properties, physicalId: arn }, call) {
      for (const { of, name } of holdersIn(properties, deps)) await unlessGone(of.detach(name, arn, call));
      await store.tx(async (tx) => {
        const policy = await ownPolicy(tx, call.account, arn);
        if (policy === undefined) return;
        if (policy.attachments > 0) {
          throw fault("DeleteConflictException", "Cannot delete a policy attached to entities.");
        }
        await removePolicy(tx, policy);
      });
    },
  };
}
