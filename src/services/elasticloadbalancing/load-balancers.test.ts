import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { arnPrefix, createBench, createFront, createGroup, forward, must, path, type Bench } from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

describe("load balancers", () => {
  it("are shown as AWS shows them", async () => {
    const { elb, call, clock } = bench;
    const { LoadBalancers } = await elb.CreateLoadBalancer(
      { Name: "front", Subnets: ["subnet-a", "subnet-b"], SecurityGroups: ["sg-1"], Scheme: "internal" },
      call,
    );
    const created = must(LoadBalancers?.[0]);
    expect(created).toEqual({
      LoadBalancerArn: expect.stringMatching(new RegExp(`^${arnPrefix}:loadbalancer/app/front/[0-9a-f]{16}$`)),
      DNSName: expect.stringMatching(/^front-[0-9a-f]{16}\.elb\.localhost$/),
      CanonicalHostedZoneId: expect.any(String),
      CreatedTime: new Date(clock.now()),
      LoadBalancerName: "front",
      Scheme: "internal",
      State: { Code: "active" },
      Type: "application",
      AvailabilityZones: [
        { SubnetId: "subnet-a", ZoneName: "us-east-1a", LoadBalancerAddresses: [] },
        { SubnetId: "subnet-b", ZoneName: "us-east-1b", LoadBalancerAddresses: [] },
      ],
      SecurityGroups: ["sg-1"],
      IpAddressType: "ipv4",
    });
    const byName = await elb.DescribeLoadBalancers({ Names: ["front"] }, call);
    const byArn = await elb.DescribeLoadBalancers({ LoadBalancerArns: [must(created.LoadBalancerArn)] }, call);
    expect(byName.LoadBalancers).toEqual([created]);
    expect(byArn.LoadBalancers).toEqual([created]);
  });

  it("are made once for the same settings, and refused for others", async () => {
    const { elb, call } = bench;
    const input = { Name: "front", Subnets: ["subnet-a", "subnet-b"] };
    const first = await elb.CreateLoadBalancer(input, call);
    const second = await elb.CreateLoadBalancer({ ...input, Subnets: ["subnet-b", "subnet-a"] }, call);
    expect(second).toEqual(first);
    await expect(elb.CreateLoadBalancer({ ...input, Scheme: "internal" }, call)).rejects.toMatchObject({
      code: "DuplicateLoadBalancerNameException",
      message: "A load balancer with the same name 'front' exists, but with different settings",
    });
  });

  it("belong to their account and region", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    for (const other of [
      { ...call, account: "111111111111" },
      { ...call, region: "eu-west-1" },
    ]) {
      expect((await elb.DescribeLoadBalancers({}, other)).LoadBalancers).toEqual([]);
      await expect(elb.DescribeLoadBalancers({ LoadBalancerArns: [LoadBalancerArn] }, other)).rejects.toMatchObject({
        code: "LoadBalancerNotFoundException",
      });
      await elb.DeleteLoadBalancer({ LoadBalancerArn }, other);
    }
    expect((await elb.DescribeLoadBalancers({}, call)).LoadBalancers).toHaveLength(1);
  });

  it("come in pages, in order of name", async () => {
    const { elb, call } = bench;
    for (const Name of ["c", "a", "b"]) {
      await elb.CreateLoadBalancer({ Name, Subnets: ["subnet-a", "subnet-b"] }, call);
    }
    const first = await elb.DescribeLoadBalancers({ PageSize: 2 }, call);
    expect(first.LoadBalancers?.map(({ LoadBalancerName }) => LoadBalancerName)).toEqual(["a", "b"]);
    const second = await elb.DescribeLoadBalancers({ PageSize: 2, Marker: must(first.NextMarker) }, call);
    expect(second.LoadBalancers?.map(({ LoadBalancerName }) => LoadBalancerName)).toEqual(["c"]);
    expect(second.NextMarker).toBeUndefined();
    await expect(elb.DescribeTargetGroups({ Marker: must(first.NextMarker) }, call)).rejects.toMatchObject({
      code: "ValidationError",
    });
  });

  it("go with their listeners and rules, and leave target groups free", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    await elb.CreateRule(
      { ListenerArn, Priority: 1, Conditions: path("/map/*"), Actions: forward(await createGroup(bench, "map")) },
      call,
    );
    expect(edge.config.listeners).toHaveLength(1);
    await elb.DeleteLoadBalancer({ LoadBalancerArn }, call);
    expect(edge.config).toMatchObject({ listeners: [], clusters: [] });
    await expect(elb.DescribeRules({ ListenerArn }, call)).rejects.toMatchObject({ code: "ListenerNotFoundException" });
    await elb.DeleteTargetGroup({ TargetGroupArn }, call);
    await elb.DeleteLoadBalancer({ LoadBalancerArn }, call);
  });

  it("are kept while deletion protection is on", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    const set = (Value: string) =>
      elb.ModifyLoadBalancerAttributes(
        { LoadBalancerArn, Attributes: [{ Key: "deletion_protection.enabled", Value }] },
        call,
      );
    await set("true");
    await expect(elb.DeleteLoadBalancer({ LoadBalancerArn }, call)).rejects.toMatchObject({
      code: "OperationNotPermittedException",
    });
    await set("false");
    await elb.DeleteLoadBalancer({ LoadBalancerArn }, call);
  });

  it("record their network", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    await elb.SetSubnets({ LoadBalancerArn, Subnets: ["subnet-c", "subnet-d"] }, call);
    expect(await elb.SetSecurityGroups({ LoadBalancerArn, SecurityGroups: ["sg-9"] }, call)).toEqual({
      SecurityGroupIds: ["sg-9"],
    });
    await elb.SetIpAddressType({ LoadBalancerArn, IpAddressType: "dualstack" }, call);
    const { LoadBalancers } = await elb.DescribeLoadBalancers({}, call);
    expect(LoadBalancers?.[0]).toMatchObject({ SecurityGroups: ["sg-9"], IpAddressType: "dualstack" });
    expect(LoadBalancers?.[0]?.AvailabilityZones?.map(({ SubnetId }) => SubnetId)).toEqual(["subnet-c", "subnet-d"]);
  });

  it("put their attributes in force", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    expect(edge.config.listeners[0]).toMatchObject({
      address: "127.0.0.1",
      port: 8080,
      serverName: "awselb/2.0",
      idleTimeoutMs: 60_000,
      keepAliveTimeoutMs: 3_600_000,
      forwarded: { xff: "append", preserveHost: false, dropInvalidNames: false, traceHeader: "X-Amzn-Trace-Id" },
    });
    const Attributes = [
      { Key: "idle_timeout.timeout_seconds", Value: "4000" },
      { Key: "client_keep_alive.seconds", Value: "60" },
      { Key: "routing.http.xff_header_processing.mode", Value: "remove" },
      { Key: "routing.http.preserve_host_header.enabled", Value: "true" },
      { Key: "routing.http.drop_invalid_header_fields.enabled", Value: "true" },
    ];
    const modified = await elb.ModifyLoadBalancerAttributes({ LoadBalancerArn, Attributes }, call);
    expect(modified.Attributes).toEqual(expect.arrayContaining(Attributes));
    expect(edge.config.listeners[0]).toMatchObject({
      idleTimeoutMs: 4_000_000,
      keepAliveTimeoutMs: 60_000,
      forwarded: { xff: "remove", preserveHost: true, dropInvalidNames: true },
    });
    expect(await elb.DescribeLoadBalancerAttributes({ LoadBalancerArn }, call)).toEqual(modified);
  });
});

