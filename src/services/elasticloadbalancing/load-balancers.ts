/** Load balancers: created, described, deleted, and told of their network. */
import type { LoadBalancer as SdkLoadBalancer } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { CreateLoadBalancerInput, SubnetMapping } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Call } from "../../kit/call.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { keyOf, loadBalancerArn } from "./arns.ts";
import { attributeOf, changedAttributes, loadBalancerAttributes, type Attribute } from "./attributes.ts";
import { arnsPerCallMax, checkName, mergeTags, quotas, type Tag } from "./limits.ts";
import { onePage } from "./pages.ts";
import { fault, invalid, loadBalancerNotFound, notRun, type Elb } from "./refusals.ts";
import type { Routing } from "./routing.ts";
import {
  countOf,
  deleteListener,
  findLoadBalancer,
  listenersOf,
  loadBalancerNamed,
  loadBalancers,
  type LoadBalancer,
} from "./tables.ts";

export type ElbDeps = Pick<Deps, "store" | "clock" | "ids" | "edge" | "peers"> & { routing: Routing };

/** Route 53 calls the zone of us-east-1's load balancers so; aliases to it are answered by Mikan's own DNS. */
export const canonicalHostedZoneId = "Z35SXDOTRQ7X7K";
/** Source: CreateLoadBalancer, Subnets. */
const subnetsMin = 2;
const zoneLetters = "abcdefghijklmnopqrstuvwxyz";

export const dnsNameOf = ({ name, id }: Pick<LoadBalancer, "name" | "id">) => `${name}-${id}.elb.localhost`;

/** Subnets are kept as they came; which zone each is in is not known here, so they count through the region's. */
const zonesOf = ({ subnets, region }: LoadBalancer) =>
  subnets.map((SubnetId, index) => ({
    SubnetId,
    ZoneName: `${region}${zoneLetters.charAt(index % zoneLetters.length)}`,
    LoadBalancerAddresses: [],
  }));

export function describedLoadBalancer(row: LoadBalancer): SdkLoadBalancer {
  return {
    LoadBalancerArn: loadBalancerArn(row),
    DNSName: dnsNameOf(row),
    CanonicalHostedZoneId: canonicalHostedZoneId,
    CreatedTime: new Date(row.created_ms),
    LoadBalancerName: row.name,
    Scheme: row.scheme === "internal" ? "internal" : "internet-facing",
    State: { Code: "active" },
    Type: "application",
    AvailabilityZones: zonesOf(row),
    SecurityGroups: row.security_groups,
    IpAddressType: ipAddressTypeOf(row.ip_address_type),
  };
}

function ipAddressTypeOf(text: string) {
  return text === "dualstack" || text === "dualstack-without-public-ipv4" ? text : "ipv4";
}

interface SubnetsInput {
  Subnets?: string[] | undefined;
  SubnetMappings?: Received<SubnetMapping>[] | undefined;
}

/** The ids of the subnets, which may come in either form. */
export function subnetsOf({ Subnets = [], SubnetMappings = [] }: SubnetsInput): string[] {
  if (Subnets.length > 0 && SubnetMappings.length > 0) {
    throw invalid("You must specify either subnets or subnet mappings, but not both");
  }
  const mapped = SubnetMappings.map(({ SubnetId, AllocationId, PrivateIPv4Address, IPv6Address }) => {
    if (AllocationId !== undefined || PrivateIPv4Address !== undefined || IPv6Address !== undefined) {
      throw fault(
        "InvalidConfigurationRequestException",
        "You can't specify IP addresses for the subnets of load balancers of type 'application'",
      );
    }
    if (SubnetId === undefined) throw invalid("A subnet ID must be specified");
    return SubnetId;
  });
  const subnets = [...new Set([...Subnets, ...mapped])];
  if (subnets.length === 0) throw invalid("At least one subnet must be specified");
  if (subnets.length < subnetsMin) {
    throw invalid("At least two subnets in two different Availability Zones must be specified");
  }
  return subnets;
}

export interface NewLoadBalancer {
  input: Received<CreateLoadBalancerInput>;
  attributes?: readonly Attribute[];
  /** Of the CloudFormation step. */
  token?: string;
}

