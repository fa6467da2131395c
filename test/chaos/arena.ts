/** A node that is killed again and again, the clients that go on all the same, and what they find wrong. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SQSClient,
  SQSServiceException,
  type Message,
  ReceiveMessageCommand,
} from "@aws-sdk/client-sqs";
import { asError } from "../../src/base/errors.ts";
import { startNodeProcess, type NodeProcess } from "../node-process.ts";
import { freePort } from "../upstream.ts";
import { seeded, type Random } from "./random.ts";

/** Milliseconds from a node's readiness to its death. */
const [lifeMsMin, lifeMsMax] = [150, 1_800];
/** A client without an answer asks again after this long. */
const againMs = 25;
/** All that was sent has come to its place this long after the last death, or is lost. */
const settleMsMax = 90_000;

export interface TestQueue {
  url: string;
  arn: string;
}

export class Arena {
  readonly #data: string;
  readonly #port: number;
  readonly random: Random;
  /** What must not be; empty at the end. */
  readonly problems: string[] = [];
  /** With the SDK's own retries, as senders have it. */
  readonly patient: SQSClient;
  /** Without: a receive whose answer is lost is known to be lost. */
  readonly plain: SQSClient;
  /** Deaths so far; a call that spans one may fail. */
  deaths = 0;
  #isUp = false;
  #node: NodeProcess | undefined;
  /** Nothing new is sent. */
  isEnding = false;
  /** Receivers stop too. */
  isOver = false;

  private constructor(data: string, port: number, seed: number) {
    this.#data = data;
    this.#port = port;
    this.random = seeded(seed);
    const credentials = { accessKeyId: "000000000000", secretAccessKey: "any" };
    const config = { endpoint: this.url, region: "us-east-1", credentials };
    this.patient = new SQSClient(config);
    this.plain = new SQSClient({ ...config, maxAttempts: 1 });
  }

  static async open(data: string, seed: number): Promise<Arena> {
    const arena = new Arena(data, await freePort(), seed);
    await arena.start();
    return arena;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const start = () => startNodeProcess("--data", this.#data, "--port", String(this.#port));
    // One that a busy machine does not let come up in time is killed, as any other: the next may.
    this.#node = await start().catch((error: unknown) => {
      if (!asError(error).message.startsWith("not ready")) throw error;
      return start();
    });
    this.#isUp = true;
  }

  /** Lets the node live a while, kills it, and starts it anew, so many times. */
  async killTimes(times: number): Promise<void> {
    for (let death = 0; death < times; death += 1) {
      await sleep(lifeMsMin + this.random() * (lifeMsMax - lifeMsMin));
      this.#isUp = false;
      this.deaths += 1;
      await this.#node?.kill();
      await this.start();
    }
  }

  async close(): Promise<void> {
    this.patient.destroy();
    this.plain.destroy();
    await this.#node?.kill();
  }

  problem(text: string): void {
    // One wrong thing shows as thousands.
    if (this.problems.length < 50) this.problems.push(text);
  }

  /**
   * One call. Undefined when no answer came, which may be only because the node died, or when it was one of the faults
   * that are `expected`; any other is a problem.
   */
  async ask<T>(call: () => Promise<T>, ...expected: readonly string[]): Promise<T | undefined> {
    const deathsBefore = this.deaths;
    try {
      return await call();
    } catch (error) {
      const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const isAnswer = error instanceof SQSServiceException;
      const wasKilled = !this.#isUp || this.deaths !== deathsBefore;
      if (isAnswer ? !expected.includes(error.name) : !wasKilled)
        this.problem(`a call failed: ${name}\n${this.#node?.errors().slice(-2_000)}`);
      await sleep(againMs);
      return undefined;
    }
  }

  /** Calls until there is an answer. */
  async insist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      const answer = await this.ask(call);
      if (answer !== undefined) return answer;
    }
  }

  async createQueue(QueueName: string, Attributes: Record<string, string> = {}): Promise<TestQueue> {
    const { QueueUrl: url = "" } = await this.plain.send(new CreateQueueCommand({ QueueName, Attributes }));
    return { url, arn: `arn:aws:sqs:us-east-1:000000000000:${QueueName}` };
  }

  /** Undefined where the answer was lost, with all that was in it. */
  async receive({ url: QueueUrl }: TestQueue, MaxNumberOfMessages = 10): Promise<Message[] | undefined> {
    const answer = await this.ask(() =>
      this.plain.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages,
          WaitTimeSeconds: 1,
          MessageSystemAttributeNames: ["All"],
        }),
      ),
    );
    return answer === undefined ? undefined : (answer.Messages ?? []);
  }

  /** Messages of a queue: waiting, in flight and delayed. */
  async countOf({ url: QueueUrl }: TestQueue): Promise<number> {
    const { Attributes = {} } = await this.insist(() =>
      this.plain.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] })),
    );
    const kinds = ["", "NotVisible", "Delayed"] as const;
    return kinds.reduce((sum, kind) => sum + Number(Attributes[`ApproximateNumberOfMessages${kind}`]), 0);
  }

  /** Waits until the queues are empty. */
  async untilEmpty(...queues: readonly TestQueue[]): Promise<void> {
    const untilMs = performance.now() + settleMsMax;
    for (const queue of queues) {
      while ((await this.countOf(queue)) > 0) {
        if (performance.now() > untilMs) {
          this.problem(`${queue.arn} still has ${await this.countOf(queue)} messages`);
          return;
        }
        await sleep(100);
      }
    }
  }
}

/** A message's number of receives, this one included. */
export const receivesOf = ({ Attributes }: Message) => Number(Attributes?.ApproximateReceiveCount);
/** What a body is known by: its first word; the rest is there to be long. */
export const keyOf = ({ Body = "" }: Message) => Body.split(" ", 1)[0] ?? "";
