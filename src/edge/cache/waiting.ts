/** A request that waits for another one to bring what both want: nobody is asked for it until that is known. */
import type { Clock } from "../../base/clock.ts";
import type { Headers } from "../../base/http.ts";
import type { Exchange } from "../exchange.ts";
import type { RequestRecord } from "../record.ts";
import { goneReason } from "../stats.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";

export interface WaitingParts {
  request: RequestRecord;
  /** Monotonic milliseconds until which it may wait; then it goes on by itself. */
  untilMs: number;
  clock: Clock;
  wheel: Wheel;
  /** Answers it; `again` when it may wait for the next one who asks. */
  resume(again: boolean): Exchange;
  /** It waits no more. Called once. */
  left(waiting: Waiting): void;
}

export class Waiting implements Exchange {
  readonly #parts: WaitingParts;
  readonly #timer: WheelEntry;
  #exchange: Exchange | undefined;
  #complete = false;
  #gone = false;

  constructor(parts: WaitingParts) {
    const { clock, wheel, untilMs } = parts;
    this.#parts = parts;
    this.#timer = new WheelEntry(() => this.release(false));
    const nowMs = clock.monotonicMs();
    wheel.set(this.#timer, nowMs, Math.max(1, untilMs - nowMs));
  }

  /** The other one has it, or has it not. */
  release(again: boolean): void {
    if (!this.#leave()) return;
    const exchange = this.#parts.resume(again);
    this.#exchange = exchange;
    if (!this.#complete) return;
    exchange.requestEnd([]);
    exchange.requestFlush();
  }

  /** A request that waits has no body. */
  requestData(): void {}

  requestEnd(trailers: Headers): void {
    this.#complete = true;
    this.#exchange?.requestEnd(trailers);
  }

  requestFlush(): void {
    this.#exchange?.requestFlush();
  }

  clientDrained(): void {
    this.#exchange?.clientDrained();
  }

  clientGone(reason: string, refusal?: Parameters<Exchange["clientGone"]>[1]): void {
    const { request } = this.#parts;
    if (!this.#leave()) {
      this.#exchange?.clientGone(reason, refusal);
      return;
    }
    request.reason = goneReason(reason, refusal !== undefined);
    request.end();
  }

  idle(): void {
    if (this.#exchange === undefined) this.release(false);
    else this.#exchange.idle();
  }

  leaving(): void {
    this.#exchange?.leaving?.();
  }

  /** False where it waits no more. */
  #leave(): boolean {
    if (this.#gone) return false;
    this.#gone = true;
    this.#parts.wheel.remove(this.#timer);
    this.#parts.left(this);
    return true;
  }
}
