/** Load balancers: created, described, deleted, and told of their network. */
import type { CreateLoadBalancerInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { logPlaceOf, type AccessLogs } from "./access-logs.ts";
import { keyOf, loadBalancerArn } from "./arns.ts";
import { attributeOf, changedAttributes, type Attribute } from "./attributes.ts";
import { arnsPerCallMax, clientTags, mergeTags, quotas } from "./limits.ts";
import {
  checkCreate,
  checkIpAddressType,
  checkOwnName,
  checkSourceNat,
  describedLoadBalancer,
  ipAddressTypeOf,
  sameSettings,
  subnetsOf,
  zonesOf,
} from "./load-balancer-settings.ts";
import { loadBalancerAttributes } from "./load-balancer-attributes.ts";
import { onePage } from "./pages.ts";
import { fault, invalid, loadBalancerNotFound, type Elb } from "./refusals.ts";
import type { Routing } from "./routing.ts";
import {
  deleteListener,
  findLoadBalancer,
  listenersOf,
  loadBalancerNamed,
  loadBalancers,
  loadBalancersCountOf,
  type LoadBalancer,
} from "./tables.ts";

export type ElbDeps = Pick<Deps, "store" | "clock" | "ids" | "edge" | "peers"> & {
  routing: Routing;
  accessLogs: Pick<AccessLogs, "check">;
};

export interface NewLoadBalancer {
  input: Received<CreateLoadBalancerInput>;
  attributes?: readonly Attribute[];
  /** Of the CloudFormation step. */
  token?: string;
}

async function insertNew(tx: Tx, row: LoadBalancer): Promise<LoadBalancer> {
  const present = await loadBalancerNamed(tx, row, row.name);
  if (present !== undefined) {
    const again = row.token === null ? sameSettings(present, row) : present.token === row.token;
    if (again) return present;
    throw fault(
      "DuplicateLoadBalancerNameException",
      `A load balancer with the same name '${row.name}' exists, but with different settings`,
    );
  }
  const max = quotas[row.type === "network" ? "network-load-balancers" : "application-load-balancers"];
  if ((await loadBalancersCountOf(tx, row)) >= max) {
    throw fault(
      "TooManyLoadBalancersException",
      `The maximum number of load balancers (${max}) has been reached on this account`,
    );
  }
  await tx.run(insert(loadBalancers, row));
  return row;
}

/** Creates a load balancer. It takes traffic from its first listener on. */
export function loadBalancerCreation({
  store,
  ids,
  clock,
  accessLogs,
}: Pick<ElbDeps, "store" | "ids" | "clock" | "accessLogs">) {
  return async ({ input, attributes = [], token }: NewLoadBalancer, call: Call): Promise<LoadBalancer> => {
    checkCreate(input);
    const type = input.Type ?? "application";
    const row: LoadBalancer = {
      account: call.account,
      region: call.region,
      id: ids.hex(8),
      name: input.Name,
      type,
      created_ms: clock.now(),
      scheme: input.Scheme ?? "internet-facing",
      ip_address_type: input.IpAddressType ?? "ipv4",
      subnets: subnetsOf(input, type),
      security_groups: [...new Set(input.SecurityGroups ?? [])],
      attributes: changedAttributes(loadBalancerAttributes({ type }), {}, attributes),
      tags: mergeTags([], input.Tags ?? []),
      token: token ?? null,
    };
    const place = logPlaceOf(row.attributes);
    if (place !== undefined) await accessLogs.check(row, place, call);
    return store.tx((tx) => insertNew(tx, row));
  };
}

export async function existingLoadBalancer(tx: ReadTx, call: Call, arn: string): Promise<LoadBalancer> {
  const key = keyOf("load balancer", arn);
  const row = key.account === call.account && key.region === call.region ? await findLoadBalancer(tx, key) : undefined;
  if (row === undefined) throw loadBalancerNotFound(arn);
  return row;
}

export async function update(tx: Tx, row: LoadBalancer, changes: Partial<LoadBalancer>): Promise<LoadBalancer> {
  await tx.run(sql`update ${loadBalancers.name} set ${assign(loadBalancers, changes)}
    where account = ${row.account} and region = ${row.region} and id = ${row.id}`);
  return { ...row, ...changes };
}

/** Source: NLB user guide, "Update the security groups": one that began without them stays so, one with them keeps some. */
function checkSecurityGroups(row: LoadBalancer, next: readonly string[]): void {
  if (row.type !== "network" || row.security_groups.length > 0 === next.length > 0) return;
  throw fault(
    "InvalidConfigurationRequestException",
    `The security groups of load balancer '${loadBalancerArn(row)}' cannot be ${next.length > 0 ? "set, because it was created without" : "removed"}`,
  );
}

async function deleteWithListeners(tx: Tx, row: LoadBalancer): Promise<void> {
  if (attributeOf(loadBalancerAttributes(row), row.attributes, "deletion_protection.enabled") === "true") {
    throw fault(
      "OperationNotPermittedException",
      `Load balancer '${loadBalancerArn(row)}' cannot be deleted because deletion protection is enabled`,
    );
  }
  for (const listener of await listenersOf(tx, row)) await deleteListener(tx, listener);
  await tx.run(sql`delete from ${loadBalancers.name}
    where account = ${row.account} and region = ${row.region} and id = ${row.id}`);
}

async function named(tx: ReadTx, call: Call, names: readonly string[]): Promise<LoadBalancer[]> {
  const found: LoadBalancer[] = [];
  for (const name of names) {
    const row = await loadBalancerNamed(tx, call, name);
    if (row === undefined) throw fault("LoadBalancerNotFoundException", `Load balancers '[${name}]' not found`);
    found.push(row);
  }
  return found;
}

async function withArns(tx: ReadTx, call: Call, arns: readonly string[]): Promise<LoadBalancer[]> {
  if (arns.length > arnsPerCallMax) throw invalid(`You can specify up to ${arnsPerCallMax} load balancers`);
  const found: LoadBalancer[] = [];
  for (const arn of arns) found.push(await existingLoadBalancer(tx, call, arn));
  return found;
}

function loadBalancersAfter(tx: ReadTx, call: Call, name: string, limit: number): Promise<LoadBalancer[]> {
  return tx.all<LoadBalancer>(sql`select ${loadBalancers.columns} from ${loadBalancers.name}
    where account = ${call.account} and region = ${call.region} and name > ${name} order by name limit ${limit}`);
}

export function loadBalancerOperations(deps: ElbDeps) {
  const { store, routing } = deps;
  const create = loadBalancerCreation(deps);
  const change = (call: Call, arn: string, changesOf: (row: LoadBalancer) => Partial<LoadBalancer>) =>
    store.tx(async (tx) => {
      const row = await existingLoadBalancer(tx, call, arn);
      return update(tx, row, changesOf(row));
    });

  return {
    async CreateLoadBalancer(input, call) {
      checkOwnName(input.Name);
      clientTags(input.Tags);
      const row = await create({ input }, call);
      return { LoadBalancers: [describedLoadBalancer(row)] };
    },

    async DescribeLoadBalancers(input, call) {
      const { LoadBalancerArns: arns = [], Names: names = [] } = input;
      if (arns.length > 0 && names.length > 0) {
        throw invalid("Load balancer names and load balancer ARNs cannot be specified at the same time");
      }
      if (arns.length + names.length > 0) {
        const rows = await store.read((tx) => (arns.length > 0 ? withArns(tx, call, arns) : named(tx, call, names)));
        return { LoadBalancers: rows.map(describedLoadBalancer) };
      }
      const { page, next } = await onePage<LoadBalancer>({
        operation: "DescribeLoadBalancers",
        input,
        call,
        keyOf: ({ name }) => name,
        rowsAfter: (key, limit) => store.read((tx) => loadBalancersAfter(tx, call, String(key ?? ""), limit)),
      });
      return { LoadBalancers: page.map(describedLoadBalancer), ...next };
    },

    async DeleteLoadBalancer(input, call) {
      const key = keyOf("load balancer", input.LoadBalancerArn);
      const own = key.account === call.account && key.region === call.region;
      // Deleted already, or never there: AWS lets the call succeed.
      await routing.change(async (tx) => {
        const row = own ? await findLoadBalancer(tx, key) : undefined;
        if (row !== undefined) await deleteWithListeners(tx, row);
      });
      return {};
    },

    async SetSubnets(input, call) {
      const row = await change(call, input.LoadBalancerArn, ({ type }) => {
        const { IpAddressType: ip_address_type } = input;
        checkSourceNat(type, input.EnablePrefixForIpv6SourceNat);
        checkIpAddressType(type, ip_address_type);
        return { subnets: subnetsOf(input, type), ...(ip_address_type === undefined ? {} : { ip_address_type }) };
      });
      return { AvailabilityZones: zonesOf(row), IpAddressType: ipAddressTypeOf(row.ip_address_type) };
    },

    async SetSecurityGroups(input, call) {
      const security_groups = [...new Set(input.SecurityGroups)];
      await change(call, input.LoadBalancerArn, (row) => {
        checkSecurityGroups(row, security_groups);
        return { security_groups };
      });
      return { SecurityGroupIds: security_groups };
    },

    async SetIpAddressType(input, call) {
      await change(call, input.LoadBalancerArn, ({ type }) => {
        checkIpAddressType(type, input.IpAddressType);
        return { ip_address_type: input.IpAddressType };
      });
      return { IpAddressType: input.IpAddressType };
    },
  } satisfies Handlers<Elb>;
}
