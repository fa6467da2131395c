/** What AWS enforces of rules without modelling it, as a table: what is wrong, and the error it gives. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBench, createFront, must, refusal, type Bench } from "./bench.suite.ts";

let bench: Bench;
let front: Awaited<ReturnType<typeof createFront>>;
beforeAll(async () => {
  bench = await createBench();
  front = await createFront(bench);
});
afterAll(() => bench.close());

type Input = Parameters<Bench["elb"]["CreateRule"]>[0];

const nothing = "ValidationError";
const action = "InvalidLoadBalancerActionException";

type Condition = NonNullable<Input["Conditions"]>[number];
type Action = NonNullable<Input["Actions"]>[number];

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
      [{ Field: "path-pattern", PathPatternConfig: { RegexValues: ["^/a(?=b)"] } }],
      "The regular expression '^/a(?=b)' is not valid: looking ahead or behind is not supported",
    ],
    [
      [{ Field: "host-header", HostHeaderConfig: { RegexValues: ["x".repeat(129)] } }],
      "The 'host-header' value is too long; the limit is '128'",
    ],
    [
      [{ Field: "path-pattern", PathPatternConfig: { Values: ["/a"], RegexValues: ["^/a"] } }],
      "You cannot provide both Values and RegexValues for a condition of type 'path-pattern'",
    ],
    [
      [
        {
          Field: "http-header",
          HttpHeaderConfig: { HttpHeaderName: "X", RegexValues: ["a", "b", "c", "d", "e", "f"] },
        },
      ],
      "A rule can only have '5' condition values",
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

  it("may be regular expressions, and are shown as such", async () => {
    const Conditions: Condition[] = [
      { Field: "path-pattern", PathPatternConfig: { RegexValues: ["^/v[0-9]+/"] } },
      { Field: "host-header", RegexValues: ["^shop\\."] },
      { Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "X", RegexValues: ["a|b"] } },
    ];
    const { Rules } = await rule(Conditions);
    expect(Rules?.[0]?.Conditions).toEqual([
      { Field: "path-pattern", RegexValues: ["^/v[0-9]+/"], PathPatternConfig: { RegexValues: ["^/v[0-9]+/"] } },
      { Field: "host-header", RegexValues: ["^shop\\."], HostHeaderConfig: { RegexValues: ["^shop\\."] } },
      { Field: "http-header", HttpHeaderConfig: { HttpHeaderName: "X", RegexValues: ["a|b"] } },
    ]);
    expect(bench.edge.config.listeners[0]?.routes[0]?.conditions).toEqual([
      { kind: "path-regex", regexes: ["^/v[0-9]+/"] },
      { kind: "host-regex", regexes: ["^shop\\."] },
      { kind: "header-regex", name: "X", regexes: ["a|b"] },
    ]);
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
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

type JwtConfig = NonNullable<Action["JwtValidationConfig"]>;
const jwt = (config: Partial<JwtConfig>): Action => ({
  Type: "jwt-validation",
  JwtValidationConfig: { JwksEndpoint: "https://127.0.0.1:1/keys", Issuer: "https://idp.example.com", ...config },
});
const claim = (changes: Partial<NonNullable<JwtConfig["AdditionalClaims"]>[number]>): Partial<JwtConfig> => ({
  AdditionalClaims: [{ Format: "single-string", Name: "scope", Values: ["read"], ...changes }],
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
            TargetGroupStickinessConfig: { Enabled: true },
          },
        },
      ],
      nothing,
      "A duration must be specified when target group stickiness is enabled",
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
    [[jwt({}), ok], action, "An order must be specified for each of several actions"],
    [
      [
        { ...jwt({}), Order: 1 },
        { ...ok, Order: 1 },
      ],
      action,
      "The order of each action must be unique",
    ],
    [
      [
        { ...jwt({}), Order: 2 },
        { ...ok, Order: 1 },
      ],
      action,
      "The actions list must contain exactly one of 'forward', 'redirect', 'fixed-response', as the last action to be performed",
    ],
    [
      [jwt({})],
      action,
      "The actions list must contain exactly one of 'forward', 'redirect', 'fixed-response', as the last action to be performed",
    ],
    [
      [
        { ...jwt({}), Order: 1 },
        { ...jwt({}), Order: 2 },
        { ...ok, Order: 3 },
      ],
      action,
      "The actions list can only have one action of type 'jwt-validation'",
    ],
    [
      [
        { Type: "jwt-validation", Order: 1 },
        { ...ok, Order: 2 },
      ],
      action,
      "For actions of type 'jwt-validation', you must specify the following fields: 'JwtValidationConfig'",
    ],
    ...(
      [
        [
          { JwksEndpoint: "http://idp.example.com/keys" },
          "The JWKS endpoint 'http://idp.example.com/keys' must be a full URL, including the HTTPS protocol, the domain, and the path",
        ],
        [{ JwksEndpoint: `https://a/${"x".repeat(256)}` }, "The 'JwksEndpoint' value is too long; the limit is '256'"],
        [{ Issuer: "" }, "The 'Issuer' value must have between '1' and '256' characters"],
        [claim({ Name: "exp" }), "The claim 'exp' cannot be specified because it is validated by default"],
        [claim({ Values: [] }), "The claim 'scope' must have between '1' and '10' values"],
        [claim({ Values: ["x".repeat(257)] }), "A value of the claim 'scope' is too long; the limit is '256'"],
        [
          claim({ Format: "space-separated-values", Values: ["a b"] }),
          "A value of the claim 'scope' cannot include spaces",
        ],
        [
          {
            AdditionalClaims: Array.from({ length: 11 }, (_, i) => ({
              Format: "single-string" as const,
              Name: `c${i}`,
              Values: ["v"],
            })),
          },
          "A JWT validation can only have '10' additional claims",
        ],
      ] as const
    ).map(([config, message]): [Action[], string, string] => [
      [
        { ...jwt(config), Order: 1 },
        { ...ok, Order: 2 },
      ],
      nothing,
      message,
    ]),
    ...(["authenticate-oidc", "authenticate-cognito"] as const).map((Type): [Action[], string, string] => [
      [{ Type }],
      nothing,
      `Mikan does not run actions of type '${Type}' yet.`,
    ]),
  ])("%j", async (actions, code, message) => {
    expect(await refusal(rule([path("/a")], actions))).toEqual({ code, message });
  });

  it("may check a token first, with the keys that the endpoint gives", async () => {
    const keys = [{ kty: "RSA", kid: "k1", n: "AQAB", e: "AQAB" }];
    const server = createServer((_, response) => void response.end(JSON.stringify({ keys })));
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    const config = { JwksEndpoint: `http://127.0.0.1:${port}/keys`, ...claim({}) };
    const actions = [
      { ...jwt(config), Order: 1 },
      { ...ok, Order: 2 },
    ];
    const { Rules } = await rule([path("/a")], actions.toReversed());
    expect(Rules?.[0]?.Actions).toMatchObject(actions);
    expect(bench.edge.config.listeners[0]?.routes[0]?.jwt).toEqual({
      issuer: "https://idp.example.com",
      keys: [{ kid: "k1", n: "AQAB", e: "AQAB" }],
      claims: [{ name: "scope", format: "single-string", values: ["read"] }],
    });
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
    server.close();
  });

  it("refuse a priority that is in use", async () => {
    const { Rules } = await rule([path("/a")]);
    expect(await refusal(rule([path("/b")]))).toEqual({
      code: "PriorityInUseException",
      message: "Priority '1' is currently in use",
    });
    await bench.elb.DeleteRule({ RuleArn: must(Rules?.[0]?.RuleArn) }, bench.call);
  });
});

type Transform = NonNullable<Input["Transforms"]>[number];
const urlRewrite = (Regex: string, Replace = "/"): Transform => ({
  Type: "url-rewrite",
  UrlRewriteConfig: { Rewrites: [{ Regex, Replace }] },
});
const hostRewrite = (Regex: string, Replace: string): Transform => ({
  Type: "host-header-rewrite",
  HostHeaderRewriteConfig: { Rewrites: [{ Regex, Replace }] },
});

describe("transforms of a rule", () => {
  const input = (Transforms: Transform[]) => ({
    ListenerArn: front.ListenerArn,
    Priority: 2,
    Conditions: [path("/a")],
    Actions: [ok],
    Transforms,
  });

  it.each<[Transform[], string]>([
    [
      [{ Type: "url-rewrite" }],
      "A 'UrlRewriteConfig' with one rewrite must be specified for transforms of type 'url-rewrite'",
    ],
    [
      [{ ...urlRewrite("a"), HostHeaderRewriteConfig: { Rewrites: [] } }],
      "'HostHeaderRewriteConfig' cannot be specified for transforms of type 'url-rewrite'",
    ],
    [
      [{ Type: "url-rewrite", UrlRewriteConfig: { Rewrites: [1, 2].map(() => ({ Regex: "a", Replace: "b" })) } }],
      "Transforms of type 'url-rewrite' can only have '1' rewrite",
    ],
    [[urlRewrite("a"), urlRewrite("b")], "A rule can only have one transform of each type"],
    [[urlRewrite("x".repeat(1025))], "The 'Regex' value is too long; the limit is '1024'"],
    [[urlRewrite("x", "y".repeat(1025))], "The 'Replace' value is too long; the limit is '1024'"],
    [[urlRewrite("")], "A 'Regex' value must be specified"],
    [[urlRewrite("(a)\\1")], "The regular expression '(a)\\1' is not valid: references back are not supported"],
    [[urlRewrite("(a)", "$1$2")], "The replacement names the group '$2', and there are '1'"],
  ])("%j", async (transforms, message) => {
    expect(await refusal(bench.elb.CreateRule(input(transforms), bench.call))).toEqual({ code: nothing, message });
  });

  it("are shown as they came, changed, and reset", async () => {
    const transforms = [urlRewrite("^/api/(.*)$", "/$1"), hostRewrite("^shop", "store")];
    const { Rules } = await bench.elb.CreateRule(input(transforms), bench.call);
    const RuleArn = must(Rules?.[0]?.RuleArn);
    expect(Rules?.[0]?.Transforms).toEqual(transforms);
    const rewrites = () => bench.edge.config.listeners[0]?.routes[0]?.rewrites;
    expect(rewrites()).toEqual({
      url: { regex: "^/api/(.*)$", replace: "/$1" },
      host: { regex: "^shop", replace: "store" },
    });
    const changed = await bench.elb.ModifyRule({ RuleArn, Transforms: [urlRewrite("^/b")] }, bench.call);
    expect(changed.Rules?.[0]?.Transforms).toEqual([urlRewrite("^/b")]);
    expect(changed.Rules?.[0]?.Conditions).toHaveLength(1);
    const reset = await bench.elb.ModifyRule({ RuleArn, ResetTransforms: true }, bench.call);
    expect([reset.Rules?.[0]?.Transforms, rewrites()]).toEqual([[], undefined]);
    await bench.elb.DeleteRule({ RuleArn }, bench.call);
  });
});
