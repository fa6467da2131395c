/** What each setting becomes in the configuration of the edge. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClusterConfig, ListenerConfig, StreamPolicy } from "../../edge/ports.ts";
import { keyOf } from "./arns.ts";
import { createBench, createFront, must, refusal, type Bench } from "./bench.suite.ts";
import { clusterConfig } from "./cluster-config.ts";
import { findTargetGroup } from "./tables.ts";

let bench: Bench;
let front: Awaited<ReturnType<typeof createFront>>;
beforeAll(async () => {
  bench = await createBench();
  front = await createFront(bench);
});
afterAll(() => bench.close());

const listener = (): ListenerConfig => must(bench.edge.config.listeners[0]);
const cluster = (): ClusterConfig => must(bench.edge.config.clusters[0]);
const pairs = (set: Record<string, string>) => Object.entries(set).map(([Key, Value]) => ({ Key, Value }));

describe("an attribute of a load balancer", () => {
  it.each<[string, string, Partial<ListenerConfig> | { forwarded: object }]>([
    ["routing.http.desync_mitigation_mode", "strictest", { desync: "strictest" }],
    ["routing.http.desync_mitigation_mode", "monitor", { desync: "monitor" }],
    ["routing.http2.enabled", "false", { http2: false }],
    ["idle_timeout.timeout_seconds", "4000", { idleTimeoutMs: 4_000_000 }],
    ["client_keep_alive.seconds", "60", { keepAliveTimeoutMs: 60_000 }],
    ["routing.http.xff_client_port.enabled", "true", { forwarded: { clientPort: true } }],
    ["routing.http.xff_header_processing.mode", "remove", { forwarded: { xff: "remove" } }],
    ["routing.http.preserve_host_header.enabled", "true", { forwarded: { preserveHost: true } }],
    ["routing.http.drop_invalid_header_fields.enabled", "true", { forwarded: { dropInvalidNames: true } }],
    [
      "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
      "true",
      { forwarded: { tlsFields: { version: "X-Amzn-Tls-Version", cipherSuite: "X-Amzn-Tls-Cipher-Suite" } } },
    ],
  ])("%s = %s", async (Key, Value, expected) => {
    const { LoadBalancerArn } = front;
    await bench.elb.ModifyLoadBalancerAttributes({ LoadBalancerArn, Attributes: [{ Key, Value }] }, bench.call);
    expect(listener()).toMatchObject(expected);
  });
});

describe("attributes of a target group", () => {
  it.each<[Record<string, string>, Partial<ClusterConfig>]>([
    [{ "deregistration_delay.timeout_seconds": "7" }, { drainMs: 7_000 }],
    [{ "load_balancing.algorithm.type": "least_outstanding_requests" }, { balance: "least-outstanding" }],
    [
      { "load_balancing.algorithm.type": "weighted_random", "load_balancing.algorithm.anomaly_mitigation": "on" },
      { balance: "weighted-random", mitigate: true },
    ],
    [{ "load_balancing.algorithm.anomaly_mitigation": "off" }, { balance: "weighted-random" }],
    [{ "load_balancing.algorithm.type": "round_robin", "slow_start.duration_seconds": "30" }, { slowStartMs: 30_000 }],
    [
      { "stickiness.enabled": "true", "stickiness.lb_cookie.duration_seconds": "60" },
      { stickiness: { kind: "lb-cookie", durationMs: 60_000 } },
    ],
    [
      {
        "stickiness.enabled": "true",
        "stickiness.type": "app_cookie",
        "stickiness.app_cookie.cookie_name": "session",
        "stickiness.app_cookie.duration_seconds": "90",
      },
      { stickiness: { kind: "app-cookie", name: "session", durationMs: 90_000 } },
    ],
    [
      {
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "2",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "50",
      },
      { healthyMin: { count: 2, percent: 50 } },
    ],
  ])("%j", async (set, expected) => {
    const { TargetGroupArn } = front;
    await bench.elb.ModifyTargetGroupAttributes({ TargetGroupArn, Attributes: pairs(set) }, bench.call);
    expect(cluster()).toMatchObject(expected);
  });
});

describe("attributes of a listener", () => {
  it("set fields of answers, and hide what the load balancer is", async () => {
    const set = {
      "routing.http.response.server.enabled": "false",
      "routing.http.response.access_control_allow_origin.header_value": "https://example.com",
      "routing.http.response.x_frame_options.header_value": "DENY",
    };
    const { ListenerArn } = front;
    await bench.elb.ModifyListenerAttributes({ ListenerArn, Attributes: pairs(set) }, bench.call);
    expect(listener().response).toEqual({
      hideServer: true,
      set: ["Access-Control-Allow-Origin", "https://example.com", "X-Frame-Options", "DENY"],
    });
  });
});

it("sticky arms of a forward", async () => {
  const { ListenerArn, TargetGroupArn } = front;
  const ForwardConfig = {
    TargetGroups: [{ TargetGroupArn, Weight: 999 }],
    TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
  };
  const DefaultActions = [{ Type: "forward" as const, ForwardConfig }];
  const { Listeners } = await bench.elb.ModifyListener({ ListenerArn, DefaultActions }, bench.call);
  expect(Listeners?.[0]?.DefaultActions?.[0]?.ForwardConfig).toEqual(ForwardConfig);
  expect(listener().routes.at(-1)?.action).toEqual({
    kind: "forward",
    targets: [{ clusterId: TargetGroupArn, weight: 999 }],
    stickyMs: 60_000,
  });
});

it("a secret for cookies that is the same after a restart", () => {
  expect(bench.edge.config.cookieSecret).toMatch(/^[0-9a-f]{64}$/);
});

describe("a target group", () => {
  it.each<[object, Partial<ClusterConfig>]>([
    [{ Protocol: "HTTPS" }, { tls: { verify: false }, health: expect.objectContaining({ protocol: "http" }) }],
    [{ HealthCheckProtocol: "HTTPS" }, { health: expect.objectContaining({ protocol: "https" }) }],
    [
      { TargetType: "lambda", Protocol: undefined, Port: undefined, VpcId: undefined, HealthCheckEnabled: true },
      { health: expect.objectContaining({ intervalMs: 35_000, timeoutMs: 30_000, matcher: "200" }) },
    ],
  ])("%j", async (settings, expected) => {
    const input = { Name: "other", Protocol: "HTTP" as const, Port: 1, VpcId: "vpc-1", TargetType: "ip" as const };
    const { TargetGroups } = await bench.elb.CreateTargetGroup({ ...input, ...settings }, bench.call);
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    const { Rules } = await bench.elb.CreateRule(
      {
        ListenerArn: front.ListenerArn,
        Priority: 1,
        Conditions: [{ Field: "path-pattern", Values: ["/a"] }],
        Actions: [{ Type: "forward", TargetGroupArn }],
      },
      bench.call,
    );
    expect(bench.edge.config.clusters.find(({ id }) => id === TargetGroupArn)).toMatchObject(expected);
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
    await bench.elb.DeleteTargetGroup({ TargetGroupArn }, bench.call);
  });
});

describe("a target group of another version", () => {
  it.each<[object, Partial<ClusterConfig>, object]>([
    [
      { ProtocolVersion: "HTTP2" },
      { protocol: "http2", health: expect.objectContaining({ protocol: "http" }) },
      { HttpCode: "200" },
    ],
    [
      { ProtocolVersion: "GRPC", Protocol: "HTTPS", Matcher: { GrpcCode: "0,12" } },
      {
        protocol: "grpc",
        tls: { verify: false },
        health: expect.objectContaining({ protocol: "grpc", path: "/AWS.ALB/healthcheck", matcher: "0,12" }),
      },
      { GrpcCode: "0,12" },
    ],
  ])("%j", async (settings, expected, Matcher) => {
    const input = { Name: "other", Protocol: "HTTP" as const, Port: 1, VpcId: "vpc-1", TargetType: "ip" as const };
    const { TargetGroups } = await bench.elb.CreateTargetGroup({ ...input, ...settings }, bench.call);
    expect(TargetGroups?.[0]?.Matcher).toEqual(Matcher);
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    const row = must(await bench.store.read((tx) => findTargetGroup(tx, keyOf("target group", TargetGroupArn))));
    expect(clusterConfig(row, [], {})).toMatchObject(expected);
    const Actions = [{ Type: "forward" as const, TargetGroupArn }];
    const Conditions = [{ Field: "path-pattern", Values: ["/a"] }];
    const attempt = bench.elb.CreateRule(
      { ListenerArn: front.ListenerArn, Priority: 1, Conditions, Actions },
      bench.call,
    );
    expect(await refusal(attempt)).toMatchObject({
      message: expect.stringMatching(
        /^Listener protocol 'HTTP' is not supported with a target group with the protocol-version/,
      ),
    });
    await bench.elb.DeleteTargetGroup({ TargetGroupArn }, bench.call);
  });
});

describe("a network load balancer", () => {
  let balancer: string;
  let group: string;
  let arn: string;
  beforeAll(async () => {
    const { elb, call } = bench;
    const { LoadBalancers } = await elb.CreateLoadBalancer({ Name: "net", Type: "network", Subnets: ["a"] }, call);
    balancer = must(LoadBalancers?.[0]?.LoadBalancerArn);
    const input = { Name: "tcp", Protocol: "TCP" as const, Port: 5432, VpcId: "vpc-1", TargetType: "ip" as const };
    const { TargetGroups } = await elb.CreateTargetGroup(input, call);
    group = must(TargetGroups?.[0]?.TargetGroupArn);
    const DefaultActions = [{ Type: "forward" as const, TargetGroupArn: group }];
    const listening = { LoadBalancerArn: balancer, Protocol: "TCP" as const, Port: 5432, DefaultActions };
    const { Listeners } = await elb.CreateListener(listening, call);
    arn = must(Listeners?.[0]?.ListenerArn);
  });

  it("has stream listeners, and no others", async () => {
    const Attributes = pairs({ "tcp.idle_timeout.seconds": "6000" });
    const stream = () => bench.edge.config.streamListeners ?? [];
    const targets = [{ clusterId: group, weight: 1 }];
    const expected = { id: arn, address: "127.0.0.1", port: 5432, loadBalancerId: balancer, targets };
    expect(stream()).toEqual([{ ...expected, idleTimeoutMs: 350_000 }]);
    expect(bench.edge.config.listeners.map(({ id }) => id)).toEqual([front.ListenerArn]);
    await bench.elb.ModifyListenerAttributes({ ListenerArn: arn, Attributes }, bench.call);
    expect(stream()).toEqual([{ ...expected, idleTimeoutMs: 6_000_000 }]);
  });

  it.each<[string, Partial<StreamPolicy>]>([
    ["proxy_protocol_v2.enabled", { proxyProtocol: true }],
    ["stickiness.enabled", { stickToSource: true }],
    ["deregistration_delay.connection_termination.enabled", { endAfterDrain: true }],
    ["target_health_state.unhealthy.connection_termination.enabled", { endWhenUnhealthy: true }],
  ])("takes %s", async (Key, expected) => {
    const policy = () => bench.edge.config.clusters.find(({ id }) => id === group)?.stream;
    for (const on of [false, true]) {
      const Attributes = [{ Key, Value: String(on) }];
      await bench.elb.ModifyTargetGroupAttributes({ TargetGroupArn: group, Attributes }, bench.call);
      expect(policy()).toMatchObject(Object.fromEntries(Object.keys(expected).map((name) => [name, on])));
    }
  });

  it.each([
    [{}, { protocol: "tcp", timeoutMs: 10_000 }],
    [{ HealthCheckProtocol: "HTTP" as const }, { protocol: "http", path: "/", timeoutMs: 6_000, matcher: "200-399" }],
    [
      { HealthCheckProtocol: "HTTPS" as const, HealthCheckPath: "/up" },
      { protocol: "https", path: "/up" },
    ],
  ])("checks its targets as it is told: %j", async (settings, expected) => {
    await bench.elb.ModifyTargetGroup({ TargetGroupArn: group, ...settings }, bench.call);
    expect(bench.edge.config.clusters.find(({ id }) => id === group)?.health).toMatchObject(expected);
  });

  it("has no policies that look at requests", async () => {
    const policies = { Breaker: { Connections: 1 } };
    const { resource, call } = bench;
    const request = {
      logicalId: "Group",
      physicalName: "with-policies",
      properties: { Protocol: "TCP", Port: 1, VpcId: "vpc-1", TargetType: "ip" },
      metadata: policies,
      stackId: "arn:aws:cloudformation:us-east-1:000000000000:stack/s/1",
      stackName: "s",
      token: "t",
      tags: {},
    };
    expect(await refusal(resource("TargetGroup").create(request, call))).toMatchObject({
      message: "Mikan.Breaker is for requests: a network load balancer sees none",
    });
  });
});
