/**
 * Callbacks: URLs by which code outside answers a stack. A callback is a row before anybody is told of it, and an answer
 * is a row before its sender is told so; whoever drives the stack, now or after a crash, finds it there.
 */
import { timingSafeEqual } from "node:crypto";
import { responseHost, responsePath } from "../../base/response-host.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql, type Sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { callbackAnswers, callbacks, type AnswerRow, type CallbackRow } from "./callback-tables.ts";
import { conditionAnswer } from "./condition-signals.ts";
import { customAnswer } from "./custom-response.ts";
import { fault } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import { callbackAnswersMax } from "./limits.ts";

/** An answer that comes in at another node is seen after this long. */
const lookMs = 1_000;
const secretBytes = 24;

export type CallbackKey = Pick<CallbackRow, "account" | "region" | "stack" | "callback">;

/** What the front door hands on. */
export interface Response {
  Stack: string;
  Callback: string;
  Secret: string;
  /** Undefined when there was more than any answer may have. */
  Body?: Uint8Array;
}

export interface Callbacks {
  /** The callback, made when it is not there yet. */
  open(key: CallbackKey, rest: Pick<CallbackRow, "kind" | "logical_id" | "deadline_ms">): Promise<CallbackRow>;
  /** The request has been handed over, and need not be again. */
  sent(key: CallbackKey): Promise<void>;
  find(key: CallbackKey): Promise<CallbackRow | undefined>;
  /** Writes an answer; the first under a unique id is the one that counts. */
  answer(key: CallbackKey, uniqueId: string, body: JsonObject): Promise<void>;
  /** All answers, when `enough` of them are there or at the deadline. */
  wait(
    key: CallbackKey,
    deadlineMs: number,
    enough: (answers: readonly AnswerRow[]) => boolean,
    signal: AbortSignal,
  ): Promise<readonly AnswerRow[]>;
  close(key: CallbackKey): Promise<void>;
  /** Takes what came in at a callback's URL. */
  respond(response: Response, call: Call): Promise<object>;
}

function of({ account, region, stack, callback }: CallbackKey): Sql {
  return sql`account = ${account} and region = ${region} and stack = ${stack} and callback = ${callback}`;
}

/** `routed`: for functions whose runtime knows the way; else the node's own address, for everybody. */
export function callbackUrl(row: CallbackRow, publicUrl: string, { routed }: { routed: boolean }): string {
  const { account, region, stack, callback, secret } = row;
  const origin = routed ? `https://${responseHost}` : publicUrl;
  return `${origin}${responsePath}${account}/${region}/${stack}/${callback}?token=${secret}`;
}

/** The callback that a URL names, whatever its host. */
export function callbackAt(url: string): CallbackKey | undefined {
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  if (!path.startsWith(responsePath)) return undefined;
  const [account, region, stack, callback, ...more] = path.slice(responsePath.length).split("/");
  if (!account || !region || !stack || !callback || more.length > 0) return undefined;
  return { account, region, stack, callback };
}

function isSame(given: string, secret: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(secret)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export function createCallbacks({ store, clock, ids }: Pick<Deps, "store" | "clock" | "ids">): Callbacks {
  const waiting = new Map<string, Set<() => void>>();

  const read = (tx: Pick<Tx, "one">, key: CallbackKey) =>
    tx.one<CallbackRow>(sql`select ${callbacks.columns} from ${callbacks.name} where ${of(key)}`);

  const answers = (key: CallbackKey) =>
    store.read((tx) =>
      tx.all<AnswerRow>(
        sql`select ${callbackAnswers.columns} from ${callbackAnswers.name} where ${of(key)} order by unique_id`,
      ),
    );

  const wake = (callback: string) => {
    for (const end of waiting.get(callback) ?? []) end();
  };

  /** Ends its `signal` when an answer comes in here. */
  const listen = (callback: string) => {
    const woken = new AbortController();
    const ends = waiting.get(callback) ?? new Set();
    const end = () => woken.abort();
    waiting.set(callback, ends.add(end));
    const stop = () => {
      ends.delete(end);
      if (ends.size === 0) waiting.delete(callback);
    };
    return { signal: woken.signal, stop };
  };

  const answer = (key: CallbackKey, uniqueId: string, body: JsonObject) => {
    const { account, region, stack, callback } = key;
    return store.tx(async (tx) => {
      const known = await tx.all<{ unique_id: string }>(
        sql`select unique_id from ${callbackAnswers.name} where ${of(key)} limit ${callbackAnswersMax}`,
      );
      if (known.some(({ unique_id: id }) => id === uniqueId)) return;
      if (known.length >= callbackAnswersMax) {
        throw fault("LimitExceededException", `No more than ${callbackAnswersMax} signals are kept.`);
      }
      await tx.run(insert(callbackAnswers, { account, region, stack, callback, unique_id: uniqueId, body }));
      tx.afterCommit(() => wake(callback));
    });
  };

  return {
    async open({ account, region, stack, callback }, rest) {
      const secret = ids.hex(secretBytes);
      return store.tx(async (tx) => {
        const known = await read(tx, { account, region, stack, callback });
        if (known !== undefined) return known;
        const row = { account, region, stack, callback, secret, sent: false, ...rest };
        await tx.run(insert(callbacks, row));
        return row;
      });
    },
    async sent(key) {
      await store.tx((tx) => tx.run(sql`update ${callbacks.name} set sent = ${true} where ${of(key)}`));
    },
    find: (key) => store.read((tx) => read(tx, key)),
    answer,
    async wait({ account, region, stack, callback }, deadlineMs, enough, signal) {
      for (;;) {
        const woken = listen(callback);
        try {
          const found = await answers({ account, region, stack, callback });
          const leftMs = deadlineMs - clock.now();
          if (enough(found) || leftMs <= 0) return found;
          await clock.sleep(Math.min(lookMs, leftMs), AbortSignal.any([signal, woken.signal]));
        } catch (error) {
          if (!woken.signal.aborted) throw error;
        } finally {
          woken.stop();
        }
      }
    },
    async close(key) {
      await store.tx(async (tx) => {
        await tx.run(sql`delete from ${callbackAnswers.name} where ${of(key)}`);
        await tx.run(sql`delete from ${callbacks.name} where ${of(key)}`);
      });
    },
    async respond({ Stack: stack, Callback: callback, Secret: secret, Body: body }, { account, region }) {
      const key = { account, region, stack, callback };
      const row = await store.read((tx) => read(tx, key));
      if (row === undefined || !isSame(secret, row.secret)) throw fault("AccessDenied", "Access Denied");
      if (row.deadline_ms !== null && row.deadline_ms < clock.now()) throw fault("AccessDenied", "Request has expired");
      if (row.kind === "request") await answer(key, "", customAnswer(body, row));
      else {
        const { uniqueId, signal } = conditionAnswer(body);
        await answer(key, uniqueId, signal);
      }
      return {};
    },
  };
}
