/** Requests that no SDK would send, at the whole node: each refused in the shape of its protocol, and nothing is made of them. */
import { request, type OutgoingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeTargetGroupsCommand } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListBucketsCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
});

interface Sent {
  service: string;
  method?: string;
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: string | Uint8Array;
  signed?: boolean;
}
interface Answer {
  status: number;
  type: string;
  errorType: string | undefined;
  body: string;
}

/** An open node reads the signature and believes it. */
function send({ service, method = "POST", path = "/", headers = {}, body, signed = true }: Sent): Promise<Answer> {
  const Authorization = `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`;
  const all = { "X-Amz-Date": "20260101T000000Z", ...(signed ? { Authorization } : {}), ...headers };
  return new Promise((resolve, reject) => {
    const sent = request(mikan.url + path, { method, headers: all, agent: false }, (response) => {
      text(response).then((content) => {
        const { "content-type": type = "", "x-amzn-errortype": errorType } = response.headers;
        resolve({ status: response.statusCode ?? 0, type, errorType: errorType?.toString(), body: content });
      }, reject);
    });
    // A node that refuses a body by its length need not read it to the end.
    sent.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
    });
    sent.end(body);
  });
}

const json = (operation: string, body: string | Uint8Array, rest: Partial<Sent> = {}): Sent => ({
  service: "logs",
  headers: { "X-Amz-Target": `Logs_20140328.${operation}`, "Content-Type": "application/x-amz-json-1.1" },
  body,
  ...rest,
});
const cbor = (operation: string, body: string | Uint8Array, rest: Partial<Sent> = {}): Sent => ({
  service: "logs",
  path: `/service/Logs_20140328/operation/${operation}`,
  headers: { "smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor" },
  body,
  ...rest,
});
const form = (service: string, body: string, rest: Partial<Sent> = {}): Sent => ({
  service,
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
  body,
  ...rest,
});
const elb = (body: string, rest?: Partial<Sent>) => form("elasticloadbalancing", `${body}&Version=2015-12-01`, rest);
const ec2 = (body: string, rest?: Partial<Sent>) => form("ec2", `${body}&Version=2016-11-15`, rest);
const rest = (method: string, path: string, body?: string | Uint8Array, more: Partial<Sent> = {}): Sent => ({
  service: "lambda",
  method,
  path,
  headers: { "Content-Type": "application/json" },
  ...(body === undefined ? {} : { body }),
  ...more,
});
const s3 = (method: string, path: string, body?: string, more: Partial<Sent> = {}): Sent => ({
  service: "s3",
  method,
  path,
  ...(body === undefined ? {} : { body }),
  ...more,
});
const unsigned = { signed: false };
const tooLarge = (bytes: number) => Buffer.alloc(bytes, " ");
const mebibyte = 2 ** 20;

