import { describe, expect, it } from "vitest";
import { invalid } from "./faults.ts";
import type { Scope } from "./intrinsics.ts";
import type { Json, JsonObject } from "./json.ts";
import { checkRules } from "./rules.ts";

const values: JsonObject = { Env: "prod", Zones: ["a", "b"], Empty: "" };
const nowhere = () => {
  throw invalid("not in rules");
};
const scope: Scope = {
  ref: (name) => values[name] ?? nowhere(),
  getAtt: nowhere,
  condition: nowhere,
  importValue: nowhere,
  zones: nowhere,
  mappings: {},
};
const check = (Assert: Json, RuleCondition?: Json) =>
  checkRules(
    {
      R: {
        ...(RuleCondition === undefined ? {} : { RuleCondition }),
        Assertions: [{ Assert, AssertDescription: "so it is" }],
      },
    },
    scope,
  );

const isProd = { "Fn::Equals": [{ Ref: "Env" }, "prod"] };
describe("rules", () => {
  it.each<[string, Json, boolean]>([
    ["equals", isProd, true],
    ["not", { "Fn::Not": [isProd] }, false],
    ["and", { "Fn::And": [isProd, { "Fn::Not": [{ "Fn::Equals": [{ Ref: "Env" }, ""] }] }] }, true],
    ["or", { "Fn::Or": [{ "Fn::Equals": ["a", "b"] }, isProd] }, true],
    ["contains", { "Fn::Contains": [["dev", "prod"], { Ref: "Env" }] }, true],
    ["contains none", { "Fn::Contains": [["dev"], { Ref: "Env" }] }, false],
    ["each equals", { "Fn::EachMemberEquals": [{ Ref: "Zones" }, "a"] }, false],
    ["each in", { "Fn::EachMemberIn": [{ Ref: "Zones" }, ["a", "b", "c"]] }, true],
  ])("%s", (_, expression, ok) => {
    if (ok) expect(() => check(expression)).not.toThrow();
    else expect(() => check(expression)).toThrow("rule R failed: so it is");
  });

  it("hold only where their condition does", () => {
    expect(() => check({ "Fn::Equals": ["a", "b"] }, { "Fn::Not": [isProd] })).not.toThrow();
    expect(() => check({ "Fn::Equals": ["a", "b"] }, isProd)).toThrow("so it is");
  });

  it("refuse what they do not know", () => {
    expect(() => check({ "Fn::If": ["a"] })).toThrow("Fn::If is not a function of rules");
    expect(() => check({ "Fn::Contains": [{ "Fn::RefAll": "AWS::EC2::VPC::Id" }, "x"] })).toThrow("Fn::RefAll");
    expect(() => checkRules({ R: {} }, scope)).toThrow("must have Assertions");
  });
});
