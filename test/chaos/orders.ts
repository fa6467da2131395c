/** A standard queue with a dead-letter queue: senders, one by one and in batches; receivers that delete in batches; poison. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  DeleteMessageBatchCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type Message,
} from "@aws-sdk/client-sqs";
import { keyOf, receivesOf, type Arena, type TestQueue } from "./arena.ts";

const receivesMax = 3;
const visibilitySeconds = 2;
/** One message in so many can never be processed, one is too long for its row, one is delayed. */
const [poisonEvery, longEvery, delayedEvery] = [41, 13, 17];
const paceMs = 4;

const isPoison = (key: string) => key.startsWith("poison");

/** What is known of one message. */
interface Known {
  key: string;
  isAcknowledged: boolean;
  receives: number;
  isDeleteAsked: boolean;
  /** When it was surely gone: deleted while its receiver surely held it. */
  goneMs: number | undefined;
  deadReceives: number;
}

export class Orders {
  readonly #arena: Arena;
  readonly #queue: TestQueue;
  readonly #dead: TestQueue;
  readonly #known = new Map<string, Known>();
  /** When receives began whose answers were lost. */
  readonly #lostMs: number[] = [];
  #numbers = 0;

  private constructor(arena: Arena, queue: TestQueue, dead: TestQueue) {
    this.#arena = arena;
    this.#queue = queue;
    this.#dead = dead;
  }

