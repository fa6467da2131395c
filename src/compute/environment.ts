/** An environment as the pool sees it: it starts, takes one invocation at a time, and ends. */
import type { InitializationType, Invocation, InvocationResult } from "./ports.ts";

export interface Environment {
  readonly id: string;
  /** Only while it is free; wakes it when it is frozen. The answer comes as {@link EnvironmentEvents.answered}. */
  run(invocation: Invocation): void;
  /** Kills it, whatever it does; harmless when it is over. */
  end(): void;
  /** Stops everything in it until it is given an invocation or ended. Only while it is free. */
  freeze(): void;
  /** Looks at its memory, and ends it above its limit. */
  sampleMemory(): void;
}

export interface EnvironmentEvents {
  /** Its first invocation may come. */
  ready(): void;
  /** It will never be ready. `ended` follows. */
  startFailed(failure: StartFailure): void;
  /** The invocation is over. When `reusable` is false, `ended` follows. */
  answered(result: InvocationResult, reusable: boolean): void;
  /** Its processes are gone. Called once. */
  ended(): void;
}

export interface StartFailure {
  /** Another try may go better: the function ran out of time, died, or threw. Not so when there is nothing to start. */
  retry: boolean;
  /** The answer to an invocation that waited for this start; writes its lines to the log. */
  resultFor(invocation: Invocation): InvocationResult;
}

export interface StartOptions {
  /** It must be ready after this long. */
  initMsMax: number;
  initialization: InitializationType;
  /**
   * The start is a part of this invocation (AWS's "suppressed init", the one further try): its time is that of both,
   * and it runs as soon as the environment is ready. Its answer, too, comes as {@link EnvironmentEvents.answered}, or
   * by {@link StartFailure.resultFor}.
   */
  within?: Invocation;
}

/** Makes environments; one for each way of running code. */
export interface Driver {
  start(events: EnvironmentEvents, options: StartOptions): Environment;
}
