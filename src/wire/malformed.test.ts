/** Raw requests that are wrong in one way each, and the answers of AWS to them. */
import { describe, expect, test } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { bytesOf, type Body, type HttpRequest } from "../base/http.ts";
import { countingIds } from "../base/ids.ts";
import { authorizationFor, formRequest as form, rawRequest } from "./serve.suite.ts";
import { createWire, WireRefusal, type DecodedCall } from "./wire.ts";

const wire = () => createWire({ clock: new FakeClock(), ids: countingIds() });

async function attempt(request: HttpRequest): Promise<WireRefusal | DecodedCall> {
  try {
    return await wire().decode(request);
  } catch (error) {
    if (error instanceof WireRefusal) return error;
    throw error;
  }
}

const textOf = async (body: Body) => Buffer.from(await bytesOf(body, 1e6)).toString();

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

async function refused(request: HttpRequest): Promise<Answer> {
  const outcome = await attempt(request);
  if (!(outcome instanceof WireRefusal)) throw new Error(`${outcome.operation} was not refused`);
  const { status, headers, body } = outcome.response;
  const fields = Object.fromEntries(
    headers.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), headers[i + 1] ?? ""]] : [])),
  );
  return { status, headers: fields, body: await textOf(body) };
}

const json = (target: string, body: string, type = "application/x-amz-json-1.1") =>
  rawRequest({
    headers: [
      ...authorizationFor(target.startsWith("AmazonSQS") ? "sqs" : "logs"),
      "X-Amz-Target",
      target,
      "Content-Type",
      type,
    ],
    body: Buffer.from(body),
  });
const rest = (method: string, target: string, body?: string, headers: string[] = []) =>
  rawRequest({
    method,
    target,
    headers: [...authorizationFor("lambda"), ...headers],
    body: body === undefined ? undefined : Buffer.from(body),
  });
const s3 = (method: string, target: string, body?: string, headers: string[] = []) =>
  rawRequest({
    method,
    target,
    headers: [...authorizationFor("s3"), ...headers],
    body: body === undefined ? undefined : Buffer.from(body),
  });

