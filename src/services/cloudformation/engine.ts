/** Takes up stacks that are under way: leases them from the store, drives each, and stops with the node. */
import { asError } from "../../base/errors.ts";
import type { ScheduledJob } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { driveStack } from "./drive.ts";
import { stacksDrivenMax } from "./limits.ts";
import { ofStack, stackWork, type WorkRow } from "./tables.ts";
import { Superseded } from "./underway.ts";

/** A node that dies lets its stacks go after this long; it renews while it drives. */
const leaseMs = 30_000;
/** A stack whose driver broke is taken up again after this long. */
const retryMs = 1_000;
const pollMs = 1_000;

export interface Engine {
  /** Takes up everything in progress, also what a dead node still holds the lease of. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** There is new work. */
  wake(): void;
  /** A driver waits for another stack, and gives its place away until it calls what this returns. */
  lend(): () => void;
}

export function createEngine(deps: Deps): Engine {
  const { store, clock, scheduler, log } = deps;
  const stopping = new AbortController();
  const driving = new Set<Promise<void>>();
  let lent = 0;
  let job: ScheduledJob | undefined;

  const setDue = (work: WorkRow, dueMs: number) =>
    store.tx((tx) =>
      tx.run(sql`update ${stackWork.name} set due_ms = ${dueMs} where ${ofStack(work)} and claims = ${work.claims}`),
    );

  const drive = async (work: WorkRow) => {
    const lease = renewing(deps, () => setDue(work, clock.now() + leaseMs));
    try {
      await driveStack(deps, work, AbortSignal.any([stopping.signal, lease.lost]));
    } catch (error) {
      if (stopping.signal.aborted || error instanceof Superseded) return;
      log.error("a stack's driver broke", { stack: work.stack, error: asError(error) });
      await setDue(work, clock.now() + retryMs);
    } finally {
      lease.stop();
    }
  };

  const begin = (work: WorkRow) => {
    const run = drive(work)
      .catch((error: unknown) =>
        log.error("a stack could not be put back", { stack: work.stack, error: asError(error) }),
      )
      .finally(() => {
        driving.delete(run);
        job?.wake();
      });
    driving.add(run);
  };

  return {
    async start() {
      // The fence makes this safe beside another live node: its drivers end at their next step.
      await store.tx((tx) => tx.run(sql`update ${stackWork.name} set due_ms = ${clock.now()}`));
      job = scheduler.start({
        name: "cloudformation:stacks",
        everyMs: pollMs,
        async run(signal) {
          const limit = stacksDrivenMax + lent - driving.size;
          if (limit <= 0 || signal.aborted) return { more: false };
          const now = clock.now();
          const rows = await store.claim({ from: stackWork, due: "due_ms", count: "claims", now, leaseMs, limit });
          for (const row of rows) begin(row);
          return { more: rows.length === limit };
        },
      });
      job.wake();
    },
    async stop() {
      await job?.stop();
      stopping.abort(new Error("the node is stopping"));
      await Promise.all(driving);
    },
    wake: () => job?.wake(),
    lend() {
      lent += 1;
      job?.wake();
      return () => {
        lent -= 1;
      };
    },
  };
}

/** Renews a lease at half its time. `lost` aborts when the renewal finds it gone. */
function renewing({ clock, log }: Deps, renew: () => Promise<number>) {
  const lost = new AbortController();
  const again = async () => {
    if ((await renew()) === 0) lost.abort(new Superseded("the lease is gone"));
    else timer = clock.after(leaseMs / 2, start);
  };
  const start = () => {
    again().catch((error: unknown) => {
      log.error("could not renew a stack's lease", { error: asError(error) });
      timer = clock.after(retryMs, start);
    });
  };
  let timer = clock.after(leaseMs / 2, start);
  return { lost: lost.signal, stop: () => timer.cancel() };
}
