/** EC2, as far as templates and consoles ask for a network to put things in: the default VPC, described. */
import { formatArn } from "../../base/arn.ts";
import { Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { defineService } from "../../kit/service.ts";
import { networkOf, vpcCidr } from "./network.ts";

interface DescribeInput {
  Filters?: { Name?: string; Values?: string[] }[];
  VpcIds?: string[];
  SubnetIds?: string[];
  GroupIds?: string[];
  InternetGatewayIds?: string[];
  ZoneNames?: string[];
  RegionNames?: string[];
}

/** What the filters of a listing read, by filter name. */
type FilterReaders<T> = Readonly<Record<string, (item: T) => string>>;

function filtered<T>(items: readonly T[], filters: DescribeInput["Filters"], readers: FilterReaders<T>): T[] {
  const tests = (filters ?? []).map(({ Name = "", Values = [] }) => {
    const read = Object.hasOwn(readers, Name) ? readers[Name] : undefined;
    if (read === undefined) throw new Fault("InvalidParameterValue", `The filter '${Name}' is invalid`);
    return (item: T) => Values.includes(read(item));
  });
  return items.filter((item) => tests.every((test) => test(item)));
}

function chosen<T>(
  items: readonly T[],
  ids: readonly string[] | undefined,
  idOf: (item: T) => string,
  kind: string,
): readonly T[] {
  if (ids === undefined || ids.length === 0) return items;
  const missing = ids.filter((id) => !items.some((item) => idOf(item) === id));
  if (missing.length > 0) {
    throw new Fault(`Invalid${kind}.NotFound`, `The ${kind} '${missing.join(", ")}' does not exist`);
  }
  return items.filter((item) => ids.includes(idOf(item)));
}

/** Regions whose names SDKs know; Mikan serves any. */
const regionNames = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-northeast-1", "eu-central-1", "eu-west-1"];

function subnetsOf(call: Call) {
  const { vpcId, subnets } = networkOf(call.account, call.region);
  return subnets.map(({ subnetId, zone, zoneId, cidr }) => ({
    SubnetId: subnetId,
    VpcId: vpcId,
    CidrBlock: cidr,
    AvailabilityZone: zone,
    AvailabilityZoneId: zoneId,
    AvailableIpAddressCount: 4091,
    DefaultForAz: true,
    MapPublicIpOnLaunch: true,
    State: "available",
    OwnerId: call.account,
    SubnetArn: formatArn({
      service: "ec2",
      region: call.region,
      account: call.account,
      resource: `subnet/${subnetId}`,
    }),
  }));
}

const operations = {
  async DescribeVpcs({ VpcIds, Filters }: DescribeInput, call: Call) {
    const { vpcId } = networkOf(call.account, call.region);
    const vpc = {
      VpcId: vpcId,
      CidrBlock: vpcCidr,
      IsDefault: true,
      InstanceTenancy: "default",
      State: "available",
      OwnerId: call.account,
    };
    const readers = {
      "vpc-id": (item: typeof vpc) => item.VpcId,
      "is-default": () => "true",
      isDefault: () => "true",
      state: () => "available",
      cidr: () => vpcCidr,
    };
    return {
      Vpcs: filtered(
        chosen([vpc], VpcIds, (item) => item.VpcId, "VpcID"),
        Filters,
        readers,
      ),
    };
  },

  async DescribeSubnets({ SubnetIds, Filters }: DescribeInput, call: Call) {
    type Subnet = ReturnType<typeof subnetsOf>[number];
    const readers: FilterReaders<Subnet> = {
      "vpc-id": (subnet) => subnet.VpcId,
      "subnet-id": (subnet) => subnet.SubnetId,
      "availability-zone": (subnet) => subnet.AvailabilityZone,
      "default-for-az": () => "true",
      state: () => "available",
    };
    const subnets = chosen(subnetsOf(call), SubnetIds, (subnet) => subnet.SubnetId, "SubnetID");
    return { Subnets: filtered(subnets, Filters, readers) };
  },

  async DescribeSecurityGroups({ GroupIds, Filters }: DescribeInput, call: Call) {
    const { vpcId, securityGroupId } = networkOf(call.account, call.region);
    const group = {
      GroupId: securityGroupId,
      GroupName: "default",
      Description: "default VPC security group",
      VpcId: vpcId,
      OwnerId: call.account,
      IpPermissions: [],
      IpPermissionsEgress: [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
    };
    const readers = {
      "vpc-id": () => vpcId,
      "group-name": () => "default",
      "group-id": () => securityGroupId,
    };
    return {
      SecurityGroups: filtered(
        chosen([group], GroupIds, (item) => item.GroupId, "GroupId"),
        Filters,
        readers,
      ),
    };
  },

  async DescribeInternetGateways({ InternetGatewayIds, Filters }: DescribeInput, call: Call) {
    const { vpcId, internetGatewayId } = networkOf(call.account, call.region);
    const gateway = {
      InternetGatewayId: internetGatewayId,
      OwnerId: call.account,
      Attachments: [{ VpcId: vpcId, State: "available" }],
    };
    const gateways = chosen([gateway], InternetGatewayIds, (item) => item.InternetGatewayId, "InternetGatewayID");
    return { InternetGateways: filtered(gateways, Filters, { "attachment.vpc-id": () => vpcId }) };
  },

  async DescribeAvailabilityZones({ ZoneNames, Filters }: DescribeInput, call: Call) {
    const zones = networkOf(call.account, call.region).subnets.map(({ zone, zoneId }) => ({
      ZoneName: zone,
      ZoneId: zoneId,
      ZoneType: "availability-zone",
      RegionName: call.region,
      GroupName: call.region,
      State: "available",
      OptInStatus: "opt-in-not-required",
    }));
    const readers = { "region-name": () => call.region, state: () => "available" };
    const named = chosen(zones, ZoneNames, (zone) => zone.ZoneName, "ParameterValue");
    return { AvailabilityZones: filtered(named, Filters, readers) };
  },

  async DescribeRegions({ RegionNames, Filters }: DescribeInput) {
    const regions = regionNames.map((name) => ({
      RegionName: name,
      Endpoint: `ec2.${name}.amazonaws.com`,
      OptInStatus: "opt-in-not-required",
    }));
    const named = chosen(regions, RegionNames, (region) => region.RegionName, "ParameterValue");
    return { Regions: filtered(named, Filters, { "region-name": (region) => region.RegionName }) };
  },

  async DescribeAccountAttributes(_input: object, call: Call) {
    const { vpcId } = networkOf(call.account, call.region);
    const attribute = (AttributeName: string, value: string) => ({
      AttributeName,
      AttributeValues: [{ AttributeValue: value }],
    });
    return { AccountAttributes: [attribute("default-vpc", vpcId), attribute("supported-platforms", "VPC")] };
  },
};

export const ec2 = defineService({ name: "ec2", migrations: [], create: () => ({ operations }) });
