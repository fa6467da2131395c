/** Clients of queues that people use, unmodified: sqs-consumer and sqs-producer, and Celery over Kombu's transport. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";

const home = fileURLToPath(new URL("./clients/messaging/", import.meta.url));
const installed = existsSync(join(home, "node_modules"));
const celery = spawnSync("python3", ["-c", "import celery, boto3, pycurl"]).status === 0;
const waitMs = { timeout: 30_000, interval: 50 };

let mikan: Mikan;
let sqs: SQSClient;
beforeAll(async () => {
  mikan = await startMikan();
  sqs = new SQSClient(mikan.clientConfig());
});
afterAll(async () => {
  sqs.destroy();
  await mikan[Symbol.asyncDispose]();
});

async function queueOf(QueueName: string, Attributes: Record<string, string> = {}): Promise<string> {
  const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl;
}

async function countsOf(QueueUrl: string): Promise<{ waiting: number; inFlight: number }> {
  const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  return {
    waiting: Number(Attributes["ApproximateNumberOfMessages"]),
    inFlight: Number(Attributes["ApproximateNumberOfMessagesNotVisible"]),
  };
}

/** The shapes of the two packages, as far as they are used: they are installed apart from the project. */
interface Consumer {
  on(event: "error" | "processing_error", listener: (error: Error) => void): void;
  start(): void;
  stop(options?: { abort: boolean }): void;
}
interface Message {
  Body?: string;
}
interface ConsumerModule {
  Consumer: { create(options: object): Consumer };
}
interface ProducerModule {
  Producer: {
    create(options: object): { send(messages: readonly object[]): Promise<object[]>; queueSize(): Promise<number> };
  };
}

/** One of the packages, by what its own package.json says. */
async function packageOf<T>(name: string): Promise<T> {
  const folder = join(home, "node_modules", name);
  const { module, main } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Record<string, string>;
  return (await import(pathToFileURL(join(folder, module ?? main ?? "index.js")).href)) as T;
}

describe.skipIf(!installed)(
  "in Node [SKIPPED where they are not installed: npm ci --prefix test/clients/messaging]",
  { timeout: 60_000 },
  () => {
    it("sqs-producer sends, and sqs-consumer takes every message once", async () => {
      const { Producer } = await packageOf<ProducerModule>("sqs-producer");
      const { Consumer } = await packageOf<ConsumerModule>("sqs-consumer");
      const queueUrl = await queueOf("produced");
      const producer = Producer.create({ queueUrl, sqs });
      const bodies = Array.from({ length: 25 }, (_, i) => `order ${i}`);
      expect(await producer.send(bodies.map((body, i) => ({ id: `id-${i}`, body })))).toHaveLength(25);
      expect(await producer.queueSize()).toBe(25);
      const taken: string[] = [];
      const consumer = Consumer.create({
        queueUrl,
        sqs,
        batchSize: 10,
        waitTimeSeconds: 1,
        handleMessage: async (message: Message) => {
          taken.push(message.Body ?? "");
          return message;
        },
      });
      // The receive under way when it stops is told as an error.
      consumer.on("error", () => {});
      consumer.start();
      await expect.poll(() => taken.length, waitMs).toBe(25);
      await expect.poll(() => countsOf(queueUrl), waitMs).toEqual({ waiting: 0, inFlight: 0 });
      consumer.stop({ abort: true });
      expect(taken.toSorted()).toEqual(bodies.toSorted());
    });

    it("a message that sqs-consumer's handler fails on comes again", async () => {
      const { Consumer } = await packageOf<ConsumerModule>("sqs-consumer");
      const { Producer } = await packageOf<ProducerModule>("sqs-producer");
      const queueUrl = await queueOf("failing", { VisibilityTimeout: "30" });
      await Producer.create({ queueUrl, sqs }).send([{ id: "one", body: "hard" }]);
      let tries = 0;
      const errors: string[] = [];
      const consumer = Consumer.create({
        queueUrl,
        sqs,
        waitTimeSeconds: 1,
        terminateVisibilityTimeout: true,
        handleMessage: async (message: Message) => {
          tries += 1;
          if (tries < 3) throw new Error("not yet");
          return message;
        },
      });
      consumer.on("error", ({ message }) => void errors.push(message));
      consumer.on("processing_error", ({ message }) => void errors.push(message));
      consumer.start();
      await expect.poll(() => countsOf(queueUrl), waitMs).toEqual({ waiting: 0, inFlight: 0 });
      expect(tries).toBe(3);
      expect(errors).toHaveLength(2);
      consumer.stop({ abort: true });
    });
  },
);

it.skipIf(!celery)(
  "Celery runs its tasks [SKIPPED where python3 has no celery with SQS: pip install 'celery[sqs]']",
  { timeout: 120_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-celery-"));
    const file = join(directory, "notes");
    const env = {
      ...process.env,
      BROKER_URL: `sqs://test:test@${new URL(mikan.url).host}//`,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_DEFAULT_REGION: "us-east-1",
      PYTHONDONTWRITEBYTECODE: "1",
    };
    const options = [
      "-A",
      "tasks",
      "worker",
      "--pool",
      "solo",
      "--without-gossip",
      "--without-mingle",
      "--loglevel",
      "WARNING",
    ];
    const worker = spawn("python3", ["-m", "celery", ...options], {
      cwd: home,
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const gone = once(worker, "exit");
    try {
      const sent = spawn("python3", ["send_tasks.py", file, "10"], {
        cwd: home,
        env,
        stdio: ["ignore", "ignore", "inherit"],
      });
      expect((await once(sent, "exit"))[0]).toBe(0);
      const lines = async () =>
        (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "").length;
      await expect.poll(lines, { timeout: 60_000, interval: 200 }).toBe(12);
      const noted = (await readFile(file, "utf8")).trim().split("\n");
      expect(noted.toSorted()).toEqual(
        [...Array.from({ length: 10 }, (_, i) => `plain ${i}`), "flaky", "later"].toSorted(),
      );
      await expect
        .poll(() => countsOf(`${mikan.url}/000000000000/celery-tasks`), waitMs)
        .toEqual({ waiting: 0, inFlight: 0 });
    } finally {
      worker.kill("SIGTERM");
      await gone;
      await rm(directory, { recursive: true });
    }
  },
);
