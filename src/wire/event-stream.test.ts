/** Event streams as their clients read them: the SDK for JavaScript, and botocore with a decoder of its own. */
import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { CloudWatchLogsClient, StartLiveTailCommand } from "@aws-sdk/client-cloudwatch-logs";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { S3Client, SelectObjectContentCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Fault } from "../base/errors.ts";
import { must } from "../base/errors.ts";
import { serveWire, type WireServer } from "./serve.suite.ts";

let server: WireServer;
beforeAll(async () => {
  server = await serveWire();
});
afterAll(() => server.close());
beforeEach(() => {
  server.calls.length = 0;
  server.broken.length = 0;
});

const credentials = { accessKeyId: "AKIAGOOD", secretAccessKey: "right" };
const settings = () => ({
  endpoint: server.url,
  region: "eu-central-1",
  credentials,
  maxAttempts: 1,
  disableHostPrefix: true,
});

async function gather<T>(events: AsyncIterable<T> | undefined): Promise<T[]> {
  const all: T[] = [];
  for await (const event of must(events, "a stream of events")) all.push(event);
  return all;
}

async function* eventsOf(...events: readonly object[]): AsyncGenerator<object> {
  yield* events;
}

const chunk = (payload: string) => ({ PayloadChunk: { Payload: Buffer.from(payload) } });
const complete = { InvokeComplete: { ErrorCode: "Unhandled", ErrorDetails: `{"errorType":"Täuschung"}` } };
const streamed = () => ({
  StatusCode: 200,
  ExecutedVersion: "7",
  EventStream: eventsOf(chunk("ä"), chunk(""), complete),
});

/** A real invocation through the SDK; fails as the SDK does. */
async function invoke() {
  const client = new LambdaClient(settings());
  try {
    const answer = await client.send(
      new InvokeWithResponseStreamCommand({ FunctionName: "f", Payload: Buffer.from("{}") }),
    );
    return { ...answer, events: await gather(answer.EventStream) };
  } finally {
    client.destroy();
  }
}

test("bytes, and documents of JSON", async () => {
  server.answer = streamed;
  const { events, ExecutedVersion, ResponseStreamContentType } = await invoke();
  expect([ExecutedVersion, ResponseStreamContentType]).toEqual(["7", "application/vnd.amazon.eventstream"]);
  const [first, empty, last] = events;
  expect(Buffer.from(first?.PayloadChunk?.Payload ?? []).toString()).toBe("ä");
  expect(empty?.PayloadChunk?.Payload).toHaveLength(0);
  expect(last).toMatchObject(complete);
});

test("a chunk is there before the next one is made", async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = async function* () {
    yield chunk("first");
    await held;
    yield chunk("second");
  };
  server.answer = () => ({ EventStream: slow() });
  const client = new LambdaClient(settings());
  const { EventStream } = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: "f" }));
  const seen: string[] = [];
  for await (const { PayloadChunk } of must(EventStream, "a stream")) {
    seen.push(Buffer.from(PayloadChunk?.Payload ?? []).toString());
    release();
  }
  expect(seen).toEqual(["first", "second"]);
  client.destroy();
});

test("documents of XML", async () => {
  const stats = { BytesScanned: 5, BytesProcessed: 4, BytesReturned: 3 };
  server.answer = () => ({
    Payload: eventsOf(
      { Records: { Payload: Buffer.from("a,b\n") } },
      { Stats: { Details: stats } },
      { Cont: {} },
      { End: {} },
    ),
  });
  const client = new S3Client({ ...settings(), forcePathStyle: true });
  const { Payload } = await client.send(
    new SelectObjectContentCommand({
      Bucket: "tiles",
      Key: "a.csv",
      Expression: "select * from s3object",
      ExpressionType: "SQL",
      InputSerialization: { CSV: {} },
      OutputSerialization: { CSV: {} },
    }),
  );
  const events = await gather(Payload);
  expect(events.map((event) => Object.keys(event)[0])).toEqual(["Records", "Stats", "Cont", "End"]);
  expect(Buffer.from(events[0]?.Records?.Payload ?? []).toString()).toBe("a,b\n");
  expect(events[1]).toMatchObject({ Stats: { Details: stats } });
  client.destroy();
});

const update = {
  sessionUpdate: { sessionMetadata: { sampled: false }, sessionResults: [{ message: "hello", timestamp: 5 }] },
};

async function tail(answer: object) {
  server.answer = () => answer;
  const client = new CloudWatchLogsClient(settings());
  try {
    const started = await client.send(
      new StartLiveTailCommand({ logGroupIdentifiers: ["arn:aws:logs:eu-central-1:1:log-group:g"] }),
    );
    return await gather(started.responseStream);
  } finally {
    client.destroy();
  }
}

test("an RPC protocol, which has a message for the other members first", async () => {
  const session = { sessionStart: { requestId: "r", sessionId: "s" } };
  expect(await tail({ responseStream: eventsOf(session, update) })).toMatchObject([session, update]);
});

async function* failing(error: Error): AsyncGenerator<object> {
  yield update;
  throw error;
}

test("a fault that the stream models ends it as that exception", async () => {
  const timeout = new Fault("SessionTimeoutException", "three hours are over");
  await expect(tail({ responseStream: failing(timeout) })).rejects.toMatchObject({
    name: "SessionTimeoutException",
    message: "three hours are over",
  });
});

test("another fault ends it with an error of its name, and anything else breaks it off", async () => {
  await expect(tail({ responseStream: failing(new Fault("Throttled", "slowly")) })).rejects.toThrow("slowly");
  await expect(tail({ responseStream: failing(new Error("a secret")) })).rejects.not.toThrow("a secret");
});

test("what is no event of the stream is a bug", async () => {
  server.answer = () => ({ EventStream: eventsOf({ Nothing: {} }) });
  await expect(invoke()).rejects.toThrow();
  server.answer = () => ({ EventStream: [] });
  await expect(invoke()).rejects.toThrow("internal error");
});

const hasBoto = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!hasBoto)
  console.warn("SKIPPED: event streams through boto3, because python3 has no boto3 here (pip install boto3)");

const script = `
import boto3, json, os
def client(name): return boto3.client(name, endpoint_url=os.environ["ENDPOINT"], region_name="eu-central-1",
    aws_access_key_id="AKIAGOOD", aws_secret_access_key="right")
answer = client("lambda").invoke_with_response_stream(FunctionName="f", Payload=b"{}")
print(json.dumps([answer["ExecutedVersion"]] + list(answer["EventStream"]), default=lambda v: v.decode()))
`;

test.skipIf(!hasBoto)("boto3", { timeout: 60_000 }, async () => {
  server.answer = streamed;
  const child = spawn("python3", ["-c", script], { env: { ...process.env, ENDPOINT: server.url } });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(errors).toBe("");
  expect(JSON.parse(out)).toEqual([
    "7",
    { PayloadChunk: { Payload: "ä" } },
    { PayloadChunk: { Payload: "" } },
    complete,
  ]);
});
