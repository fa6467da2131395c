/** The entrance of a store whose engine queues: bounded, and closed before the engine is. */
import type { Counter } from "../telemetry/metrics.ts";
import { StoreBusy, StoreClosed } from "./errors.ts";

export class Admission {
  readonly #acceptedMax: number;
  readonly #busy: Counter;
  #accepted = 0;
  #closing = false;
  #emptied: (() => void) | undefined;

  /** At most `acceptedMax` calls are inside at a time; `busy` counts those that were refused. */
  constructor(acceptedMax: number, busy: Counter) {
    this.#acceptedMax = acceptedMax;
    this.#busy = busy;
  }

  /** Runs `call`, or rejects at once with {@link StoreBusy} or {@link StoreClosed}. */
  async accept<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new StoreClosed();
    if (this.#accepted >= this.#acceptedMax) {
      this.#busy.add();
      throw new StoreBusy(`${this.#acceptedMax} callers wait for the store`);
    }
    this.#accepted += 1;
    try {
      return await call();
    } finally {
      this.#accepted -= 1;
      if (this.#accepted === 0) this.#emptied?.();
    }
  }

  /** Refuses what comes from now on; resolves when every call that was accepted has ended. */
  close(): Promise<void> {
    this.#closing = true;
    return new Promise((resolve) => {
      this.#emptied = resolve;
      if (this.#accepted === 0) resolve();
    });
  }
}
