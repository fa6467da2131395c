/** What AWS enforces without modelling it, as a table: the operation, what is wrong, and the error it gives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBench, createFront, must, type Bench } from "./bench.suite.ts";

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
type Operation = "CreateLoadBalancer" | "CreateTargetGroup" | "CreateRule" | "CreateListener";
type Input<Op extends Operation> = Parameters<Peer[Op]>[0];

const nothing = "ValidationError";
const action = "InvalidLoadBalancerActionException";
const configuration = "InvalidConfigurationRequestException";

async function refusal(attempt: Promise<unknown>) {
  return attempt.then(
    () => "was accepted",
    (error: unknown) => {
      const { code, message } = error as { code: string; message: string };
      return { code, message };
    },
  );
}

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
    [{ Type: "network" }, nothing, "Mikan does not run load balancers of type 'network' yet."],
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
    [{ Protocol: "HTTPS" }, nothing, "Mikan does not run target groups with protocol 'HTTPS' yet."],
    [{ Protocol: "GENEVE" }, nothing, "Mikan does not run target groups with protocol 'GENEVE' yet."],
    [{ ProtocolVersion: "GRPC" }, nothing, "Mikan does not run target groups with protocol version 'GRPC' yet."],
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
      { TargetType: "lambda", Protocol: undefined, Port: undefined, VpcId: undefined, HealthCheckEnabled: true },
      nothing,
      "Mikan does not run health checks of target groups with target type 'lambda' yet.",
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
    [{ HealthCheckProtocol: "HTTPS" }, nothing, "Mikan does not run health checks over HTTPS yet."],
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
    [{ Protocol: "HTTPS" }, nothing, "Mikan does not run listeners with protocol 'HTTPS' yet."],
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

type Condition = NonNullable<Input<"CreateRule">["Conditions"]>[number];
type Action = NonNullable<Input<"CreateRule">["Actions"]>[number];

const path = (...Values: string[]): Condition => ({ Field: "path-pattern", PathPatternConfig: { Values } });
const ok: Action = { Type: "fixed-response", FixedResponseConfig: { StatusCode: "200" } };
const rule = (Conditions: Condition[], Actions: Action[] = [ok]) =>
  bench.elb.CreateRule({ ListenerArn: front.ListenerArn, Priority: 1, Conditions, Actions }, bench.call);

describe("conditions of a rule", () => {
  it.each<[Condition[], string]>([
    [[], "A condition must be specified"],
    [
      [{ Field: "cookie", Values: ["a"] }],
      "Condition field 'cookie' must be one of '[http-header, http-request-method, host-header, path-pattern, query-string, source-ip]'",
    ],
    [[{ Field: "path-pattern" }], "A condition value must be specified"],
    [[path("")], "A condition value must be specified"],
    [
      [{ Field: "path-pattern", Values: ["/a", "/b"] }],
      "The 'path-pattern' field contains too many values; the limit is '1'",
    ],
    [[path(`/${"x".repeat(128)}`)], "The 'path-pattern' value is too long; the limit is '128'"],
    [[path("/a(b)")], "Condition value '/a(b)' contains a character that is not valid"],
    [[path("/a b")], "Condition value '/a b' contains a character that is not valid"],
    [[{ Field: "host-header", Values: ["a/b"] }], "Condition value 'a/b' contains a character that is not valid"],
    [
      [{ Field: "host-header", Values: ["a.b"], HostHeaderConfig: { Values: ["c.d"] } }],
      "You cannot provide both Values and 'HostHeaderConfig' for a condition of type 'host-header'",
    ],
    [[path("/1", "/2", "/3", "/4", "/5", "/6")], "A rule can only have '5' condition values"],
    [
      [
        path("/1", "/2", "/3"),
        { Field: "source-ip", SourceIpConfig: { Values: ["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8"] } },
      ],
      "A rule can only have '5' condition values",
    ],
    [[path("/*/*/*/*/*/*")], "A rule can only have '5' condition wildcards"],
    [[path("/a"), path("/b")], "A rule can only have one 'path-pattern' condition"],
    [
      [{ Field: "path-pattern", PathPatternConfig: { RegexValues: ["^/a"] } }],
      "Mikan does not run regular expressions in 'path-pattern' conditions yet.",
    ],
    [[{ Field: "http-header", Values: ["a"] }], "The 'Values' field is not compatible with 'http-header'"],
    [[{ Field: "http-header" }], "A 'HttpHeaderConfig' must be specified with 'http-header'"],
    [
      [{ Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "x".repeat(41), Values: ["a"] } }],
      "The 'HttpHeaderName' value is too long; the limit is '40'",
    ],
    [
      [{ Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "a b", Values: ["a"] } }],
      "The 'HttpHeaderName' value is not a valid header name",
    ],
    [
      [{ Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "Host", Values: ["a"] } }],
      "The 'HttpHeaderName' value cannot be 'host'; use a condition of type 'host-header' instead",
    ],
    [[{ Field: "http-request-method" }], "A 'HttpRequestMethodConfig' must be specified with 'http-request-method'"],
    [
      [{ Field: "http-request-method", HttpRequestMethodConfig: { Values: ["get"] } }],
      "The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen and underscore",
    ],
    [[{ Field: "query-string" }], "A 'QueryStringConfig' must be specified with 'query-string'"],
    [
      [{ Field: "query-string", QueryStringConfig: { Values: [{ Key: "a" }] } }],
      "A 'Value' must be specified in 'QueryStringKeyValuePair'",
    ],
    [
      [{ Field: "query-string", QueryStringConfig: { Values: [{ Key: "k".repeat(129), Value: "v" }] } }],
      "The 'Key' value is too long; the limit is '128'",
    ],
    [[{ Field: "source-ip" }], "A 'SourceIpConfig' must be specified with 'source-ip'"],
    [[{ Field: "source-ip", SourceIpConfig: { Values: [] } }], "A 'source-ip' value must be specified"],
    ...["10.0.0.1", "10.0.0.0/33", "a/8", "1::/129", "10.0.0.0/8/8"].map((cidr): [Condition[], string] => [
      [{ Field: "source-ip", SourceIpConfig: { Values: [cidr] } }],
      `The 'source-ip' value '${cidr}' must be in CIDR format`,
    ]),
  ])("%j", async (conditions, message) => {
    expect(await refusal(rule(conditions))).toEqual({ code: nothing, message });
  });

  it("may hold a backslash that takes a wildcard's meaning away", async () => {
    const Values = [{ Value: "\\*\\*\\*\\*\\*\\*" }];
    const { Rules } = await rule([{ Field: "query-string", QueryStringConfig: { Values } }]);
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
  });
});

const redirect = (RedirectConfig: Partial<NonNullable<Action["RedirectConfig"]>>): Action => ({
  Type: "redirect",
  RedirectConfig: { StatusCode: "HTTP_302", ...RedirectConfig },
});

describe("actions of a rule", () => {
  const arn = (name: string) =>
    `arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/${name}/0123456789abcdef`;
  it.each<[Action[], string, string]>([
    [[], nothing, "An action must be specified"],
    [
      [ok, ok],
      action,
      "The actions list must contain exactly one of 'forward', 'redirect', 'fixed-response', as the last action to be performed",
    ],
    [[{ Type: "forward" }], nothing, "A target group ARN must be specified"],
    [[{ Type: "forward", TargetGroupArn: "x" }], nothing, "'x' is not a valid target group ARN"],
    [
      [{ Type: "forward", TargetGroupArn: arn("none") }],
      "TargetGroupNotFoundException",
      `Target group '${arn("none")}' not found`,
    ],
    [
      [{ Type: "forward", TargetGroupArn: arn("a"), ForwardConfig: { TargetGroups: [{ TargetGroupArn: arn("b") }] } }],
      action,
      "If you specify both ForwardConfig and TargetGroupArn, you can specify only one target group using ForwardConfig and it must be the same target group specified in TargetGroupArn",
    ],
    [
      [{ Type: "forward", ForwardConfig: { TargetGroups: [{ TargetGroupArn: arn("a"), Weight: 1000 }] } }],
      nothing,
      "Target group weight '1000' must be between '0' and '999' inclusive",
    ],
    [
      [
        {
          Type: "forward",
          ForwardConfig: {
            TargetGroups: ["a", "b", "c", "d", "e", "f"].map((name) => ({ TargetGroupArn: arn(name) })),
          },
        },
      ],
      "TooManyTargetGroupsException",
      "A forward action can only have '5' target groups",
    ],
    [
      [
        {
          Type: "forward",
          ForwardConfig: { TargetGroups: [{ TargetGroupArn: arn("a") }, { TargetGroupArn: arn("a") }] },
        },
      ],
      action,
      "A target group can only be specified once in a forward action",
    ],
    [
      [
        {
          Type: "forward",
          ForwardConfig: {
            TargetGroups: [{ TargetGroupArn: arn("a") }],
            TargetGroupStickinessConfig: { Enabled: true, DurationSeconds: 60 },
          },
        },
      ],
      nothing,
      "Mikan does not run target group stickiness yet.",
    ],
    [
      [{ Type: "redirect" }],
      action,
      "For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'",
    ],
    [[redirect({})], action, "The redirect configuration is not valid because it creates a loop."],
    [[redirect({ Query: "a=1" })], action, "The redirect configuration is not valid because it creates a loop."],
    [
      [redirect({ Path: "new" })],
      action,
      "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of these placeholders: '#{path}', '#{host}', '#{port}'.",
    ],
    [
      [redirect({ Path: "/#{path}/#{path}" })],
      action,
      "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of these placeholders: '#{path}', '#{host}', '#{port}'.",
    ],
    [[redirect({ Port: "0" })], action, "The Port parameter must be a valid port, and should be 1-65535 or '#{port}'."],
    [
      [redirect({ Host: "a/b" })],
      action,
      "The Host parameter must be a valid host name, and may contain up to one '#{host}' placeholder.",
    ],
    [
      [{ Type: "fixed-response" }],
      action,
      "For actions of type 'fixed-response', you must specify the following fields: 'FixedResponseConfig'",
    ],
    [
      [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "200", ContentType: "image/png" } }],
      action,
      "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', 'text/plain'",
    ],
    ...(["authenticate-oidc", "authenticate-cognito", "jwt-validation"] as const).map(
      (Type): [Action[], string, string] => [[{ Type }], nothing, `Mikan does not run actions of type '${Type}' yet.`],
    ),
  ])("%j", async (actions, code, message) => {
    expect(await refusal(rule([path("/a")], actions))).toEqual({ code, message });
  });

  it("refuse a priority that is in use, and transforms", async () => {
    const { Rules } = await rule([path("/a")]);
    expect(await refusal(rule([path("/b")]))).toEqual({
      code: "PriorityInUseException",
      message: "Priority '1' is currently in use",
    });
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
    const Transforms = [{ Type: "url-rewrite" as const }];
    const input = { ListenerArn: front.ListenerArn, Priority: 2, Conditions: [path("/a")], Actions: [ok], Transforms };
    expect(await refusal(bench.elb.CreateRule(input, bench.call))).toEqual({
      code: nothing,
      message: "Mikan does not run transforms of rules yet.",
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
      "strictest",
      nothing,
      "Mikan does not run the attribute 'routing.http.desync_mitigation_mode' set to 'strictest' yet.",
    ],
    [
      "access_logs.s3.enabled",
      "true",
      nothing,
      "Mikan does not run the attribute 'access_logs.s3.enabled' set to 'true' yet.",
    ],
    [
      "routing.http.xff_client_port.enabled",
      "true",
      nothing,
      "Mikan does not run the attribute 'routing.http.xff_client_port.enabled' set to 'true' yet.",
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
    ["stickiness.enabled", "true", "Mikan does not run the attribute 'stickiness.enabled' set to 'true' yet."],
    [
      "slow_start.duration_seconds",
      "29",
      "'slow_start.duration_seconds' value '29' must be between '30-900' inclusive",
    ],
    [
      "slow_start.duration_seconds",
      "30",
      "Mikan does not run the attribute 'slow_start.duration_seconds' set to '30' yet.",
    ],
    [
      "load_balancing.algorithm.type",
      "least_outstanding_requests",
      "Mikan does not run the attribute 'load_balancing.algorithm.type' set to 'least_outstanding_requests' yet.",
    ],
    [
      "lambda.multi_value_headers.enabled",
      "true",
      "Target group attribute key 'lambda.multi_value_headers.enabled' is not recognized",
    ],
  ])("of a target group: %s = %s", async (key, value, message) => {
    expect(await refusal(ofGroup(front.TargetGroupArn, key, value))).toEqual({ code: nothing, message });
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