type Case = [what: string, sent: Sent, status: number, answer: string | RegExp];
const shapes: Record<string, { type: string; cases: Case[] }> = {
  "JSON 1.1": {
    type: "application/x-amz-json-1.1",
    cases: [
      ["half a body", json("CreateLogGroup", `{"logGroupName":`), 400, `"__type":"SerializationException"`],
      ["a list", json("CreateLogGroup", `[]`), 400, `"__type":"SerializationException"`],
      [
        "a number for text",
        json("CreateLogGroup", `{"logGroupName":5}`),
        400,
        "NUMBER_VALUE cannot be converted to String",
      ],
      [
        "nothing",
        json("CreateLogGroup", `{}`),
        400,
        "Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
      ],
      ["a name that is none", json("CreateLogGroup", `{"logGroupName":"a b"}`), 400, `"__type":"ValidationException"`],
      ["an operation that is none", json("Explode", `{}`), 400, `"__type":"UnknownOperationException"`],
      [
        "no signature",
        json("CreateLogGroup", `{"logGroupName":"made"}`, unsigned),
        403,
        `"__type":"MissingAuthenticationTokenException"`,
      ],
      ["too much", json("CreateLogGroup", tooLarge(2 * mebibyte)), 413, "must be smaller than"],
    ],
  },
  CBOR: {
    type: "application/cbor",
    cases: [
      ["half a body", cbor("CreateLogGroup", Buffer.of(0xa1, 0x61)), 400, "#SerializationException"],
      ["no CBOR at all", cbor("CreateLogGroup", `{"logGroupName":"made"}`), 400, "#SerializationException"],
      ["a list", cbor("CreateLogGroup", Buffer.of(0x80)), 400, "#SerializationException"],
      ["lists without end", cbor("CreateLogGroup", Buffer.alloc(1_000, 0x81)), 400, "nested deeper than"],
      ["nothing", cbor("CreateLogGroup", Buffer.of(0xa0)), 400, "Value null at 'logGroupName' failed to satisfy"],
      ["an operation that is none", cbor("Explode", Buffer.of(0xa0)), 400, "#UnknownOperationException"],
      [
        "no signature",
        cbor("CreateLogGroup", Buffer.from("\u00a1\u006clogGroupName\u0064made", "latin1"), unsigned),
        403,
        "#MissingAuthenticationTokenException",
      ],
      ["too much", cbor("CreateLogGroup", tooLarge(2 * mebibyte)), 413, "must be smaller than"],
    ],
  },
  Query: {
    type: "text/xml",
    cases: [
      ["no action", elb("Name=a"), 400, "<Code>MissingAction</Code>"],
      ["an action that is none", elb("Action=Explode"), 400, "<Code>InvalidAction</Code>"],
      ["nothing but the action", elb("Action=CreateTargetGroup"), 400, "<Code>ValidationError</Code>"],
      ["a word for a number", elb("Action=CreateTargetGroup&Name=made&Port=http"), 400, "<Code>MalformedInput</Code>"],
      [
        "no signature",
        elb("Action=CreateTargetGroup&Name=made&TargetType=lambda", unsigned),
        403,
        "<Code>MissingAuthenticationToken</Code>",
      ],
      ["too much", elb(`Action=CreateTargetGroup&Name=${"x".repeat(2 * mebibyte)}`), 413, "must be smaller than"],
      [
        "a service that there is not",
        form("teleport", "Action=Go"),
        501,
        "Mikan does not implement the service teleport.",
      ],
    ],
  },
  EC2: {
    type: "text/xml",
    cases: [
      ["an action that is none", ec2("Action=Explode"), 400, /^<Response><Errors><Error><Code>InvalidAction<\/Code>/],
      ["a word for a number", ec2("Action=DescribeVpcs&MaxResults=x"), 400, "<Code>InvalidParameterValue</Code>"],
      [
        "an action that is not made",
        ec2("Action=DescribeSpotPriceHistory"),
        501,
        "Mikan does not implement ec2:DescribeSpotPriceHistory yet.",
      ],
      ["no signature", ec2("Action=DescribeVpcs", unsigned), 403, "<Code>MissingAuthenticationToken</Code>"],
    ],
  },
  "REST with JSON": {
    type: "application/json",
    cases: [
      ["half a body", rest("POST", "/2015-03-31/functions", `{"FunctionName"`), 400, /^SerializationException /],
      [
        "text for a number",
        rest(
          "POST",
          "/2015-03-31/functions",
          `{"FunctionName":"made","Role":"arn:aws:iam::000000000000:role/x","Code":{},"Timeout":"x"}`,
        ),
        400,
        /^SerializationException /,
      ],
      [
        "nothing",
        rest("POST", "/2015-03-31/functions", `{}`),
        400,
        /^ValidationException .*3 validation errors detected/,
      ],
      ["a path that is none", rest("POST", "/2015-03-31/explode", `{}`), 404, /^UnknownOperationException /],
      [
        "no signature",
        rest("GET", "/2015-03-31/functions", undefined, unsigned),
        403,
        /^MissingAuthenticationTokenException /,
      ],
      [
        "too much",
        rest("POST", "/2015-03-31/functions", tooLarge(72 * mebibyte)),
        413,
        /^RequestEntityTooLargeException /,
      ],
    ],
  },
  "REST with XML": {
    type: "application/xml",
    cases: [
      ["half a body", s3("PUT", "/made", "<Create"), 400, "<Code>MalformedXML</Code>"],
      ["a name that is none", s3("PUT", "/MADE"), 400, "<Code>InvalidBucketName</Code>"],
      ["a method that is none", s3("PATCH", "/made/x", "x"), 405, "<Code>MethodNotAllowed</Code>"],
      ["a bucket that there is not", s3("GET", "/nobodys/key"), 404, "<Code>NoSuchBucket</Code>"],
      ["no signature", s3("PUT", "/made", undefined, unsigned), 403, "<Code>AccessDenied</Code>"],
    ],
  },
};

describe.each(Object.entries(shapes))("%s", (_, { type, cases }) => {
  it.each(cases)("%s", async (__, sent, status, expected) => {
    const answer = await send(sent);
    expect(answer).toMatchObject({ status, type });
    if (typeof expected === "string") expect(answer.body).toContain(expected);
    else expect(`${answer.errorType ?? ""} ${answer.body}`.trim()).toMatch(expected);
  });
});

it("nothing was made of any of them", async () => {
  const { elb: balancers, lambda, logs, s3: buckets } = clients;
  expect((await logs.send(new DescribeLogGroupsCommand({}))).logGroups).toEqual([]);
  expect((await balancers.send(new DescribeTargetGroupsCommand({}))).TargetGroups).toEqual([]);
  expect((await lambda.send(new ListFunctionsCommand({}))).Functions).toEqual([]);
  expect((await buckets.send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([]);
});

describe("what is no HTTP", () => {
  const say = (bytes: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(mikan.port, "127.0.0.1", () => socket.end(bytes));
      text(socket).then(resolve, reject);
    });
  it.each([
    ["noise", "\u0016\u0003\u0001\u0000hello\r\n\r\n"],
    ["two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["no host", "GET /_mikan/health HTTP/1.1\r\n\r\n"],
    ["a folded field", "GET /_mikan/health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n"],
  ])("is refused: %s", async (_, bytes) => {
    expect(await say(bytes)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await fetch(`${mikan.url}/_mikan/health`)).status).toBe(200);
  });
});
