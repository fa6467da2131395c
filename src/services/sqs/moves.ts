/** Message move tasks: dead letters go back where they came from, or elsewhere, at a rate, until they are cancelled. */
import type { Job } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import type { SqsDeps } from "./deps.ts";
import { fault, invalidValue } from "./faults.ts";
import { activeMovesMax, moveLeaseMs, moveListMax, movePollMs, moveRateMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import { moveStep } from "./move-steps.ts";
import { refOfArn } from "./names.ts";
import { isIn, isMove, moves, queues as queueTable, type MoveRow, type Place } from "./tables.ts";

const noResource = (parameter: string) =>
  fault("ResourceNotFoundException", `The resource that you specified for the ${parameter} parameter doesn't exist.`);

/** As AWS writes them. */
const handleOf = ({ id, source_arn: sourceArn }: MoveRow) =>
  Buffer.from(JSON.stringify({ taskId: id, sourceArn })).toString("base64");

function taskIdOf(handle: string): string {
  try {
    const value: unknown = JSON.parse(Buffer.from(handle, "base64").toString());
    if (typeof value === "object" && value !== null && "taskId" in value) return String(value.taskId);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw invalidValue(handle, "TaskHandle", "The task handle is not valid.");
}

function checkRate(rate: number | undefined): number | null {
  if (rate === undefined) return null;
  if (rate >= 1 && rate <= moveRateMax) return rate;
  throw invalidValue(rate, "MaxNumberOfMessagesPerSecond", `Must be between 1 and ${moveRateMax}`);
}

const tasksOf = (tx: ReadTx, place: Place, sourceArn: string, limit: number) =>
  tx.all<MoveRow>(sql`select ${moves.columns} from ${moves.name} where ${isIn(place)} and source_arn = ${sourceArn}
    order by started_ms desc, id limit ${limit}`);

export function moveOperations({ store, clock, ids, queues, counting }: SqsDeps) {
  const queueOfArn = async (arn: string, parameter: string, action: string, call: Call): Promise<Queue> => {
    const ref = refOfArn(arn);
    if (ref === undefined || ref.region !== call.region) throw noResource(parameter);
    if ((await queues.find(ref)) === undefined) throw noResource(parameter);
    return queues.openRef(ref, action, call);
  };

  return {
    async StartMessageMoveTask({ SourceArn, DestinationArn, MaxNumberOfMessagesPerSecond }, call) {
      const source = await queueOfArn(SourceArn, "SourceArn", "StartMessageMoveTask", call);
      const rate = checkRate(MaxNumberOfMessagesPerSecond);
      if (DestinationArn !== undefined) {
        const target = await queueOfArn(DestinationArn, "DestinationArn", "SendMessage", call);
        if (target.arn === source.arn) throw invalidValue(DestinationArn, "DestinationArn", "It is the source queue.");
        if (target.row.is_fifo !== source.row.is_fifo) {
          throw invalidValue(DestinationArn, "DestinationArn", "It must be of the same type as the source queue.");
        }
      }
      const { visible } = await counting.countsOf(source);
      const now = clock.now();
      const place = { account: source.row.account, region: source.row.region };
      const row: MoveRow = {
        ...place,
        id: ids.uuid(),
        source_arn: SourceArn,
        destination_arn: DestinationArn ?? null,
        rate,
        status: "RUNNING",
        moved: 0,
        to_move: visible,
        failure: null,
        started_ms: now,
        due_ms: now,
        claims: 0,
      };
      await store.tx(async (tx) => {
        const isSource = await tx.one(sql`select name from ${queueTable.name}
          where ${isIn(place)} and dead_letter_arn = ${SourceArn} limit 1`);
        if (isSource === undefined) {
          throw fault("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.");
        }
        const [latest] = await tasksOf(tx, place, SourceArn, 1);
        if (latest?.status === "RUNNING") {
          throw fault(
            "UnsupportedOperation",
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
          );
        }
        const active = await tx.one<{ tasks: number }>(sql`select count(*) as tasks from ${moves.name}
          where ${isIn(place)} and due_ms is not null`);
        if ((active?.tasks ?? 0) >= activeMovesMax) {
          throw fault("RequestThrottled", `The account has ${activeMovesMax} active message move tasks.`);
        }
        await tx.run(insert(moves, row));
        const kept = await tasksOf(tx, place, SourceArn, 2 * moveListMax);
        for (const old of kept.slice(moveListMax)) await tx.run(sql`delete from ${moves.name} where ${isMove(old)}`);
      });
      return { TaskHandle: handleOf(row) };
    },

    async CancelMessageMoveTask({ TaskHandle }, call) {
      const id = taskIdOf(TaskHandle);
      const moved = await store.tx(async (tx) => {
        const row = await tx.one<MoveRow>(
          sql`select ${moves.columns} from ${moves.name} where ${isMove({ ...call, id })}`,
        );
        if (row === undefined) throw fault("ResourceNotFoundException", "Task does not exist.");
        if (row.status !== "RUNNING") throw fault("UnsupportedOperation", "Only active tasks can be cancelled.");
        const change = { status: "CANCELLED", due_ms: null };
        await tx.run(sql`update ${moves.name} set ${assign(moves, change)} where ${isMove(row)}`);
        return row.moved;
      });
      return { ApproximateNumberOfMessagesMoved: moved };
    },

    async ListMessageMoveTasks({ SourceArn, MaxResults = 1 }, call) {
      const { row: source } = await queueOfArn(SourceArn, "SourceArn", "ListMessageMoveTasks", call);
      if (MaxResults < 1 || MaxResults > moveListMax) {
        throw invalidValue(MaxResults, "MaxResults", `Must be between 1 and ${moveListMax}`);
      }
      const rows = await store.read((tx) => tasksOf(tx, source, SourceArn, MaxResults));
      return {
        Results: rows.map((row) => ({
          // Only what runs can be cancelled.
          ...(row.status === "RUNNING" ? { TaskHandle: handleOf(row) } : {}),
          Status: row.status,
          SourceArn,
          ...(row.destination_arn === null ? {} : { DestinationArn: row.destination_arn }),
          ...(row.rate === null ? {} : { MaxNumberOfMessagesPerSecond: row.rate }),
          ApproximateNumberOfMessagesMoved: row.moved,
          ApproximateNumberOfMessagesToMove: row.to_move,
          ...(row.failure === null ? {} : { FailureReason: row.failure }),
          StartedTimestamp: row.started_ms,
        })),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}

/** Each second every task moves as many messages as its rate allows. */
export function moveJob(deps: SqsDeps): Job {
  const { store, clock } = deps;
  const step = moveStep(deps);
  return {
    name: "sqs:moves",
    everyMs: movePollMs,
    async run(signal) {
      const now = clock.now();
      const rows = await store.claim({
        from: moves,
        due: "due_ms",
        count: "claims",
        now,
        leaseMs: moveLeaseMs,
        limit: activeMovesMax,
      });
      for (const row of rows) {
        let left = row.rate ?? moveRateMax;
        while (left > 0 && !signal.aborted) {
          const moved = await step(row, left);
          left = moved === 0 ? 0 : left - moved;
        }
        const isRunning = sql`${isMove(row)} and status = ${"RUNNING"}`;
        const due = assign(moves, { due_ms: now + movePollMs });
        await store.tx((tx) => tx.run(sql`update ${moves.name} set ${due} where ${isRunning}`));
      }
    },
  };
}
