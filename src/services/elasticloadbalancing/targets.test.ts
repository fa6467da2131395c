import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HttpRequest } from "../../base/http.ts";
import { Fault } from "../../base/errors.ts";
import { bytesOf, headerOf } from "../../base/http.ts";
import { errorReasonHeader, type EndpointHealth } from "../../edge/ports.ts";
import { allowing, createBench, createFront, functionArn, must, type Bench } from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

async function healthOf(TargetGroupArn: string) {
  const { TargetHealthDescriptions } = await bench.elb.DescribeTargetHealth({ TargetGroupArn }, bench.call);
  return TargetHealthDescriptions;
}

describe("targets with an address", () => {
  it("become endpoints at their own port or the group's", async () => {
    const { elb, call, edge } = bench;
    const { TargetGroupArn } = await createFront(bench);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.2" }, { Id: "10.0.0.1", Port: 8080 }] }, call);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.2" }] }, call);
    expect(edge.config.clusters[0]?.endpoints).toEqual([
      { kind: "address", id: "10.0.0.1:8080", host: "10.0.0.1", port: 8080 },
      { kind: "address", id: "10.0.0.2:3000", host: "10.0.0.2", port: 3000 },
    ]);
    await expect(elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "localhost" }] }, call)).rejects.toMatchObject({
      code: "ValidationError",
      message: "The IP address 'localhost' is not a valid IPv4 address",
    });
  });

  it("may be instances, which stand for this machine", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const { TargetGroups } = await elb.CreateTargetGroup(
      { Name: "i", Protocol: "HTTP", Port: 4000, VpcId: "vpc-1" },
      call,
    );
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    await elb.ModifyListener({ ListenerArn, DefaultActions: [{ Type: "forward", TargetGroupArn }] }, call);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "i-0123456789abcdef0" }] }, call);
    expect(edge.config.clusters[0]?.endpoints).toEqual([
      { kind: "address", id: "i-0123456789abcdef0:4000", host: "127.0.0.1", port: 4000 },
    ]);
    await expect(elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.1" }] }, call)).rejects.toMatchObject({
      code: "InvalidTargetException",
    });
  });

  it.each<[Partial<EndpointHealth>, object]>([
    [{ state: "healthy" }, { State: "healthy" }],
    [
      { state: "initial", reason: "in-progress" },
      { State: "initial", Reason: "Elb.InitialHealthChecking", Description: "Initial health checks in progress" },
    ],
    [
      { state: "unhealthy", reason: "timeout" },
      { State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out" },
    ],
    [
      { state: "unhealthy", reason: "status-mismatch", status: 404 },
      {
        State: "unhealthy",
        Reason: "Target.ResponseCodeMismatch",
        Description: "Health checks failed with these codes: [404]",
      },
    ],
    [
      { state: "unhealthy", reason: "connection-refused" },
      { State: "unhealthy", Reason: "Target.FailedHealthChecks", Description: "Health checks failed" },
    ],
  ])("are as healthy as the edge finds them: %j", async (verdict, TargetHealth) => {
    const { elb, call, edge } = bench;
    const { TargetGroupArn } = await createFront(bench);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.1" }] }, call);
    edge.verdicts.set(TargetGroupArn, [
      { clusterId: TargetGroupArn, endpointId: "10.0.0.1:3000", state: "healthy", ...verdict },
    ]);
    expect(await healthOf(TargetGroupArn)).toEqual([
      { Target: { Id: "10.0.0.1", Port: 3000 }, HealthCheckPort: "3000", TargetHealth },
    ]);
  });

  it("are told of with their anomalies where those are asked for and looked for", async () => {
    const { elb, call, edge } = bench;
    const { TargetGroupArn } = await createFront(bench);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.1" }, { Id: "10.0.0.2" }] }, call);
    const verdict = { clusterId: TargetGroupArn, state: "healthy" as const };
    edge.verdicts.set(TargetGroupArn, [
      { ...verdict, endpointId: "10.0.0.1:3000", anomaly: { anomalous: true, mitigated: true } },
      { ...verdict, endpointId: "10.0.0.2:3000" },
    ]);
    const { TargetHealthDescriptions } = await elb.DescribeTargetHealth(
      { TargetGroupArn, Include: ["AnomalyDetection"] },
      call,
    );
    expect(TargetHealthDescriptions?.map(({ AnomalyDetection }) => AnomalyDetection)).toEqual([
      { Result: "anomalous", MitigationInEffect: "yes" },
      undefined,
    ]);
    expect((await healthOf(TargetGroupArn))?.[0]).not.toHaveProperty("AnomalyDetection");
  });

  it("are unused while no rule forwards to them, and not probed", async () => {
    const { elb, call, edge } = bench;
    const { TargetGroups } = await elb.CreateTargetGroup(
      { Name: "idle", Protocol: "HTTP", Port: 80, VpcId: "vpc-1", TargetType: "ip", HealthCheckPort: "81" },
      call,
    );
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    await elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.1", AvailabilityZone: "all" }] }, call);
    expect(edge.config.clusters).toEqual([]);
    expect(await healthOf(TargetGroupArn)).toEqual([
      {
        Target: { Id: "10.0.0.1", Port: 80, AvailabilityZone: "all" },
        HealthCheckPort: "81",
        TargetHealth: {
          State: "unused",
          Reason: "Target.NotInUse",
          Description: "Target group is not configured to receive traffic from the load balancer",
        },
      },
    ]);
  });

  it("drain for the whole delay, and are gone then", async () => {
    const { elb, call, edge, clock, runJob } = bench;
    const { TargetGroupArn } = await createFront(bench);
    const Targets = [{ Id: "10.0.0.1" }, { Id: "10.0.0.2" }];
    await elb.RegisterTargets({ TargetGroupArn, Targets }, call);
    await elb.DeregisterTargets({ TargetGroupArn, Targets: [{ Id: "10.0.0.1" }, { Id: "10.9.9.9" }] }, call);
    expect(edge.config.clusters[0]?.endpoints.map(({ id }) => id)).toEqual(["10.0.0.2:3000"]);
    const reasons = async () => (await healthOf(TargetGroupArn))?.map(({ TargetHealth }) => TargetHealth?.Reason);
    expect(await reasons()).toEqual(["Target.DeregistrationInProgress", "Elb.RegistrationInProgress"]);
    await clock.advance(299_999);
    expect(await reasons()).toHaveLength(2);
    await clock.advance(1);
    expect(await reasons()).toEqual(["Elb.RegistrationInProgress"]);
    await runJob("elasticloadbalancing:drained");
    const asked = await elb.DescribeTargetHealth({ TargetGroupArn, Targets: [{ Id: "10.0.0.1" }] }, call);
    expect(asked.TargetHealthDescriptions?.[0]?.TargetHealth).toEqual({
      State: "unused",
      Reason: "Target.NotRegistered",
      Description: "Target is not registered to the target group",
    });
  });

  it("come back when they are registered again while they drain", async () => {
    const { elb, call, edge, clock, runJob } = bench;
    const { TargetGroupArn } = await createFront(bench);
    const Targets = [{ Id: "10.0.0.1" }];
    await elb.RegisterTargets({ TargetGroupArn, Targets }, call);
    await elb.DeregisterTargets({ TargetGroupArn, Targets }, call);
    await elb.RegisterTargets({ TargetGroupArn, Targets }, call);
    await clock.advance(600_000);
    await runJob("elasticloadbalancing:drained");
    expect(edge.config.clusters[0]?.endpoints).toHaveLength(1);
  });
});

