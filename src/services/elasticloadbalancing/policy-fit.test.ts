/** Policies where they would be without effect: refused by name at the API, and found in a template before it is deployed. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../../kit/resource.ts";
import { checkTemplate } from "../../offline.ts";
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
import { policyOperations } from "./policy-operations.ts";
import { createRouting } from "./routing.ts";

describe("a policy that its resource has no use for", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await createBench();
  });
  afterEach(() => bench.close());

  const operations = () => {
    const { store, edge } = bench;
    return policyOperations({ store, routing: createRouting(store, { inForce: () => edge.apply(edge.config) }) });
  };
  const put = (arn: string, document: JsonObject) => operations().PutPolicies({ arn, document }, bench.call);

  const ofForwarding = (group: string): [string, JsonObject][] => [
    ["Timeouts", { RequestMs: 1_000 }],
    ["Retry", { Max: 1 }],
    ["Mirror", { TargetGroupArn: group }],
    ["Fallback", { TargetGroupArn: group }],
    ["Failover", { TargetGroupArns: [group] }],
    ["Cache", {}],
  ];

  it.each(["fixed-response", "redirect"])(
    "is refused on a rule whose action is %s, and sleeps where the action becomes it",
    async (type) => {
      const { elb, call } = bench;
      const { ListenerArn } = await createFront(bench);
      const group = await createGroup(bench, "other");
      const redirect = [
        { Type: "redirect" as const, RedirectConfig: { StatusCode: "HTTP_302" as const, Host: "other.test" } },
      ];
      const own = type === "redirect" ? redirect : fixed("own");
      const made = await elb.CreateRule({ ListenerArn, Priority: 1, Conditions: path("/own"), Actions: own }, call);
      const RuleArn = must(made.Rules?.[0]?.RuleArn);
      for (const [name, policy] of ofForwarding(group)) {
        expect(await refusal(put(RuleArn, { [name]: policy }))).toEqual({
          code: "ValidationError",
          message: `Mikan.${name} is for rules that forward: the action of this one is ${type}`,
        });
      }
      // What is asked before a rule acts holds for every rule.
      await put(RuleArn, { Cap: 1, RateLimit: 1 });
      await elb.ModifyRule({ RuleArn, Actions: forward(group) }, call);
      const document = Object.fromEntries(ofForwarding(group));
      await put(RuleArn, document);
      // A client of AWS's knows of no policies, and may change the action.
      await elb.ModifyRule({ RuleArn, Actions: own }, call);
      expect((await operations().GetPolicies({ arn: RuleArn }, call)).document).toEqual(document);
    },
  );

  it("is refused on a default rule, too", async () => {
    const { elb, call } = bench;
    const { ListenerArn } = await createFront(bench);
    await elb.ModifyListener({ ListenerArn, DefaultActions: fixed("own") }, call);
    expect(await refusal(put(ListenerArn, { Retry: 1 }))).toMatchObject({
      message: expect.stringMatching(/^Mikan\.Retry is for rules/),
    });
    await put(ListenerArn, { Clients: { Connections: 5 } });
  });

  it.each([
    [
      { Protocol: "HTTP" as const, Port: 80, VpcId: "vpc-1" },
      { Tls: {} },
      "Mikan.Tls is for targets that are spoken to over TLS: protocol HTTPS or TLS",
    ],
    [
      { Protocol: "TCP" as const, Port: 80, VpcId: "vpc-1" },
      { Outlier: 5 },
      "Mikan.Outlier is for requests: a network load balancer sees none",
    ],
    [
      { TargetType: "lambda" as const },
      { Timeouts: { ConnectMs: 1 } },
      "Mikan.Timeouts is for targets that are connected to: functions are not",
    ],
    [
      { TargetType: "lambda" as const },
      { Tls: {} },
      "Mikan.Tls is for targets that are spoken to over TLS: protocol HTTPS or TLS",
    ],
  ])("is refused on a target group %j", async (settings, policy, message) => {
    const { elb, call } = bench;
    const made = await elb.CreateTargetGroup({ Name: "group", ...settings }, call);
    const arn = must(made.TargetGroups?.[0]?.TargetGroupArn);
    expect(await refusal(put(arn, policy))).toEqual({ code: "ValidationError", message });
  });
});

const ruleType = "AWS::ElasticLoadBalancingV2::ListenerRule";
const listenerType = "AWS::ElasticLoadBalancingV2::Listener";
const groupType = "AWS::ElasticLoadBalancingV2::TargetGroup";
const forwards = [{ Type: "forward", TargetGroupArn: { Ref: "Group" } }];
const answers = [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "200" } }];

const rule = (Mikan: unknown, Actions: unknown = forwards) => ({
  Type: ruleType,
  Metadata: { Mikan },
  Properties: { ListenerArn: "arn", Priority: 1, Conditions: [{ Field: "path-pattern", Values: ["/a"] }], Actions },
});
const group = (Mikan: unknown, Properties: object = { Protocol: "HTTP", Port: 80, VpcId: "vpc-1" }) => ({
  Type: groupType,
  Metadata: { Mikan },
  Properties,
});

async function found(resource: object, parameters?: Record<string, string>): Promise<readonly string[]> {
  const template = {
    Parameters: { Max: { Type: "String", Default: "7" } },
    Conditions: { Wide: { "Fn::Equals": [{ Ref: "Max" }, "1000"] } },
    Resources: { Group: group({}), Checked: resource },
  };
  const report = await checkTemplate(JSON.stringify(template, undefined, 1), {
    region: "us-east-1",
    ...(parameters === undefined ? {} : { parameters }),
  });
  return report.findings.map(({ path: place, message }) => `${place.replace("Resources.Checked.", "")}: ${message}`);
}

describe("mikan check, of what a template says to Mikan", () => {
  it.each<[string, object, string[]]>([
    [
      "a key that is not known",
      rule({ Capp: 3 }),
      [
        "Metadata.Mikan.Capp: Mikan has no Capp; it takes Cap, Timeouts, Retry, RateLimit, Mirror, Fallback, Failover, Cache; did you mean Cap?",
      ],
    ],
    [
      "a member that is not known",
      rule({ Cap: { Mx: 1 } }),
      [
        "Metadata.Mikan.Cap.Mx: Mikan.Cap has no Mx; it takes Max, Answer, RetryAfterSeconds, SharedAs; did you mean Max?",
      ],
    ],
    [
      "a wrong type, of each policy the first",
      rule({ Cap: "many", Retry: { On: ["reset", "resett"] } }),
      [
        'Metadata.Mikan.Cap.Max: Mikan.Cap.Max must be a whole number from 0 to 65536, not "many"',
        'Metadata.Mikan.Retry.On[1]: Mikan.Retry.On[1] must be one of connect-failure, reset, gateway-error, 5xx, retriable-4xx, unsent, not "resett"; did you mean reset?',
      ],
    ],
    [
      "values that do not go together",
      rule({ Timeouts: { RequestMs: 5, PerTryMs: 5 } }),
      ["Metadata.Mikan.Timeouts: Mikan.Timeouts has a PerTryMs (5) that leaves no time within RequestMs (5)"],
    ],
    [
      "a policy of target groups on a rule",
      rule({ Breaker: { Requests: 1 } }),
      [
        "Metadata.Mikan.Breaker: Mikan has no Breaker; it takes Cap, Timeouts, Retry, RateLimit, Mirror, Fallback, Failover, Cache; Breaker is for target groups",
      ],
    ],
    [
      "a policy of rules on a target group",
      group({ Cap: 1 }),
      [
        "Metadata.Mikan.Cap: Mikan has no Cap; it takes Timeouts, Breaker, RetryBudget, Outlier, Tls; Cap is for rules and listeners",
      ],
    ],
    [
      "a policy of forwarding on a rule that answers by itself",
      rule({ Cap: 1, Retry: 1 }, answers),
      ["Metadata.Mikan.Retry: Mikan.Retry is for rules that forward: the action of this one is fixed-response"],
    ],
    [
      "a policy of requests on a target group of streams",
      group({ Breaker: {} }, { Protocol: "TCP", Port: 80, VpcId: "vpc-1" }),
      ["Metadata.Mikan.Breaker: Mikan.Breaker is for requests: a network load balancer sees none"],
    ],
    [
      "anything on a load balancer",
      {
        Type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Metadata: { Mikan: { Cap: 1 } },
        Properties: { Subnets: ["a", "b"] },
      },
      ["Metadata.Mikan: AWS::ElasticLoadBalancingV2::LoadBalancer takes nothing from Metadata.Mikan"],
    ],
    [
      "no object",
      rule("Cap"),
      ["Metadata.Mikan: Metadata.Mikan of AWS::ElasticLoadBalancingV2::ListenerRule must be an object"],
    ],
  ])("finds %s", async (_, resource, findings) => {
    const all = await found(resource);
    expect(all.filter((finding) => finding.startsWith("Metadata"))).toEqual(findings);
  });

  it("finds nothing in what is right, or not known yet", async () => {
    const listener = {
      Type: listenerType,
      Metadata: { Mikan: { Clients: { Connections: 5 }, Cap: { Ref: "Max" } } },
      Properties: { LoadBalancerArn: "arn", Port: 80, Protocol: "HTTP", DefaultActions: forwards },
    };
    expect(await found(listener)).toEqual([]);
    const fallback = { TargetGroupArn: { Ref: "Group" }, Statuses: [404] };
    expect(
      await found(rule({ Fallback: fallback, Mirror: { Ref: "Group" }, Cap: { "Fn::ImportValue": "cap" } })),
    ).toEqual([]);
    expect(
      await found(rule({ Failover: { TargetGroupArns: [{ Ref: "Group" }, { "Fn::ImportValue": "other" }] } })),
    ).toEqual([]);
    expect(await found(rule({ Cap: { "Fn::If": ["Wide", "many", { Ref: "AWS::NoValue" }] } }))).toEqual([]);
  });

  it("looks at what parameters say", async () => {
    expect(await found(rule({ Cap: { Ref: "Max" } }), { Max: "lots" })).toEqual([
      'Metadata.Mikan.Cap.Max: Mikan.Cap.Max must be a whole number from 0 to 65536, not "lots"',
    ]);
    expect(await found(rule({ Cap: { "Fn::If": ["Wide", "many", 5] } }), { Max: "1000" })).toHaveLength(1);
    expect(await found(rule({ Cap: { "Fn::If": ["Wide", "many", 5] } }), { Max: "1" })).toEqual([]);
  });
});