describe("awsJson", () => {
  const id = "00000000-0000-4000-8000-000000000001";

  test.each([
    ["no JSON", "{", "SerializationException"],
    ["a list for a structure", "[]", "SerializationException"],
    ["a number for a string", '{"logGroupName":5}', "SerializationException"],
    ["a string for a list", '{"logGroupName":"g","tags":"x"}', "SerializationException"],
    ["a string for a number", '{"logGroupName":"g","retentionInDays":"5"}', "SerializationException"],
  ])("%s", async (_, body, type) => {
    const target = body.includes("retention") ? "Logs_20140328.PutRetentionPolicy" : "Logs_20140328.CreateLogGroup";
    const answer = await refused(json(target, body));
    expect(answer).toMatchObject({
      status: 400,
      headers: { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": id },
    });
    expect(JSON.parse(answer.body)).toMatchObject({ __type: type });
  });

  test("no UTF-8", async () => {
    const request = json("Logs_20140328.CreateLogGroup", "");
    const answer = await refused({ ...request, body: Buffer.from('{"logGroupName":"\xff"}', "latin1") });
    expect(JSON.parse(answer.body)).toMatchObject({ __type: "SerializationException" });
  });

  test("the words of AWS", async () => {
    const message = async (body: string) =>
      JSON.parse((await refused(json("Logs_20140328.CreateLogGroup", body))).body) as unknown;
    expect(await message('{"logGroupName":5}')).toEqual({
      __type: "SerializationException",
      message: "NUMBER_VALUE cannot be converted to String",
    });
    expect(await message('{"logGroupName":["a"]}')).toMatchObject({
      message: "Start of list found where not expected",
    });
    expect(await message('{"logGroupName":{}}')).toMatchObject({
      message: "Start of structure or map found where not expected",
    });
    expect(await message("{}")).toEqual({
      __type: "ValidationException",
      message:
        "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
    });
  });

  test("version 1.0 names the namespace", async () => {
    const answer = await refused(json("AmazonSQS.SendMessage", '{"QueueUrl":1}', "application/x-amz-json-1.0"));
    expect(JSON.parse(answer.body)).toEqual({
      __type: "com.amazon.coral.service#SerializationException",
      message: "NUMBER_VALUE cannot be converted to String",
    });
    expect(answer.headers["x-amzn-query-error"]).toBe("SerializationException;Sender");
  });

  test("an operation that is none, a content type that a page could send", async () => {
    const unknown = await refused(json("Logs_20140328.Nothing", "{}"));
    expect(JSON.parse(unknown.body)).toMatchObject({ __type: "UnknownOperationException" });
    expect(await refused(json("Other.CreateLogGroup", "{}"))).toMatchObject({ status: 400 });
    expect(await refused(json("Logs_20140328.__proto__", "{}"))).toMatchObject({ status: 400 });
    expect(await refused(json("Logs_20140328.CreateLogGroup", "{}", "text/plain"))).toMatchObject({ status: 415 });
  });

  test("a map's key named __proto__ is a key", async () => {
    const body = '{"logGroupName":"g","tags":{"__proto__":"x","constructor":"y"}}';
    const outcome = await attempt(json("Logs_20140328.CreateLogGroup", body));
    if (outcome instanceof WireRefusal) throw outcome;
    const { tags } = outcome.input as { tags: object };
    expect(Object.entries(tags)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
    expect(Object.getPrototypeOf(tags)).toBe(Object.prototype);
  });

  test("a map with too many entries", async () => {
    const tags = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, "v"]));
    const answer = await refused(json("Logs_20140328.CreateLogGroup", JSON.stringify({ logGroupName: "g", tags })));
    expect(JSON.parse(answer.body)).toMatchObject({ __type: "SerializationException" });
  });

  test("a body that is too long, told by its length or by its bytes", async () => {
    const long = json("Logs_20140328.CreateLogGroup", `{"logGroupName":"${"x".repeat(1_100_000)}"}`);
    const answer = await refused(long);
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body)).toMatchObject({ __type: "RequestEntityTooLarge" });
    const told = { ...json("Logs_20140328.CreateLogGroup", "{}") };
    let read = false;
    const body = (async function* () {
      read = true;
      yield Buffer.from("{}");
    })();
    expect(await refused({ ...told, headers: [...told.headers, "Content-Length", "2000000"], body })).toMatchObject({
      status: 413,
    });
    expect(read).toBe(false);
  });

  test("a client that goes away", async () => {
    const body = (async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("{");
      throw new Error("socket hang up");
    })();
    const answer = await refused({ ...json("Logs_20140328.CreateLogGroup", ""), body });
    expect(answer.status).toBe(408);
    expect(answer.body).not.toContain("socket");
  });
});

