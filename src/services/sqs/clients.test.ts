/** SQS by other clients than the SDK for JavaScript: the old query protocol, boto3, the AWS CLI. */
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../../test/command.ts";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
});
afterAll(() => mikan.close(0));

/** The path of a new queue. */
async function create(): Promise<string> {
  const sqs = new SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "by-query" }));
  sqs.destroy();
  return new URL(must(QueueUrl, "QueueUrl")).pathname;
}

describe("the old query protocol", () => {
  const post = async (path: string, fields: Record<string, string>) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`;
    const body = new URLSearchParams({ Version: "2012-11-05", ...fields });
    const response = await fetch(`${mikan.url}${path}`, {
      method: "POST",
      body,
      headers: { authorization, "x-amz-date": "20260101T000000Z" },
    });
    return { status: response.status, text: await response.text() };
  };

  it("names the queue in the path, and answers XML", async () => {
    const path = await create();
    const attribute = {
      "MessageAttribute.1.Name": "a",
      "MessageAttribute.1.Value.DataType": "String",
      "MessageAttribute.1.Value.StringValue": "b",
    };
    const sent = await post(path, { Action: "SendMessage", MessageBody: "a < b", ...attribute });
    expect(sent.status).toBe(200);
    expect(sent.text).toMatch(/^<SendMessageResponse xmlns="http:\/\/queue.amazonaws.com\/doc\/2012-11-05\/">/);
    const received = await post(path, {
      Action: "ReceiveMessage",
      "AttributeName.1": "All",
      "MessageAttributeName.1": "All",
    });
    expect(received.text).toContain("<Body>a &lt; b</Body>");
    expect(received.text).toContain("<Name>ApproximateReceiveCount</Name><Value>1</Value>");
    const [, handle = ""] = /<ReceiptHandle>(.*)<\/ReceiptHandle>/.exec(received.text) ?? [];
    expect((await post(path, { Action: "DeleteMessage", ReceiptHandle: handle })).status).toBe(200);
  });

  it("has the codes of its time", async () => {
    const absent = await post("/000000000000/absent", { Action: "SendMessage", MessageBody: "a" });
    expect([absent.status, absent.text]).toEqual([
      400,
      expect.stringContaining("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"),
    ]);
    const missing = await post("/", { Action: "SendMessage", MessageBody: "a" });
    expect(missing.text).toContain(
      "<Code>MissingParameter</Code><Message>The request must contain the parameter QueueUrl.",
    );
    const bad = await post(await create(), { Action: "DeleteMessage", ReceiptHandle: "x" });
    expect([bad.status, bad.text]).toEqual([404, expect.stringContaining("<Code>ReceiptHandleIsInvalid</Code>")]);
  });
});

const environment = () => ({
  AWS_ENDPOINT_URL: mikan.url,
  AWS_ACCESS_KEY_ID: "000000000000",
  AWS_SECRET_ACCESS_KEY: "any",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_CONFIG_FILE: "/nonexistent",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
});
const has = (command: string, ...args: readonly string[]) =>
  run(command, args).then(
    ({ code }) => code === 0,
    () => false,
  );

describe.skipIf(!(await has("python3", "-c", "import boto3")))("boto3 (SKIPPED WITHOUT: pip install boto3)", () => {
  it("sends, receives, and knows the errors by both their names", { timeout: 60_000 }, async () => {
    const program = `
import boto3, json
queue = boto3.resource("sqs").create_queue(QueueName="by-boto", Attributes={"VisibilityTimeout": "9"})
queue.send_messages(Entries=[{"Id": str(n), "MessageBody": f"m{n}"} for n in range(10)])
got = []
for message in queue.receive_messages(MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"]):
    got.append(message.body)
    message.delete()
client = boto3.client("sqs")
errors = []
for call in (lambda: client.get_queue_url(QueueName="absent"), lambda: client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=11)):
    try: call()
    except client.exceptions.QueueDoesNotExist as error: errors.append(error.response["Error"]["Code"])
    except client.exceptions.ClientError as error: errors.append(error.response["Error"]["Code"])
print(json.dumps([sorted(got), errors]))`;
    const { code, out, err } = await run("python3", ["-c", program], { env: environment(), msMax: 50_000 });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toEqual([
      Array.from({ length: 10 }, (_, n) => `m${n}`),
      ["AWS.SimpleQueueService.NonExistentQueue", "InvalidParameterValue"],
    ]);
  });
});

describe.skipIf(!(await has("aws", "--version")))("AWS CLI (SKIPPED WITHOUT: the command aws)", () => {
  it("sends and receives", { timeout: 120_000 }, async () => {
    const aws = async (...args: readonly string[]) => {
      const { code, out, err } = await run("aws", ["--endpoint-url", mikan.url, "--output", "json", "sqs", ...args], {
        env: environment(),
        msMax: 60_000,
      });
      expect(code, err).toBe(0);
      return out === "" ? {} : (JSON.parse(out) as Record<string, unknown>);
    };
    const { QueueUrl } = await aws("create-queue", "--queue-name", "by-cli");
    await aws("send-message", "--queue-url", String(QueueUrl), "--message-body", "hello");
    const { Messages } = await aws("receive-message", "--queue-url", String(QueueUrl));
    expect(Messages).toMatchObject([{ Body: "hello" }]);
  });
});
