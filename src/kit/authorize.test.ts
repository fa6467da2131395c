import { describe, expect, it } from "vitest";
import { authorize, decide, matchesGlob, type PolicyDocument } from "./authorize.ts";
import type { Principal } from "./call.ts";
import { conditionsHold } from "./conditions.ts";

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

  it("knows users, roles and sessions by their ARNs, and all of an account by its root", () => {
    const account = "000000000000";
    const ann: Principal = { kind: "user", account, accessKeyId: "AKIA", arn: `arn:aws:iam::${account}:user/eng/ann` };
    const work: Principal = { kind: "role", account, roleArn: `arn:aws:iam::${account}:role/x/work`, session: "s" };
    const says = (principal: Principal, AWS: string) =>
      decide({ principal, action: "lambda:InvokeFunction", arn, context: {}, policy: allow({ Principal: { AWS } }) });
    expect(says(ann, `arn:aws:iam::${account}:user/eng/ann`)).toBe("allow");
    expect(says(ann, `arn:aws:iam::${account}:user/bob`)).toBe("silent");
    expect(says(work, `arn:aws:iam::${account}:role/x/work`)).toBe("allow");
    expect(says(work, `arn:aws:sts::${account}:assumed-role/work/s`)).toBe("allow");
    expect(says(work, `arn:aws:sts::${account}:assumed-role/work/t`)).toBe("silent");
    expect(says(ann, account)).toBe("allow");
    expect(says(ann, "arn:aws:iam::999999999999:root")).toBe("silent");
  });

  it.each<[string, Record<string, string | string[]>, Record<string, string | string[]>, boolean | undefined]>([
    ["StringEquals", { k: ["a", "b"] }, { K: "b" }, true],
    ["StringEquals", { k: "a" }, {}, false],
    ["StringEqualsIfExists", { k: "a" }, {}, true],
    ["StringNotEquals", { k: "a" }, {}, true],
    ["StringNotEquals", { k: ["a", "b"] }, { k: "b" }, false],
    ["StringNotLike", { k: "a*" }, { k: "b" }, true],
    ["Bool", { k: "true" }, { k: "True" }, true],
    ["Null", { k: "true" }, {}, true],
    ["Null", { k: "false" }, {}, false],
    ["NumericLessThan", { k: "10" }, { k: "9" }, true],
    ["DateGreaterThan", { k: "2026-01-01T00:00:00Z" }, { k: "1735689599" }, false],
    ["ForAllValues:StringEquals", { k: ["a", "b"] }, { k: ["a", "c"] }, false],
    ["ForAnyValue:StringEquals", { k: ["a", "b"] }, { k: ["a", "c"] }, true],
    ["ForAllValues:StringEquals", { k: "a" }, {}, true],
    ["IpAddress", { k: "10.0.0.0/8" }, { k: "10.1.1.1" }, undefined],
  ])("condition %s %j on %j is %s", (operator, wanted, given, result) => {
    expect(conditionsHold({ [operator]: wanted }, given)).toBe(result);
  });

  it("heeds a Deny whose condition it cannot evaluate", () => {
    const Condition = { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } };
    expect(ask(user, allow({ Effect: "Deny", Principal: "*", Condition }))).toBe(false);
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