describe("awsQuery", () => {
  const error = (code: string, message: string, namespace: string) =>
    `<ErrorResponse xmlns="${namespace}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>` +
    "<RequestId>00000000-0000-4000-8000-000000000001</RequestId></ErrorResponse>";
  const cloudformation = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

  test.each([
    [
      "no such action",
      "Action=Nothing&Version=1",
      "InvalidAction",
      "Could not find operation Nothing for version 2010-05-15",
    ],
    ["no action", "Version=2010-05-15", "MissingAction", "The request must contain the parameter Action"],
    [
      "a list for a string",
      "Action=CreateStack&StackName.member.1=x",
      "MalformedInput",
      "Start of list found where not expected",
    ],
    [
      "a string for a list",
      "Action=CreateStack&StackName=s&Capabilities=x",
      "MalformedInput",
      "Unexpected list element termination",
    ],
    [
      "a list without member",
      "Action=CreateStack&StackName=s&Capabilities.1=x",
      "MalformedInput",
      "Unexpected list element termination",
    ],
    [
      "a string for a structure",
      "Action=CreateStack&StackName=s&RollbackConfiguration=x",
      "MalformedInput",
      "Unexpected complex element termination",
    ],
    [
      "a word for a number",
      "Action=CreateStack&StackName=s&TimeoutInMinutes=soon",
      "MalformedInput",
      '"soon" cannot be converted to Integer',
    ],
    [
      "something missing, deep down",
      "Action=CreateStack&StackName=s&Tags.member.1.Key=k",
      "ValidationError",
      "1 validation error detected: Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
    ],
    [
      "a value that is none of the enum's, in a list",
      "Action=CreateStack&StackName=s&Capabilities.member.1=CAPABILITY_FLY",
      "ValidationError",
      "1 validation error detected: Value '[CAPABILITY_FLY]' at 'capabilities' failed to satisfy constraint: Member must satisfy constraint: " +
        "[Member must satisfy enum value set: [CAPABILITY_IAM, CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND]]",
    ],
  ])("%s", async (_, body, code, message) => {
    const answer = await refused(form("cloudformation", body));
    expect(answer).toMatchObject({ status: 400, headers: { "content-type": "text/xml" } });
    expect(answer.body).toBe(error(code, message, cloudformation));
  });

  test("another API under the same signing name: Classic Load Balancers", async () => {
    const classic = form("elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2012-06-01");
    expect(await refused(classic)).toMatchObject({
      status: 501,
      body: expect.stringContaining("Mikan does not implement version 2012-06-01 of elasticloadbalancing"),
    });
  });

  test("not percent-encoded, not a form, nested without end, numbered beyond reason", async () => {
    expect((await refused(form("sts", "Action=%zz"))).body).toContain("<Code>MalformedQueryString</Code>");
    const text = {
      ...form("sts", "Action=GetCallerIdentity"),
      headers: [...authorizationFor("sts"), "Content-Type", "text/plain"],
    };
    expect((await refused(text)).status).toBe(415);
    const deep = `Action=CreateStack&${"a.".repeat(5_000)}b=1`;
    expect((await refused(form("cloudformation", deep))).body).toContain("<Code>MalformedInput</Code>");
    const sparse = "Action=CreateStack&StackName=s&Capabilities.member.99999999999999999999=CAPABILITY_IAM";
    expect((await refused(form("cloudformation", sparse))).body).toContain("<Code>MalformedInput</Code>");
  });

  test("SQS's old clients, with its flattened names and its old error codes", async () => {
    const body =
      "Action=SendMessage&Version=2012-11-05&QueueUrl=q&MessageBody=a+b%21&MessageAttribute.1.Name=n" +
      "&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v";
    const outcome = await attempt(form("sqs", body));
    if (outcome instanceof WireRefusal) throw outcome;
    expect(outcome.input).toEqual({
      QueueUrl: "q",
      MessageBody: "a b!",
      MessageAttributes: { n: { DataType: "String", StringValue: "v" } },
    });
    const answer = outcome.encode({ MessageId: "m", MD5OfMessageBody: "d" });
    expect(await textOf(answer.body)).toBe(
      '<SendMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageResult><MD5OfMessageBody>d</MD5OfMessageBody>' +
        `<MessageId>m</MessageId></SendMessageResult><ResponseMetadata><RequestId>${outcome.requestId}</RequestId></ResponseMetadata></SendMessageResponse>`,
    );
  });
});

