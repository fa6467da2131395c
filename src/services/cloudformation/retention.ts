/** Forgets deleted stacks 90 days after. Source: API reference, DeleteStack and ListStacks. */
import type { Job } from "../../base/scheduler.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { callbackAnswers, callbacks } from "./callback-tables.ts";
import { resourceDrifts, stackDrifts } from "./drift-tables.ts";
import {
  changeSets,
  formerResources,
  ofStack,
  stackEvents,
  stackResources,
  stacks,
  templates,
  type StackKey,
} from "./tables.ts";

const everyMs = 3600_000;
/** Rows that go in one transaction. */
const rowsMax = 500;

export function retentionJob({ store, clock }: Pick<Deps, "store" | "clock">): Job {
  return {
    name: "cloudformation:retention",
    everyMs,
    async run() {
      const now = clock.now();
      const more = await store.tx(async (tx) => {
        const old = await tx.one<StackKey>(
          sql`select account, region, stack from ${stacks.name} where purge_ms <= ${now} order by purge_ms limit 1`,
        );
        if (old === undefined) return false;
        const events = await tx.run(sql`delete from ${stackEvents.name} where ${ofStack(old)} and number in
          (select number from ${stackEvents.name} where ${ofStack(old)} order by number limit ${rowsMax})`);
        if (events === rowsMax) return true;
        await tx.run(sql`delete from ${stackResources.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${callbackAnswers.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${callbacks.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${formerResources.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${resourceDrifts.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${stackDrifts.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${changeSets.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${templates.name} where ${ofStack(old)}`);
        await tx.run(sql`delete from ${stacks.name} where ${ofStack(old)}`);
        return true;
      });
      return { more };
    },
  };
}