function checkCreate(input: Received<CreateLoadBalancerInput>): void {
  const type = input.Type ?? "application";
  if (type !== "application") throw notRun(`load balancers of type '${type}'`);
  if (input.CustomerOwnedIpv4Pool !== undefined) throw notRun("customer-owned address pools");
  if (input.IpamPools !== undefined) throw notRun("IPAM pools");
  if (input.EnablePrefixForIpv6SourceNat !== undefined) {
    throw invalid("EnablePrefixForIpv6SourceNat is only supported for Network Load Balancers");
  }
  checkName("The load balancer name", input.Name);
  if (input.Name.startsWith("internal-")) {
    throw invalid(`The load balancer name '${input.Name}' cannot begin with 'internal-'`);
  }
  const ipAddressType = input.IpAddressType ?? "ipv4";
  if (input.Scheme === "internal" && ipAddressType === "dualstack-without-public-ipv4") {
    throw fault("InvalidConfigurationRequestException", "Internal load balancers must use 'ipv4' or 'dualstack'");
  }
}

type Settings = Pick<LoadBalancer, "scheme" | "ip_address_type" | "subnets" | "security_groups" | "tags">;

const sorted = (texts: readonly string[]) => [...texts].sort();
const sortedTags = (tags: readonly Tag[]) => sorted(tags.map(({ Key, Value }) => JSON.stringify([Key, Value])));

/** The operation is idempotent: a second call with the same settings gives what the first one made. */
function sameSettings(a: Settings, b: Settings): boolean {
  const textOf = (row: Settings) =>
    JSON.stringify([
      row.scheme,
      row.ip_address_type,
      sorted(row.subnets),
      sorted(row.security_groups),
      sortedTags(row.tags),
    ]);
  return textOf(a) === textOf(b);
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
  const max = quotas["application-load-balancers"];
  if ((await countOf(tx, loadBalancers, row)) >= max) {
    throw fault(
      "TooManyLoadBalancersException",
      `The maximum number of load balancers (${max}) has been reached on this account`,
    );
  }
  await tx.run(insert(loadBalancers, row));
  return row;
}

/** Creates a load balancer. It takes traffic from its first listener on. */
export function loadBalancerCreation({ store, ids, clock }: Pick<ElbDeps, "store" | "ids" | "clock">) {
  return async ({ input, attributes = [], token }: NewLoadBalancer, call: Call): Promise<LoadBalancer> => {
    checkCreate(input);
    const row: LoadBalancer = {
      account: call.account,
      region: call.region,
      id: ids.hex(8),
      name: input.Name,
      created_ms: clock.now(),
      scheme: input.Scheme ?? "internet-facing",
      ip_address_type: input.IpAddressType ?? "ipv4",
      subnets: subnetsOf(input),
      security_groups: [...new Set(input.SecurityGroups ?? [])],
      attributes: changedAttributes("Load balancer", loadBalancerAttributes, {}, attributes),
      tags: mergeTags([], input.Tags ?? []),
      token: token ?? null,
    };
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

async function deleteWithListeners(tx: Tx, row: LoadBalancer): Promise<void> {
  if (attributeOf(loadBalancerAttributes, row.attributes, "deletion_protection.enabled") === "true") {
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
  const change = (call: Call, arn: string, changes: Partial<LoadBalancer>) =>
    store.tx(async (tx) => update(tx, await existingLoadBalancer(tx, call, arn), changes));

  return {
    async CreateLoadBalancer(input, call) {
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
      if (input.EnablePrefixForIpv6SourceNat !== undefined) {
        throw invalid("EnablePrefixForIpv6SourceNat is only supported for Network Load Balancers");
      }
      const type = input.IpAddressType;
      const changes = { subnets: subnetsOf(input), ...(type === undefined ? {} : { ip_address_type: type }) };
      const row = await change(call, input.LoadBalancerArn, changes);
      return { AvailabilityZones: zonesOf(row), IpAddressType: ipAddressTypeOf(row.ip_address_type) };
    },

    async SetSecurityGroups(input, call) {
      const security_groups = [...new Set(input.SecurityGroups)];
      await change(call, input.LoadBalancerArn, { security_groups });
      return { SecurityGroupIds: security_groups };
    },

    async SetIpAddressType(input, call) {
      await change(call, input.LoadBalancerArn, { ip_address_type: input.IpAddressType });
      return { IpAddressType: input.IpAddressType };
    },
  } satisfies Handlers<Elb>;
}
