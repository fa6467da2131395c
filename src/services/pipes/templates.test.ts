/** Input templates and paths. */
import { describe, expect, it } from "vitest";
import { parameterOf, parsePath, valueAt } from "./paths.ts";
import { parseTemplate, type PipeVariables } from "./templates.ts";

const variables: PipeVariables = {
  pipeArn: "arn:aws:pipes:us-east-1:000000000000:pipe/p",
  pipeName: "p",
  sourceArn: "arn:source",
  enrichmentArn: undefined,
  targetArn: "arn:target",
  ingestionTime: "2026-01-01T00:00:00.000Z",
};
const event = {
  messageId: "m-1",
  body: '{"id":7,"name":"a \\"b\\"","items":[{"sku":"x"}],"nothing":null}',
  attributes: { SentTimestamp: "5" },
  "odd name": 1,
};

describe("templates", () => {
  it.each<[string, unknown]>([
    ["<$.body>", { id: 7, name: 'a "b"', items: [{ sku: "x" }], nothing: null }],
    ["<$.body.id>", 7],
    ["<$.messageId>", "m-1"],
    ['{"id": <$.body.id>, "name": <$.body.name>}', { id: 7, name: 'a "b"' }],
    ['{"text": "order <$.body.id> of <$.body.name>"}', { text: 'order 7 of a "b"' }],
    ['{"items": <$.body.items>, "first": "<$.body.items[0].sku>"}', { items: [{ sku: "x" }], first: "x" }],
    ['{"items": "<$.body.items>"}', { items: '[{"sku":"x"}]' }],
    ['{"missing": <$.body.none>, "quoted": "<$.none>"}', { missing: "", quoted: "" }],
    ['{"escaped \\" quote": <$.body.id>}', { 'escaped " quote': 7 }],
    ["[<$.body.id>, <aws.pipes.pipe-name>]", [7, "p"]],
    ["order <$.body.id> of <aws.pipes.pipe-name>", "order 7 of p"],
    ['"just <$.messageId>"', "just m-1"],
    ['{"at": "<aws.pipes.event.ingestion-time>"}', { at: "2026-01-01T00:00:00.000Z" }],
    ['{"from": <aws.pipes.source-arn>, "to": <aws.pipes.target-arn>}', { from: "arn:source", to: "arn:target" }],
    ['{"raw": <aws.pipes.event>}', { raw: event }],
    ['{"json": <aws.pipes.event.json>}', { json: { ...event, body: JSON.parse(event.body) as unknown } }],
    ["a < b and <other>", "a < b and <other>"],
  ])("%s", (template, made) => {
    expect(parseTemplate(template)(event, variables)).toEqual(made);
  });

  it("that make no JSON fail", () => {
    const make = parseTemplate('{"a": <$.body.id> <$.body.id>}');
    expect(() => make(event, variables)).toThrow(/no JSON/);
  });

  it("with unknown variables are refused", () => {
    expect(() => parseTemplate("<aws.pipes.nothing>")).toThrow(/is no variable/);
    expect(() => parseTemplate("<$.a..b>")).toThrow(/Invalid JSON path/);
  });
});

describe("paths", () => {
  it.each<[string, unknown]>([
    ["$", { ...event, body: JSON.parse(event.body) as unknown }],
    ["$['odd name']", 1],
    ["$.body.items[0]['sku']", "x"],
    ["$.body.items[1]", undefined],
    ["$.body.nothing.more", undefined],
    ["$.constructor", undefined],
  ])("%s", (path, value) => {
    expect(valueAt(event, parsePath(path))).toEqual(value);
  });

  it("are parameters, beside what stands for itself", () => {
    expect(parameterOf("$.body.id", event)).toBe("7");
    expect(parameterOf("orders", event)).toBe("orders");
    expect(() => parameterOf("$.body.none", event)).toThrow(/has nothing at/);
  });
});
