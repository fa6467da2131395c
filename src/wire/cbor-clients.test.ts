/** RPC v2 CBOR through the official clients: the SDK for JavaScript, and botocore, told to speak it. */
import { spawnSync } from "node:child_process";
import { AwsSmithyRpcV2CborProtocol } from "@aws-sdk/core/protocols";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DescribeLogGroupsCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { QueueDoesNotExist, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { Fault } from "../base/errors.ts";
import { bytesOf } from "../base/http.ts";
import { run } from "../../test/command.ts";
import { parseCbor } from "./cbor-read.ts";
import { cborOf } from "./cbor-write.ts";
import { authorizationFor, rawRequest, serveWire, type WireServer } from "./serve.suite.ts";
import { createWire, WireRefusal } from "./wire.ts";
import { FakeClock } from "../base/clock.ts";
import { countingIds } from "../base/ids.ts";

let server: WireServer;
beforeAll(async () => {
  server = await serveWire({ verify: { secretOf: async () => ({ secret: "secret" }) } });
});
afterAll(() => server.close());
beforeEach(() => {
  server.calls.length = 0;
  server.answer = () => ({});
});

const config = () => ({
  endpoint: server.url,
  region: "eu-central-1",
  credentials: { accessKeyId: "000000000042", secretAccessKey: "secret" },
  maxAttempts: 1,
  protocol: AwsSmithyRpcV2CborProtocol,
});

describe("the SDK for JavaScript", () => {
  it("sends and receives, with nothing in the answer to what has no output", async () => {
    const logs = new CloudWatchLogsClient(config());
    await logs.send(new CreateLogGroupCommand({ logGroupName: "g", tags: { a: "b" } }));
    await logs.send(
      new PutLogEventsCommand({
        logGroupName: "g",
        logStreamName: "s",
        logEvents: [{ timestamp: 1_700_000_000_000, message: "h\u00e9" }],
      }),
    );
    server.answer = () => ({ logGroups: [{ logGroupName: "g", creationTime: 1_700_000_000_000 }] });
    const { logGroups } = await logs.send(new DescribeLogGroupsCommand({}));
    expect(logGroups).toEqual([{ logGroupName: "g", creationTime: 1_700_000_000_000 }]);
    expect(server.calls.map(({ operation, input }) => [operation, input])).toEqual([
      ["CreateLogGroup", { logGroupName: "g", tags: { a: "b" } }],
      [
        "PutLogEvents",
        { logGroupName: "g", logStreamName: "s", logEvents: [{ timestamp: 1_700_000_000_000, message: "h\u00e9" }] },
      ],
      ["DescribeLogGroups", {}],
    ]);
  });

  it("sends bytes and receives them, and the errors of a service that once spoke Query", async () => {
    const sqs = new SQSClient({ ...config(), md5: false });
    const binary = { a: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) } };
    await sqs.send(new SendMessageCommand({ QueueUrl: "q", MessageBody: "b", MessageAttributes: binary }));
    expect(server.calls.at(-1)?.input).toMatchObject({ MessageAttributes: { a: { BinaryValue: Buffer.of(0, 255) } } });
    server.answer = () => ({ Messages: [{ Body: "b", MessageAttributes: binary }] });
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: "q" }));
    expect([...(Messages?.[0]?.MessageAttributes?.["a"]?.BinaryValue ?? [])]).toEqual([0, 255]);
    server.answer = () => {
      throw new Fault("QueueDoesNotExist", "The specified queue does not exist.");
    };
    const failed = await sqs.send(new ReceiveMessageCommand({ QueueUrl: "q" })).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(QueueDoesNotExist);
    expect(failed).toMatchObject({
      message: "The specified queue does not exist.",
      $metadata: { httpStatusCode: 400 },
    });
  });

  it("receives timestamps, also of a service whose own protocol is Query", async () => {
    const CreateDate = new Date(1_700_000_000_500);
    server.answer = () => ({
      Role: { Path: "/", RoleName: "r", RoleId: "i", Arn: "arn:aws:iam::000000000042:role/r", CreateDate },
    });
    const { Role } = await new IAMClient(config()).send(new GetRoleCommand({ RoleName: "r" }));
    expect(Role).toMatchObject({ RoleName: "r", CreateDate });
  });
});

const boto = spawnSync("python3", ["-c", "import botocore"]).status === 0;
if (!boto) console.warn("SKIPPED: CBOR through botocore, because python3 has none here (pip install botocore)");

/** It prefers JSON where a model lists both, so the lists are shortened. */
const script = `
import botocore.session, json, os, sys
session = botocore.session.get_session()
session.set_credentials("000000000042", "secret")
loader = session.get_component("data_loader")
def client(name):
    metadata = loader.load_service_model(name, "service-2")["metadata"]
    metadata["protocols"], metadata["protocol"] = ["smithy-rpc-v2-cbor"], "smithy-rpc-v2-cbor"
    return session.create_client(name, endpoint_url=os.environ["ENDPOINT"], region_name="eu-central-1")
sent = client("sqs").send_message(QueueUrl=os.environ["ENDPOINT"], MessageBody="b",
    MessageAttributes={"a": {"DataType": "Binary", "BinaryValue": b"\\x00\\xff"}})
logs = client("logs")
logs.create_log_group(logGroupName="g")
try:
    logs.delete_log_group(logGroupName="g")
except logs.exceptions.ResourceNotFoundException as error:
    print(json.dumps([sent["MessageId"], error.response["Error"]]))
`;

