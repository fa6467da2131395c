/** What targets are given: the rows are what AWS was seen to do with these templates. */
import { describe, expect, it } from "vitest";
import { inputOf, InputError } from "./input.ts";
import type { Target } from "./tables.ts";

const event = JSON.stringify({
  version: "0",
  id: "7bf73129",
  "detail-type": "update",
  source: "shop",
  account: "111111111111",
  time: "2026-01-01T00:00:00Z",
  region: "us-east-1",
  resources: ["arn:1"],
  detail: {
    command: "update-account",
    payload: { acc_id: "0a78", sf_id: "baz" },
    single: ["HIGH"],
    several: ["ACTIVE", "INACTIVE"],
    valid: true,
    quoted: 'say "hi"',
    items: [{ n: 1 }, { n: 2 }],
  },
});
const rule = { account: "111111111111", region: "us-east-1", bus: "orders", name: "all" };
const given = (target: Omit<Target, "Id" | "Arn">) =>
  inputOf(
    { Id: "1", Arn: "arn:aws:sqs:us-east-1:111111111111:q", ...target },
    {
      event,
      rule,
      ingestionTime: "2026-01-01T00:00:01Z",
    },
  );
const paths = {
  type: "$.detail-type",
  command: "$.detail.command",
  payload: "$.detail.payload",
  userId: "$.detail.payload.acc_id",
  single: "$.detail.single",
  several: "$.detail.several",
  valid: "$.detail.valid",
  quoted: "$.detail.quoted",
  absent: "$.detail.nothing",
  second: "$.detail.items[1].n",
  all: "$.detail.items[*].n",
};
const filled = (InputTemplate: string) => given({ InputTransformer: { InputPathsMap: paths, InputTemplate } });

/** Source: EventBridge user guide, "Input transformation", with its examples and common issues. */
const rows: readonly (readonly [template: string, text: string])[] = [
  ['"Event of <type>: <command>"', '"Event of update: update-account"'],
  ['"{[/ <type>"', '"{[/ update"'],
  ['"gone: <absent>"', '"gone: "'],
  ['"<payload> and <userId>"', '"{acc_id:0a78,sf_id:baz} and 0a78"'],
  ['"<single> <several>"', '"[HIGH] [ACTIVE,INACTIVE]"'],
  ['"is <valid>!"', '"is true!"'],
  ['"<type>"\n"<command>"', '"update"\n"update-account"'],
  ['{"type": <type>, "command": <command>}', '{"type": "update", "command": "update-account"}'],
  ['{"gone": <absent>}', '{"gone": ""}'],
  [
    '{"path": "users/<userId>/x", "body": <payload>}',
    '{"path": "users/0a78/x", "body": {"acc_id":"0a78","sf_id":"baz"}}',
  ],
  ['{"id": "<userId>", "list": [<userId>, "fixed"]}', '{"id": "0a78", "list": ["0a78", "fixed"]}'],
  ['{"list": <single>}', '{"list": ["HIGH"]}'],
  ['{"said": "<quoted>", "again": <quoted>}', String.raw`{"said": "say \"hi\"", "again": "say \"hi\""}`],
  ['{"second": <second>, "all": <all>}', '{"second": 2, "all": [1,2]}'],
  [
    '"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"',
    '"arn:aws:events:us-east-1:111111111111:rule/orders/all all 2026-01-01T00:00:01Z"',
  ],
  ["<aws.events.event.json>", event],
  [
    '{"original": <aws.events.event>}',
    '{"original": {"id":"7bf73129","account":"111111111111","detailType":"update","time":"2026-01-01T00:00:00Z","source":"shop","region":"us-east-1","resources":["arn:1"],"version":"0"}}',
  ],
];

describe("input of targets", () => {
  it.each(rows)("%s", (template, text) => {
    expect(filled(template)).toBe(text);
  });

  it.each(['{"bad": "users/<payload>"}', '{"bad": "<single>"}', "<single> without quotes"])(
    "%s makes no JSON",
    (template) => {
      expect(() => filled(template)).toThrow(InputError);
    },
  );

  it("is the event, a part of it, or a text of the target's own", () => {
    expect(given({})).toBe(event);
    expect(given({ InputPath: "$" })).toBe(event);
    expect(given({ InputPath: "$.detail.payload" })).toBe('{"acc_id":"0a78","sf_id":"baz"}');
    expect(given({ InputPath: "$.detail.payload.sf_id" })).toBe('"baz"');
    expect(given({ InputPath: "$.detail['items'][*].n" })).toBe("[1,2]");
    expect(given({ Input: '{"a": 1}' })).toBe('{"a": 1}');
    expect(() => given({ InputPath: "$.detail.nothing" })).toThrow(InputError);
  });
});
