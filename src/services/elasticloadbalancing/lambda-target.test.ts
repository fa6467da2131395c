import { describe, expect, it } from "vitest";
import { lambdaBytesMax, lambdaEvent, lambdaResponse, LambdaTargetError, type LambdaTarget } from "./lambda-target.ts";

const target: LambdaTarget = {
  targetGroupArn:
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/lambda-279XGJDqGZ5rsrHC2Fjr/49e9d65c45c6791a",
  functionArn: "arn:aws:lambda:us-east-2:123456789012:function:f",
  multiValue: false,
};
const multi: LambdaTarget = { ...target, multiValue: true };

const nothing = new Uint8Array(0);
const get = (path: string, headers: string[] = []) => ({ method: "GET", target: path, headers });
const post = (type: string, ...more: string[]) => ({
  method: "POST",
  target: "/",
  headers: ["Content-Type", type, ...more],
});
const eventOf = (...args: Parameters<typeof lambdaEvent>): unknown =>
  JSON.parse(Buffer.from(lambdaEvent(...args)).toString());
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe("the event of a Lambda target", () => {
  it("is the one of the guide, field by field and in its order", () => {
    const request = get("/lambda?query=1234ABCD", [
      "Accept",
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,image/apng,*/*;q=0.8",
      "accept-encoding",
      "gzip",
      "Host",
      "lambda-alb-123578498.us-east-1.elb.amazonaws.com",
      "Upgrade-Insecure-Requests",
      "1",
      "X-Amzn-Trace-Id",
      "Root=1-5c536348-3d683b8b04734faae651f476",
      "X-Forwarded-For",
      "72.12.164.125",
      "X-Forwarded-Port",
      "80",
      "X-Forwarded-Proto",
      "http",
      "X-Imforwards",
      "20",
    ]);
    const text = Buffer.from(lambdaEvent(request, nothing, target)).toString();
    expect(JSON.stringify(JSON.parse(text), undefined, 1)).toBe(
      JSON.stringify(
        {
          requestContext: { elb: { targetGroupArn: target.targetGroupArn } },
          httpMethod: "GET",
          path: "/lambda",
          queryStringParameters: { query: "1234ABCD" },
          headers: {
            accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,image/apng,*/*;q=0.8",
            "accept-encoding": "gzip",
            host: "lambda-alb-123578498.us-east-1.elb.amazonaws.com",
            "upgrade-insecure-requests": "1",
            "x-amzn-trace-id": "Root=1-5c536348-3d683b8b04734faae651f476",
            "x-forwarded-for": "72.12.164.125",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
            "x-imforwards": "20",
          },
          body: "",
          isBase64Encoded: false,
        },
        undefined,
        1,
      ),
    );
  });

  it("takes the last value of what came twice", () => {
    const request = get("/?&myKey=val1&myKey=val2", ["cookie", "name1=value1", "Cookie", "name2=value2"]);
    expect(eventOf(request, nothing, target)).toMatchObject({
      queryStringParameters: { myKey: "val2" },
      headers: { cookie: "name2=value2" },
    });
  });

  it("has all values, and only the multi-value members, where they are enabled", () => {
    const request = get("/?&myKey=val1&myKey=val2", ["cookie", "name1=value1", "Cookie", "name2=value2"]);
    const event = eventOf(request, nothing, multi);
    expect(event).toMatchObject({
      multiValueQueryStringParameters: { myKey: ["val1", "val2"] },
      multiValueHeaders: { cookie: ["name1=value1", "name2=value2"] },
    });
    expect(event).not.toHaveProperty("headers");
    expect(event).not.toHaveProperty("queryStringParameters");
  });

  it("decodes neither path nor query", () => {
    expect(eventOf(get("/a%2Fb?x%20y=%E3%81%BF+kan&flag&a=b=c"), nothing, target)).toMatchObject({
      path: "/a%2Fb",
      queryStringParameters: { "x%20y": "%E3%81%BF+kan", flag: "", a: "b=c" },
    });
  });

  it("keeps names that objects have by themselves", () => {
    const event = lambdaEvent(get("/?__proto__=1&constructor=2", ["__proto__", "x"]), nothing, target);
    expect(Buffer.from(event).toString()).toContain('"queryStringParameters":{"__proto__":"1","constructor":"2"}');
  });

  it.each([
    ["text/plain", [], false],
    ["text/css; charset=utf-8", [], false],
    ["application/json", [], false],
    ["Application/JSON;charset=utf-8", [], false],
    ["application/javascript", [], false],
    ["application/xml", [], false],
    ["application/json", ["Content-Encoding", "gzip"], true],
    ["application/problem+json", [], true],
    ["application/octet-stream", [], true],
    ["image/png", [], true],
  ])("sends a body of %s %j in base64: %s", (type, more, encoded) => {
    const body = Buffer.from("みかん");
    expect(eventOf(post(type, ...more), body, target)).toMatchObject({
      isBase64Encoded: encoded,
      body: encoded ? body.toString("base64") : "みかん",
    });
  });

  it("sends a body without a type in base64", () => {
    expect(eventOf({ method: "POST", target: "/", headers: [] }, Buffer.from("x"), target)).toMatchObject({
      isBase64Encoded: true,
      body: "eA==",
    });
  });

  it("reads a head's bytes as UTF-8, and refuses what is none", () => {
    const field = Buffer.from("みかん").toString("latin1");
    expect(eventOf(get("/", ["x-name", field]), nothing, target)).toMatchObject({ headers: { "x-name": "みかん" } });
    const reason = expect.objectContaining({ reason: "LambdaBadRequest" });
    expect(() => lambdaEvent(get("/", ["x-name", "\u00ff"]), nothing, target)).toThrow(reason);
    expect(() => lambdaEvent(post("text/plain"), Uint8Array.of(0xff), target)).toThrow(reason);
  });
});