  static async create(arena: Arena): Promise<Orders> {
    const dead = await arena.createQueue("orders-dead", { VisibilityTimeout: String(visibilitySeconds) });
    const queue = await arena.createQueue("orders", {
      VisibilityTimeout: String(visibilitySeconds),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: receivesMax }),
    });
    return new Orders(arena, queue, dead);
  }

  get acknowledged(): number {
    return [...this.#known.values()].filter(({ isAcknowledged }) => isAcknowledged).length;
  }

  #knownOf(id: string, key: string): Known {
    const known = this.#known.get(id) ?? {
      key,
      isAcknowledged: false,
      receives: 0,
      isDeleteAsked: false,
      goneMs: undefined,
      deadReceives: 0,
    };
    this.#known.set(id, known);
    return known;
  }

  #next() {
    const n = (this.#numbers += 1);
    const key = `${n % poisonEvery === 0 ? "poison" : "order"}-${n}`;
    const MessageBody = n % longEvery === 0 ? `${key} ${"x".repeat(5_000)}` : key;
    return { key, MessageBody, DelaySeconds: n % delayedEvery === 0 ? 1 : 0 };
  }

  async sendSingles(): Promise<void> {
    while (!this.#arena.isEnding) {
      const { key, ...message } = this.#next();
      const QueueUrl = this.#queue.url;
      const sent = await this.#arena.ask(() =>
        this.#arena.patient.send(new SendMessageCommand({ QueueUrl, ...message })),
      );
      if (sent?.MessageId !== undefined) this.#knownOf(sent.MessageId, key).isAcknowledged = true;
      await sleep(paceMs);
    }
  }

  /** Batches of ten, one entry of which is refused: that one, and no other. */
  async sendBatches(): Promise<void> {
    while (!this.#arena.isEnding) {
      const bad = Math.floor(this.#arena.random() * 10);
      const made = Array.from({ length: 10 }, () => this.#next());
      const Entries = made.map(({ MessageBody, DelaySeconds }, i) => ({
        Id: String(i),
        MessageBody,
        DelaySeconds: i === bad ? 901 : DelaySeconds,
      }));
      const sent = await this.#arena.ask(() =>
        this.#arena.patient.send(new SendMessageBatchCommand({ QueueUrl: this.#queue.url, Entries })),
      );
      if (sent === undefined) continue;
      const failed = (sent.Failed ?? []).map(({ Id, Code }) => `${Id} ${Code}`);
      if (failed.join() !== `${bad} InvalidParameterValue`) this.#arena.problem(`of a batch failed ${failed.join()}`);
      for (const { Id, MessageId = "" } of sent.Successful ?? []) {
        this.#knownOf(MessageId, made[Number(Id)]?.key ?? "").isAcknowledged = true;
      }
      await sleep(paceMs * 4);
    }
  }

  /** The same by boto3, in a process of its own. */
  async sendByBoto3(): Promise<void> {
    const script = fileURLToPath(new URL("sender.py", import.meta.url));
    const env = {
      ...process.env,
      AWS_ENDPOINT_URL: this.#arena.url,
      AWS_ACCESS_KEY_ID: "000000000000",
      AWS_SECRET_ACCESS_KEY: "any",
      AWS_DEFAULT_REGION: "us-east-1",
    };
    const child = spawn("python3", [script, this.#queue.url], { env, stdio: ["pipe", "pipe", "inherit"] });
    const gone = once(child, "exit");
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const [id = "", key = ""] = line.split(" ");
      this.#knownOf(id, key).isAcknowledged = true;
    });
    while (!this.#arena.isEnding && child.exitCode === null) await sleep(50);
    child.stdin.end();
    const [code] = await gone;
    if (code !== 0) this.#arena.problem(`boto3 ended with ${String(code)}`);
  }

  async receive(): Promise<void> {
    while (!this.#arena.isOver) {
      const startedMs = performance.now();
      const messages = await this.#arena.receive(this.#queue);
      if (messages === undefined) this.#lostMs.push(startedMs);
      for (const message of messages ?? []) this.#saw(message, startedMs);
      const good = (messages ?? []).filter((message) => !isPoison(keyOf(message)));
      if (good.length > 0) await this.#remove(good, startedMs);
    }
  }

  #saw(message: Message, startedMs: number): void {
    const known = this.#knownOf(message.MessageId ?? "", keyOf(message));
    known.receives += 1;
    if (receivesOf(message) > receivesMax)
      this.#arena.problem(`${known.key} was received ${receivesOf(message)} times`);
    if (known.goneMs !== undefined && known.goneMs < startedMs)
      this.#arena.problem(`${known.key} was deleted, and came`);
    if (known.deadReceives > 0) this.#arena.problem(`${known.key} was a dead letter, and came`);
  }

  async #remove(messages: readonly Message[], receivedMs: number): Promise<void> {
    const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    for (const { MessageId = "", Body = "" } of messages) this.#knownOf(MessageId, Body).isDeleteAsked = true;
    const some = Entries.length < 10 ? [...Entries, { Id: "bad", ReceiptHandle: "none" }] : Entries;
    const answer = await this.#arena.ask(() =>
      this.#arena.plain.send(new DeleteMessageBatchCommand({ QueueUrl: this.#queue.url, Entries: some })),
    );
    if (answer === undefined) return;
    const failed = (answer.Failed ?? []).map(({ Id, Code }) => `${Id} ${Code}`).join();
    const expected = some === Entries ? "" : "bad ReceiptHandleIsInvalid";
    if (failed !== expected) this.#arena.problem(`of a batch of deletes failed ${failed}`);
    const now = performance.now();
    // Later than this another receiver may have had it.
    if (now - receivedMs > (visibilitySeconds - 0.5) * 1_000) return;
    for (const { MessageId = "", Body = "" } of messages) this.#knownOf(MessageId, Body).goneMs = now;
  }

  async receiveDead(): Promise<void> {
    while (!this.#arena.isOver) {
      const messages = (await this.#arena.receive(this.#dead)) ?? [];
      for (const message of messages) {
        const known = this.#knownOf(message.MessageId ?? "", keyOf(message));
        known.deadReceives += 1;
        if (message.Attributes?.DeadLetterQueueSourceArn !== this.#queue.arn)
          this.#arena.problem(`${known.key} is the dead letter of ${message.Attributes?.DeadLetterQueueSourceArn}`);
        if (known.goneMs !== undefined) this.#arena.problem(`${known.key} was deleted, and is a dead letter`);
        const sentMs = Number(message.Attributes?.SentTimestamp) - performance.timeOrigin;
        const lost = this.#lostMs.filter((startedMs) => startedMs + 2_000 > sentMs).length;
        if (known.receives + lost < receivesMax)
          this.#arena.problem(`${known.key} is a dead letter after ${known.receives} receives and ${lost} lost ones`);
      }
      if (messages.length === 0) continue;
      const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      await this.#arena.ask(() =>
        this.#arena.plain.send(new DeleteMessageBatchCommand({ QueueUrl: this.#dead.url, Entries })),
      );
    }
  }

  /** Once all are there: nothing acknowledged is missing, and all poison is where it belongs. */
  async settle(): Promise<void> {
    await this.#arena.untilEmpty(this.#queue, this.#dead);
    for (const { key, isAcknowledged, isDeleteAsked, deadReceives } of this.#known.values()) {
      if (!isAcknowledged) continue;
      if (isPoison(key) ? deadReceives === 0 : !isDeleteAsked && deadReceives === 0)
        this.#arena.problem(`${key} was acknowledged, and is lost`);
    }
  }
}
