/** Each template by itself, and how one is named at a terminal. */
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { findTemplate, parameter, parseTemplate, templates } from "./index.ts";

const occasion = { now: new Date("2026-11-22T10:00:00.500Z"), region: "eu-west-1", account: "123456789012" };
const made = <T>(text: string) => {
  const { name, given } = parseTemplate(text);
  return JSON.parse(JSON.stringify(findTemplate(name).event(given, occasion))) as T;
};

it.each(templates.map((template) => [template.name, template] as const))(
  "%s is an event, and names its page",
  (name, template) => {
    const { source, summary, parameters } = template;
    expect(source).toMatch(/^https:\/\/docs\.aws\.amazon\.com\/\S+\.html(#\S+)?$/);
    expect(summary).not.toBe("");
    const event = template.event({}, occasion);
    expect(JSON.parse(JSON.stringify(event))).toEqual(event);
    expect(Object.keys(event).length).toBeGreaterThan(0);
    // Each parameter is in the event: another value makes another event.
    const stable = (given: Record<string, string>) =>
      JSON.stringify(template.event(given, occasion)).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}/g, "id");
    const isText = (value: string) => !/^[{\d]|^(true|false)$/.test(value);
    for (const [key, value] of Object.entries(parameters)) {
      const other = value.startsWith("{") ? '{"other":{"S":"one"}}' : isText(value) ? `${value}x` : "7";
      // A resource that is to be made has no id yet.
      const before = key === "physicalId" ? { type: "Update" } : {};
      const changed = stable({ ...before, [key]: value === "false" ? "true" : other });
      expect(`${key} ${changed}`).not.toBe(`${key} ${stable(before)}`);
    }
    expect(() => template.event({ nothing: "x" }, occasion)).toThrow(`${name} has no parameter nothing; it has: `);
  },
);

it("has no two templates of one name", () => {
  expect(new Set(templates.map(({ name }) => name)).size).toBe(templates.length);
});

describe("a template is named", () => {
  it("by what is clear of its name", () => {
    expect(findTemplate("sqs").name).toBe("sqs-receive-message");
    expect(findTemplate("s3-p").name).toBe("s3-put");
    expect(() => findTemplate("s3")).toThrow("s3 may be s3-put, s3-delete");
    expect(() => findTemplate("carrier-pigeon")).toThrow("There is no event template carrier-pigeon");
  });

  it("with parameters, whose values may hold commas and equals signs", () => {
    expect(parseTemplate("alb")).toEqual({ name: "alb", given: {} });
    expect(parseTemplate("alb=path=/a,b,method=PUT,query=a=1&b=2")).toEqual({
      name: "alb",
      given: { path: "/a,b", method: "PUT", query: "a=1&b=2" },
    });
    expect(parameter('body={"a":1,b=2}')).toEqual({ body: '{"a":1,b=2}' });
    expect(() => parseTemplate("alb=path")).toThrow("written key=value, and this is path");
  });
});

describe("an event", () => {
  it("holds what is given where its source has it", () => {
    expect(made("sqs=body=hi,queue=orders,count=2,group=g")).toMatchObject({
      Records: [
        {
          body: "hi",
          md5OfBody: "49f68a5c8493ec2c0bf489821c21fc3b",
          eventSourceARN: "arn:aws:sqs:eu-west-1:123456789012:orders",
          attributes: { MessageGroupId: "g", SequenceNumber: "18849496460467696128" },
        },
        { attributes: { SequenceNumber: "18849496460467696129" } },
      ],
    });
    expect(made("s3-put=bucket=b,key=a b/ü.txt")).toMatchObject({
      Records: [{ s3: { object: { key: "a+b/%C3%BC.txt" } } }],
    });
    expect(made("alb=query=a=1&a=2,multiValue=true")).toMatchObject({
      multiValueQueryStringParameters: { a: ["1", "2"] },
    });
    expect(made("apigateway-http=query=a=1&a=2")).toMatchObject({ queryStringParameters: { a: "1,2" } });
    expect(made("dynamodb=event=REMOVE")).not.toHaveProperty("Records.0.dynamodb.NewImage");
    expect(made("cloudwatch-scheduled")).toMatchObject({ time: "2026-11-22T10:00:00Z" });
  });

  it("of CloudWatch Logs is packed as AWS packs it", () => {
    const { awslogs } = made<{ awslogs: { data: string } }>("cloudwatch-logs=message=boom,logGroup=/aws/lambda/x");
    const data = JSON.parse(gunzipSync(Buffer.from(awslogs.data, "base64")).toString()) as object;
    expect(data).toMatchObject({ logGroup: "/aws/lambda/x", logEvents: [{ message: "boom" }] });
  });

  it("with JSON that is none is refused", () => {
    expect(() => made("dynamodb=keys=Id")).toThrow("keys must be JSON, and is Id");
  });
});
