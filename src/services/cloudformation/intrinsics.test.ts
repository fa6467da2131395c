import { describe, expect, it } from "vitest";
import { cidrBlocks } from "./cidr.ts";
import { invalid } from "./faults.ts";
import { evaluate, type Scope } from "./intrinsics.ts";
import type { Json } from "./json.ts";

const refs: Record<string, Json> = { Name: "tiles", List: ["a", "b"], "AWS::Region": "eu-west-1", Thing: "thing-1" };
const scope: Scope = {
  ref: (name) => {
    const value = refs[name];
    if (value === undefined) throw invalid(`no ${name}`);
    return value;
  },
  getAtt: (resource, attribute) => (attribute === "List" ? ["x", "y"] : `${resource}/${attribute}`),
  condition: (name) => name === "Yes",
  importValue: (name) => `imported ${name}`,
  mappings: { M: { "eu-west-1": { Size: 3, Zones: ["1", "2"] } } },
  zones: (region) => [`${region}a`, `${region}b`],
};

describe("functions", () => {
  it.each<[string, Json, Json | undefined]>([
    ["Ref", { Ref: "Name" }, "tiles"],
    ["Ref of a list", { Ref: "List" }, ["a", "b"]],
    ["GetAtt", { "Fn::GetAtt": ["Thing", "Arn"] }, "Thing/Arn"],
    ["GetAtt as text", { "Fn::GetAtt": "Thing.Nested.Deep" }, "Thing/Nested.Deep"],
    ["GetAtt by a function", { "Fn::GetAtt": ["Thing", { Ref: "Name" }] }, "Thing/tiles"],
    ["Sub", { "Fn::Sub": "${Name}-${Thing.Arn}-${AWS::Region}-${!Literal}" }, "tiles-Thing/Arn-eu-west-1-${Literal}"],
    ["Sub with its own values", { "Fn::Sub": ["${a}-${Name}", { a: { Ref: "Thing" } }] }, "thing-1-tiles"],
    ["Sub of what looks like a function", { "Fn::Sub": ["${a}", { a: "${Name}" }] }, "${Name}"],
    ["Join", { "Fn::Join": ["-", ["a", { Ref: "Name" }, 3, true]] }, "a-tiles-3-true"],
    ["Join of a list", { "Fn::Join": [",", { Ref: "List" }] }, "a,b"],
    ["Join leaves out nothing", { "Fn::Join": ["-", ["a", { Ref: "AWS::NoValue" }, "b"]] }, "a-b"],
    ["Split", { "Fn::Split": ["|", "a|b|"] }, ["a", "b", ""]],
    ["Select", { "Fn::Select": ["1", { "Fn::Split": ["|", "a|b"] }] }, "b"],
    ["Base64", { "Fn::Base64": { "Fn::Sub": "é${Name}" } }, Buffer.from("étiles").toString("base64")],
    ["FindInMap", { "Fn::FindInMap": ["M", { Ref: "AWS::Region" }, "Size"] }, 3],
    ["FindInMap of a list", { "Fn::FindInMap": ["M", "eu-west-1", "Zones"] }, ["1", "2"]],
    ["FindInMap with a default", { "Fn::FindInMap": ["M", "x", "y", { DefaultValue: { Ref: "Name" } }] }, "tiles"],
    ["GetAZs", { "Fn::GetAZs": { Ref: "AWS::Region" } }, ["eu-west-1a", "eu-west-1b"]],
    ["ImportValue", { "Fn::ImportValue": { "Fn::Sub": "${Name}-arn" } }, "imported tiles-arn"],
    ["If", { "Fn::If": ["Yes", { Ref: "Name" }, { Ref: "Nobody" }] }, "tiles"],
    ["If not", { "Fn::If": ["No", { Ref: "Nobody" }, 7] }, 7],
    ["nothing", { Ref: "AWS::NoValue" }, undefined],
    [
      "nothing in a map and a list",
      { a: { Ref: "AWS::NoValue" }, b: [1, { "Fn::If": ["No", 2, { Ref: "AWS::NoValue" }] }] },
      { b: [1] },
    ],
    ["Equals", { "Fn::Equals": [{ Ref: "Name" }, "tiles"] }, true],
    ["Equals of number and text", { "Fn::Equals": [1, "1"] }, true],
    ["And", { "Fn::And": [{ Condition: "Yes" }, { "Fn::Not": [{ Condition: "No" }] }] }, true],
    ["Or", { "Fn::Or": [{ Condition: "No" }, { "Fn::Equals": ["a", "b"] }] }, false],
    [
      "a Condition that is data",
      { Condition: { StringEquals: { a: "b" } } },
      { Condition: { StringEquals: { a: "b" } } },
    ],
    [
      "members named like an object's",
      JSON.parse('{"__proto__": {"Ref": "Name"}, "constructor": 1}') as Json,
      JSON.parse('{"__proto__": "tiles", "constructor": 1}') as Json,
    ],
  ])("%s", (_, expression, value) => {
    expect(evaluate(expression, scope)).toEqual(value);
  });

  it.each<[string, Json, string]>([
    [
      "Select beyond the end",
      { "Fn::Select": [2, ["a", "b"]] },
      "Template error: Fn::Select cannot select nonexistent value at index 2",
    ],
    [
      "Select of text",
      { "Fn::Select": [0, "a"] },
      "Template error: Fn::Select requires a list argument with two elements: an integer index and a list",
    ],
    [
      "Join of one",
      { "Fn::Join": ["-"] },
      "Template error: every Fn::Join object requires two parameters, (1) a string delimiter",
    ],
    [
      "Split of a list",
      { "Fn::Split": [",", ["a"]] },
      "Template error: every Fn::Split object requires two parameters, (1) a string delimiter",
    ],
    [
      "Equals of one",
      { "Fn::Equals": ["a"] },
      "Template error: every Fn::Equals object requires a list of 2 string parameters.",
    ],
    ["Not of text", { "Fn::Not": ["a"] }, "Template error: every Fn::Not object requires one boolean parameter."],
    [
      "And of one",
      { "Fn::And": [{ Condition: "Yes" }] },
      "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
    ],
    ["If of two", { "Fn::If": ["Yes", 1] }, "Template error: Fn::If requires a list argument with three elements"],
    [
      "Base64 of a map",
      { "Fn::Base64": { a: 1 } },
      "Template error: every Fn::Base64 object must have a String-typed value.",
    ],
    [
      "FindInMap of no map",
      { "Fn::FindInMap": ["X", "a", "b"] },
      "Template error: Mapping named 'X' is not present in the 'Mappings' section of template.",
    ],
    ["FindInMap of no key", { "Fn::FindInMap": ["M", "a", "b"] }, "Template error: Unable to get mapping for M::a::b"],
    [
      "Sub of a strange name",
      { "Fn::Sub": "${a b}" },
      "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
    ],
    [
      "Sub of a number",
      { "Fn::Sub": 1 },
      "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments.",
    ],
    [
      "GetAtt of one",
      { "Fn::GetAtt": ["A"] },
      "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
    ],
    ["Ref of a list", { Ref: ["a"] }, "Template format error: Every Ref object must have a single String value."],
    ["a function that nobody has", { "Fn::Nope": 1 }, "Fn::Nope"],
    ["a function beside other members", { "Fn::Sub": "a", b: 1 }, "Fn::Sub"],
  ])("%s is refused", (_, expression, message) => {
    expect(() => evaluate(expression, scope)).toThrow(message);
  });

  it("do not multiply text without end", () => {
    const text = "x".repeat(4_000);
    const many = { "Fn::Sub": [Array.from({ length: 5_000 }, () => "${a}").join(""), { a: text }] };
    expect(() => evaluate(many, scope)).toThrow("make more than");
  });
});

describe("Cidr", () => {
  it.each<[string, number, number, readonly string[]]>([
    ["10.0.0.0/16", 3, 8, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]],
    ["192.168.0.0/24", 2, 5, ["192.168.0.0/27", "192.168.0.32/27"]],
    ["2001:db8::/56", 2, 64, ["2001:db8::/64", "2001:db8:0:1::/64"]],
  ])("%s into %i", (block, count, bits, blocks) => {
    expect(cidrBlocks(block, count, bits)).toEqual(blocks);
  });

  it.each<[string, number, number]>([
    ["10.0.0.0/24", 2, 8],
    ["10.0.0.0/33", 1, 1],
    ["x/24", 1, 1],
    ["10.0.0.0/16", 257, 2],
    ["10.0.0.0/16", 1, 17],
  ])("%s into %i of %i bits is refused", (block, count, bits) => {
    expect(() => cidrBlocks(block, count, bits)).toThrow("Fn::Cidr cannot divide");
  });
});
