/** Message move tasks while the node dies: each ends as it should, and every message is in one of two places, once. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  CancelMessageMoveTaskCommand,
  DeleteMessageBatchCommand,
  ListMessageMoveTasksCommand,
  SendMessageBatchCommand,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { keyOf, type Arena, type TestQueue } from "./arena.ts";

const messages = 60;
const perSecond = 40;
/** One task in so many is cancelled on its way. */
const cancelEvery = 3;

export class Returns {
  readonly #arena: Arena;
  readonly #queue: TestQueue;
  readonly #dead: TestQueue;
  #tasks = 0;

  private constructor(arena: Arena, queue: TestQueue, dead: TestQueue) {
    this.#arena = arena;
    this.#queue = queue;
    this.#dead = dead;
  }

  static async create(arena: Arena): Promise<Returns> {
    const dead = await arena.createQueue("returns-dead", { VisibilityTimeout: "2" });
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 100 });
    const queue = await arena.createQueue("returns", { VisibilityTimeout: "2", RedrivePolicy });
    return new Returns(arena, queue, dead);
  }

  /** Tasks that ended. */
  get tasks(): number {
    return this.#tasks;
  }

  async move(): Promise<void> {
    while (!this.#arena.isEnding) {
      const sent = await this.#fill();
      const status = await this.#task();
      const isCancelled = this.#tasks % cancelEvery === cancelEvery - 1;
      if (status !== "COMPLETED" && !(isCancelled && status === "CANCELLED"))
        this.#arena.problem(`a move task ended ${status}`);
      const ids = await this.#drain(this.#queue);
      const left = await this.#drain(this.#dead);
      if (status === "COMPLETED" && left.size > 0) this.#arena.problem("a move task completed, and left messages");
      for (const [key, attempts] of sent) {
        const found = (ids.get(key)?.size ?? 0) + (left.get(key)?.size ?? 0);
        if (found === 0) this.#arena.problem(`${key} was lost by a move task`);
        // A send whose answer was lost may have been taken, and was repeated.
        if (found > attempts) this.#arena.problem(`${key} was doubled by a move task`);
      }
      this.#tasks += 1;
    }
  }

  /** Gives how often each message may have been sent. */
  async #fill(): Promise<Map<string, number>> {
    const attempts = new Map<string, number>();
    for (let from = 0; from < messages; from += 10) {
      const keys = Array.from({ length: 10 }, (_, i) => `return-${this.#tasks}-${from + i}`);
      const Entries = keys.map((MessageBody, i) => ({ Id: String(i), MessageBody }));
      await this.#arena.insist(() => {
        for (const key of keys) attempts.set(key, (attempts.get(key) ?? 0) + 1);
        return this.#arena.plain.send(new SendMessageBatchCommand({ QueueUrl: this.#dead.url, Entries }));
      });
    }
    return attempts;
  }

  async #task(): Promise<string | undefined> {
    const SourceArn = this.#dead.arn;
    const task = { SourceArn, DestinationArn: this.#queue.arn, MaxNumberOfMessagesPerSecond: perSecond };
    const list = async () => {
      const { Results = [] } = await this.#arena.insist(() =>
        this.#arena.plain.send(new ListMessageMoveTasksCommand({ SourceArn })),
      );
      return Results[0];
    };
    const before = await list();
    // Where the answer was lost, the list tells whether it began.
    for (let latest = before; latest?.StartedTimestamp === before?.StartedTimestamp; latest = await list()) {
      await this.#arena.ask(
        () => this.#arena.plain.send(new StartMessageMoveTaskCommand(task)),
        "UnsupportedOperation",
      );
    }
    if (this.#tasks % cancelEvery === cancelEvery - 1) {
      await sleep(this.#arena.random() * 1_000);
      const TaskHandle = (await list())?.TaskHandle;
      // It may have ended by then.
      if (TaskHandle !== undefined) {
        await this.#arena.ask(
          () => this.#arena.plain.send(new CancelMessageMoveTaskCommand({ TaskHandle })),
          "UnsupportedOperation",
        );
      }
    }
    for (;;) {
      const status = (await list())?.Status;
      if (status !== "RUNNING") return status;
      await sleep(50);
    }
  }

  /** Takes all of a queue; gives the ids by key. */
  async #drain(queue: TestQueue): Promise<Map<string, Set<string>>> {
    const ids = new Map<string, Set<string>>();
    while ((await this.#arena.countOf(queue)) > 0) {
      const found = (await this.#arena.receive(queue)) ?? [];
      for (const message of found)
        ids.set(keyOf(message), (ids.get(keyOf(message)) ?? new Set()).add(message.MessageId ?? ""));
      if (found.length === 0) continue;
      const Entries = found.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      await this.#arena.ask(() =>
        this.#arena.plain.send(new DeleteMessageBatchCommand({ QueueUrl: queue.url, Entries })),
      );
    }
    return ids;
  }
}
