/**
 * Drives one stack until it rests. Every step is a transaction: what is about to be called is written first, so that
 * whoever takes the stack up after a crash issues the same call under the same token.
 */
import type { Clock } from "../../base/clock.ts";
import { asError, must } from "../../base/errors.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { upsert } from "../../store/tables.ts";
import {
  attemptCreate,
  attemptDelete,
  attemptUpdate,
  examine,
  policyOf,
  prepareResource,
  type Outcome,
} from "./attempts.ts";
import { importNames, noSuchExport } from "./blueprint.ts";
import { finishCreation, finishRemoval } from "./endings.ts";
import type { Change } from "./journal.ts";
import { nextOf, type Next, type Phase } from "./plan.ts";
import { phaseOf, planOf, rowAt } from "./planning.ts";
import { stackExports, stackImports, type ExportRow, type ResourceRow, type StackRow, type WorkRow } from "./tables.ts";
import { policyRefusal } from "./stack-policy.ts";
import * as step from "./transitions.ts";
import { commit, formerOf, load, Superseded, type Drive } from "./underway.ts";
import { finishCleanup, finishRestore, finishUpdate } from "./update-endings.ts";
import {
  ofLeftover,
  replacementBegun,
  restoreBegun,
  switchedBack,
  updateBegun,
  updateRefused,
} from "./update-transitions.ts";

/** Resolves when the stack rests. Rejects with {@link Superseded}, the signal's reason, or the store's failure. */
export async function driveStack(deps: Deps, work: WorkRow, signal: AbortSignal): Promise<void> {
  while (!(await drivePhase(deps, work, signal)));
}

