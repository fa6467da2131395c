import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { account, createBench, createFront, must, region, type Bench } from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

const prefix = `arn:aws:elasticloadbalancing:${region}:${account}`;
const fixed = (body: string) => [
  {
    Type: "fixed-response" as const,
    FixedResponseConfig: { StatusCode: "200", ContentType: "text/plain", MessageBody: body },
  },
];
const path = (...Values: string[]) => [{ Field: "path-pattern", PathPatternConfig: { Values } }];
const forward = (TargetGroupArn: string) => [{ Type: "forward" as const, TargetGroupArn }];

async function createGroup(Name: string, port = 3000): Promise<string> {
  const { elb, call } = bench;
  const { TargetGroups } = await elb.CreateTargetGroup(
    { Name, Protocol: "HTTP", Port: port, VpcId: "vpc-1", TargetType: "ip" },
    call,
  );
  return must(TargetGroups?.[0]?.TargetGroupArn);
}

describe("load balancers", () => {
  it("are shown as AWS shows them", async () => {
    const { elb, call, clock } = bench;
    const { LoadBalancers } = await elb.CreateLoadBalancer(
      { Name: "front", Subnets: ["subnet-a", "subnet-b"], SecurityGroups: ["sg-1"], Scheme: "internal" },
      call,
    );
    const created = must(LoadBalancers?.[0]);
    expect(created).toEqual({
      LoadBalancerArn: expect.stringMatching(new RegExp(`^${prefix}:loadbalancer/app/front/[0-9a-f]{16}$`)),
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
      { ListenerArn, Priority: 1, Conditions: path("/map/*"), Actions: forward(await createGroup("map")) },
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

describe("listeners", () => {
  it("are shown as AWS shows them, and open their port", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    expect(ListenerArn).toMatch(new RegExp(`^${prefix}:listener/app/front/[0-9a-f]{16}/[0-9a-f]{16}$`));
    expect((await elb.DescribeListeners({ LoadBalancerArn }, call)).Listeners).toEqual([
      {
        ListenerArn,
        LoadBalancerArn,
        Port: 8080,
        Protocol: "HTTP",
        DefaultActions: [
          {
            Type: "forward",
            TargetGroupArn,
            ForwardConfig: {
              TargetGroups: [{ TargetGroupArn, Weight: 1 }],
              TargetGroupStickinessConfig: { Enabled: false },
            },
          },
        ],
      },
    ]);
    expect(edge.config.listeners.map(({ id, port }) => [id, port])).toEqual([[ListenerArn, 8080]]);
    expect(edge.config.clusters.map(({ id }) => id)).toEqual([TargetGroupArn]);
  });

  it("are made once for the same settings", async () => {
    const { elb, call } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    const again = await elb.CreateListener(
      { LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: forward(TargetGroupArn) },
      call,
    );
    expect(again.Listeners?.[0]?.ListenerArn).toBe(ListenerArn);
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({
      code: "DuplicateListenerException",
      message: `A listener already exists on this port for this load balancer '${LoadBalancerArn}'`,
    });
  });

  it("are taken back when their port is in use by another process", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn } = await createFront(bench);
    edge.taken.set(9090, "nginx (pid 4711)");
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 9090, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({
      code: "InvalidConfigurationRequestException",
      message: expect.stringContaining("Port 9090 is in use by nginx (pid 4711)"),
    });
    expect((await elb.DescribeListeners({ LoadBalancerArn }, call)).Listeners).toHaveLength(1);
    edge.taken.clear();
    await elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 9090, DefaultActions: fixed("x") }, call);
    expect(edge.config.listeners.map(({ port }) => port)).toEqual([8080, 9090]);
  });

  it("cannot share a port with those of another load balancer", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const other = { ...call, account: "111111111111" };
    const { LoadBalancers } = await elb.CreateLoadBalancer({ Name: "b", Subnets: ["subnet-a", "subnet-b"] }, other);
    const LoadBalancerArn = must(LoadBalancers?.[0]?.LoadBalancerArn);
    await expect(
      elb.CreateListener({ LoadBalancerArn, Protocol: "HTTP", Port: 8080, DefaultActions: fixed("x") }, other),
    ).rejects.toMatchObject({
      code: "InvalidConfigurationRequestException",
      message: expect.stringContaining(`Port 8080 is in use by listener ${ListenerArn}`),
    });
  });

  it("change their port and default action", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const { Listeners } = await elb.ModifyListener({ ListenerArn, Port: 8081, DefaultActions: fixed("moved") }, call);
    expect(Listeners?.[0]).toMatchObject({ Port: 8081, DefaultActions: [{ Type: "fixed-response" }] });
    expect(edge.config.listeners[0]).toMatchObject({
      port: 8081,
      routes: [{ action: { kind: "fixed", status: 200, contentType: "text/plain; charset=utf-8", body: "moved" } }],
    });
    await elb.DeleteTargetGroup({ TargetGroupArn }, call);
  });

  it("stay as they were when their new port is in use", async () => {
    const { elb, call, edge } = bench;
    const { LoadBalancerArn, ListenerArn, TargetGroupArn } = await createFront(bench);
    const before = await elb.DescribeListeners({ LoadBalancerArn }, call);
    edge.taken.set(8081, "");
    await expect(
      elb.ModifyListener({ ListenerArn, Port: 8081, DefaultActions: fixed("x") }, call),
    ).rejects.toMatchObject({ code: "InvalidConfigurationRequestException" });
    expect(await elb.DescribeListeners({ LoadBalancerArn }, call)).toEqual(before);
    expect(edge.config.listeners[0]).toMatchObject({
      port: 8080,
      routes: [{ action: { kind: "forward", targets: [{ clusterId: TargetGroupArn, weight: 1 }] } }],
    });
  });

  it("close with the next routing when they are deleted", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    await elb.DeleteListener({ ListenerArn }, call);
    expect(edge.config.listeners).toEqual([]);
    await expect(elb.DeleteListener({ ListenerArn }, call)).rejects.toMatchObject({
      code: "ListenerNotFoundException",
    });
  });

  it("have attributes", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const { Attributes } = await elb.DescribeListenerAttributes({ ListenerArn }, call);
    expect(Attributes).toContainEqual({ Key: "routing.http.response.server.enabled", Value: "true" });
    await elb.ModifyListenerAttributes(
      { ListenerArn, Attributes: [{ Key: "routing.http.response.server.enabled", Value: "true" }] },
      call,
    );
  });
});

