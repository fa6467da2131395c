/** Queues as every operation meets them: found by URL or ARN, remembered for a moment, and opened only to who may. */
import { authorize, decide } from "../../kit/authorize.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { ConditionContext } from "../../kit/conditions.ts";
import { principalArn } from "../../kit/principals.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { settingsOf, type Settings } from "./attributes.ts";
import { fault, noQueue } from "./faults.ts";
import { queueCacheMax, queueCacheMs } from "./limits.ts";
import { queueArn, refOfUrl, type QueueRef } from "./names.ts";
import { isIn, queues, type Place, type QueueRow } from "./tables.ts";

export interface Queue {
  row: QueueRow;
  arn: string;
  settings: Settings;
  /** Of its messages: account, region and uid. */
  place: Place & { uid: string };
}

export interface Queues {
  /** Undefined where there is none. May be behind what another node has changed, by {@link queueCacheMs}. */
  find(ref: QueueRef): Promise<Queue | undefined>;
  /** The queue of a URL, for a caller who may do `action` (`SendMessage`) with it. */
  open(url: string, action: string, call: Call): Promise<Queue>;
  /** The queue of a reference, likewise. */
  openRef(ref: QueueRef, action: string, call: Call): Promise<Queue>;
  /** Forgets a queue when the transaction is on disk. */
  forgetAfter(tx: Tx, ref: QueueRef): void;
}

/** What only the owner's account may do, whatever a policy says. Source: developer guide, "Limitations of custom policies". */
const ownersOnly: ReadonlySet<string> = new Set([
  "AddPermission",
  "CancelMessageMoveTask",
  "CreateQueue",
  "DeleteQueue",
  "ListMessageMoveTasks",
  "ListQueues",
  "ListQueueTags",
  "RemovePermission",
  "SetQueueAttributes",
  "StartMessageMoveTask",
  "TagQueue",
  "UntagQueue",
]);

export function queueOf(row: QueueRow): Queue {
  const { account, region, uid } = row;
  return { row, arn: queueArn(row), settings: settingsOf(row.attributes), place: { account, region, uid } };
}

export function findRow(tx: ReadTx, ref: QueueRef): Promise<QueueRow | undefined> {
  return tx.one<QueueRow>(sql`select ${queues.columns} from ${queues.name} where ${isIn(ref)} and name = ${ref.name}`);
}

function contextOf(principal: Principal): ConditionContext {
  if (principal.kind !== "service") return {};
  return { "AWS:SourceArn": principal.sourceArn, "AWS:SourceAccount": principal.sourceAccount };
}

/** Throws unless the caller may: users of the owner's account unless they are denied, everybody else only if a policy allows it. */
function admit({ row, arn }: Queue, operation: string, { principal, account }: Call): void {
  const isOwner = principal.kind !== "service" && account === row.account;
  if (isOwner && row.policy === null) return;
  const action = `sqs:${operation}`;
  const request = { principal, action, arn, context: contextOf(principal), policy: row.policy ?? undefined };
  if (isOwner && authorize(request)) return;
  if (!isOwner && !ownersOnly.has(operation) && decide(request) === "allow") return;
  const who = principal.kind === "service" ? principal.service : principalArn(principal);
  throw fault(
    "AccessDenied",
    `User: ${who} is not authorized to perform: ${action.toLowerCase()} on resource: ${arn} because no resource-based policy allows the ${action.toLowerCase()} action`,
  );
}

export function createQueues({ store, clock }: Pick<Deps, "store" | "clock">): Queues {
  const known = new Map<string, { queue: Queue; untilMs: number }>();
  let changes = 0;
  const keyOf = ({ account, region, name }: QueueRef) => `${account} ${region} ${name}`;

  const find: Queues["find"] = async (ref) => {
    const key = keyOf(ref);
    const entry = known.get(key);
    if (entry !== undefined && clock.monotonicMs() < entry.untilMs) return entry.queue;
    const changesBefore = changes;
    const row = await store.read((tx) => findRow(tx, ref));
    known.delete(key);
    if (row === undefined) return undefined;
    const queue = queueOf(row);
    // What was read while a change was under way may be from before it.
    if (changes === changesBefore) known.set(key, { queue, untilMs: clock.monotonicMs() + queueCacheMs });
    if (known.size > queueCacheMax) {
      const { value: oldest } = known.keys().next();
      if (oldest !== undefined) known.delete(oldest);
    }
    return queue;
  };

  const openRef: Queues["openRef"] = async (ref, action, call) => {
    const queue = await find(ref);
    if (queue === undefined) throw noQueue();
    admit(queue, action, call);
    return queue;
  };

  return {
    find,
    openRef,
    open: async (url, action, call) => openRef(refOfUrl(url, call), action, call),
    forgetAfter(tx, ref) {
      tx.afterCommit(() => {
        changes += 1;
        known.delete(keyOf(ref));
      });
    },
  };
}
