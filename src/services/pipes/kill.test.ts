/** A pipe on either engine; and killed at any moment: what its source had acknowledged is at the target. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreatePipeCommand, DeletePipeCommand, DescribePipeCommand, PipesClient } from "@aws-sdk/client-pipes";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type SQSClientConfig,
} from "@aws-sdk/client-sqs";
import { afterAll, describe, expect, it } from "vitest";
import { startNodeProcess } from "../../../test/node-process.ts";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { startMikan } from "../../mikan.ts";

const server = await startPostgresOrSkip("Pipes on PostgreSQL");
afterAll(() => server?.stop());

const account = "000000000000";
const queueArn = (name: string) => `arn:aws:sqs:us-east-1:${account}:${name}`;
const clientsOf = (configuration: SQSClientConfig & { endpoint: string; region: string }) => ({
  sqs: new SQSClient({ ...configuration, maxAttempts: 1 }),
  pipes: new PipesClient({ ...configuration, maxAttempts: 1 }),
});
type Clients = ReturnType<typeof clientsOf>;

async function makePipe({ sqs, pipes }: Clients): Promise<{ from: string; to: string }> {
  const Attributes = { VisibilityTimeout: "2" };
  const { QueueUrl: from = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "in", Attributes }));
  const { QueueUrl: to = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "out" }));
  const RoleArn = `arn:aws:iam::${account}:role/pipe`;
  await pipes.send(
    new CreatePipeCommand({
      Name: "p",
      RoleArn,
      Source: queueArn("in"),
      Target: queueArn("out"),
      TargetParameters: { InputTemplate: "<$.body>" },
    }),
  );
  return { from, to };
}

/** What comes until all that is wanted is there; more than once is as good. */
async function drain({ sqs }: Clients, QueueUrl: string, wanted: ReadonlySet<string>): Promise<Set<string>> {
  const seen = new Set<string>();
  while ([...wanted].some((body) => !seen.has(body))) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
    );
    for (const { Body = "", ReceiptHandle } of Messages) {
      seen.add(Body);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  return seen;
}

describe.skipIf(server === undefined)("PostgreSQL", () => {
  it("holds pipes from their making to their end", { timeout: 60_000 }, async () => {
    await using mikan = await startMikan({ data: (await server?.createDatabase()) ?? "" });
    const clients = clientsOf({ ...mikan.clientConfig(), endpoint: mikan.url, region: "us-east-1" });
    const { from, to } = await makePipe(clients);
    await clients.sqs.send(new SendMessageCommand({ QueueUrl: from, MessageBody: "a" }));
    expect(await drain(clients, to, new Set(["a"]))).toEqual(new Set(["a"]));
    await clients.pipes.send(new DeletePipeCommand({ Name: "p" }));
    const look = () => clients.pipes.send(new DescribePipeCommand({ Name: "p" })).catch((error: unknown) => error);
    await expect.poll(look, { timeout: 10_000 }).toMatchObject({ name: "NotFoundException" });
  });
});

it("kill -9 while a pipe runs", { timeout: 120_000 }, async () => {
  const data = await mkdtemp(join(tmpdir(), "mikan-pipes-kill-"));
  const credentials = { accessKeyId: account, secretAccessKey: "test" };
  let node = await startNodeProcess("--data", data, "--port", "0");
  const connect = () => clientsOf({ endpoint: node.url, region: "us-east-1", credentials });
  try {
    const acknowledged = new Set<string>();
    const { from, to } = await makePipe(connect());
    for (const round of [0, 1, 2]) {
      const { sqs } = connect();
      const sending = Array.from({ length: 40 }, async (_, n) => {
        const MessageBody = `m-${round}-${n}`;
        // One that the kill cuts off was not acknowledged.
        const sent = sqs.send(new SendMessageCommand({ QueueUrl: from, MessageBody })).then(
          () => true,
          () => false,
        );
        if (await sent) acknowledged.add(MessageBody);
      });
      await sending[round * 10];
      await node.kill();
      await Promise.all(sending);
      node = await startNodeProcess("--data", data, "--port", "0");
    }
    expect(acknowledged.size).toBeGreaterThan(0);
    const seen = await drain(connect(), to, acknowledged);
    expect([...acknowledged].filter((body) => !seen.has(body))).toEqual([]);
  } finally {
    await node.kill();
    await rm(data, { recursive: true, force: true });
  }
});
