/** Forgets what custom resources were asked, and what they answered, a day after the last moment at which it counted. */
import type { Job } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { callbackAnswers, callbacks, type CallbackRow } from "./callback-tables.ts";

const everyMs = 3600_000;
const keptMs = 24 * 3600_000;
/** Rows that go in one transaction. */
const rowsMax = 100;

export function callbackRetentionJob({ store, clock }: Pick<Deps, "store" | "clock">): Job {
  return {
    name: "cloudformation:callbacks",
    everyMs,
    async run() {
      const beforeMs = clock.now() - keptMs;
      const more = await store.tx(async (tx) => {
        const old = await tx.all<CallbackRow>(sql`select ${callbacks.columns} from ${callbacks.name}
          where deadline_ms <= ${beforeMs} order by deadline_ms limit ${rowsMax}`);
        for (const { account, region, stack, callback } of old) {
          const which = sql`account = ${account} and region = ${region} and stack = ${stack} and callback = ${callback}`;
          await tx.run(sql`delete from ${callbackAnswers.name} where ${which}`);
          await tx.run(sql`delete from ${callbacks.name} where ${which}`);
        }
        return old.length === rowsMax;
      });
      return { more };
    },
  };
}
