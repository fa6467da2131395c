import { describe, expect, it } from "vitest";
import { authorize, matchesGlob, type PolicyDocument } from "./authorize.ts";
import type { Principal } from "./call.ts";

const arn = "arn:aws:lambda:us-east-1:000000000000:function:map";
const balancer: Principal = { kind: "service", service: "elasticloadbalancing.amazonaws.com" };
const user: Principal = { kind: "user", account: "000000000000", accessKeyId: "test" };

function allow(changes: Partial<PolicyDocument["Statement"][number]> = {}): PolicyDocument {
  return {
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "elasticloadbalancing.amazonaws.com" },
        Action: "lambda:InvokeFunction",
        Resource: arn,
        ...changes,
      },
    ],
  };
}

const ask = (principal: Principal, policy: PolicyDocument | undefined, context = {}) =>
  authorize({ principal, action: "lambda:InvokeFunction", arn, context, policy });

describe("authorize", () => {
  it("lets users do all, and services only what a policy allows", () => {
    expect(ask(user, undefined)).toBe(true);
    expect(ask(balancer, undefined)).toBe(false);
    expect(ask(balancer, allow())).toBe(true);
  });

  it("matches principal, action and resource", () => {
    expect(ask(balancer, allow({ Principal: { Service: "events.amazonaws.com" } }))).toBe(false);
    expect(ask(balancer, allow({ Action: "lambda:*" }))).toBe(true);
    expect(ask(balancer, allow({ Action: ["lambda:GetFunction"] }))).toBe(false);
    expect(ask(balancer, allow({ Resource: `${arn}:7` }))).toBe(false);
    expect(ask(balancer, allow({ Resource: "arn:aws:lambda:*:*:function:m?p" }))).toBe(true);
  });

  it("heeds conditions, and an unknown operator allows nothing", () => {
    const from = (operator: string) =>
      allow({ Condition: { [operator]: { "AWS:SourceArn": "arn:aws:x:*:targetgroup/map/*" } } });
    const context = { "aws:sourceArn": "arn:aws:x:r:targetgroup/map/1" };
    expect(ask(balancer, from("ArnLike"), context)).toBe(true);
    expect(ask(balancer, from("StringEquals"), context)).toBe(false);
    expect(ask(balancer, from("ArnLike"))).toBe(false);
    expect(ask(balancer, from("IpAddress"), context)).toBe(false);
  });

  it("lets a Deny win, also over users", () => {
    const both: PolicyDocument = {
      Statement: [...allow().Statement, ...allow({ Effect: "Deny", Principal: "*" }).Statement],
    };
    expect(ask(balancer, both)).toBe(false);
    expect(ask(user, both)).toBe(false);
  });
});

describe("globs", () => {
  it.each([
    ["*", "", true],
    ["a*c", "abbbc", true],
    ["a*c", "abbb", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["**b*", "aab", true],
    ["", "a", false],
  ])("%s on %s is %s", (pattern, text, matches) => {
    expect(matchesGlob(pattern, text)).toBe(matches);
  });

  it("takes no exponential time", () => {
    expect(matchesGlob("*a".repeat(40), "a".repeat(5_000).concat("b"))).toBe(false);
  });
});