describe("a function as target", () => {
  const request = (rest: Partial<HttpRequest> = {}): HttpRequest => ({
    method: "GET",
    target: "/map/1?x=1",
    host: "front",
    scheme: "http",
    headers: ["Host", "front", "X-Amzn-Trace-Id", "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520"],
    body: undefined,
    client: { address: "127.0.0.1", port: 1 },
    startedAt: 1_234,
    signal: new AbortController().signal,
    ...rest,
  });

  async function createMap(name = "map") {
    const { elb, call, functions } = bench;
    const { ListenerArn } = await createFront(bench);
    const { TargetGroups } = await elb.CreateTargetGroup({ Name: name, TargetType: "lambda" }, call);
    const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
    functions.set(name, allowing(functionArn(name)));
    const Actions = [{ Type: "forward" as const, TargetGroupArn }];
    const Conditions = [{ Field: "path-pattern", Values: ["/map/*"] }];
    const { Rules } = await elb.CreateRule({ ListenerArn, Priority: 1, Conditions, Actions }, call);
    const register = (id = functionArn(name)) => elb.RegisterTargets({ TargetGroupArn, Targets: [{ Id: id }] }, call);
    return { ListenerArn, TargetGroupArn, RuleArn: must(Rules?.[0]?.RuleArn), register };
  }

  const endpoints = () => bench.edge.config.clusters.find(({ id }) => id.includes("/map/"))?.endpoints ?? [];
  const handler = () => must(bench.edge.handlers.get(must(endpoints()[0]).id), "a handler");

  it("must exist, and let the load balancer in", async () => {
    const { functions, edge } = bench;
    const { TargetGroupArn, register } = await createMap();
    const denied = {
      code: "AccessDenied",
      message: `elasticloadbalancing principal does not have permission to invoke ${functionArn("map")} from target group ${TargetGroupArn}`,
    };
    functions.set("map", null);
    await expect(register()).rejects.toMatchObject(denied);
    functions.set(
      "map",
      allowing(functionArn("map"), "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/other/*"),
    );
    await expect(register()).rejects.toMatchObject(denied);
    functions.delete("map");
    await expect(register()).rejects.toMatchObject({
      code: "InvalidTargetException",
      message: `The Lambda function '${functionArn("map")}' does not exist`,
    });
    await expect(register("map")).rejects.toMatchObject({ code: "InvalidTargetException" });
    await expect(register(functionArn("map").replace("us-east-1", "eu-west-1"))).rejects.toMatchObject({
      code: "InvalidTargetException",
    });
    expect(endpoints()).toEqual([]);
    functions.set("map", allowing(functionArn("map"), TargetGroupArn));
    await register();
    expect(endpoints()).toEqual([
      { kind: "function", id: `${TargetGroupArn} ${functionArn("map")}`, requestBytesMax: 1_048_576 },
    ]);
    expect(edge.config.clusters.find(({ id }) => id === TargetGroupArn)).not.toHaveProperty("health");
  });

  it("is one to a group", async () => {
    const { functions } = bench;
    const { register } = await createMap();
    await register();
    await register();
    functions.set("second", allowing(functionArn("second")));
    await expect(register(functionArn("second"))).rejects.toMatchObject({ code: "TooManyTargetsException" });
  });

  it("has no health until checks are enabled", async () => {
    const { TargetGroupArn, RuleArn, register } = await createMap();
    await register();
    expect(await healthOf(TargetGroupArn)).toEqual([
      {
        Target: { Id: functionArn("map") },
        TargetHealth: {
          State: "unavailable",
          Reason: "Target.HealthCheckDisabled",
          Description: "Health checks are disabled for this target group",
        },
      },
    ]);
    await bench.elb.DeleteRule({ RuleArn }, bench.call);
    expect((await healthOf(TargetGroupArn))?.[0]?.TargetHealth?.State).toBe("unused");
  });

  it("is invoked as the load balancer, as of the time when the request began", async () => {
    const { answers, invocations } = bench;
    const { TargetGroupArn, register } = await createMap();
    await register();
    const answer = { statusCode: 201, headers: { "X-Tile": "1" }, body: "tile" };
    answers.invoke = () => ({ StatusCode: 200, Payload: Buffer.from(JSON.stringify(answer)) });
    const response = await handler()(request());
    expect(response).toMatchObject({ status: 201, body: Buffer.from("tile") });
    expect(headerOf(response.headers, "x-tile")).toBe("1");
    const { input, call } = must(invocations[0]);
    expect(input).toMatchObject({ FunctionName: functionArn("map") });
    expect(call).toMatchObject({
      account: "000000000000",
      region: "us-east-1",
      asOf: 1_234,
      trace: { root: "1-5bdb40ca-556d8b0c50dc66f0511bf520" },
      principal: {
        kind: "service",
        service: "elasticloadbalancing.amazonaws.com",
        sourceArn: TargetGroupArn,
        sourceAccount: "000000000000",
      },
    });
  });

  const failing = (code: string) => () => {
    throw new Fault(code, code);
  };
  it.each<[string, () => object, string]>([
    ["throttled", failing("TooManyRequestsException"), "LambdaThrottling"],
    ["not allowed", failing("AccessDeniedException"), "LambdaAccessDenied"],
    ["gone", failing("ResourceNotFoundException"), "LambdaResourceNotFound"],
    ["broken", failing("ServiceException"), "LambdaServiceException"],
    ["refusing what is too long", failing("RequestTooLargeException"), "LambdaRequestTooLarge"],
    ["failing", () => ({ FunctionError: "Unhandled", Payload: Buffer.from("{}") }), "LambdaUnhandled"],
    ["silent", () => ({}), "LambdaInvalidResponse"],
    ["empty", () => ({ Payload: Buffer.from("null") }), "LambdaInvalidResponse"],
    ["too long", () => ({ Payload: Buffer.alloc(1_048_577, 0x20) }), "LambdaResponseTooLarge"],
  ])("gives a 502 with its reason when it is %s", async (_, invoke, reason) => {
    const { answers } = bench;
    const { register } = await createMap();
    await register();
    answers.invoke = invoke;
    const response = await handler()(request());
    expect(response.status).toBe(502);
    expect(headerOf(response.headers, errorReasonHeader)).toBe(reason);
    expect(headerOf(response.headers, "server")).toBe("awselb/2.0");
    expect(Buffer.from(await bytesOf(response.body, 1024)).toString()).toBe(
      "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
    );
  });

  it("changes its handler with the multi-value attribute, and keeps the old one for old requests", async () => {
    const { elb, call, edge, answers, invocations } = bench;
    const { TargetGroupArn, register } = await createMap();
    await register();
    const before = must(endpoints()[0]).id;
    const Attributes = [{ Key: "lambda.multi_value_headers.enabled", Value: "true" }];
    await elb.ModifyTargetGroupAttributes({ TargetGroupArn, Attributes }, call);
    expect(must(endpoints()[0]).id).not.toBe(before);
    answers.invoke = () => ({ Payload: Buffer.from('{"statusCode":200,"multiValueHeaders":{"a":["1","2"]}}') });
    expect((await handler()(request())).headers.slice(0, 4)).toEqual(["a", "1", "a", "2"]);
    const { Payload } = must(invocations[0]).input as { Payload: Uint8Array };
    expect(JSON.parse(Buffer.from(Payload).toString())).toHaveProperty("multiValueHeaders");
    expect(edge.handlers.has(before)).toBe(true);
  });

  it("is as healthy as the edge finds it, once it is checked", async () => {
    const { elb, call, edge } = bench;
    const { TargetGroupArn, register } = await createMap();
    await register();
    expect((await healthOf(TargetGroupArn))?.[0]?.TargetHealth?.Reason).toBe("Target.HealthCheckDisabled");
    await elb.ModifyTargetGroup({ TargetGroupArn, HealthCheckEnabled: true }, call);
    const { id: endpointId } = must(endpoints()[0]);
    const verdict = { clusterId: TargetGroupArn, endpointId, state: "unhealthy" as const };
    edge.verdicts.set(TargetGroupArn, [{ ...verdict, reason: "function-failed" }]);
    expect((await healthOf(TargetGroupArn))?.[0]?.TargetHealth?.Reason).toBe("Target.FailedHealthChecks");
  });

  it("stays callable for 15 minutes after it was taken out, and not longer", async () => {
    const { elb, call, edge, clock, runJob } = bench;
    const { RuleArn, register } = await createMap();
    await register();
    const { id } = must(endpoints()[0]);
    await elb.DeleteRule({ RuleArn }, call);
    await clock.advance(14 * 60_000);
    await runJob("elasticloadbalancing:routing");
    expect(edge.handlers.has(id)).toBe(true);
    await clock.advance(60_000);
    await runJob("elasticloadbalancing:routing");
    expect(edge.handlers.has(id)).toBe(false);
  });
});
