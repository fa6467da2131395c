import { describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import { extendLanguage } from "./language-extensions.ts";
import type { ParameterValue } from "./parameters.ts";
import { submittedTemplate } from "./submitted.ts";

const names: ParameterValue = { key: "Names", text: "a,b", value: ["a", "b"], noEcho: false };
const extend = (source: JsonObject) => extendLanguage(source, new Map([["Names", names]]), "us-east-1");

describe("AWS::LanguageExtensions", () => {
  it("writes loops out, within loops and in properties", () => {
    const source = {
      Transform: "AWS::LanguageExtensions",
      Mappings: { M: { Zones: { All: ["x-1", "y-2"] } } },
      Resources: {
        "Fn::ForEach::Things": [
          "Name",
          { Ref: "Names" },
          {
            "Thing${Name}": {
              Type: "Test::Thing",
              DeletionPolicy: { "Fn::Select": [0, ["Retain"]] },
              Properties: {
                Value: { "Fn::Sub": "${Name}-${AWS::Region}" },
                List: [{ Ref: "Name" }],
                "Fn::ForEach::Props": ["P", ["Port"], { "${P}": "1" }],
              },
            },
            "Fn::ForEach::Inner": [
              "Zone",
              { "Fn::FindInMap": ["M", "Zones", "All"] },
              { "Inner${Name}&{Zone}": { Type: "Test::Thing", Properties: { Value: "${Zone}" } } },
            ],
          },
        ],
      },
      Outputs: { "Fn::ForEach::Outs": ["Name", ["a"], { "Out${Name}": { Value: { Ref: "Thing${Name}" } } }] },
    };
    expect(extend(source)).toEqual({
      Mappings: source.Mappings,
      Resources: Object.fromEntries(
        ["a", "b"].flatMap((name): [string, object][] => [
          [
            `Thing${name}`,
            {
              Type: "Test::Thing",
              DeletionPolicy: "Retain",
              Properties: { Value: { "Fn::Sub": `${name}-\${AWS::Region}` }, List: [name], Port: "1" },
            },
          ],
          [`Inner${name}x1`, { Type: "Test::Thing", Properties: { Value: "x-1" } }],
          [`Inner${name}y2`, { Type: "Test::Thing", Properties: { Value: "y-2" } }],
        ]),
      ),
      Outputs: { Outa: { Value: { Ref: "Thinga" } } },
    });
  });

  it("refuses loops that are not right", () => {
    const loop = (argument: JsonObject[string]) => extend({ Resources: { "Fn::ForEach::L": argument } });
    expect(() => loop(["X", ["a"]])).toThrow("Fn::ForEach::L layout is incorrect");
    expect(() => loop(["X", "a", { A: {} }])).toThrow("the collection must be a list");
    expect(() => loop(["X", ["a", "b"], { A: {} }])).toThrow("the key A is made twice");
    expect(() => loop(["X", { Ref: "Other" }, { A: {} }])).toThrow("Ref to Other cannot be resolved");
  });

  it("is needed for what it brings", async () => {
    const source = { Resources: { A: { Type: "Test::Thing", Properties: { Value: { "Fn::Length": [1, 2] } } } } };
    const submit = (given: JsonObject) =>
      submittedTemplate(
        "",
        given,
        { parameters: [], held: async () => new Map(), macros: async ({ fragment }) => fragment },
        ["CAPABILITY_AUTO_EXPAND"],
        "us-east-1",
      );
    await expect(submit(source)).rejects.toThrow("Encountered unsupported function: Fn::Length.");
    expect((await submit({ ...source, Transform: ["AWS::LanguageExtensions"] })).processed).toEqual(source);
  });
});
