/** FIFO queues: each group's messages once and in order, whoever dies; one queue with batches, one with poison. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  SendMessageCommand,
  type Message,
} from "@aws-sdk/client-sqs";
import { receivesOf, type Arena, type TestQueue } from "./arena.ts";

const visibilitySeconds = 2;
const receivesMax = 2;
/** One message in so many of a queue with a dead-letter queue can never be processed. */
const poisonEvery = 5;
/** A send is repeated after its acknowledgement with this probability. */
const repeatShare = 0.2;
const paceMs = 8;

interface Step {
  /** Known once a send was acknowledged, or the message received. */
  id: string | undefined;
  isAcknowledged: boolean;
  receives: number;
  isDeleteAsked: boolean;
  goneMs: number | undefined;
  isDead: boolean;
}

export class Steps {
  readonly #arena: Arena;
  readonly #queue: TestQueue;
  readonly #dead: TestQueue | undefined;
  readonly #groups = new Map<string, Step[]>();
  /** The first step of a group that is not known to be behind it. */
  readonly #first = new Map<string, number>();
  /** How far a group's dead letters have come. */
  readonly #lastDead = new Map<string, number>();
  #lost = 0;

  private constructor(arena: Arena, queue: TestQueue, dead: TestQueue | undefined) {
    this.#arena = arena;
    this.#queue = queue;
    this.#dead = dead;
  }

