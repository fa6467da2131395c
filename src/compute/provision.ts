/** What a function's provisioned concurrency asks for, and how its starts went. */
import type { Clock, Timer } from "../base/clock.ts";
import { provisionedRetryMsMax, provisionedRetryMsMin } from "./limits.ts";
import type { ProvisionedFailure } from "./ports.ts";

export interface ProvisionDeps {
  clock: Clock;
  /** After a failure, the time has come for the next start. */
  onDue(): void;
}

export class Provision {
  readonly #deps: ProvisionDeps;
  #count = 0;
  #failures = 0;
  #failure: ProvisionedFailure | undefined;
  #retry: Timer | undefined;

  constructor(deps: ProvisionDeps) {
    this.#deps = deps;
  }

  /** Environments to keep. */
  get count(): number {
    return this.#count;
  }

  get failure(): ProvisionedFailure | undefined {
    return this.#failure;
  }

  /** Another count forgets how it went so far: who changes it wants to see it tried now. */
  set(count: number): void {
    if (count === this.#count) return;
    this.#count = count;
    this.#failures = 0;
    this.#failure = undefined;
    this.#retry?.cancel();
    this.#retry = undefined;
  }

  /** Whether one more should start beside those that are `allocated`. */
  wants(allocated: number): boolean {
    return allocated < this.#count && this.#retry === undefined;
  }

  /** `available` environments are there, one of them new. */
  started(available: number): void {
    if (available >= this.#count) this.#failure = undefined;
  }

  /** One has answered an invocation: what it runs is sound. */
  proved(): void {
    this.#failures = 0;
  }

  /** One failed to start, or died before it answered an invocation. The next start waits, ever longer. */
  failed(): void {
    this.#failure = { cause: "init", reason: "FUNCTION_ERROR_INIT_FAILURE" };
    const waitMs = Math.min(provisionedRetryMsMax, provisionedRetryMsMin * 2 ** this.#failures);
    this.#failures += 1;
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(waitMs, () => {
      this.#retry = undefined;
      this.#deps.onDue();
    });
  }

  /** There is no room for one more. The pool asks again when there is. */
  lacksRoom(reason: string): void {
    this.#failure = { cause: "full", reason };
  }
}
