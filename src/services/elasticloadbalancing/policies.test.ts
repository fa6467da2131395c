/** Policies as templates and `/_mikan/policies` bring them to the edge. */
import { getCACertificates } from "node:tls";
import {
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackResourcesCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { freePort, startUpstream } from "../../../test/upstream.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { startMikan } from "../../mikan.ts";
import {
  createBench,
  createFront,
  createGroup,
  fixed,
  forward,
  must,
  path,
  refusal,
  type Bench,
} from "./bench.suite.ts";
import { groupPolicy } from "./policies.ts";
import { policyOperations } from "./policy-operations.ts";
import { createRouting } from "./routing.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

const operationsOf = ({ store, edge }: Bench) =>
  policyOperations({
    store,
    routing: createRouting(store, { inForce: () => edge.apply(edge.config) }),
  });

const put = (arn: string, document: JsonObject) => operationsOf(bench).PutPolicies({ arn, document }, bench.call);
const request = (logicalId: string, properties: JsonObject, metadata: JsonObject = {}) => ({
  token: `stack/${logicalId}`,
  stackId: "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/1",
  stackName: "stack",
  logicalId,
  physicalName: logicalId,
  properties,
  metadata,
  tags: {},
});

const group = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/far/0123456789abcdef";

describe("policies that do not fit are refused in words that help", () => {
  it.each<[JsonObject, string]>([
    [{ Capp: 3 }, "Mikan has no Capp; it takes Cap"],
    [{ capp: 3 }, "did you mean Cap?"],
    [{ Cap: "many" }, 'Mikan.Cap.Max must be a whole number from 0 to 65536, not "many"'],
    [{ Cap: {} }, "Mikan.Cap.Max is missing"],
    [{ Cap: { Max: -1 } }, "Mikan.Cap.Max must be a whole number from 0 to 65536, not -1"],
    [
      { Cap: { Max: 1, Answer: "http" } },
      'Mikan.Cap.Answer must be one of alb, rest-api, http-api, native, not "http"',
    ],
    [{ Cap: { Max: 1, SharedAs: "a b" } }, "Mikan.Cap.SharedAs must be 1 to 64 letters"],
    [{ Timeouts: { RequestMs: 100, PerTryMs: 100 } }, "Mikan.Timeouts has a PerTryMs (100) that leaves no time"],
    [{ Retry: 11 }, "Mikan.Retry.Max must be a whole number from 1 to 10, not 11"],
    [{ Retry: { On: "gateway-eror" } }, "did you mean gateway-error?"],
    [{ Retry: { Backoff: { BaseMs: 10, MaxMs: 5 } } }, "has a MaxMs (5) below its BaseMs (10)"],
    [{ RateLimit: { RequestsPerSecond: 0 } }, "must be a number from 0.001 to 1000000, not 0"],
    [{ RateLimit: { RequestsPerSecond: 1, By: { Header: "a b" } } }, "By.Header must be the name of a field"],
    [{ Fallback: "monolith" }, 'must be the ARN of a target group, not "monolith"'],
    [{ Mirror: {} }, "Mikan.Mirror.TargetGroupArn is missing"],
    [{ Cache: { BytesMax: 2048, EntryBytesMax: 4096 } }, "has an EntryBytesMax (4096) above its BytesMax (2048)"],
    [{ Cache: { QueryParameters: "a=b" } }, "Mikan.Cache.QueryParameters[0] must be the name of a query parameter"],
    [{ Failover: { TargetGroupArns: [] } }, "must have 1 to 5 members"],
    [{ Failover: {} }, "Mikan.Failover.TargetGroupArns is missing"],
    [{ Failover: { Levels: [[]] } }, "Mikan.Failover.Levels[0] must have 1 to 5 members"],
    [{ Failover: { Levels: [[{ Weight: 2 }]] } }, "Mikan.Failover.Levels[0][0].TargetGroupArn is missing"],
    [{ Failover: { Levels: [group], TargetGroupArns: [group] } }, "Mikan.Failover has TargetGroupArns and Levels"],
    [{ Failover: { Levels: [[{ TargetGroupArn: group, Weight: 0 }]] } }, "Weight must be a whole number from 1 to 999"],
    [{ Clients: { Burst: 1 } }, "Mikan.Clients.RequestsPerSecond is missing"],
    [{ Cap: [1] }, "Mikan.Cap must be an object with Max, Answer, RetryAfterSeconds, SharedAs, not [1]"],
  ])("%j", async (document, message) => {
    const { ListenerArn } = await createFront(bench);
    expect(await refusal(put(ListenerArn, document))).toEqual({
      code: "ValidationError",
      message: expect.stringContaining(message),
    });
  });

  it("what has none, and what is not there", async () => {
    const { LoadBalancerArn, ListenerArn } = await createFront(bench);
    expect(await refusal(put(LoadBalancerArn, {}))).toMatchObject({
      message: expect.stringContaining("has no policies"),
    });
    const gone = `${ListenerArn.slice(0, -16)}${"0".repeat(16)}`;
    expect(await refusal(put(gone, {}))).toMatchObject({ code: "ListenerNotFoundException" });
  });
});

describe("policies", () => {
  it("are read into what the edge runs, with their defaults", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const other = await createGroup(bench, "other");
    await put(ListenerArn, {
      Timeouts: { RequestMs: 10_000, PerTryMs: "2000", IdleMs: 5_000 },
      Retry: 2,
      RateLimit: [100, { RequestsPerSecond: 0.5, By: { Header: "X-Tenant" }, Answer: "alb", SharedAs: "tenants" }],
      Mirror: { TargetGroupArn: other, Percent: 12.5 },
      Fallback: other,
      Failover: { Levels: [TargetGroupArn, [{ TargetGroupArn: other, Weight: 3 }, TargetGroupArn]] },
      Clients: { Connections: 50, RequestsPerSecond: 20 },
      Cache: { QueryParameters: [], StaleIfErrorSeconds: 300 },
    });
    await put(TargetGroupArn, {
      Timeouts: { ConnectMs: 250 },
      Breaker: { Requests: 10 },
      RetryBudget: { Percent: 50 },
      Outlier: 3,
    });
    await elb.ModifyTargetGroup({ TargetGroupArn }, call);
    expect(edge.config.listeners[0]?.routes.at(-1)?.policy).toEqual({
      requestTimeoutMs: 10_000,
      perTryTimeoutMs: 2_000,
      idleTimeoutMs: 5_000,
      retry: {
        on: ["connect-failure", "reset", "gateway-error"],
        statuses: [],
        retriesMax: 2,
        backoff: { kind: "exponential", baseMs: 25, maxMs: 250 },
        bodyBytesMax: 65_536,
      },
      rateLimits: [
        {
          id: expect.stringMatching(/\/0$/),
          requestsPerSecond: 100,
          burst: 100,
          by: { kind: "route" },
          answer: "native",
        },
        {
          id: "000000000000/us-east-1/tenants",
          requestsPerSecond: 0.5,
          burst: 1,
          by: { kind: "header", name: "X-Tenant" },
          answer: "alb",
        },
      ],
      mirror: { clusterId: other, percent: 12.5, methods: ["GET", "HEAD", "OPTIONS"], bodyBytesMax: 65_536 },
      fallback: { clusterId: other, onError: true, statuses: [], bodyBytesMax: 65_536 },
      failover: {
        levels: [
          [{ clusterId: TargetGroupArn, weight: 1 }],
          [
            { clusterId: other, weight: 3 },
            { clusterId: TargetGroupArn, weight: 1 },
          ],
        ],
        overprovisioning: 140,
        panicPercent: 50,
      },
      cache: {
        bytesMax: 67_108_864,
        entryBytesMax: 1_048_576,
        queryParameters: [],
        staleWhileRevalidateSeconds: 0,
        staleIfErrorSeconds: 300,
        coalesceMs: 0,
      },
    });
    expect(edge.config.listeners[0]?.clients).toEqual({ connectionsMax: 50, requestsPerSecond: 20, burst: 20 });
    expect(edge.config.clusters.map(({ id }) => id).toSorted()).toEqual([TargetGroupArn, other].toSorted());
    expect(edge.config.clusters.find(({ id }) => id === TargetGroupArn)).toMatchObject({
      connectTimeoutMs: 250,
      breaker: { connectionsMax: 65_536, pendingMax: 65_536, requestsMax: 10, retriesMax: 65_536 },
      retryBudget: { percent: 50, min: 3 },
      outlier: { consecutive5xx: 3, baseEjectionMs: 30_000, successRate: { stdevFactor: 1.9 } },
    });
    const deletion = elb.DeleteTargetGroup({ TargetGroupArn: other }, call);
    expect(await refusal(deletion)).toMatchObject({ code: "ResourceInUseException" });
    expect(await refusal(put(ListenerArn, { Fallback: `${other.slice(0, -1)}x` }))).toMatchObject({
      code: "ValidationError",
    });
    await put(ListenerArn, {});
    await elb.DeleteTargetGroup({ TargetGroupArn: other }, call);
  });

  it("go with their rule: kept when it changes, gone when it goes", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    const { Rules } = await elb.CreateRule(
      { ListenerArn, Priority: 1, Conditions: path("/a"), Actions: forward(TargetGroupArn) },
      call,
    );
    const ruleArn = must(Rules?.[0]?.RuleArn);
    await put(ruleArn, { Cap: { Max: "7", Answer: "native", RetryAfterSeconds: 3 } });
    await elb.ModifyRule({ RuleArn: ruleArn, Actions: fixed("other") }, call);
    expect(edge.config.listeners[0]?.routes[0]).toMatchObject({
      action: { kind: "fixed" },
      policy: { cap: { id: ruleArn, max: 7, answer: "native", retryAfterSeconds: 3 } },
    });
    const { ListPolicies, GetPolicies } = operationsOf(bench);
    expect(await GetPolicies({ arn: ruleArn }, call)).toMatchObject({ document: { Cap: { Max: "7" } } });
    await put(ListenerArn, { Cap: 5 });
    expect((await ListPolicies()).policies.map(({ arn }) => arn).toSorted()).toEqual([ListenerArn, ruleArn].toSorted());
    await elb.DeleteRule({ RuleArn: ruleArn }, call);
    await elb.DeleteListener({ ListenerArn }, call);
    expect(await ListPolicies()).toEqual({ policies: [] });
  });

  it("say whether targets must prove who they are, and nothing of targets in clear text", () => {
    expect(groupPolicy({ Tls: {} }).tls).toEqual({ verify: true });
    expect(groupPolicy({ Tls: { Verify: false, ServerName: "a.test" } }).tls).toEqual({
      verify: false,
      serverName: "a.test",
    });
    expect(() => groupPolicy({ Tls: { Ca: "none" } })).toThrow('Mikan.Tls.Ca must be a certificate in PEM, not "none"');
  });

  it("name authorities that can be read, every one of them", () => {
    const [first = "", second = ""] = getCACertificates("default");
    const chain = `${first}\n${second}\n`;
    expect(groupPolicy({ Tls: { Ca: chain } }).tls).toEqual({ verify: true, ca: chain });
    const unreadable = ["AAAA", "not base64 at all!"].map(
      (text) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
    );
    for (const text of unreadable) {
      expect(() => groupPolicy({ Tls: { Ca: text } })).toThrow("Mikan.Tls.Ca has a certificate, number 1, that");
      expect(() => groupPolicy({ Tls: { Ca: `${first}\n${text}` } })).toThrow("a certificate, number 2, that");
    }
  });

  it("of rules that share a cap name one pool of the account and region", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn, TargetGroupArn } = await createFront(bench);
    for (const Priority of [1, 2]) {
      const { Rules } = await elb.CreateRule(
        { ListenerArn, Priority, Conditions: path(`/${Priority}`), Actions: forward(TargetGroupArn) },
        call,
      );
      await put(must(Rules?.[0]?.RuleArn), { Cap: { Max: 4, SharedAs: "tiles" } });
    }
    await elb.ModifyTargetGroup({ TargetGroupArn }, call);
    const ids = edge.config.listeners[0]?.routes.map(({ policy }) => policy?.cap?.id);
    expect(ids).toEqual(["000000000000/us-east-1/tiles", "000000000000/us-east-1/tiles", undefined]);
  });

  it("of a template are set, changed and taken away with its resource; those of a client stay where it never spoke", async () => {
    const { call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const group = await createGroup(bench, "tiles");
    const properties = {
      ListenerArn,
      Priority: 9,
      Conditions: [{ Field: "path-pattern", Values: ["/tiles"] }],
      Actions: [{ Type: "forward", TargetGroupArn: group }],
    };
    const rule = bench.resource("ListenerRule");
    const refused = rule.create(request("Rule", properties, { Cap: "none" }), call);
    expect(await refusal(refused)).toMatchObject({ message: expect.stringContaining("Mikan.Cap") });
    const state = await rule.create(request("Rule", properties, { Cap: 2 }), call);
    const capOf = () => edge.config.listeners[0]?.routes[0]?.policy?.cap?.max;
    expect(capOf()).toBe(2);
    const update = (metadata: JsonObject, former: JsonObject) =>
      must(rule.update)(
        { ...request("Rule", properties, metadata), ...state, former: { properties, metadata: former, tags: {} } },
        call,
      );
    await update({ Cap: 3 }, { Cap: 2 });
    expect(capOf()).toBe(3);
    await update({}, { Cap: 3 });
    expect(capOf()).toBeUndefined();
    await put(state.physicalId, { Cap: 8 });
    await update({}, {});
    expect(capOf()).toBe(8);
  });
});

