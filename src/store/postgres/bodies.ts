/** Transaction bodies on PostgreSQL: serializable, and run again when another came between. */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { afterMicrotasks, BodyRun, foreignAwait, type Outcome } from "../body.ts";
import { StoreBusy, StoreFailure } from "../errors.ts";
import type { Tx } from "../store.ts";
import { Conflict } from "./errors.ts";
import type { Session, Sessions } from "./session.ts";

/** A body holds a connection, and the longer it lasts the more conflict with it. */
const bodyMsMax = 5_000;
/** A body that met others this often is answered `StoreBusy`. */
const runsMax = 24;
/** The wait before a rerun is random, up to 2 ms doubled with each, and never over this. */
const backoffMsMax = 250;

export interface BodyDeps {
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

interface Ended<T> {
  outcome: Outcome<T>;
  effects: readonly (() => void)[];
}

/** Runs a body between `begin` and COMMIT, until it got through alone. */
export async function runBody<T>(
  deps: BodyDeps,
  sessions: Sessions,
  begin: string,
  body: (tx: Tx) => Promise<T>,
): Promise<T> {
  const attempt = () => once(deps, sessions, begin, body);
  const { outcome, effects } = await rerun(deps, attempt);
  if (!outcome.ok) throw outcome.error;
  for (const effect of effects) affect(deps.log, effect);
  return outcome.value;
}

/** Repeats `attempt` while it throws {@link Conflict}. */
export async function rerun<T>({ clock, metrics }: Omit<BodyDeps, "log">, attempt: () => Promise<T>): Promise<T> {
  for (let run = 1; ; run += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      metrics.counter("store_reruns").add();
      if (run === runsMax) {
        throw new StoreBusy(`${runsMax} runs of a body met with conflicts: ${error.message}`, { cause: error });
      }
    }
    await clock.sleep(Math.random() * Math.min(backoffMsMax, 2 ** run));
  }
}

function once<T>(
  { clock }: BodyDeps,
  sessions: Sessions,
  begin: string,
  body: (tx: Tx) => Promise<T>,
): Promise<Ended<T>> {
  return sessions.use(async (session) => {
    await session.execute({ text: begin });
    const run = start(clock, session, body);
    const outcome = await run.outcome;
    if (outcome.ok) {
      await commit(session);
      return { outcome, effects: run.effects };
    }
    await rollback(session);
    // Whatever the body made of a conflict, it is run again.
    if (run.failure instanceof Conflict) throw run.failure;
    return { outcome, effects: [] };
  });
}

function start<T>(clock: Clock, session: Session, body: (tx: Tx) => Promise<T>): BodyRun<T> {
  const check = () => {
    if (run.active && run.outstanding === 0) run.refuse(foreignAwait());
  };
  const run = new BodyRun<T>(clock, bodyMsMax, session, () => afterMicrotasks(check));
  run.start(body);
  afterMicrotasks(check);
  return run;
}

async function commit(session: Session): Promise<void> {
  const { command } = await session.execute({ text: "commit" });
  // The server answers ROLLBACK to the COMMIT of a transaction that had failed.
  if (command !== "COMMIT") throw new StoreFailure(`PostgreSQL answered COMMIT with ${command}`);
}

/** A connection that cannot even roll back is closed, which rolls back. */
async function rollback(session: Session): Promise<void> {
  if (session.broken !== undefined) return;
  try {
    await session.execute({ text: "rollback" });
  } catch (error) {
    session.broken = asError(error);
  }
}

function affect(log: Log, effect: () => void): void {
  try {
    effect();
  } catch (error) {
    log.error("an effect after commit threw", { error: asError(error) });
  }
}
