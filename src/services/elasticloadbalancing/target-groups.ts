/** Target groups: created, described, changed and deleted. */
import type {
  CreateTargetGroupInput,
  ModifyTargetGroupInput,
  TargetGroup as SdkTargetGroup,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { keyOf, ownerArn, targetGroupArn } from "./arns.ts";
import { changedAttributes, type Attribute, type Attributes } from "./attributes.ts";
import { checkName, clientTags, mergeTags, quotas, type Tag } from "./limits.ts";
import { existingLoadBalancer, type ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { checkFitsProtocol, groupPolicy } from "./policies.ts";
import { fault, invalid, targetGroupNotFound, type Elb } from "./refusals.ts";
import { protocolOfGroup } from "./target-address.ts";
import { groupAttributes } from "./target-group-attributes.ts";
import { changedSettings, describedSettings, newSettings } from "./target-group-settings.ts";
import {
  findTargetGroup,
  targetGroupNamed,
  targetGroups,
  targetGroupsCountOf,
  targets,
  usesOfGroup,
  usesOfLoadBalancer,
  writePolicy,
  type TargetGroup,
} from "./tables.ts";

export async function existingTargetGroup(tx: ReadTx, call: Call, arn: string): Promise<TargetGroup> {
  const key = keyOf("target group", arn);
  const row = key.account === call.account && key.region === call.region ? await findTargetGroup(tx, key) : undefined;
  if (row === undefined) throw targetGroupNotFound();
  return row;
}

/** ARNs of the load balancers whose rules forward to the group; AWS allows one. */
export async function loadBalancerArnsOf(tx: ReadTx, group: TargetGroup): Promise<string[]> {
  return [...new Set((await usesOfGroup(tx, group)).map(ownerArn))];
}

async function described(tx: ReadTx, row: TargetGroup): Promise<SdkTargetGroup> {
  return {
    TargetGroupArn: targetGroupArn(row),
    TargetGroupName: row.name,
    ...describedSettings(row.settings),
    LoadBalancerArns: await loadBalancerArnsOf(tx, row),
  };
}

async function describedAll(tx: ReadTx, rows: readonly TargetGroup[]): Promise<SdkTargetGroup[]> {
  const all: SdkTargetGroup[] = [];
  for (const row of rows) all.push(await described(tx, row));
  return all;
}

const textOf = ({ settings, tags }: { settings: unknown; tags: readonly Tag[] }) =>
  JSON.stringify([settings, [...tags].sort((a, b) => (a.Key < b.Key ? -1 : 1))]);

async function insertNew(tx: Tx, row: TargetGroup): Promise<TargetGroup> {
  const present = await targetGroupNamed(tx, row, row.name);
  if (present !== undefined) {
    const again = row.token === null ? textOf(present) === textOf(row) : present.token === row.token;
    if (again) return present;
    throw fault(
      "DuplicateTargetGroupNameException",
      `A target group with the same name '${row.name}' exists, but with different settings`,
    );
  }
  const max = quotas["target-groups"];
  if ((await targetGroupsCountOf(tx, row)) >= max) {
    throw fault("TooManyTargetGroupsException", `The maximum number of target groups (${max}) has been reached`);
  }
  await tx.run(insert(targetGroups, row));
  return row;
}

export interface NewTargetGroup {
  input: Received<CreateTargetGroupInput>;
  attributes?: readonly Attribute[];
  /** Of the CloudFormation step. */
  token?: string;
  /** What AWS has no words for; see `policies.ts`. */
  policies?: JsonObject;
}

/** Creates a target group. It is probed from the first rule on that forwards to it. */
export function targetGroupCreation({ store, ids, clock }: Pick<ElbDeps, "store" | "ids" | "clock">) {
  return async ({ input, attributes = [], token, policies = {} }: NewTargetGroup, call: Call): Promise<TargetGroup> => {
    checkName("Target group name", input.Name);
    const settings = newSettings(input);
    const row: TargetGroup = {
      account: call.account,
      region: call.region,
      id: ids.hex(8),
      name: input.Name,
      created_ms: clock.now(),
      settings,
      attributes: changedAttributes(groupAttributes(settings), {}, attributes),
      tags: mergeTags([], input.Tags ?? []),
      token: token ?? null,
    };
    return store.tx(async (tx) => {
      const made = await insertNew(tx, row);
      if (made.id === row.id) await setGroupPolicies(tx, row, policies);
      return made;
    });
  };
}

/** Makes `document` the policies of a target group. */
export async function setGroupPolicies(tx: Tx, group: TargetGroup, document: JsonObject): Promise<void> {
  groupPolicy(document);
  checkFitsProtocol(document, protocolOfGroup(group.settings));
  await writePolicy(tx, "target-group", group, document);
}

const withId = ({ account, region, id }: TargetGroup) =>
  sql`account = ${account} and region = ${region} and id = ${id}`;

async function modify(tx: Tx, row: TargetGroup, input: Received<ModifyTargetGroupInput>): Promise<TargetGroup> {
  const changed = changedSettings(row.settings, input);
  await tx.run(
    sql`update ${targetGroups.name} set ${assign(targetGroups, { settings: changed })} where ${withId(row)}`,
  );
  return { ...row, settings: changed };
}

/** Changes the health check of a target group, and its policies where they are given, at once. */
export function targetGroupModification({ routing }: Pick<ElbDeps, "routing">) {
  return (
    input: Received<ModifyTargetGroupInput>,
    policies: JsonObject | undefined,
    call: Call,
  ): Promise<TargetGroup> =>
    routing.change(async (tx) => {
      const row = await modify(tx, await existingTargetGroup(tx, call, input.TargetGroupArn), input);
      if (policies !== undefined) await setGroupPolicies(tx, row, policies);
      return row;
    });
}

export async function setGroupAttributes(tx: Tx, row: TargetGroup, attributes: Attributes): Promise<void> {
  await tx.run(sql`update ${targetGroups.name} set ${assign(targetGroups, { attributes })} where ${withId(row)}`);
}

/** Deletes a group that no rule forwards to, with its targets. */
async function deleteUnused(tx: Tx, row: TargetGroup): Promise<void> {
  if ((await usesOfGroup(tx, row)).length > 0) {
    const arn = targetGroupArn(row);
    throw fault("ResourceInUseException", `Target group '${arn}' is currently in use by a listener or a rule`);
  }
  await writePolicy(tx, "target-group", row, {});
  await tx.run(sql`delete from ${targets.name}
    where account = ${row.account} and region = ${row.region} and target_group_id = ${row.id}`);
  await tx.run(sql`delete from ${targetGroups.name} where ${withId(row)}`);
}

async function named(tx: ReadTx, call: Call, names: readonly string[]): Promise<TargetGroup[]> {
  const found: TargetGroup[] = [];
  for (const name of names) {
    const row = await targetGroupNamed(tx, call, name);
    if (row === undefined) throw targetGroupNotFound();
    found.push(row);
  }
  return found;
}

async function withArns(tx: ReadTx, call: Call, arns: readonly string[]): Promise<TargetGroup[]> {
  const found: TargetGroup[] = [];
  for (const arn of arns) found.push(await existingTargetGroup(tx, call, arn));
  return found;
}

async function ofLoadBalancer(tx: ReadTx, call: Call, arn: string): Promise<TargetGroup[]> {
  const owner = await existingLoadBalancer(tx, call, arn);
  const ids = new Set((await usesOfLoadBalancer(tx, owner)).map((use) => use.target_group_id));
  const found: TargetGroup[] = [];
  for (const id of ids) {
    const row = await tx.one<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}
      where account = ${call.account} and region = ${call.region} and id = ${id}`);
    if (row !== undefined) found.push(row);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function targetGroupsAfter(tx: ReadTx, call: Call, name: string, limit: number): Promise<TargetGroup[]> {
  return tx.all<TargetGroup>(sql`select ${targetGroups.columns} from ${targetGroups.name}
    where account = ${call.account} and region = ${call.region} and name > ${name} order by name limit ${limit}`);
}

export function targetGroupOperations(deps: ElbDeps) {
  const { store } = deps;
  const create = targetGroupCreation(deps);
  const change = targetGroupModification(deps);
  const read = (rowsOf: (tx: ReadTx) => Promise<readonly TargetGroup[]>) =>
    store.read(async (tx) => ({ TargetGroups: await describedAll(tx, await rowsOf(tx)) }));

  return {
    async CreateTargetGroup(input, call) {
      clientTags(input.Tags);
      const row = await create({ input }, call);
      return read(async () => [row]);
    },

    async DescribeTargetGroups(input, call) {
      const { TargetGroupArns: arns = [], Names: names = [], LoadBalancerArn: owner } = input;
      const given = [arns.length > 0, names.length > 0, owner !== undefined].filter(Boolean).length;
      if (given > 1) {
        throw invalid(
          "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time",
        );
      }
      if (arns.length > 0) return read((tx) => withArns(tx, call, arns));
      if (names.length > 0) return read((tx) => named(tx, call, names));
      if (owner !== undefined) return read((tx) => ofLoadBalancer(tx, call, owner));
      const { page, next } = await onePage<TargetGroup>({
        operation: "DescribeTargetGroups",
        input,
        call,
        keyOf: ({ name }) => name,
        rowsAfter: (key, limit) => store.read((tx) => targetGroupsAfter(tx, call, String(key ?? ""), limit)),
      });
      return { ...(await read(async () => page)), ...next };
    },

    async ModifyTargetGroup(input, call) {
      const row = await change(input, undefined, call);
      return read(async () => [row]);
    },

    async DeleteTargetGroup(input, call) {
      const key = keyOf("target group", input.TargetGroupArn);
      const own = key.account === call.account && key.region === call.region;
      // What is not there is deleted already: the reference knows no "not found" for this operation.
      await store.tx(async (tx) => {
        const row = own ? await findTargetGroup(tx, key) : undefined;
        if (row !== undefined) await deleteUnused(tx, row);
      });
      return {};
    },
  } satisfies Handlers<Elb>;
}
