/** The default VPC that every account has, derived from account and region alone. Source: VPC guide, "Default VPCs". */
import { createHash } from "node:crypto";

export interface Network {
  vpcId: string;
  securityGroupId: string;
  internetGatewayId: string;
  subnets: readonly { subnetId: string; zone: string; zoneId: string; cidr: string }[];
}

const zoneLetters = ["a", "b", "c"] as const;
/** 172.31.0.0/16 in blocks of /20, one a zone. */
const subnetCidrs = ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"] as const;
export const vpcCidr = "172.31.0.0/16";

/** `us-east-1` -> `use1`, as zone ids begin. */
function zoneIdPrefix(region: string): string {
  const [area = "", direction = "", number = ""] = region.split("-");
  const letters = direction.replace(/north|south|east|west|central/g, (word) => word.charAt(0));
  return `${area}${letters}${number}`;
}

export function networkOf(account: string, region: string): Network {
  const id = (prefix: string, what: string) =>
    `${prefix}-${createHash("sha256").update(`${account}/${region}/${what}`).digest("hex").slice(0, 17)}`;
  return {
    vpcId: id("vpc", "vpc"),
    securityGroupId: id("sg", "default"),
    internetGatewayId: id("igw", "default"),
    subnets: zoneLetters.map((letter, index) => ({
      subnetId: id("subnet", letter),
      zone: `${region}${letter}`,
      zoneId: `${zoneIdPrefix(region)}-az${index + 1}`,
      cidr: subnetCidrs[index] ?? vpcCidr,
    })),
  };
}
