import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  arnPrefix,
  createBench,
  createFront,
  createGroup,
  forward,
  must,
  path,
  refusal,
  type Bench,
} from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

describe("target groups", () => {
  it("are shown with AWS's defaults", async () => {
    const { elb, call } = bench;
    const { TargetGroups } = await elb.CreateTargetGroup(
      { Name: "web", Protocol: "HTTP", Port: 80, VpcId: "vpc-1" },
      call,
    );
    expect(TargetGroups).toEqual([
      {
        TargetGroupArn: expect.stringMatching(new RegExp(`^${arnPrefix}:targetgroup/web/[0-9a-f]{16}$`)),
        TargetGroupName: "web",
        TargetType: "instance",
        IpAddressType: "ipv4",
        Protocol: "HTTP",
        ProtocolVersion: "HTTP1",
        Port: 80,
        VpcId: "vpc-1",
        HealthCheckProtocol: "HTTP",
        HealthCheckPort: "traffic-port",
        HealthCheckEnabled: true,
        HealthCheckPath: "/",
        HealthCheckIntervalSeconds: 30,
        HealthCheckTimeoutSeconds: 5,
        HealthyThresholdCount: 5,
        UnhealthyThresholdCount: 2,
        Matcher: { HttpCode: "200" },
        LoadBalancerArns: [],
      },
    ]);
    const lambda = await elb.CreateTargetGroup({ Name: "f", TargetType: "lambda" }, call);
    expect(lambda.TargetGroups?.[0]).toMatchObject({
      TargetType: "lambda",
      HealthCheckEnabled: false,
      HealthCheckIntervalSeconds: 35,
      HealthCheckTimeoutSeconds: 30,
    });
    expect(lambda.TargetGroups?.[0]).not.toHaveProperty("Port");
  });

  it("are made once for the same settings, and refused for others", async () => {
    const { elb, call } = bench;
    const input = { Name: "web", Protocol: "HTTP" as const, Port: 80, VpcId: "vpc-1" };
    expect(await elb.CreateTargetGroup(input, call)).toEqual(await elb.CreateTargetGroup(input, call));
    await expect(elb.CreateTargetGroup({ ...input, Port: 81 }, call)).rejects.toMatchObject({
      code: "DuplicateTargetGroupNameException",
      message: "A target group with the same name 'web' exists, but with different settings",
    });
  });

  it("are found by name, by ARN, and by load balancer", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn, TargetGroupArn } = await createFront(bench);
    await createGroup(bench, "idle");
    const names = async (input: Parameters<typeof elb.DescribeTargetGroups>[0]) =>
      (await elb.DescribeTargetGroups(input, call)).TargetGroups?.map((group) => group.TargetGroupName);
    expect(await names({})).toEqual(["idle", "monolith"]);
    expect(await names({ LoadBalancerArn })).toEqual(["monolith"]);
    expect(await names({ TargetGroupArns: [TargetGroupArn] })).toEqual(["monolith"]);
    await expect(names({ Names: ["idle", "none"] })).rejects.toMatchObject({
      code: "TargetGroupNotFoundException",
      message: "One or more target groups not found",
    });
    const { TargetGroups } = await elb.DescribeTargetGroups({ Names: ["monolith"] }, call);
    expect(TargetGroups?.[0]?.LoadBalancerArns).toEqual([LoadBalancerArn]);
  });

  it("cannot be deleted while a rule forwards to them", async () => {
    const { elb, call } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const inUse = {
      code: "ResourceInUseException",
      message: `Target group '${TargetGroupArn}' is currently in use by a listener or a rule`,
    };
    await expect(elb.DeleteTargetGroup({ TargetGroupArn }, call)).rejects.toMatchObject(inUse);
    const map = await createGroup(bench, "map");
    const { Rules } = await elb.CreateRule(
      { ListenerArn, Priority: 1, Conditions: path("/map/*"), Actions: forward(map) },
      call,
    );
    await expect(elb.DeleteTargetGroup({ TargetGroupArn: map }, call)).rejects.toMatchObject({ code: inUse.code });
    await elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, call);
    await elb.DeleteTargetGroup({ TargetGroupArn: map }, call);
    await elb.DeleteTargetGroup({ TargetGroupArn: map }, call);
  });

  it("serve one load balancer", async () => {
    const { elb, call } = bench;
    const { TargetGroupArn } = await createFront(bench);
    const { LoadBalancers } = await elb.CreateLoadBalancer({ Name: "b", Subnets: ["subnet-a", "subnet-b"] }, call);
    const LoadBalancerArn = must(LoadBalancers?.[0]?.LoadBalancerArn);
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 9, DefaultActions: forward(TargetGroupArn) }, call),
    ).rejects.toMatchObject({
      code: "TargetGroupAssociationLimitException",
      message: `The following target groups cannot be associated with more than one load balancer: ${TargetGroupArn}`,
    });
  });

  it.each(["/a b", "/a\nb", "/a\r\nHost: b", "/\0", "/\x7f", "/\u00fc", "/a\t"])(
    "have no path like %j",
    async (HealthCheckPath) => {
      const { elb, call } = bench;
      const { TargetGroupArn } = await createFront(bench);
      expect(await refusal(elb.ModifyTargetGroup({ TargetGroupArn, HealthCheckPath }, call))).toEqual({
        code: "ValidationError",
        message: `Health check path '${HealthCheckPath}' can only contain printable ASCII characters, without spaces`,
      });
    },
  );

  it("put their settings in force", async () => {
    const { elb, call, edge } = bench;
    const { TargetGroupArn } = await createFront(bench);
    await elb.ModifyTargetGroup(
      {
        TargetGroupArn,
        HealthCheckPath: "/healthz",
        HealthCheckPort: "9000",
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
        HealthyThresholdCount: 3,
        UnhealthyThresholdCount: 4,
        Matcher: { HttpCode: "200-299,301" },
      },
      call,
    );
    await elb.ModifyTargetGroupAttributes(
      { TargetGroupArn, Attributes: [{ Key: "deregistration_delay.timeout_seconds", Value: "15" }] },
      call,
    );
    expect(edge.config.clusters[0]).toEqual({
      id: TargetGroupArn,
      endpoints: [],
      connectTimeoutMs: 10_000,
      drainMs: 15_000,
      health: {
        protocol: "http",
        path: "/healthz",
        port: 9000,
        intervalMs: 5_000,
        timeoutMs: 2_000,
        healthyCount: 3,
        unhealthyCount: 4,
        matcher: "200-299,301",
        userAgent: "ELB-HealthChecker/2.0",
      },
    });
    const { Attributes } = await elb.DescribeTargetGroupAttributes({ TargetGroupArn }, call);
    expect(Attributes).toContainEqual({ Key: "deregistration_delay.timeout_seconds", Value: "15" });
    expect(Attributes).toContainEqual({ Key: "stickiness.enabled", Value: "false" });
  });
});
