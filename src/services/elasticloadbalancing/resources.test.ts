import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject, ResourceState } from "../../kit/resource.ts";
import { allowing, createBench, functionArn, type Bench } from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

const request = (logicalId: string, properties: JsonObject, physicalName = `stack-${logicalId}-X`) => ({
  token: `stack/${logicalId}`,
  stackId: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1",
  stackName: "stack",
  logicalId,
  physicalName,
  properties,
  metadata: {},
  tags: { "aws:cloudformation:stack-name": "stack" },
});

const create = (type: string, logicalId: string, properties: JsonObject) =>
  bench.resource(type).create(request(logicalId, properties), bench.call);
const remove = (type: string, logicalId: string, state: ResourceState) =>
  bench.resource(type).delete({ ...request(logicalId, {}), ...state }, bench.call);

/** The stack of the example's front door. Numbers come as text, as parameters give them. */
async function createFrontStack() {
  const loadBalancer = await create("LoadBalancer", "LoadBalancer", {
    Type: "application",
    Scheme: "internal",
    Subnets: ["subnet-a", "subnet-b"],
    SecurityGroups: ["sg-1"],
    LoadBalancerAttributes: [{ Key: "idle_timeout.timeout_seconds", Value: "30" }],
  });
  const group = await create("TargetGroup", "Monolith", {
    TargetType: "ip",
    Protocol: "HTTP",
    Port: "3000",
    VpcId: "vpc-default",
    HealthCheckPath: "/healthz",
    HealthCheckIntervalSeconds: 5,
    HealthCheckTimeoutSeconds: "2",
    Targets: [{ Id: "127.0.0.1", Port: "3000" }],
    TargetGroupAttributes: [{ Key: "deregistration_delay.timeout_seconds", Value: 5 }],
  });
  const listener = await create("Listener", "Listener", {
    LoadBalancerArn: loadBalancer.physicalId,
    Port: "8080",
    Protocol: "HTTP",
    DefaultActions: [{ Type: "forward", TargetGroupArn: group.physicalId }],
  });
  return { loadBalancer, group, listener };
}

const ruleProperties = (listenerArn: string, targetGroupArn: string): JsonObject => ({
  ListenerArn: listenerArn,
  Priority: "10",
  Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values: ["/map/*"] } }],
  Actions: [{ Type: "forward", TargetGroupArn: targetGroupArn }],
});

