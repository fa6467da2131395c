/** SNS by other clients than the SDK for JavaScript: the query protocol as it is, boto3, the AWS CLI. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../../test/command.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
});
afterAll(() => mikan.close(0));

it("the query protocol answers XML, with the codes that AWS has there", async () => {
  const post = async (fields: Record<string, string>) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`;
    const body = new URLSearchParams({ Version: "2010-03-31", ...fields });
    const headers = { authorization, "x-amz-date": "20260101T000000Z" };
    const response = await fetch(mikan.url, { method: "POST", body, headers });
    return { status: response.status, text: await response.text() };
  };
  const made = await post({ Action: "CreateTopic", Name: "by-query" });
  expect(made.text).toMatch(/^<CreateTopicResponse xmlns="http:\/\/sns.amazonaws.com\/doc\/2010-03-31\/">/);
  const TopicArn = "arn:aws:sns:us-east-1:000000000000:by-query";
  expect(made.text).toContain(`<TopicArn>${TopicArn}</TopicArn>`);
  const attribute = {
    "MessageAttributes.entry.1.Name": "a",
    "MessageAttributes.entry.1.Value.DataType": "String",
    "MessageAttributes.entry.1.Value.StringValue": "b",
  };
  const published = await post({ Action: "Publish", TopicArn, Message: "m", ...attribute });
  expect(published.text).toMatch(/<MessageId>[0-9a-f-]{36}<\/MessageId>/);
  const absent = await post({ Action: "Publish", TopicArn: `${TopicArn}x`, Message: "m" });
  expect([absent.status, absent.text]).toEqual([404, expect.stringContaining("<Code>NotFound</Code>")]);
  const empty = await post({ Action: "Publish", TopicArn, Message: "" });
  expect(empty.text).toContain("<Code>InvalidParameter</Code><Message>Invalid parameter: Empty message</Message>");
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
  it("subscribes a queue, publishes, and knows the errors", { timeout: 60_000 }, async () => {
    const program = `
import boto3, json
policy = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*"}})
queue = boto3.resource("sqs").create_queue(QueueName="by-boto", Attributes={"Policy": policy})
topic = boto3.resource("sns").create_topic(Name="by-boto")
topic.subscribe(Protocol="sqs", Endpoint=queue.attributes["QueueArn"], Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"n": [{"numeric": [">", 4]}]})})
for n in range(10):
    topic.publish(Message=f"m{n}", MessageAttributes={"n": {"DataType": "Number", "StringValue": str(n)}})
got = set()
while len(got) < 5:
    for message in queue.receive_messages(MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"]):
        got.add(message.body + message.message_attributes["n"]["StringValue"])
        message.delete()
client = boto3.client("sns")
errors = []
for call in (lambda: client.get_topic_attributes(TopicArn=topic.arn + "x"), lambda: topic.publish(Message="m", Subject="a\\nb")):
    try: call()
    except client.exceptions.NotFoundException as error: errors.append(error.response["Error"]["Code"])
    except client.exceptions.InvalidParameterException as error: errors.append(error.response["Error"]["Message"])
print(json.dumps([sorted(got), errors]))`;
    const { code, out, err } = await run("python3", ["-c", program], { env: environment(), msMax: 50_000 });
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toEqual([
      ["m55", "m66", "m77", "m88", "m99"],
      ["NotFound", "Invalid parameter: Subject"],
    ]);
  });
});

describe.skipIf(!(await has("aws", "--version")))("AWS CLI (SKIPPED WITHOUT: the command aws)", () => {
  it("publishes a text", { timeout: 120_000 }, async () => {
    const args = ["--output", "json", "sns", "publish", "--phone-number", "+15551234567", "--message", "by cli"];
    const { code, err } = await run("aws", ["--endpoint-url", mikan.url, ...args], {
      env: environment(),
      msMax: 60_000,
    });
    expect(code, err).toBe(0);
    const { letters } = (await (await fetch(`${mikan.url}/_mikan/outbox`)).json()) as { letters: object[] };
    expect(letters).toMatchObject([{ to: "+15551234567", body: "by cli" }]);
  });
});
