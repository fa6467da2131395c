import { describe, expect, it } from "vitest";
import type { Comparison } from "../../kit/resource.ts";
import { compareProperties } from "./drift-compare.ts";
import type { Json, JsonObject } from "./json.ts";

function differences(expected: JsonObject, actual: JsonObject, comparison: Comparison = {}) {
  const stackTags = new Set(["team"]);
  return compareProperties({ expected, shown: expected, actual, stackTags, comparison }).differences.map(
    (each) => `${each.DifferenceType} ${each.PropertyPath} ${each.ExpectedValue} ${each.ActualValue}`,
  );
}

const tag = (Key: string, Value: string) => ({ Key, Value });

const same: readonly [string, Json, Json, Comparison?][] = [
  ["a number and its text", 80, "80"],
  ["a boolean and its text", "true", true],
  ["lists in another order", ["a", "b"], ["b", "a"]],
  ["lists of maps in another order", [{ A: 1 }, { A: 2 }], [{ A: "2" }, { A: "1" }]],
  ["what the template does not name", { A: 1 }, { A: 1, B: 2 }],
  ["what the items of its lists do not name", [{ A: 1 }], [{ A: 1, B: 2 }]],
  ["a document and its text", { A: { B: 1 } }, '{"A": {"B": 1}}', { P: "exact" }],
  ["two texts of a document", '{"A":1,"B":2}', '{ "B": 2, "A": 1 }'],
  ["an action and a list of it", { Action: "s3:Get*" }, { Action: ["s3:Get*"] }, { P: "exact" }],
  ["a reference that its service knows", "{{resolve:ssm:p}}", "anything"],
  ["an empty list and none", [], null],
  ["what is not given back", "secret", null, { P: "unread" }],
];

describe("what AWS takes for the same", () => {
  it.each(same)("%s", (_, expected, actual, comparison) => {
    expect(differences({ P: expected }, actual === null ? {} : { P: actual }, comparison)).toEqual([]);
  });
});

const other: readonly [string, Json, Json, readonly string[], Comparison?][] = [
  ["another value", "a", "b", ["NOT_EQUAL /P a b"]],
  ["another case", "a", "A", ["NOT_EQUAL /P a A"]],
  ["a value that is gone", "a", null, ["REMOVE /P a null"]],
  ["a value inside that is gone", { A: { B: 1 } }, { A: {} }, ["REMOVE /P/A/B 1 null"]],
  ["an item more", ["a"], ["a", "b"], ["ADD /P/1 null b"]],
  ["an item less", ["a", "b"], ["b"], ["REMOVE /P/0 a null"]],
  ["a value in the place of another", ["a", "b"], ["a", "c"], ["NOT_EQUAL /P/1 b c"]],
  ["an item that is another", [{ A: 1 }], [{ A: 2 }], ["NOT_EQUAL /P/0/A 1 2"]],
  ["a key more, where every member counts", { A: "1" }, { A: "1", B: "2" }, ["ADD /P/B null 2"], { P: "exact" }],
  [
    "another order, where that counts",
    ["a", "b"],
    ["b", "a"],
    ["NOT_EQUAL /P/0 a b", "NOT_EQUAL /P/1 b a"],
    { P: "ordered" },
  ],
  ["another kind", { A: 1 }, "text", ['NOT_EQUAL /P {"A":1} text']],
];

describe("what AWS tells", () => {
  it.each(other)("%s", (_, expected, actual, told, comparison) => {
    expect(differences({ P: expected }, actual === null ? {} : { P: actual }, comparison)).toEqual(told);
  });

  it("tags go by their keys; those of the stack and of AWS are no drift", () => {
    const live = [tag("aws:cloudformation:stack-name", "s"), tag("team", "x"), tag("b", "3"), tag("a", "1")];
    expect(differences({ Tags: [tag("a", "1"), tag("b", "2")] }, { Tags: live })).toEqual([
      "NOT_EQUAL /Tags/1/Value 2 3",
    ]);
    expect(differences({ Tags: [tag("a", "1"), tag("b", "3")] }, { Tags: live })).toEqual([]);
    expect(differences({ Tags: { a: "1" } }, { Tags: { a: "1", "aws:x": "y", team: "x", more: "z" } })).toEqual([]);
    expect(differences({ Tags: [tag("a", "1")] }, { Tags: live })).toEqual([
      'ADD /Tags/0 null {"Key":"b","Value":"3"}',
    ]);
  });
});