test.skipIf(!boto)(
  "botocore",
  async () => {
    server.answer = ({ operation }) => {
      if (operation === "DeleteLogGroup") throw new Fault("ResourceNotFoundException", "There is none.");
      return operation === "SendMessage" ? { MessageId: "m" } : {};
    };
    const { code, out, err } = await run("python3", ["-c", script], { env: { ENDPOINT: server.url }, msMax: 50_000 });
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(["m", { Message: "There is none.", Code: "ResourceNotFoundException" }]);
    expect(server.calls.map(({ operation }) => operation)).toEqual(["SendMessage", "CreateLogGroup", "DeleteLogGroup"]);
    expect(server.calls[0]?.input).toMatchObject({ MessageAttributes: { a: { BinaryValue: Buffer.of(0, 255) } } });
  },
  60_000,
);

describe("requests as they are", () => {
  const wire = createWire({ clock: new FakeClock(), ids: countingIds(), unsigned: "admit" });
  const cbor = (path: string, value: unknown, more: { signed?: boolean; type?: string | undefined } = {}) => {
    const { signed = true, type = "application/cbor" } = more;
    const signature = signed ? authorizationFor("logs") : [];
    const content = type === "" ? [] : ["Content-Type", type];
    const body = value === undefined ? undefined : cborOf(value);
    return rawRequest({ target: path, headers: ["smithy-protocol", "rpc-v2-cbor", ...signature, ...content], body });
  };
  const refused = async (request: ReturnType<typeof cbor>) => {
    const error = await wire.decode(request).catch((thrown: unknown) => thrown);
    if (!(error instanceof WireRefusal)) throw new Error("not refused");
    const { status, headers, body } = error.response;
    expect(headers).toEqual(expect.arrayContaining(["smithy-protocol", "rpc-v2-cbor", "application/cbor"]));
    return { status, ...(parseCbor(await bytesOf(body, 1e6)) as { __type: string; message: string }) };
  };
  const place = "/service/Logs_20140328/operation/DescribeLogGroups";

  it.each([
    ["a path of the endpoint's own", cbor(`/prefix${place}`, { limit: 5 })],
    ["no signature: the path tells the service", cbor(place, { limit: 5 }, { signed: false })],
  ])("reads one with %s", async (_, request) => {
    expect(await wire.decode(request)).toMatchObject({ operation: "DescribeLogGroups", input: { limit: 5 } });
  });

  it("reads one without a body, and one without a type for what has no input", async () => {
    expect(await wire.decode(cbor(place, undefined))).toMatchObject({ input: {} });
    const caller = cbor("/service/AWSSecurityTokenServiceV20110615/operation/GetCallerIdentity", undefined, {
      signed: false,
      type: "",
    });
    expect(await wire.decode(caller)).toMatchObject({ service: "sts", operation: "GetCallerIdentity" });
  });

  it("answers an empty structure where there is an output, and no body where there is none", async () => {
    const plain = ["smithy-protocol", "rpc-v2-cbor", "x-amzn-RequestId", expect.any(String)];
    const { encode } = await wire.decode(cbor(place, {}));
    expect(encode({})).toEqual({
      status: 200,
      headers: [...plain, "Content-Type", "application/cbor"],
      body: Buffer.of(0xa0),
    });
    const made = await wire.decode(cbor("/service/Logs_20140328/operation/CreateLogGroup", { logGroupName: "g" }));
    expect(made.encode({})).toEqual({
      status: 200,
      headers: plain,
      body: undefined,
    });
  });

  const logs = "com.amazonaws.cloudwatchlogs";
  const coral = "com.amazon.coral";
  it.each([
    [
      "another service in the path",
      cbor("/service/AmazonSQS/operation/SendMessage", {}),
      400,
      `${coral}.service#UnknownOperationException`,
    ],
    [
      "an operation that is none",
      cbor("/service/Logs_20140328/operation/Explode", {}),
      400,
      `${coral}.service#UnknownOperationException`,
    ],
    [
      "an operation named like a member of all objects",
      cbor("/service/Logs_20140328/operation/constructor", {}),
      400,
      `${coral}.service#UnknownOperationException`,
    ],
    ["another path", cbor("/", {}), 400, `${coral}.service#UnknownOperationException`],
    [
      "a page's content type",
      cbor(place, {}, { type: "text/plain" }),
      415,
      `${coral}.service#UnsupportedMediaTypeException`,
    ],
    ["no content type", cbor(place, {}, { type: "" }), 415, `${coral}.service#UnsupportedMediaTypeException`],
    ["a list", cbor(place, []), 400, `${coral}.service#SerializationException`],
    ["a text for a number", cbor(place, { limit: "5" }), 400, `${coral}.service#SerializationException`],
    ["a number out of range", cbor(place, { limit: 5_000 }), 400, `${logs}#ValidationException`],
    [
      "a service that there is not",
      cbor("/service/Nothing/operation/Go", {}, { signed: false }),
      501,
      `${coral}.service#NotImplemented`,
    ],
  ])("refuses %s", async (_, request, status, type) => {
    expect(await refused(request)).toMatchObject({ status, __type: type });
  });

  it("names a modelled error by its namespace", async () => {
    const call = await wire.decode(cbor("/service/Logs_20140328/operation/CreateLogGroup", { logGroupName: "g" }));
    const { status, body } = call.encodeFault(new Fault("ResourceAlreadyExistsException", "It is there."));
    expect(status).toBe(400);
    expect(parseCbor(await bytesOf(body, 1e6))).toEqual({
      __type: `${logs}#ResourceAlreadyExistsException`,
      message: "It is there.",
    });
  });
});
