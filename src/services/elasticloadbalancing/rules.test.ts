import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  arnPrefix,
  createBench,
  createFront,
  createGroup,
  fixed,
  forward,
  must,
  path,
  type Bench,
} from "./bench.suite.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench.close());

describe("rules", () => {
  it("are shown as AWS shows them, and tried in order of priority", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const map = await createGroup(bench, "map");
    const Conditions = [
      { Field: "path-pattern", Values: ["/map/*"] },
      { Field: "host-header", HostHeaderConfig: { Values: ["*.example.com"] } },
      { Field: "http-request-method", HttpRequestMethodConfig: { Values: ["GET", "HEAD"] } },
      { Field: "query-string", QueryStringConfig: { Values: [{ Key: "v", Value: "2" }] } },
    ];
    const { Rules } = await elb.CreateRule({ ListenerArn, Priority: 10, Conditions, Actions: forward(map) }, call);
    const rule = must(Rules?.[0]);
    expect(rule).toMatchObject({
      RuleArn: expect.stringMatching(
        new RegExp(`^${arnPrefix}:listener-rule/app/front/([0-9a-f]{16}/){2}[0-9a-f]{16}$`),
      ),
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
    const map = await createGroup(bench, "map");
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

  it("leave nothing when they cannot be put in force, so that they can be tried again", async () => {
    const { elb, call, edge } = bench;
    const { ListenerArn } = await createFront(bench);
    const create = () =>
      elb.CreateRule({ ListenerArn, Priority: 1, Conditions: path("/a"), Actions: fixed("a") }, call);
    edge.failure = new Error("edge worker 2 does not run epoch 9");
    await expect(create()).rejects.toMatchObject({
      code: "ServiceUnavailable",
      message: expect.stringContaining("edge worker 2 does not run epoch 9. Nothing was created."),
    });
    edge.failure = undefined;
    expect((await elb.DescribeRules({ ListenerArn }, call)).Rules).toHaveLength(1);
    await create();
    expect(edge.config.listeners[0]?.routes).toHaveLength(2);
  });

  it("stay changed when the change is only late, and are in force then", async () => {
    const { elb, call, edge, runJob } = bench;
    const { ListenerArn } = await createFront(bench);
    const { Rules } = await elb.CreateRule(
      { ListenerArn, Priority: 1, Conditions: path("/a"), Actions: fixed("a") },
      call,
    );
    const RuleArn = must(Rules?.[0]?.RuleArn);
    edge.failure = new Error("late");
    await expect(elb.DeleteRule({ RuleArn }, call)).rejects.toMatchObject({
      message: expect.stringContaining("The change is stored, and tried again."),
    });
    edge.failure = undefined;
    expect(edge.config.listeners[0]?.routes).toHaveLength(2);
    await runJob("elasticloadbalancing:routing");
    expect(edge.config.listeners[0]?.routes).toHaveLength(1);
  });
});
