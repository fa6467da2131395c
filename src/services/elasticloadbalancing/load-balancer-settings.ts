/** What a load balancer is told, and how it is shown. Pure. */
import type {
  CreateLoadBalancerInput,
  LoadBalancer as SdkLoadBalancer,
  SubnetMapping,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { loadBalancerArn } from "./arns.ts";
import { checkName, type Tag } from "./limits.ts";
import { fault, invalid, notRun } from "./refusals.ts";
import type { LoadBalancer } from "./tables.ts";

/**
 * Route 53 calls the zones of us-east-1's load balancers so; aliases to them are answered by Mikan's own DNS.
 * Source: AWS General Reference, "Elastic Load Balancing endpoints and quotas".
 */
export const canonicalHostedZoneId = ({ type }: Pick<LoadBalancer, "type">): string =>
  type === "network" ? "Z26RNL4JYFTOTI" : "Z35SXDOTRQ7X7K";
/** Of an application load balancer; one is enough for others. Source: CreateLoadBalancer, Subnets. */
const subnetsMin = 2;
const zoneLetters = "abcdefghijklmnopqrstuvwxyz";

export const dnsNameOf = ({ name, id }: Pick<LoadBalancer, "name" | "id">) => `${name}-${id}.elb.localhost`;

/** Subnets are kept as they came; which zone each is in is not known here, so they count through the region's. */
export const zonesOf = ({ subnets, region }: LoadBalancer) =>
  subnets.map((SubnetId, index) => ({
    SubnetId,
    ZoneName: `${region}${zoneLetters.charAt(index % zoneLetters.length)}`,
    LoadBalancerAddresses: [],
  }));

export function describedLoadBalancer(row: LoadBalancer): SdkLoadBalancer {
  return {
    LoadBalancerArn: loadBalancerArn(row),
    DNSName: dnsNameOf(row),
    CanonicalHostedZoneId: canonicalHostedZoneId(row),
    CreatedTime: new Date(row.created_ms),
    LoadBalancerName: row.name,
    Scheme: row.scheme === "internal" ? "internal" : "internet-facing",
    State: { Code: "active" },
    Type: row.type === "network" ? "network" : "application",
    AvailabilityZones: zonesOf(row),
    // A network load balancer may be without.
    ...(row.type === "network" && row.security_groups.length === 0 ? {} : { SecurityGroups: row.security_groups }),
    IpAddressType: ipAddressTypeOf(row.ip_address_type),
  };
}

export function ipAddressTypeOf(text: string) {
  return text === "dualstack" || text === "dualstack-without-public-ipv4" ? text : "ipv4";
}

interface SubnetsInput {
  Subnets?: string[] | undefined;
  SubnetMappings?: Received<SubnetMapping>[] | undefined;
}

/** Why a load balancer of `type` takes no addresses for its subnets. */
const addressRefusal = (type: string) =>
  type === "network"
    ? notRun("IP addresses for the subnets of load balancers")
    : fault(
        "InvalidConfigurationRequestException",
        "You can't specify IP addresses for the subnets of load balancers of type 'application'",
      );

/** The ids of the subnets of a load balancer of `type`, which may come in either form. */
export function subnetsOf({ Subnets = [], SubnetMappings = [] }: SubnetsInput, type: string): string[] {
  if (Subnets.length > 0 && SubnetMappings.length > 0) {
    throw invalid("You must specify either subnets or subnet mappings, but not both");
  }
  const mapped = SubnetMappings.map(({ SubnetId, ...addresses }) => {
    if (Object.values(addresses).some((address) => address !== undefined)) throw addressRefusal(type);
    if (SubnetId === undefined) throw invalid("A subnet ID must be specified");
    return SubnetId;
  });
  const subnets = [...new Set([...Subnets, ...mapped])];
  if (subnets.length === 0) throw invalid("At least one subnet must be specified");
  if (type !== "network" && subnets.length < subnetsMin) {
    throw invalid("At least two subnets in two different Availability Zones must be specified");
  }
  return subnets;
}

/** Names that clients give; CloudFormation makes up others from the stack's. */
export function checkOwnName(name: string): void {
  if (name.startsWith("internal-")) throw invalid(`The load balancer name '${name}' cannot begin with 'internal-'`);
}

/** Throws at prefixes for source NAT, which serve UDP: an application load balancer knows none, and none are run. */
export function checkSourceNat(type: string, given: string | undefined): void {
  if (given === undefined) return;
  if (type !== "network") {
    throw invalid("EnablePrefixForIpv6SourceNat is only supported for Network Load Balancers");
  }
  if (given !== "off") throw notRun("prefixes for IPv6 source NAT");
}

/** Throws at an address type that a load balancer of `type` cannot have. */
export function checkIpAddressType(type: string, given: string | undefined): void {
  if (type !== "network" || given !== "dualstack-without-public-ipv4") return;
  throw fault("InvalidConfigurationRequestException", "Network load balancers must use 'ipv4' or 'dualstack'");
}

/** Throws in AWS's words, or by name at what is not run. */
export function checkCreate(input: Received<CreateLoadBalancerInput>): void {
  const type = input.Type ?? "application";
  if (type === "gateway") throw notRun(`load balancers of type '${type}'`);
  if (input.CustomerOwnedIpv4Pool !== undefined) throw notRun("customer-owned address pools");
  if (input.IpamPools !== undefined) throw notRun("IPAM pools");
  checkSourceNat(type, input.EnablePrefixForIpv6SourceNat);
  checkName("The load balancer name", input.Name);
  const ipAddressType = input.IpAddressType ?? "ipv4";
  checkIpAddressType(type, ipAddressType);
  if (input.Scheme === "internal" && ipAddressType === "dualstack-without-public-ipv4") {
    throw fault("InvalidConfigurationRequestException", "Internal load balancers must use 'ipv4' or 'dualstack'");
  }
}

type Settings = Pick<LoadBalancer, "type" | "scheme" | "ip_address_type" | "subnets" | "security_groups" | "tags">;

const sorted = (texts: readonly string[]) => [...texts].sort();
const sortedTags = (tags: readonly Tag[]) => sorted(tags.map(({ Key, Value }) => JSON.stringify([Key, Value])));

/** The operation is idempotent: a second call with the same settings gives what the first one made. */
export function sameSettings(a: Settings, b: Settings): boolean {
  const textOf = (row: Settings) =>
    JSON.stringify([
      row.type,
      row.scheme,
      row.ip_address_type,
      sorted(row.subnets),
      sorted(row.security_groups),
      sortedTags(row.tags),
    ]);
  return textOf(a) === textOf(b);
}
