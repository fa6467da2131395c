/** Rounds of question and answer between main and its workers: all say yes, or one says why not, or one is too late. */
import type { Clock } from "../base/clock.ts";
import type { Member } from "./crew.ts";
import type { ToWorker } from "./messages.ts";

export type Step = "prepare" | "commit";
export type MessageFor = (round: number, member: Member) => ToWorker;

interface Round {
  number: number;
  waiting: Set<number>;
  failure: Error | undefined;
  done: () => void;
}

/** One round at a time; whoever asks sees to that. */
export class Rounds {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #last = 0;
  #open: Round | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Posts to `members` and waits for each one's word; rejects with what one refused, or names who was late. */
  async ask(
    members: readonly Member[],
    step: Step,
    messageFor: MessageFor,
    number = (this.#last += 1),
  ): Promise<number> {
    if (members.length === 0) return number;
    await new Promise<void>((resolve, reject) => {
      const done = () => {
        timer.cancel();
        this.#open = undefined;
        if (round.failure === undefined) resolve();
        else reject(round.failure);
      };
      const waiting = new Set(members.map(({ index }) => index));
      const round: Round = { number, waiting, failure: undefined, done };
      const limitMs = this.#limitMs;
      const timer = this.#clock.after(limitMs, () => {
        round.failure = new Error(`edge worker ${[...waiting].join(", ")} did not ${step} within ${limitMs} ms`);
        done();
      });
      this.#open = round;
      for (const member of members) member.post(messageFor(number, member));
    });
    return number;
  }

  /** A worker's word on a round; with `failure` it refuses. */
  heard(index: number, number: number, failure?: Error): void {
    const round = this.#open;
    if (round?.number !== number || !round.waiting.delete(index)) return;
    round.failure ??= failure;
    if (round.waiting.size === 0 || failure !== undefined) round.done();
  }

  /** A worker that died has nothing to say: its successor starts with the configuration in force. */
  lost(index: number): void {
    if (this.#open !== undefined) this.heard(index, this.#open.number);
  }
}