describe("ec2Query", () => {
  test("lists and filters, and the answer", async () => {
    const outcome = await attempt(
      form(
        "ec2",
        "Action=DescribeSubnets&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&SubnetId.1=a&SubnetId.2=b",
      ),
    );
    if (outcome instanceof WireRefusal) throw outcome;
    expect(outcome.input).toEqual({ Filters: [{ Name: "vpc-id", Values: ["vpc-1"] }], SubnetIds: ["a", "b"] });
    const answer = outcome.encode({
      Subnets: [{ SubnetId: "a", AvailableIpAddressCount: 5, Tags: [{ Key: "k", Value: "v" }] }],
    });
    expect(await textOf(answer.body)).toBe(
      `<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${outcome.requestId}</requestId>` +
        "<subnetSet><item><tagSet><item><key>k</key><value>v</value></item></tagSet><subnetId>a</subnetId>" +
        "<availableIpAddressCount>5</availableIpAddressCount></item></subnetSet></DescribeSubnetsResponse>",
    );
  });

  test("errors in its own form; operations that are known by name", async () => {
    const answer = await refused(form("ec2", "Action=DescribeSubnets&MaxResults=many"));
    expect(answer.status).toBe(400);
    expect(answer.body).toBe(
      "<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>Value (many) for parameter MaxResults is invalid. Expected: Integer." +
        "</Message></Error></Errors><RequestID>00000000-0000-4000-8000-000000000001</RequestID></Response>",
    );
    const named = await attempt(form("ec2", "Action=RunInstances&MinCount=1"));
    expect(named).toMatchObject({ service: "ec2", operation: "RunInstances" });
  });
});