describe("the CloudFormation types", () => {
  it("make a front door that routes", async () => {
    const { edge, elb, call } = bench;
    const { loadBalancer, group, listener } = await createFrontStack();
    expect(loadBalancer.attributes).toEqual({
      CanonicalHostedZoneID: expect.any(String),
      DNSName: expect.stringMatching(/^stack-LoadBalancer-X-[0-9a-f]{16}\.elb\.localhost$/),
      LoadBalancerArn: loadBalancer.physicalId,
      LoadBalancerFullName: loadBalancer.physicalId.split(":loadbalancer/")[1],
      LoadBalancerName: "stack-LoadBalancer-X",
      SecurityGroups: ["sg-1"],
    });
    expect(group.attributes).toEqual({
      LoadBalancerArns: [],
      TargetGroupArn: group.physicalId,
      TargetGroupFullName: group.physicalId.split(":").at(-1),
      TargetGroupName: "stack-Monolith-X",
    });
    expect(listener).toEqual({ physicalId: listener.physicalId, attributes: { ListenerArn: listener.physicalId } });
    expect(edge.config).toMatchObject({
      listeners: [{ id: listener.physicalId, port: 8080, idleTimeoutMs: 30_000 }],
      clusters: [{ id: group.physicalId, drainMs: 5_000, endpoints: [{ host: "127.0.0.1", port: 3000 }] }],
    });
    const { TagDescriptions } = await elb.DescribeTags({ ResourceArns: [loadBalancer.physicalId] }, call);
    expect(TagDescriptions?.[0]?.Tags).toEqual([{ Key: "aws:cloudformation:stack-name", Value: "stack" }]);
  });

  it("make a thing once for a token, whatever happened to the first answer", async () => {
    const { edge } = bench;
    const first = await createFrontStack();
    const rule = await create(
      "ListenerRule",
      "Rule",
      ruleProperties(first.listener.physicalId, first.group.physicalId),
    );
    const again = await createFrontStack();
    const ruleAgain = await create(
      "ListenerRule",
      "Rule",
      ruleProperties(first.listener.physicalId, first.group.physicalId),
    );
    expect({ ...again, group: again.group.physicalId }).toEqual({ ...first, group: first.group.physicalId });
    expect(again.group.attributes["LoadBalancerArns"]).toEqual([first.loadBalancer.physicalId]);
    expect(ruleAgain).toEqual(rule);
    expect(rule.attributes).toEqual({ RuleArn: rule.physicalId, IsDefault: false });
    expect(edge.config.listeners).toHaveLength(1);
    expect(edge.config.listeners[0]?.routes).toHaveLength(2);
  });

  it("go in reverse, twice if need be", async () => {
    const { edge, elb, call } = bench;
    const { loadBalancer, group, listener } = await createFrontStack();
    const rule = await create("ListenerRule", "Rule", ruleProperties(listener.physicalId, group.physicalId));
    await expect(remove("TargetGroup", "Monolith", group)).rejects.toMatchObject({ code: "ResourceInUseException" });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await remove("ListenerRule", "Rule", rule);
      await remove("Listener", "Listener", listener);
      await remove("TargetGroup", "Monolith", group);
      await remove("LoadBalancer", "LoadBalancer", loadBalancer);
    }
    expect(edge.config).toMatchObject({ listeners: [], clusters: [] });
    expect((await elb.DescribeTargetGroups({}, call)).TargetGroups).toEqual([]);
  });

  it("register a function, and leave nothing when it may not be invoked", async () => {
    const { functions, elb, call } = bench;
    functions.set("map", null);
    const properties = { TargetType: "lambda", Targets: [{ Id: functionArn("map") }] };
    await expect(create("TargetGroup", "Map", properties)).rejects.toMatchObject({
      code: "AccessDenied",
      message: expect.stringContaining("does not have permission to invoke"),
    });
    expect((await elb.DescribeTargetGroups({}, call)).TargetGroups).toEqual([]);
    functions.set("map", allowing(functionArn("map")));
    const { physicalId } = await create("TargetGroup", "Map", properties);
    const { TargetHealthDescriptions } = await elb.DescribeTargetHealth({ TargetGroupArn: physicalId }, call);
    expect(TargetHealthDescriptions).toMatchObject([{ Target: { Id: functionArn("map") } }]);
  });

  it("fail with the port of a listener that is in use, and leave no listener", async () => {
    const { edge, elb, call } = bench;
    edge.taken.set(8080, "node (pid 4711)");
    await expect(createFrontStack()).rejects.toMatchObject({
      message: expect.stringContaining("Port 8080 is in use by node (pid 4711)"),
    });
    const { LoadBalancers } = await elb.DescribeLoadBalancers({}, call);
    const LoadBalancerArn = String(LoadBalancers?.[0]?.LoadBalancerArn);
    expect((await elb.DescribeListeners({ LoadBalancerArn }, call)).Listeners).toEqual([]);
  });

  it.each<[string, JsonObject, string]>([
    ["TargetGroup", { Port: "eighty" }, "#/Port: expected type: Integer"],
    ["TargetGroup", { Port: 70_000 }, "#/Port: 70000 is not between 1 and 65535"],
    ["TargetGroup", { HealthCheckEnabled: "yes" }, "#/HealthCheckEnabled: expected type: Boolean"],
    ["TargetGroup", { TargetType: "vm" }, '#/TargetType: "vm" is not one of [instance, ip, lambda, alb]'],
    ["TargetGroup", { Targets: [{ Port: 1 }] }, "#/Targets/0/Id: required key is not present"],
    ["TargetGroup", { Matcher: { HTTPCode: "200" } }, "#/Matcher: extraneous key [HTTPCode] is not permitted"],
    ["LoadBalancer", { Subnets: "subnet-a" }, "#/Subnets: expected type: JSONArray"],
    [
      "LoadBalancer",
      { Subnets: ["a", "b"], Type: "gateway" },
      "Mikan does not run load balancers of type 'gateway' yet.",
    ],
    ["Listener", { LoadBalancerArn: "x" }, "#/DefaultActions: required key is not present"],
    [
      "Listener",
      {
        LoadBalancerArn: "x",
        DefaultActions: [{ Type: "authenticate-oidc", AuthenticateOidcConfig: {} }],
        Port: 1,
        Protocol: "HTTP",
      },
      "Mikan does not run actions of type 'authenticate-oidc' yet.",
    ],
    [
      "ListenerRule",
      { ListenerArn: "x", Priority: 0, Conditions: [], Actions: [] },
      "#/Priority: 0 is not between 1 and 50000",
    ],
  ])("refuse %s with %j", async (type, properties, message) => {
    await expect(create(type, "Wrong", properties)).rejects.toMatchObject({
      code: "ValidationError",
      message: expect.stringContaining(message),
    });
  });
});
