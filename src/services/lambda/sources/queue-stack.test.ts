/** A stack of SAM's: queues, a function that they feed, and where messages go that it cannot take. With a real function. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetEventSourceMappingCommand, LambdaClient, ListEventSourceMappingsCommand } from "@aws-sdk/client-lambda";
import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../../base/errors.ts";
import { startMikan, type Mikan } from "../../../mikan.ts";

const timeoutMs = 60_000;
const poll = { timeout: 30_000, interval: 50 };

/** Tells what it was given, but for what is bad: that it reports as failed. */
const source = `
export const handler = async ({ Records }) => {
  const failed = Records.filter(({ body }) => JSON.parse(body).bad);
  for (const record of Records) {
    if (!failed.includes(record)) await fetch(process.env.NOTES, { method: "POST", body: record.body });
  }
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
};`;

const queue = (more: object = {}) => ({ Type: "AWS::SQS::Queue", Properties: { VisibilityTimeout: 5, ...more } });
const arnOf = (id: string) => ({ "Fn::GetAtt": [id, "Arn"] });
const redrive = { RedrivePolicy: { deadLetterTargetArn: arnOf("Dead"), maxReceiveCount: 2 } };
const pulled = (id: string) => ({
  Type: "SQS",
  Properties: {
    Queue: arnOf(id),
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    FilterCriteria: { Filters: [{ Pattern: '{"body": {"kind": [{"anything-but": "noise"}]}}' }] },
  },
});

const template = (notes: string) => ({
  Transform: "AWS::Serverless-2016-10-31",
  Resources: {
    Orders: queue(redrive),
    Ordered: queue({ FifoQueue: true, ContentBasedDeduplication: true }),
    Dead: queue(),
    Take: {
      Type: "AWS::Serverless::Function",
      Properties: {
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        CodeUri: "index.mjs",
        Timeout: 5,
        Environment: { Variables: { NOTES: notes } },
        Events: { Orders: pulled("Orders"), Ordered: pulled("Ordered") },
      },
    },
  },
  Outputs: Object.fromEntries([
    ...["Orders", "Ordered", "Dead"].map((id) => [id, { Value: { Ref: id } }]),
    ["Mapping", { Value: { Ref: "TakeOrders" } }],
  ]) as object,
});

describe("a stack with queues that feed a function", () => {
  let mikan: Mikan;
  let directory: string;
  let outputs: Record<string, string>;
  /** What the function has taken, in order. */
  const notes: { n: number }[] = [];
  const noting = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      notes.push(JSON.parse(text) as { n: number });
      response.end();
    });
  });
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "mikan-queue-stack-"));
    await writeFile(join(directory, "index.mjs"), source);
    await new Promise<void>((resolve) => void noting.listen(0, "127.0.0.1", resolve));
    const { port } = noting.address() as AddressInfo;
    await writeFile(join(directory, "app.json"), JSON.stringify(template(`http://127.0.0.1:${port}/`)));
    mikan = await startMikan();
    ({ outputs } = await mikan.deploy({ template: join(directory, "app.json"), stack: "app" }));
  }, timeoutMs);
  afterAll(async () => {
    await mikan.close(0);
    noting.close();
    await rm(directory, { recursive: true, force: true });
  });

  const sqs = () => new SQSClient(mikan.clientConfig());
  const urlOf = (id: string) => must(outputs[id], id);
  const send = (id: string, body: object, group?: string) =>
    sqs().send(
      new SendMessageCommand({
        QueueUrl: urlOf(id),
        MessageBody: JSON.stringify(body),
        ...(group === undefined ? {} : { MessageGroupId: group }),
      }),
    );
  const left = async (id: string) => {
    const { Attributes = {} } = await sqs().send(
      new GetQueueAttributesCommand({ QueueUrl: urlOf(id), AttributeNames: ["All"] }),
    );
    return (
      Number(Attributes["ApproximateNumberOfMessages"]) + Number(Attributes["ApproximateNumberOfMessagesNotVisible"])
    );
  };

  it(
    "takes what is good, passes noise over, and leaves what is bad to the dead-letter queue",
    async () => {
      await send("Orders", { n: 1, kind: "order" });
      await send("Orders", { n: 2, kind: "order", bad: true });
      await send("Orders", { n: 3, kind: "noise" });
      await send("Orders", { n: 4, kind: "order" });
      await expect.poll(() => left("Orders"), poll).toBe(0);
      const { Messages = [] } = await sqs().send(
        new ReceiveMessageCommand({ QueueUrl: urlOf("Dead"), WaitTimeSeconds: 10 }),
      );
      expect(Messages.map(({ Body = "" }) => JSON.parse(Body) as object)).toMatchObject([{ n: 2 }]);
      expect(notes.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual([1, 4]);
      const lambda = new LambdaClient(mikan.clientConfig());
      const { State } = await lambda.send(new GetEventSourceMappingCommand({ UUID: urlOf("Mapping") }));
      expect(State).toBe("Enabled");
    },
    timeoutMs,
  );

  it(
    "keeps the order of each group",
    async () => {
      const groups = ["a", "b", "c"];
      for (let n = 100; n < 130; n += 1) await send("Ordered", { n, kind: "order" }, groups[n % 3]);
      await expect.poll(() => left("Ordered"), poll).toBe(0);
      const taken = notes.map(({ n }) => n).filter((n) => n >= 100);
      expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => 100 + index));
      for (const rest of [0, 1, 2]) {
        const own = taken.filter((n) => n % 3 === rest);
        expect(own).toEqual(own.toSorted((a, b) => a - b));
      }
    },
    timeoutMs,
  );

  it(
    "is deleted with its mappings",
    async () => {
      await writeFile(join(directory, "none.json"), JSON.stringify({ Resources: { Dead: queue() } }));
      await mikan.deploy({ template: join(directory, "none.json"), stack: "app" });
      const lambda = new LambdaClient(mikan.clientConfig());
      await expect
        .poll(async () => (await lambda.send(new ListEventSourceMappingsCommand({}))).EventSourceMappings, poll)
        .toEqual([]);
    },
    timeoutMs,
  );
});