describe("rules", () => {
  it("are shown as AWS shows them, and tried in order of priority", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const map = await createGroup("map");
    const Conditions = [
      { Field: "path-pattern", Values: ["/map/*"] },
      { Field: "host-header", HostHeaderConfig: { Values: ["*.example.com"] } },
      { Field: "http-request-method", HttpRequestMethodConfig: { Values: ["GET", "HEAD"] } },
      { Field: "query-string", QueryStringConfig: { Values: [{ Key: "v", Value: "2" }] } },
    ];
    const { Rules } = await elb.CreateRule({ ListenerArn, Priority: 10, Conditions, Actions: forward(map) }, call);
    const rule = must(Rules?.[0]);
    expect(rule).toMatchObject({
      RuleArn: expect.stringMatching(new RegExp(`^${prefix}:listener-rule/app/front/([0-9a-f]{16}/){2}[0-9a-f]{16}$`)),
      Priority: "10",
      IsDefault: false,
      Conditions: [
        { Field: "path-pattern", Values: ["/map/*"], PathPatternConfig: { Values: ["/map/*"] } },
        { Field: "host-header", Values: ["*.example.com"], HostHeaderConfig: { Values: ["*.example.com"] } },
        { Field: "http-request-method", HttpRequestMethodConfig: { Values: ["GET", "HEAD"] } },
        { Field: "query-string", QueryStringConfig: { Values: [{ Key: "v", Value: "2" }] } },
      ],
    });
    const Actions = [
      {
        Type: "redirect" as const,
        RedirectConfig: { StatusCode: "HTTP_301" as const, Protocol: "HTTPS", Port: "443" },
      },
    ];
    const headers = [
      { Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "X-Beta", Values: ["1"] } },
      { Field: "source-ip", SourceIpConfig: { Values: ["10.0.0.0/8"] } },
    ];
    const second = await elb.CreateRule({ ListenerArn, Priority: 5, Conditions: headers, Actions }, call);
    expect(second.Rules?.[0]).toMatchObject({
      Conditions: headers,
      Actions: [
        {
          RedirectConfig: {
            Protocol: "HTTPS",
            Port: "443",
            Host: "#{host}",
            Path: "/#{path}",
            Query: "#{query}",
            StatusCode: "HTTP_301",
          },
        },
      ],
    });
    const { Rules: all } = await elb.DescribeRules({ ListenerArn }, call);
    expect(all?.map(({ Priority }) => Priority)).toEqual(["5", "10", "default"]);
    expect(all?.at(-1)).toMatchObject({ IsDefault: true, Conditions: [] });
    expect((await elb.DescribeRules({ RuleArns: [must(rule.RuleArn)] }, call)).Rules).toEqual([rule]);
    expect(edge.config.listeners[0]?.routes).toMatchObject([
      {
        conditions: [
          { kind: "header", name: "X-Beta", patterns: ["1"] },
          { kind: "source-ip", cidrs: ["10.0.0.0/8"] },
        ],
        action: { kind: "redirect", status: 301, protocol: "https", port: "443", path: "/#{path}" },
      },
      {
        id: rule.RuleArn,
        conditions: [
          { kind: "path", patterns: ["/map/*"] },
          { kind: "host", patterns: ["*.example.com"] },
          { kind: "method", methods: ["GET", "HEAD"] },
          { kind: "query", pairs: [{ key: "v", value: "2" }] },
        ],
        action: { kind: "forward", targets: [{ clusterId: map, weight: 1 }] },
      },
      { conditions: [], action: { kind: "forward" } },
    ]);
  });

  it("split traffic by weight", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const map = await createGroup("map");
    const Actions = [
      {
        Type: "forward" as const,
        ForwardConfig: {
          TargetGroups: [
            { TargetGroupArn, Weight: 90 },
            { TargetGroupArn: map, Weight: 10 },
          ],
        },
      },
    ];
    const { Rules } = await elb.CreateRule({ ListenerArn, Priority: 1, Conditions: path("/map/*"), Actions }, call);
    expect(Rules?.[0]?.Actions?.[0]).toMatchObject(must(Actions[0]));
    expect(Rules?.[0]?.Actions?.[0]).not.toHaveProperty("TargetGroupArn");
    expect(edge.config.listeners[0]?.routes[0]?.action).toEqual({
      kind: "forward",
      targets: [
        { clusterId: TargetGroupArn, weight: 90 },
        { clusterId: map, weight: 10 },
      ],
    });
  });

  it("swap their priorities", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const arns: string[] = [];
    for (const Priority of [1, 2, 3]) {
      const { Rules } = await elb.CreateRule(
        { ListenerArn, Priority, Conditions: path(`/${Priority}`), Actions: fixed(String(Priority)) },
        call,
      );
      arns.push(must(Rules?.[0]?.RuleArn));
    }
    const [one = "", two = ""] = arns;
    const swap = [
      { RuleArn: one, Priority: 2 },
      { RuleArn: two, Priority: 1 },
    ];
    await elb.SetRulePriorities({ RulePriorities: swap }, call);
    const { Rules } = await elb.DescribeRules({ ListenerArn }, call);
    expect(Rules?.map(({ RuleArn }) => RuleArn).slice(0, 3)).toEqual([two, one, arns[2]]);
    const conflict = elb.SetRulePriorities({ RulePriorities: [{ RuleArn: one, Priority: 3 }] }, call);
    await expect(conflict).rejects.toMatchObject({
      code: "PriorityInUseException",
      message: "Priority '3' is currently in use",
    });
    const twice = [
      { RuleArn: one, Priority: 9 },
      { RuleArn: two, Priority: 9 },
    ];
    await expect(elb.SetRulePriorities({ RulePriorities: twice }, call)).rejects.toMatchObject({
      code: "ValidationError",
      message: "Priority '9' was provided multiple times",
    });
  });

  it("change what they match and do, each alone", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const { Rules } = await elb.CreateRule(
      { ListenerArn, Priority: 1, Conditions: path("/a"), Actions: fixed("a") },
      call,
    );
    const RuleArn = must(Rules?.[0]?.RuleArn);
    await elb.ModifyRule({ RuleArn, Conditions: path("/b") }, call);
    const modified = await elb.ModifyRule({ RuleArn, Actions: fixed("b") }, call);
    expect(modified.Rules?.[0]).toMatchObject({ Conditions: path("/b"), Actions: fixed("b") });
    await expect(elb.ModifyRule({ RuleArn }, call)).rejects.toMatchObject({
      message: "Either conditions or actions must be specified",
    });
  });

  it("leave the default rule alone", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const { Rules } = await elb.DescribeRules({ ListenerArn }, call);
    const RuleArn = must(Rules?.[0]?.RuleArn);
    const notPermitted = { code: "OperationNotPermittedException" };
    await expect(elb.DeleteRule({ RuleArn }, call)).rejects.toMatchObject({
      ...notPermitted,
      message: `Default rule '${RuleArn}' cannot be deleted`,
    });
    await expect(elb.ModifyRule({ RuleArn, Actions: fixed("x") }, call)).rejects.toMatchObject(notPermitted);
    await expect(elb.SetRulePriorities({ RulePriorities: [{ RuleArn, Priority: 1 }] }, call)).rejects.toMatchObject(
      notPermitted,
    );
  });

  it("are at most 100", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    const create = (Priority: number) =>
      elb.CreateRule({ ListenerArn, Priority, Conditions: path(`/${Priority}`), Actions: fixed("x") }, call);
    await Promise.all(Array.from({ length: 100 }, (_, index) => create(index + 1)));
    await expect(create(101)).rejects.toMatchObject({ code: "TooManyRulesException" });
    const first = await elb.DescribeRules({ ListenerArn, PageSize: 60 }, call);
    const rest = await elb.DescribeRules({ ListenerArn, PageSize: 60, Marker: must(first.NextMarker) }, call);
    expect([first.Rules?.length, rest.Rules?.length]).toEqual([60, 41]);
    expect(rest.Rules?.at(-1)?.IsDefault).toBe(true);
  });

  it("coalesce: many at once are put in force with few applies", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const before = edge.attempts;
    const create = (Priority: number) =>
      elb.CreateRule({ ListenerArn, Priority, Conditions: path(`/${Priority}`), Actions: fixed("x") }, call);
    await Promise.all(Array.from({ length: 50 }, (_, index) => create(index + 1)));
    expect(edge.config.listeners[0]?.routes).toHaveLength(51);
    expect(edge.attempts - before).toBeLessThan(10);
  });
});

describe("target groups", () => {
  it("are shown with AWS's defaults", async () => {
    const { elb, call } = bench;
    const { TargetGroups } = await elb.CreateTargetGroup(
      { Name: "web", Protocol: "HTTP", Port: 80, VpcId: "vpc-1" },
      call,
    );
    expect(TargetGroups).toEqual([
      {
        TargetGroupArn: expect.stringMatching(new RegExp(`^${prefix}:targetgroup/web/[0-9a-f]{16}$`)),
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
    await createGroup("idle");
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
    const map = await createGroup("map");
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