describe("a cap in a template", () => {
  it("is in force with its rule, and readable and settable over HTTP", { timeout: 60_000 }, async () => {
    await using mikan = await startMikan();
    const clients = clientsOf(mikan.url);
    let letGo: (() => void) | undefined;
    await using upstream = await startUpstream(({ url }, response) => {
      if (url === "/hold") letGo = () => response.end("tile");
      else response.end("tile");
    });
    const port = await freePort();
    const template = {
      Resources: {
        Balancer: { Type: "AWS::ElasticLoadBalancingV2::LoadBalancer", Properties: { Subnets: ["a", "b"] } },
        Group: {
          Type: "AWS::ElasticLoadBalancingV2::TargetGroup",
          Properties: {
            Protocol: "HTTP",
            Port: upstream.port,
            VpcId: "vpc-1",
            TargetType: "ip",
            Targets: [{ Id: "127.0.0.1", Port: upstream.port }],
          },
        },
        Listener: {
          Type: "AWS::ElasticLoadBalancingV2::Listener",
          Metadata: { Mikan: { Cap: 1 } },
          Properties: {
            LoadBalancerArn: { Ref: "Balancer" },
            Port: port,
            Protocol: "HTTP",
            DefaultActions: [{ Type: "forward", TargetGroupArn: { Ref: "Group" } }],
          },
        },
      },
    };
    const { cloudformation } = clients;
    await cloudformation.send(new CreateStackCommand({ StackName: "capped", TemplateBody: JSON.stringify(template) }));
    const resources = async () =>
      (await cloudformation.send(new DescribeStackResourcesCommand({ StackName: "capped" }))).StackResources ?? [];
    const arnOf = async () =>
      (await resources()).find(
        ({ LogicalResourceId, ResourceStatus }) =>
          LogicalResourceId === "Listener" && ResourceStatus?.endsWith("_COMPLETE"),
      )?.PhysicalResourceId;
    await expect.poll(arnOf, { timeout: 30_000 }).toBeDefined();
    const arn = must(await arnOf());
    const get = async (of = "/") =>
      (await fetch(`http://127.0.0.1:${port}${of}`, { headers: { connection: "close" } })).status;
    const held = get("/hold");
    await expect.poll(() => letGo).toBeDefined();
    expect(await get()).toBe(502);
    const policies = `${mikan.url}/_mikan/policies/${arn}`;
    expect(await (await fetch(policies)).json()).toEqual({ Cap: 1 });
    const without = await fetch(policies, { method: "PUT", body: "{}" });
    expect(without.status).toBe(403);
    const headers = { "x-mikan-intent": "change", "content-type": "application/json" };
    const wrong = await fetch(policies, { method: "PUT", headers, body: '{"Cap":{"Mx":1}}' });
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      { message: "Mikan.Cap has no Mx; it takes Max, Answer, RetryAfterSeconds, SharedAs; did you mean Max?" },
    ]);
    const changed = await fetch(policies, { method: "PUT", headers, body: '{"Cap":{"Max":0,"Answer":"native"}}' });
    expect(changed.status).toBe(200);
    expect(await get()).toBe(429);
    expect((await fetch(policies, { method: "DELETE", headers })).status).toBe(200);
    expect(await (await fetch(`${mikan.url}/_mikan/policies`)).json()).toEqual({ policies: [] });
    expect(await get()).toBe(200);
    letGo?.();
    expect(await held).toBe(200);
    await cloudformation.send(
      new UpdateStackCommand({
        StackName: "capped",
        TemplateBody: JSON.stringify(template).replace('"Cap":1', '"Cap":0'),
      }),
    );
    await expect.poll(get, { timeout: 30_000 }).toBe(502);
    await cloudformation.send(new DeleteStackCommand({ StackName: "capped" }));
    clients.destroy();
  });
});
