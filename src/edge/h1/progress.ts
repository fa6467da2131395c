/** The time a connection has: a deadline that every step moves on, and the bytes that must come and go before it. */
import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";
import type { H1Limits } from "./limits.ts";

export interface ProgressRules {
  readonly limits: H1Limits;
  readonly clock: Clock;
  readonly wheel: Wheel;
}

export class Progress {
  readonly #socket: Socket;
  readonly #rules: ProgressRules;
  readonly #onBodyDue: () => void;
  readonly #deadline: WheelEntry;
  #armedMs = 0;
  #sentAtCheck = 0;
  /** Looks at a body that does not come at once. */
  #bodyCheck: WheelEntry | undefined;
  #bodyAtCheck = 0;

  /** `onDue`: the deadline has passed, and no answer is being taken. `onBodyDue`: the body is to be looked at. */
  constructor(socket: Socket, rules: ProgressRules, onDue: () => void, onBodyDue: () => void) {
    this.#socket = socket;
    this.#rules = rules;
    this.#onBodyDue = onBodyDue;
    this.#deadline = new WheelEntry(() => {
      // Bytes that go out are progress too, and the socket alone knows of them.
      if (socket.writableLength > 0 && this.#takesAnswer()) this.arm(this.#armedMs);
      else onDue();
    });
  }

  /** Puts the deadline `delayMs` from now. */
  arm(delayMs: number): void {
    this.#armedMs = delayMs;
    this.#rules.wheel.set(this.#deadline, this.#rules.clock.monotonicMs(), delayMs);
  }

  /** The last answer is handed over; the first look at it counts all that the connection ever sent. */
  lastAnswer(): void {
    this.#sentAtCheck = -1;
  }

  /** A request begins: its body has not been looked at. */
  restart(): void {
    this.#bodyAtCheck = 0;
    if (this.#bodyCheck !== undefined) this.#rules.wheel.set(this.#bodyCheck, 0, 0);
  }

  /** Has the body looked at after a while, if a pace is set. */
  watchBody(): void {
    const { limits, wheel, clock } = this.#rules;
    if (limits.bytesPerSecondMin === 0) return;
    this.#bodyCheck ??= new WheelEntry(this.#onBodyDue);
    if (this.#bodyCheck.dueMs === 0) wheel.set(this.#bodyCheck, clock.monotonicMs(), limits.progressMs);
  }

  /** Of the body `bytes` have come; since the last look that is enough. */
  bodyKeepsPace(bytes: number): boolean {
    const { bytesPerSecondMin, progressMs } = this.#rules.limits;
    const came = bytes - this.#bodyAtCheck;
    this.#bodyAtCheck = bytes;
    return came >= (bytesPerSecondMin * progressMs) / 1000;
  }

  /** The connection is gone. */
  close(): void {
    this.#rules.wheel.remove(this.#deadline);
    if (this.#bodyCheck !== undefined) this.#rules.wheel.remove(this.#bodyCheck);
  }

  /** What was sent since the last look is enough. */
  #takesAnswer(): boolean {
    const sent = this.#socket.bytesWritten - this.#socket.writableLength;
    const taken = sent - this.#sentAtCheck;
    this.#sentAtCheck = sent;
    return taken >= Math.max(1, (this.#rules.limits.bytesPerSecondMin * this.#armedMs) / 1000);
  }
}