/** One phase of a stack, from its rows alone: a phase begins as after a crash. True when the stack rests. */
async function drivePhase(deps: Deps, work: WorkRow, signal: AbortSignal): Promise<boolean> {
  const ending = new AbortController();
  const drive = await load(deps, work, AbortSignal.any([signal, ending.signal]));
  if (drive === undefined) return true;
  const phase = phaseOf(drive);
  try {
    if (phase === "create" || phase === "update" || phase === "restore") await importExports(drive);
    if (phase === "update") await keepProtected(drive);
    // What runs when a DeleteStack comes in is waited for here.
    while (phaseOf(drive) === phase || drive.running.size > 0) if (await round(drive)) return true;
    return false;
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
    if (stack.status !== drive.stack.status) return undefined;
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

/** Fails what the update would take away and its stack policy protects, before anything is changed. */
async function keepProtected(drive: Drive): Promise<void> {
  const { rows, blueprint } = drive;
  const isFailed = isFailedBy(drive);
  const removed = [...rows.values()].filter(
    (row) => row.physical_id !== null && !isFailed(row) && !blueprint.resources.has(row.logical_id),
  );
  const refused = removed.flatMap((row) => {
    const question = { action: "Update:Delete", logicalId: row.logical_id, type: row.type } as const;
    const refusal = policyRefusal(policyOf(drive), question);
    return refusal === undefined ? [] : [{ row, refusal }];
  });
  if (refused.length === 0) return;
  await commit(drive, async (_, stack) =>
    stack.status === drive.stack.status
      ? step.together(
          refused.map(({ row, refusal }) => updateRefused(row, stack, refusal, formerOf(drive, row.logical_id))),
        )
      : undefined,
  );
}

/** By this very update: its driver begins anew after a crash. */
const isFailedBy =
  ({ stack }: Drive) =>
  ({ status, operation }: ResourceRow) =>
    status === "UPDATE_FAILED" && operation === stack.operation;

/** One turn: decide, write down what begins, begin it, wait for something to end. True when the stack rests. */
async function round(drive: Drive): Promise<boolean> {
  if (drive.broken !== undefined) throw drive.broken;
  drive.signal.throwIfAborted();
  const plan = planOf(drive);
  const next = nextOf(plan);
  if (next.finished) return finish(drive, plan.phase);
  const unchanged = drive.unchanged.size;
  await begin(drive, next, plan.phase);
  // What is as it should be lets others begin at once.
  if (drive.running.size > 0 && drive.unchanged.size === unchanged) await untilSomethingEnds(drive);
  return false;
}

function finish(drive: Drive, phase: Phase): Promise<boolean> {
  if (phase === "create") return finishCreation(drive);
  if (phase === "update") return finishUpdate(drive);
  if (phase === "restore") return finishRestore(drive);
  return phase === "cleanup" ? finishCleanup(drive) : finishRemoval(drive);
}

/** What is written for a resource that begins, and the call that follows. */
interface Beginning {
  key: string;
  change(stack: StackRow): Change;
  attempt?: () => Promise<Outcome | undefined>;
}

async function begin(drive: Drive, next: Next, phase: Phase): Promise<void> {
  const at = (key: string) => must(rowAt(drive, key), `resource ${key}`);
  const removal = (key: string, change: (row: ResourceRow, stack: StackRow) => Change): Beginning => {
    const { row, leftover } = at(key);
    return {
      key,
      change: (stack) => (leftover === undefined ? change(row, stack) : ofLeftover(change(row, stack), leftover)),
    };
  };
  const beginnings = [
    ...next.begin.flatMap((key) => forward(drive, at(key).row, phase)),
    ...next.delete.map((key) => ({
      ...removal(key, step.deletionBegun),
      attempt: () => attemptDelete(drive, at(key).row),
    })),
    ...next.forget.map((key) => removal(key, step.deletionEnded)),
    ...next.skip.map((key) => removal(key, (row, stack) => step.deletionSkipped(row, stack))),
  ];
  const status = drive.stack.status;
  const begun =
    beginnings.length === 0 ||
    (await commit(drive, async (_, stack) =>
      // A DeleteStack or a CancelUpdateStack came in between: nothing of this is wanted any more.
      stack.status === status && stack.failure === drive.stack.failure
        ? step.together(beginnings.map(({ change }) => change(stack)))
        : undefined,
    ));
  if (!begun) return;
  for (const { key, attempt } of beginnings) if (attempt !== undefined) launch(drive, key, attempt);
  for (const id of next.resume) launch(drive, id, () => resume(drive, at(id).row));
  for (const key of next.resumeDelete) launch(drive, key, () => attemptDelete(drive, at(key).row));
}

function resume(drive: Drive, row: ResourceRow): Promise<Outcome | undefined> {
  return row.status === "CREATE_IN_PROGRESS" ? attemptCreate(drive, row) : attemptUpdate(drive, row);
}

/** How a resource begins to be made, changed or put back. Nothing for one that an update leaves as it is. */
function forward(drive: Drive, row: ResourceRow, phase: Phase): Beginning[] {
  const key = row.logical_id;
  const now = () => must(drive.rows.get(key), `resource ${key}`);
  if (phase === "restore") {
    const former = must(formerOf(drive, key), `the former state of ${key}`);
    if (former.kind === "replaced") return [{ key, change: (stack) => switchedBack(row, former, stack) }];
    const attempt = () => attemptUpdate(drive, now());
    return [{ key, change: (stack) => restoreBegun(row, former, stack), attempt }];
  }
  if (row.status === null) {
    const outcome = prepareResource(drive, row);
    if ("refusal" in outcome) {
      return [{ key, change: (stack) => step.creationRefused(row, stack, outcome.refusal) }];
    }
    const { prepared } = outcome;
    return [
      { key, change: (stack) => step.creationBegun(row, stack, prepared), attempt: () => attemptCreate(drive, now()) },
    ];
  }
  const examined = examine(drive, row);
  if (examined === "none") {
    drive.unchanged.add(key);
    return [];
  }
  const former = formerOf(drive, key);
  if (examined.kind === "refused") {
    return [{ key, change: (stack) => updateRefused(row, stack, examined.refusal, former) }];
  }
  const attempt = () => attemptUpdate(drive, now());
  return examined.kind === "update"
    ? [{ key, change: (stack) => updateBegun(row, stack, examined.prepared, former), attempt }]
    : [{ key, change: (stack) => replacementBegun(row, stack, examined.prepared, examined.token), attempt }];
}

function launch(drive: Drive, id: string, attempt: () => Promise<Outcome | undefined>): void {
  const run = async () => {
    const outcome = await attempt();
    if (outcome === undefined) return;
    await commit(drive, async (_, stack) => {
      const { row, leftover } = must(rowAt(drive, id), `resource ${id}`);
      const change = outcome(row, stack);
      return leftover === undefined ? change : ofLeftover(change, leftover);
    });
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