  static async create(arena: Arena, name: string, hasDead: boolean): Promise<Steps> {
    const attributes = { FifoQueue: "true", VisibilityTimeout: String(visibilitySeconds) };
    const dead = hasDead ? await arena.createQueue(`${name}-dead.fifo`, attributes) : undefined;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead?.arn, maxReceiveCount: receivesMax });
    const queue = await arena.createQueue(`${name}.fifo`, {
      ...attributes,
      ...(dead === undefined ? {} : { RedrivePolicy }),
    });
    return new Steps(arena, queue, dead);
  }

  get acknowledged(): number {
    return [...this.#groups.values()].flat().filter(({ isAcknowledged }) => isAcknowledged).length;
  }

  #isPoison = (n: number) => this.#dead !== undefined && n % poisonEvery === poisonEvery - 1;

  /** One step after another, each until it is acknowledged; some once more. */
  async send(group: string): Promise<void> {
    const steps: Step[] = [];
    this.#groups.set(group, steps);
    this.#first.set(group, 0);
    for (let n = 0; !this.#arena.isEnding; n += 1) {
      const step: Step = {
        id: undefined,
        isAcknowledged: false,
        receives: 0,
        isDeleteAsked: false,
        goneMs: undefined,
        isDead: false,
      };
      steps.push(step);
      const send = () =>
        this.#arena.patient.send(
          new SendMessageCommand({
            QueueUrl: this.#queue.url,
            MessageBody: `${group} ${n}`,
            MessageGroupId: group,
            MessageDeduplicationId: `${group}-${n}`,
          }),
        );
      const { MessageId } = await this.#arena.insist(send);
      this.#isSame(step, MessageId, `${group} ${n}`);
      step.isAcknowledged = true;
      if (this.#arena.random() < repeatShare)
        this.#isSame(step, (await this.#arena.insist(send)).MessageId, `${group} ${n}`);
      await sleep(paceMs);
    }
  }

  #isSame(step: Step, id: string | undefined, name: string): void {
    step.id ??= id;
    if (step.id !== id) this.#arena.problem(`${name} is there twice`);
  }

  async receive(): Promise<void> {
    while (!this.#arena.isOver) {
      const startedMs = performance.now();
      const messages = await this.#arena.receive(this.#queue, this.#dead === undefined ? 10 : 1);
      if (messages === undefined) this.#lost += 1;
      const inHand = new Set<Step>();
      for (const message of messages ?? []) this.#saw(message, startedMs, inHand);
      if (messages !== undefined && messages.length > 0) await this.#work(messages, startedMs);
    }
  }

  #stepOf({ Body = "" }: Message) {
    const [group = "", number = ""] = Body.split(" ");
    const n = Number(number);
    return { group, n, step: this.#groups.get(group)?.[n] };
  }

  #saw(message: Message, startedMs: number, inHand: Set<Step>): void {
    const { group, n, step } = this.#stepOf(message);
    if (step === undefined) return this.#arena.problem(`${message.Body} was never sent`);
    this.#isSame(step, message.MessageId, `${group} ${n}`);
    step.receives += 1;
    if (this.#dead !== undefined && receivesOf(message) > receivesMax)
      this.#arena.problem(`${group} ${n} was received ${receivesOf(message)} times`);
    if (step.isDead) this.#arena.problem(`${group} ${n} was a dead letter, and came`);
    if (step.goneMs !== undefined && step.goneMs < startedMs)
      this.#arena.problem(`${group} ${n} was deleted, and came`);
    const steps = this.#groups.get(group) ?? [];
    let first = this.#first.get(group) ?? 0;
    for (let before = first; before < n; before += 1) {
      const earlier = steps[before];
      if (earlier === undefined || inHand.has(earlier)) continue;
      if (!this.#isBehind(earlier)) this.#arena.problem(`${group} ${n} came before ${before}`);
      else if (before === first) first += 1;
    }
    this.#first.set(group, first);
    inHand.add(step);
  }

  /** May be gone: somebody asked for its deletion, or it was received too often, answers that were lost included. */
  #isBehind({ isDeleteAsked, receives, isDead }: Step): boolean {
    return isDeleteAsked || isDead || (this.#dead !== undefined && receives + this.#lost >= receivesMax);
  }

  async #work(messages: readonly Message[], receivedMs: number): Promise<void> {
    const [message] = messages;
    if (message !== undefined && this.#isPoison(this.#stepOf(message).n)) {
      const { ReceiptHandle } = message;
      const change = { QueueUrl: this.#queue.url, ReceiptHandle, VisibilityTimeout: 0 };
      // On a busy machine it may have come back by itself.
      await this.#arena.ask(
        () => this.#arena.plain.send(new ChangeMessageVisibilityCommand(change)),
        "MessageNotInflight",
        "InvalidParameterValue",
      );
      return;
    }
    const steps = messages.map((one) => this.#stepOf(one).step);
    for (const step of steps) if (step !== undefined) step.isDeleteAsked = true;
    const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
    const answer = await this.#arena.ask(() =>
      this.#arena.plain.send(new DeleteMessageBatchCommand({ QueueUrl: this.#queue.url, Entries })),
    );
    const now = performance.now();
    const isSure = now - receivedMs < (visibilitySeconds - 0.5) * 1_000;
    if (isSure && (answer?.Failed ?? []).length > 0)
      this.#arena.problem(`deletes failed: ${answer?.Failed?.map(({ Message }) => Message).join()}`);
    for (const { Id } of isSure ? (answer?.Successful ?? []) : []) {
      const step = steps[Number(Id)];
      if (step !== undefined) step.goneMs = now;
    }
  }

  async receiveDead(): Promise<void> {
    const dead = this.#dead;
    if (dead === undefined) return;
    while (!this.#arena.isOver) {
      const messages = (await this.#arena.receive(dead)) ?? [];
      for (const message of messages) this.#sawDead(message);
      if (messages.length === 0) continue;
      const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      await this.#arena.ask(() =>
        this.#arena.plain.send(new DeleteMessageBatchCommand({ QueueUrl: dead.url, Entries })),
      );
    }
  }

  #sawDead(message: Message): void {
    const { group, n, step } = this.#stepOf(message);
    if (step === undefined) return this.#arena.problem(`${message.Body} was never sent, and is a dead letter`);
    if (message.Attributes?.DeadLetterQueueSourceArn !== this.#queue.arn)
      this.#arena.problem(`${group} ${n} is the dead letter of ${message.Attributes?.DeadLetterQueueSourceArn}`);
    if (step.goneMs !== undefined) this.#arena.problem(`${group} ${n} was deleted, and is a dead letter`);
    if (step.receives + this.#lost < receivesMax)
      this.#arena.problem(`${group} ${n} is a dead letter after ${step.receives} receives`);
    if (!step.isDead && n < (this.#lastDead.get(group) ?? -1))
      this.#arena.problem(`${group} ${n} is a dead letter after ${this.#lastDead.get(group)}`);
    if (!step.isDead) this.#lastDead.set(group, n);
    step.isDead = true;
  }

  async settle(): Promise<void> {
    await this.#arena.untilEmpty(this.#queue, ...(this.#dead === undefined ? [] : [this.#dead]));
    for (const [group, steps] of this.#groups) {
      for (const [n, { isAcknowledged, isDeleteAsked, isDead }] of steps.entries()) {
        if (!isAcknowledged) continue;
        if (this.#isPoison(n) ? !isDead : !isDeleteAsked && !isDead)
          this.#arena.problem(`${group} ${n} was acknowledged, and is lost`);
      }
    }
  }
}