describe("the answer of a Lambda target", () => {
  it("is the one of the guide", () => {
    const answer = {
      isBase64Encoded: false,
      statusCode: 200,
      statusDescription: "200 OK",
      headers: { "Set-cookie": "cookies", "Content-Type": "application/json" },
      body: "Hello from Lambda (optional)",
    };
    expect(lambdaResponse(json(answer), target)).toEqual({
      status: 200,
      reason: "OK",
      headers: ["Set-cookie", "cookies", "Content-Type", "application/json", "Server", "awselb/2.0"],
      body: Buffer.from("Hello from Lambda (optional)"),
    });
  });

  it("may be no more than a status", () => {
    const { status, reason, headers, body } = lambdaResponse(json({ statusCode: 204 }), target);
    expect({ status, reason, headers, body }).toEqual({
      status: 204,
      reason: undefined,
      headers: ["Server", "awselb/2.0"],
      body: nothing,
    });
  });

  it("decodes base64", () => {
    const answer = { statusCode: 200, isBase64Encoded: true, body: Buffer.from([0, 255, 1]).toString("base64") };
    expect(lambdaResponse(json(answer), target).body).toEqual(Buffer.from([0, 255, 1]));
  });

  it("drops the fields of a connection, and the length", () => {
    const headers = {
      Connection: "keep-alive",
      "Transfer-Encoding": "chunked",
      "content-length": "999",
      "mikan-error-reason": "Lie",
      "X-Own": "1",
    };
    expect(lambdaResponse(json({ statusCode: 200, headers }), target).headers).toEqual([
      "X-Own",
      "1",
      "Server",
      "awselb/2.0",
    ]);
  });

  it("reads multiValueHeaders where they are enabled, and headers elsewhere", () => {
    const answer = {
      statusCode: 200,
      headers: { "X-One": "1" },
      multiValueHeaders: { "Set-Cookie": ["a=1", "b=2"] },
    };
    expect(lambdaResponse(json(answer), multi).headers.slice(0, 4)).toEqual(["Set-Cookie", "a=1", "Set-Cookie", "b=2"]);
    expect(lambdaResponse(json(answer), target).headers.slice(0, 2)).toEqual(["X-One", "1"]);
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["null", json(null)],
    ["no JSON", Buffer.from("{")],
    ["no UTF-8", Buffer.from([0x7b, 0xff])],
    ["text", json("hello")],
    ["a list", json([])],
    ["no status", json({ body: "x" })],
    ["a status of text", json({ statusCode: "200" })],
    ["a status that is none", json({ statusCode: 99 })],
    ["a status with a fraction", json({ statusCode: 200.5 })],
    ["a body that is no text", json({ statusCode: 200, body: { a: 1 } })],
    ["base64 that is none", json({ statusCode: 200, isBase64Encoded: true, body: "@@" })],
    ["headers that are no object", json({ statusCode: 200, headers: [] })],
    ["a header that is a number", json({ statusCode: 200, headers: { a: 1 } })],
    ["a header that ends its line", json({ statusCode: 200, headers: { a: "b\r\nset-cookie: c" } })],
    ["a header name with a space", json({ statusCode: 200, headers: { "a b": "c" } })],
  ])("is invalid with %s", (_, payload) => {
    const invalid = expect.objectContaining({ reason: "LambdaInvalidResponse" });
    expect(() => lambdaResponse(payload, target)).toThrow(invalid);
  });

  it("is invalid with a single value where lists are enabled", () => {
    expect(() => lambdaResponse(json({ statusCode: 200, multiValueHeaders: { a: "b" } }), multi)).toThrow(
      LambdaTargetError,
    );
  });

  it("may have 1 MiB of JSON, and no more", () => {
    const frame = json({ statusCode: 200, body: "" }).byteLength;
    const fits = json({ statusCode: 200, body: "x".repeat(lambdaBytesMax - frame) });
    expect(fits.byteLength).toBe(lambdaBytesMax);
    expect(lambdaResponse(fits, target).status).toBe(200);
    const tooLarge = json({ statusCode: 200, body: "x".repeat(lambdaBytesMax - frame + 1) });
    expect(() => lambdaResponse(tooLarge, target)).toThrow(
      expect.objectContaining({ reason: "LambdaResponseTooLarge" }),
    );
  });
});
