/**
 * Drives one stack until it rests. Every step is a transaction: what is about to be called is written first, so that
 * whoever takes the stack up after a crash issues the same call under the same token.
 */
import type { Clock } from "../../base/clock.ts";
import { asError, must } from "../../base/errors.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { upsert } from "../../store/tables.ts";
import { attemptCreate, attemptDelete, prepareResource, type Outcome } from "./attempts.ts";
import { importNames, noSuchExport } from "./blueprint.ts";
import { finishCreation, finishRemoval } from "./endings.ts";
import { resourcesAtOnceMax } from "./limits.ts";
import { nextOf, type Next, type Plan } from "./plan.ts";
import { stackExports, stackImports, type ExportRow, type WorkRow } from "./tables.ts";
import * as step from "./transitions.ts";
import { commit, load, Superseded, type Drive } from "./underway.ts";

/** Resolves when the stack rests. Rejects with {@link Superseded}, the signal's reason, or the store's failure. */
export async function driveStack(deps: Deps, work: WorkRow, signal: AbortSignal): Promise<void> {
  const ending = new AbortController();
  const drive = await load(deps, work, AbortSignal.any([signal, ending.signal]));
  if (drive === undefined) return;
  try {
    if (drive.stack.status === "CREATE_IN_PROGRESS") await importExports(drive);
    while (!(await round(drive)));
  } finally {
    ending.abort(new Superseded("the stack's driver has ended"));
    await Promise.all(drive.running.values());
  }
}

/** Reads what the stack imports, and marks it as in use, in one transaction. */
async function importExports(drive: Drive): Promise<void> {
  const names = importNames(drive.blueprint);
  if (names.length === 0) return;
  const imports = new Map<string, string>();
  await commit(drive, async (tx, stack) => {
    imports.clear();
    if (stack.status !== "CREATE_IN_PROGRESS") return undefined;
    const { account, region, stack: id, name: stackName } = stack;
    for (const name of names) {
      const found = await tx.one<ExportRow>(sql`select ${stackExports.columns} from ${stackExports.name}
        where account = ${account} and region = ${region} and name = ${name}`);
      if (found === undefined) return { stack: { failure: noSuchExport(name) }, events: [] };
      imports.set(name, found.value);
      await tx.run(upsert(stackImports, { account, region, name, stack: id, stack_name: stackName }));
    }
    return { events: [] };
  });
  drive.imports = imports;
}

/** One turn: decide, write down what begins, begin it, wait for something to end. True when the stack rests. */
async function round(drive: Drive): Promise<boolean> {
  if (drive.broken !== undefined) throw drive.broken;
  drive.signal.throwIfAborted();
  const next = nextOf(planOf(drive));
  if (next.finished) return planOf(drive).phase === "create" ? finishCreation(drive) : finishRemoval(drive);
  await begin(drive, next);
  if (drive.running.size > 0) await untilSomethingEnds(drive);
  return false;
}

function planOf({ stack, rows, blueprint, running }: Drive): Plan {
  return {
    phase: stack.status === "CREATE_IN_PROGRESS" ? "create" : "remove",
    failing: stack.failure !== null,
    slots: resourcesAtOnceMax,
    resources: [...rows.values()].map((row) => {
      const { needs = [], deletionPolicy = "Delete" } = blueprint.resources.get(row.logical_id) ?? {};
      return step.plannedOf(row, stack, { needs, deletionPolicy, running: running.has(row.logical_id) });
    }),
  };
}

async function begin(drive: Drive, next: Next): Promise<void> {
  const row = (id: string) => must(drive.rows.get(id), `resource ${id}`);
  const prepared = next.create.map((id) => ({ row: row(id), outcome: prepareResource(drive, row(id)) }));
  const status = drive.stack.status;
  const begun = await commit(drive, async (_, stack) => {
    // A DeleteStack came in between: nothing of this is wanted any more.
    if (stack.status !== status) return undefined;
    return step.together([
      ...prepared.map(({ row, outcome }) =>
        "refusal" in outcome
          ? step.creationRefused(row, stack, outcome.refusal)
          : step.creationBegun(row, stack, outcome.prepared),
      ),
      ...next.delete.map((id) => step.deletionBegun(row(id), stack)),
      ...next.forget.map((id) => step.deletionEnded(row(id), stack)),
      ...next.skip.map((id) => step.deletionSkipped(row(id), stack)),
    ]);
  });
  if (!begun) return;
  const created = prepared.flatMap(({ row, outcome }) => ("refusal" in outcome ? [] : [row.logical_id]));
  for (const id of [...next.resumeCreate, ...created]) launch(drive, id, () => attemptCreate(drive, row(id)));
  for (const id of [...next.resumeDelete, ...next.delete]) launch(drive, id, () => attemptDelete(drive, row(id)));
}

function launch(drive: Drive, id: string, attempt: () => Promise<Outcome | undefined>): void {
  const run = async () => {
    const outcome = await attempt();
    if (outcome === undefined) return;
    await commit(drive, async (_, stack) => outcome(must(drive.rows.get(id), `resource ${id}`), stack));
  };
  const running = run()
    .catch((error: unknown) => {
      drive.broken ??= asError(error);
    })
    .finally(() => drive.running.delete(id));
  drive.running.set(id, running);
}

/** Until a call ends, or the time for the whole creation is over. */
async function untilSomethingEnds(drive: Drive): Promise<void> {
  const { deadline_ms: deadlineMs, status, failure } = drive.stack;
  const waiting = new AbortController();
  const ends: Promise<void>[] = [...drive.running.values()];
  if (deadlineMs !== null && status === "CREATE_IN_PROGRESS" && failure === null) {
    ends.push(expire(drive, deadlineMs, waiting.signal));
  }
  try {
    await Promise.race(ends);
  } finally {
    waiting.abort();
  }
}

async function expire(drive: Drive, deadlineMs: number, signal: AbortSignal): Promise<void> {
  const { clock } = drive.deps;
  if (!(await slept(clock, deadlineMs - clock.now(), signal))) return;
  await commit(drive, async (_, stack) =>
    stack.status === "CREATE_IN_PROGRESS"
      ? { stack: { failure: "Stack creation time exceeded the specified timeout" }, events: [] }
      : undefined,
  );
}

async function slept(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(delayMs, signal);
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}