describe("tags and limits", () => {
  it("are kept on everything that has an ARN", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    const { Rules } = await elb.DescribeRules({ ListenerArn }, call);
    const ResourceArns = [LoadBalancerArn, ListenerArn, TargetGroupArn, must(Rules?.[0]?.RuleArn)];
    await elb.AddTags({ ResourceArns, Tags: [{ Key: "team", Value: "maps" }, { Key: "stage" }] }, call);
    await elb.AddTags({ ResourceArns, Tags: [{ Key: "team", Value: "tiles" }] }, call);
    await elb.RemoveTags({ ResourceArns, TagKeys: ["stage"] }, call);
    const { TagDescriptions } = await elb.DescribeTags({ ResourceArns }, call);
    expect(TagDescriptions).toEqual(
      ResourceArns.map((ResourceArn) => ({ ResourceArn, Tags: [{ Key: "team", Value: "tiles" }] })),
    );
  });

  it("refuse a key that comes twice, and the 51st", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    const add = (keys: readonly string[]) =>
      elb.AddTags({ ResourceArns: [LoadBalancerArn], Tags: keys.map((Key) => ({ Key, Value: "" })) }, call);
    await expect(add(["a", "a"])).rejects.toMatchObject({ code: "DuplicateTagKeysException" });
    await add(Array.from({ length: 50 }, (_, index) => `k${index}`));
    await expect(add(["one-more"])).rejects.toMatchObject({ code: "TooManyTagsException" });
    await expect(add(["aws:mine"])).rejects.toMatchObject({ code: "ValidationError" });
  });

  it("say what the account may have", async () => {
    const { elb, call } = bench;
    const { Limits } = await elb.DescribeAccountLimits({}, call);
    expect(Limits).toContainEqual({ Name: "rules-per-application-load-balancer", Max: "100" });
    const { Limits: first, NextMarker } = await elb.DescribeAccountLimits({ PageSize: 3 }, call);
    const { Limits: rest } = await elb.DescribeAccountLimits({ Marker: must(NextMarker) }, call);
    expect([...(first ?? []), ...(rest ?? [])]).toEqual(Limits);
  });
});