describe("restJson1", () => {
  const functions = "/2015-03-31/functions";
  test.each([
    ["no such path", rest("GET", "/2015-03-31/nothing"), 404, "UnknownOperationException"],
    ["no such method", rest("PATCH", functions), 404, "UnknownOperationException"],
    ["dot segments", rest("GET", `${functions}/../functions/f`), 404, "UnknownOperationException"],
    ["no JSON", rest("POST", functions, "{"), 400, "SerializationException"],
    ["a number for a string", rest("POST", functions, '{"FunctionName":1}'), 400, "SerializationException"],
    ["a word for a number", rest("GET", `${functions}?MaxItems=many`), 400, "SerializationException"],
    ["a number out of range", rest("GET", `${functions}?MaxItems=0`), 400, "ValidationException"],
    [
      "a fraction for an integer",
      rest(
        "PUT",
        `${functions}/f/concurrency`.replace("2015-03-31", "2017-10-31"),
        '{"ReservedConcurrentExecutions":1.5}',
      ),
      400,
      "SerializationException",
    ],
    ["what is required is missing", rest("POST", functions, "{}"), 400, "ValidationException"],
    ["no Base64", rest("PUT", `${functions}/f/code`, '{"ZipFile":"a*b"}'), 400, "SerializationException"],
    [
      "a page's content type",
      rest("POST", functions, "{}", ["Content-Type", "text/plain"]),
      415,
      "UnsupportedMediaTypeException",
    ],
    ["no percent-encoding", rest("GET", `${functions}/%zz`), 400, "SerializationException"],
  ])("%s", async (_, request, status, type) => {
    const answer = await refused(request);
    expect(answer).toMatchObject({ status, headers: { "content-type": "application/json", "x-amzn-errortype": type } });
    expect(JSON.parse(answer.body)).toMatchObject({ message: expect.any(String) });
  });

  test("bodies have the limit of their operation", async () => {
    const big = "x".repeat(6_291_457);
    const answer = await refused(rest("POST", `${functions}/f/invocations`, big));
    expect(answer).toMatchObject({ status: 413, headers: { "x-amzn-errortype": "RequestTooLargeException" } });
    expect(JSON.parse(answer.body)).toEqual({
      Type: "User",
      message: "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    });
    const outcome = await attempt(rest("POST", `${functions}/f/invocations`, big.slice(1)));
    expect(outcome).toMatchObject({ operation: "Invoke" });
  });
});

describe("S3", () => {
  test.each([
    ["no such method", s3("PATCH", "/b/k"), 405, "MethodNotAllowed"],
    ["no XML", s3("POST", "/b?delete", "<Delete>"), 400, "MalformedXML"],
    [
      "a DTD",
      s3("POST", "/b?delete", '<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>'),
      400,
      "MalformedXML",
    ],
    [
      "an entity of nobody's",
      s3("POST", "/b?delete", "<Delete><Object><Key>&b;</Key></Object></Delete>"),
      400,
      "MalformedXML",
    ],
    ["another root", s3("POST", "/b?delete", "<Other/>"), 400, "MalformedXML"],
    ["a key that is missing", s3("POST", "/b?delete", "<Delete><Object/></Delete>"), 400, "MalformedXML"],
    ["elements without end", s3("POST", "/b?delete", "<a>".repeat(100_000)), 400, "MalformedXML"],
    ["no body", s3("POST", "/b?delete"), 400, "MissingRequestBodyError"],
    ["a word for a number", s3("GET", "/b?list-type=2&max-keys=many"), 400, "InvalidArgument"],
    ["no percent-encoding", s3("GET", "/b/%zz"), 400, "InvalidURI"],
    ["a body that is too long", s3("POST", "/b?delete", "x".repeat(2_200_000)), 400, "MaxMessageLengthExceeded"],
    [
      "a hash that is none",
      rawRequest({
        method: "PUT",
        target: "/b/k",
        headers: authorizationFor("s3").map((text) => text.replace("UNSIGNED-PAYLOAD", "x")),
      }),
      400,
      "InvalidArgument",
    ],
  ])("%s", async (_, request, status, code) => {
    const answer = await refused(request);
    expect(answer).toMatchObject({
      status,
      headers: { "content-type": "application/xml", "x-amz-request-id": expect.any(String) },
    });
    expect(answer.body).toContain(`<Code>${code}</Code>`);
  });

  test("the whole answer", async () => {
    const answer = await refused(s3("GET", "/b?max-keys=many"));
    expect(answer.body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Provided max-keys is not of type Integer</Message>' +
        "<ArgumentName>max-keys</ArgumentName><ArgumentValue>many</ArgumentValue><Resource>/b</Resource>" +
        "<RequestId>0000000000000002</RequestId><HostId>bWlrYW46MDAwMDAwMDAwMDAwMDAwMg==</HostId></Error>",
    );
  });

  test("to HEAD, without a body", async () => {
    const answer = await refused(s3("HEAD", "/b/%zz"));
    expect(answer).toMatchObject({ status: 400, body: "" });
  });

  test("buckets by host", async () => {
    const address = async (host: string, target: string) => {
      const outcome = await attempt({ ...s3("GET", target), host });
      if (outcome instanceof WireRefusal) throw outcome;
      return [outcome.operation, outcome.input];
    };
    const key = ["GetObject", { Bucket: "b", Key: "k" }];
    expect(await address("b.s3.localhost:4566", "/k")).toEqual(key);
    expect(await address("b.s3.us-east-1.localhost:4566", "/k")).toEqual(key);
    expect(await address("b.s3-us-west-2.localhost", "/k")).toEqual(key);
    expect(await address("b.localhost:4566", "/k")).toEqual(key);
    expect(await address("s3.localhost", "/b/k")).toEqual(key);
    expect(await address("s3.us-east-1.localhost", "/b/k")).toEqual(key);
    expect(await address("localhost", "/b/k")).toEqual(key);
    expect(await address("127.0.0.1:4566", "/b/k")).toEqual(key);
    expect(await address("my.bucket.s3.localhost", "/")).toEqual(["ListObjects", { Bucket: "my.bucket" }]);
    expect(await address("127.0.0.1", "/b/")).toEqual(["ListObjects", { Bucket: "b" }]);
    expect(await address("127.0.0.1", "/")).toEqual(["ListBuckets", {}]);
  });
});

test("a service that has no table answers 501 with its name, in the shape of the request", async () => {
  const query = await refused(form("rds", "Action=DescribeDBInstances"));
  expect(query).toMatchObject({
    status: 501,
    body: expect.stringContaining("<Code>NotImplemented</Code><Message>Mikan does not implement the service rds."),
  });
  const target = ["X-Amz-Target", "DynamoDB_20120810.ListTables", "Content-Type", "application/x-amz-json-1.0"];
  const dynamodb = await refused(rawRequest({ headers: [...authorizationFor("dynamodb"), ...target] }));
  expect(dynamodb.status).toBe(501);
  expect(JSON.parse(dynamodb.body)).toMatchObject({ message: "Mikan does not implement the service dynamodb." });
});
