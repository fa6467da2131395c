/** What AWS enforces without modelling it, as a table: the operation, what is wrong, and the error it gives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBench, createFront, must, refusal, type Bench } from "./bench.suite.ts";

let bench: Bench;
let front: Awaited<ReturnType<typeof createFront>>;
let lambdaGroup: string;
beforeAll(async () => {
  bench = await createBench();
  front = await createFront(bench);
  const { TargetGroups } = await bench.elb.CreateTargetGroup({ Name: "function", TargetType: "lambda" }, bench.call);
  lambdaGroup = must(TargetGroups?.[0]?.TargetGroupArn);
});
afterAll(() => bench.close());

type Peer = Bench["elb"];
type Operation = "CreateLoadBalancer" | "CreateTargetGroup" | "CreateListener";
type Input<Op extends Operation> = Parameters<Peer[Op]>[0];

const nothing = "ValidationError";
const configuration = "InvalidConfigurationRequestException";

const loadBalancer = (rest: Partial<Input<"CreateLoadBalancer">>) => ({
  Name: "ok",
  Subnets: ["subnet-a", "subnet-b"],
  ...rest,
});

describe("CreateLoadBalancer", () => {
  it.each<[Partial<Input<"CreateLoadBalancer">>, string, string]>([
    [
      { Name: "x".repeat(33) },
      nothing,
      `The load balancer name '${"x".repeat(33)}' cannot be longer than '32' characters`,
    ],
    [
      { Name: "a_b" },
      nothing,
      "The load balancer name 'a_b' can only contain characters that are alphanumeric characters or hyphens(-)",
    ],
    [{ Name: "-a" }, nothing, "The load balancer name '-a' cannot begin or end with '-'"],
    [{ Name: "a-" }, nothing, "The load balancer name 'a-' cannot begin or end with '-'"],
    [{ Name: "internal-a" }, nothing, "The load balancer name 'internal-a' cannot begin with 'internal-'"],
    [{ Subnets: [] }, nothing, "At least one subnet must be specified"],
    [{ Subnets: ["subnet-a"] }, nothing, "At least two subnets in two different Availability Zones must be specified"],
    [
      { Subnets: ["subnet-a", "subnet-a"] },
      nothing,
      "At least two subnets in two different Availability Zones must be specified",
    ],
    [
      { SubnetMappings: [{ SubnetId: "subnet-a" }] },
      nothing,
      "You must specify either subnets or subnet mappings, but not both",
    ],
    [
      { Subnets: [], SubnetMappings: [{ SubnetId: "subnet-a", AllocationId: "eip-1" }] },
      configuration,
      "You can't specify IP addresses for the subnets of load balancers of type 'application'",
    ],
    [
      { Type: "network", Subnets: undefined, SubnetMappings: [{ SubnetId: "subnet-a", AllocationId: "eip-1" }] },
      nothing,
      "Mikan does not run IP addresses for the subnets of load balancers yet.",
    ],
    [
      { Type: "network", EnablePrefixForIpv6SourceNat: "on" },
      nothing,
      "Mikan does not run prefixes for IPv6 source NAT yet.",
    ],
    [
      { Type: "network", IpAddressType: "dualstack-without-public-ipv4" },
      configuration,
      "Network load balancers must use 'ipv4' or 'dualstack'",
    ],
    [{ Type: "gateway" }, nothing, "Mikan does not run load balancers of type 'gateway' yet."],
    [{ Tags: [{ Key: "a" }, { Key: "a" }] }, "DuplicateTagKeysException", "Tag key was specified more than once: a"],
  ])("%j", async (wrong, code, message) => {
    expect(await refusal(bench.elb.CreateLoadBalancer(loadBalancer(wrong), bench.call))).toEqual({ code, message });
  });
});

const group = (rest: Partial<Input<"CreateTargetGroup">>): Input<"CreateTargetGroup"> => ({
  Name: "ok",
  Protocol: "HTTP",
  Port: 80,
  VpcId: "vpc-1",
  TargetType: "ip",
  ...rest,
});

describe("CreateTargetGroup", () => {
  it.each<[Partial<Input<"CreateTargetGroup">>, string, string]>([
    [{ Name: "y".repeat(33) }, nothing, `Target group name '${"y".repeat(33)}' cannot be longer than '32' characters`],
    [
      { Name: "a.b" },
      nothing,
      "Target group name 'a.b' can only contain characters that are alphanumeric characters or hyphens(-)",
    ],
    [{ Name: "-a" }, nothing, "Target group name '-a' cannot begin or end with '-'"],
    [{ Protocol: undefined }, nothing, "A protocol must be specified"],
    [{ Port: undefined }, nothing, "A port must be specified"],
    [{ VpcId: undefined }, nothing, "A VPC ID must be specified"],
    [{ Protocol: "TCP_UDP" }, nothing, "Mikan does not run target groups with protocol 'TCP_UDP' yet."],
    [{ Protocol: "GENEVE" }, nothing, "Mikan does not run target groups with protocol 'GENEVE' yet."],
    [{ Protocol: "UDP" }, nothing, "Mikan does not run target groups with protocol 'UDP' yet."],
    [
      { Protocol: "TCP", ProtocolVersion: "HTTP2" },
      nothing,
      "Protocol version cannot be specified for target groups with protocol 'TCP'",
    ],
    [
      { Matcher: { GrpcCode: "0" } },
      nothing,
      "A gRPC code can only be specified for target groups with protocol version 'GRPC'",
    ],
    [
      { ProtocolVersion: "GRPC", Matcher: { HttpCode: "200" } },
      nothing,
      "An HTTP code cannot be specified for target groups with protocol version 'GRPC'",
    ],
    [
      { ProtocolVersion: "GRPC", Matcher: { GrpcCode: "100" } },
      "InvalidParameterValue",
      "GrpcCode must be like 0 | 0-99 | 0,1 ...",
    ],
    [{ Protocol: "GENEVE" }, nothing, "Mikan does not run target groups with protocol 'GENEVE' yet."],
    [{ ProtocolVersion: "SPDY" }, nothing, "Protocol version 'SPDY' must be one of [HTTP1, HTTP2, GRPC]"],
    [{ TargetType: "alb" }, nothing, "Mikan does not run target groups with target type 'alb' yet."],
    [{ TargetType: "lambda" }, nothing, "Protocol cannot be specified for target groups with target type 'lambda'"],
    [
      { TargetType: "lambda", Protocol: undefined },
      nothing,
      "Port cannot be specified for target groups with target type 'lambda'",
    ],
    [
      { TargetType: "lambda", Protocol: undefined, Port: undefined },
      nothing,
      "VPC ID cannot be specified for target groups with target type 'lambda'",
    ],
    [
      { HealthCheckEnabled: false },
      nothing,
      "Health check enabled must be true for target groups with target type 'ip'",
    ],
    [{ HealthCheckIntervalSeconds: 5 }, nothing, "Health check interval must be greater than the timeout."],
    [
      { HealthCheckTimeoutSeconds: 30, HealthCheckIntervalSeconds: 30 },
      nothing,
      "Health check interval must be greater than the timeout.",
    ],
    [{ HealthCheckPath: "healthz" }, nothing, "Health check path 'healthz' must begin with a '/' character"],
    [{ HealthCheckPort: "0" }, nothing, "Health check port '0' must be in the range '1-65535', or 'traffic-port'"],
    [{ HealthCheckProtocol: "TCP" }, nothing, "Health check protocol 'TCP' must be one of [HTTP, HTTPS]"],
    [{ Matcher: { HttpCode: "ok" } }, "InvalidParameterValue", "HttpCode must be like 200 | 200-399 | 200,201 ..."],
    [
      { Matcher: { HttpCode: "200-599" } },
      nothing,
      "Health check matcher HTTP code '599' must be within '200-499' inclusive",
    ],
    [{ TargetControlPort: 3000 }, nothing, "Mikan does not run the target optimizer (TargetControlPort) yet."],
  ])("%j", async (wrong, code, message) => {
    expect(await refusal(bench.elb.CreateTargetGroup(group(wrong), bench.call))).toEqual({ code, message });
  });
});

describe("CreateListener", () => {
  const fixed = [{ Type: "fixed-response" as const, FixedResponseConfig: { StatusCode: "200" } }];
  it.each<[Partial<Input<"CreateListener">>, string, string]>([
    [{ Port: undefined }, nothing, "A listener port must be specified"],
    [{ Protocol: undefined }, nothing, "A listener protocol must be specified"],
    [{ Protocol: "HTTPS" }, nothing, "A certificate must be specified for HTTPS listeners"],
    [{ Protocol: "HTTPS", Certificates: [{}] }, nothing, "A certificate ARN must be specified"],
    [
      { Protocol: "HTTPS", Certificates: [{ CertificateArn: "a", IsDefault: true }] },
      nothing,
      "IsDefault cannot be specified for the certificate of a listener",
    ],
    [
      { Protocol: "HTTPS", Certificates: [{ CertificateArn: "a" }, { CertificateArn: "b" }] },
      nothing,
      "Up to '1' certificate ARNs can be specified, but '2' were specified",
    ],
    [
      { Protocol: "HTTPS", Certificates: [{ CertificateArn: "a" }], AlpnPolicy: ["HTTP2Only"] },
      nothing,
      "An ALPN policy can only be specified for TLS listeners",
    ],
    [{ Certificates: [{ CertificateArn: "a" }] }, nothing, "A certificate cannot be specified for HTTP listeners"],
    [{ Protocol: "TCP" }, nothing, "Listener protocol 'TCP' must be one of 'HTTPS, HTTP'"],
    [{ SslPolicy: "p" }, nothing, "An SSL policy cannot be specified for HTTP listeners"],
    [{ MutualAuthentication: { Mode: "verify" } }, nothing, "Mikan does not run mutual authentication yet."],
    [{ DefaultActions: [] }, nothing, "An action must be specified"],
    [{ LoadBalancerArn: "front" }, nothing, "'front' is not a valid load balancer ARN"],
  ])("%j", async (wrong, code, message) => {
    const input = { LoadBalancerArn: front.LoadBalancerArn, Protocol: "HTTP" as const, Port: 9, DefaultActions: fixed };
    expect(await refusal(bench.elb.CreateListener({ ...input, ...wrong }, bench.call))).toEqual({ code, message });
  });

  it("names a load balancer that is not there", async () => {
    const LoadBalancerArn = front.LoadBalancerArn.replace(/.{4}$/, "ffff");
    const input = { LoadBalancerArn, Protocol: "HTTP" as const, Port: 9, DefaultActions: fixed };
    expect(await refusal(bench.elb.CreateListener(input, bench.call))).toEqual({
      code: "LoadBalancerNotFoundException",
      message: `Load balancer '${LoadBalancerArn}' not found`,
    });
  });
});

describe("attributes", () => {
  const ofLoadBalancer = (Key: string, Value: string) =>
    bench.elb.ModifyLoadBalancerAttributes(
      { LoadBalancerArn: front.LoadBalancerArn, Attributes: [{ Key, Value }] },
      bench.call,
    );
  const ofGroup = (TargetGroupArn: string, Key: string, Value: string) =>
    bench.elb.ModifyTargetGroupAttributes({ TargetGroupArn, Attributes: [{ Key, Value }] }, bench.call);

  it.each([
    ["no.such", "1", nothing, "Load balancer attribute key 'no.such' is not recognized"],
    [
      "idle_timeout.timeout_seconds",
      "0",
      nothing,
      "'idle_timeout.timeout_seconds' value '0' must be between '1-4000' inclusive",
    ],
    [
      "idle_timeout.timeout_seconds",
      "4001",
      nothing,
      "'idle_timeout.timeout_seconds' value '4001' must be between '1-4000' inclusive",
    ],
    [
      "client_keep_alive.seconds",
      "59",
      nothing,
      "'client_keep_alive.seconds' value '59' must be between '60-604800' inclusive",
    ],
    [
      "deletion_protection.enabled",
      "yes",
      nothing,
      "'deletion_protection.enabled' value 'yes' must be one of [true, false]",
    ],
    [
      "load_balancing.cross_zone.enabled",
      "false",
      configuration,
      "Load balancer attribute key 'load_balancing.cross_zone.enabled' cannot be changed for load balancers of type 'application'",
    ],
    [
      "routing.http.desync_mitigation_mode",
      "off",
      nothing,
      "'routing.http.desync_mitigation_mode' value 'off' must be one of [monitor, defensive, strictest]",
    ],
    [
      "dns_record.client_routing_policy",
      "any_availability_zone",
      nothing,
      "Load balancer attribute key 'dns_record.client_routing_policy' is not supported on load balancers with type 'application'",
    ],
    [
      "access_logs.s3.enabled",
      "true",
      nothing,
      "A value for 'access_logs.s3.bucket' must be specified when 'access_logs.s3.enabled' is 'true'",
    ],
    [
      "connection_logs.s3.enabled",
      "true",
      nothing,
      "Mikan does not run the attribute 'connection_logs.s3.enabled' set to 'true' yet.",
    ],
  ])("of a load balancer: %s = %s", async (key, value, code, message) => {
    expect(await refusal(ofLoadBalancer(key, value))).toEqual({ code, message });
  });

  it.each([
    [
      "deregistration_delay.timeout_seconds",
      "3601",
      "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive",
    ],
    ["stickiness.type", "source_ip", "'stickiness.type' value 'source_ip' must be one of [lb_cookie, app_cookie]"],
    [
      "stickiness.lb_cookie.duration_seconds",
      "604801",
      "'stickiness.lb_cookie.duration_seconds' value '604801' must be between '1-604800' inclusive",
    ],
    [
      "stickiness.app_cookie.cookie_name",
      "AWSALBX",
      "'stickiness.app_cookie.cookie_name' value 'AWSALBX' cannot start with any of [AWSALB, AWSALBAPP, AWSALBTG]",
    ],
    [
      "stickiness.app_cookie.cookie_name",
      "a b",
      "'stickiness.app_cookie.cookie_name' value 'a b' is not a valid cookie name",
    ],
    [
      "load_balancing.algorithm.anomaly_mitigation",
      "maybe",
      "'load_balancing.algorithm.anomaly_mitigation' value 'maybe' must be one of [on, off]",
    ],
    ["proxy_protocol_v2.enabled", "true", "Target group attribute key 'proxy_protocol_v2.enabled' is not recognized"],
    [
      "slow_start.duration_seconds",
      "29",
      "'slow_start.duration_seconds' value '29' must be between '30-900' inclusive",
    ],
    [
      "load_balancing.algorithm.type",
      "random",
      "'load_balancing.algorithm.type' value 'random' must be one of [round_robin, least_outstanding_requests, weighted_random]",
    ],
    [
      "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
      "101",
      "'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage' value '101' must be between '1-100' inclusive",
    ],
    [
      "lambda.multi_value_headers.enabled",
      "true",
      "Target group attribute key 'lambda.multi_value_headers.enabled' is not recognized",
    ],
  ])("of a target group: %s = %s", async (key, value, message) => {
    expect(await refusal(ofGroup(front.TargetGroupArn, key, value))).toEqual({ code: nothing, message });
  });

  it.each([
    [
      { "slow_start.duration_seconds": "30", "load_balancing.algorithm.type": "least_outstanding_requests" },
      "Slow start mode cannot be enabled together with the load balancing algorithm 'least_outstanding_requests'",
    ],
    [
      { "load_balancing.algorithm.anomaly_mitigation": "on" },
      "Anomaly mitigation is only available with the load balancing algorithm 'weighted_random'",
    ],
    [
      { "stickiness.enabled": "true", "stickiness.type": "app_cookie" },
      "A value for 'stickiness.app_cookie.cookie_name' must be specified for stickiness type 'app_cookie'",
    ],
  ])("of a target group that do not go together: %j", async (set, message) => {
    const Attributes = Object.entries(set).map(([Key, Value]) => ({ Key, Value }));
    const { TargetGroupArn } = front;
    const attempt = bench.elb.ModifyTargetGroupAttributes({ TargetGroupArn, Attributes }, bench.call);
    expect(await refusal(attempt)).toEqual({ code: nothing, message });
  });

  it.each([
    ["routing.http.response.strict_transport_security.header_value", "max-age=1", " is not recognized"],
    ["routing.http.response.server.enabled", "no", " value 'no' must be one of [true, false]"],
    [
      "routing.http.response.access_control_allow_methods.header_value",
      "FETCH",
      " value 'FETCH' must be a comma separated list of [GET, HEAD, POST, DELETE, CONNECT, OPTIONS, TRACE, PUT, PATCH, *]",
    ],
    [
      "routing.http.response.access_control_max_age.header_value",
      "86401",
      " value '86401' must be between '0-86400' inclusive",
    ],
    [
      "routing.http.response.x_frame_options.header_value",
      "ALLOW",
      " value 'ALLOW' must be one of [DENY, SAMEORIGIN, ALLOW-FROM https://example.com]",
    ],
    [
      "routing.http.response.content_security_policy.header_value",
      "a\r\nb",
      " value 'a\r\nb' contains a character that is not valid",
    ],
  ])("of a listener: %s = %s", async (Key, Value, message) => {
    const { ListenerArn } = front;
    const attempt = bench.elb.ModifyListenerAttributes({ ListenerArn, Attributes: [{ Key, Value }] }, bench.call);
    const subject = message.includes("not recognized") ? `Listener attribute key '${Key}'` : `'${Key}'`;
    expect(await refusal(attempt)).toEqual({ code: nothing, message: `${subject}${message}` });
  });

  it("of a function's target group", async () => {
    expect(await refusal(ofGroup(lambdaGroup, "deregistration_delay.timeout_seconds", "1"))).toEqual({
      code: nothing,
      message:
        "A target group with target type 'lambda' does not support the attribute deregistration_delay.timeout_seconds",
    });
  });
});

describe("Describe operations", () => {
  it.each<[string, () => Promise<unknown>, string]>([
    [
      "listeners",
      () => bench.elb.DescribeListeners({}, bench.call),
      "You must specify either listener ARNs or a load balancer ARN",
    ],
    [
      "rules",
      () => bench.elb.DescribeRules({}, bench.call),
      "You must specify either listener rule ARNs or a listener ARN",
    ],
    [
      "rules in two ways",
      () => bench.elb.DescribeRules({ ListenerArn: front.ListenerArn, RuleArns: ["x"] }, bench.call),
      "Listener rule ARNs and a listener ARN cannot be specified at the same time",
    ],
    [
      "target groups in two ways",
      () => bench.elb.DescribeTargetGroups({ Names: ["a"], TargetGroupArns: ["b"] }, bench.call),
      "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time",
    ],
    [
      "load balancers in two ways",
      () => bench.elb.DescribeLoadBalancers({ Names: ["a"], LoadBalancerArns: ["b"] }, bench.call),
      "Load balancer names and load balancer ARNs cannot be specified at the same time",
    ],
    [
      "a rule by what is no ARN",
      () => bench.elb.DescribeRules({ RuleArns: ["x"] }, bench.call),
      "'x' is not a valid listener rule ARN",
    ],
    [
      "tags of what is no ARN",
      () => bench.elb.DescribeTags({ ResourceArns: ["x"] }, bench.call),
      "'x' is not a valid ARN",
    ],
    [
      "a marker of nobody",
      () => bench.elb.DescribeLoadBalancers({ Marker: "x" }, bench.call),
      "The marker 'x' is not valid",
    ],
  ])("%s", async (_, attempt, message) => {
    expect(await refusal(attempt())).toEqual({ code: nothing, message });
  });

  it("leave everything as it was", async () => {
    const { Rules } = await bench.elb.DescribeRules({ ListenerArn: front.ListenerArn }, bench.call);
    expect(Rules).toHaveLength(1);
    expect((await bench.elb.DescribeLoadBalancers({}, bench.call)).LoadBalancers).toHaveLength(1);
    expect((await bench.elb.DescribeTargetGroups({}, bench.call)).TargetGroups).toHaveLength(2);
  });
});
