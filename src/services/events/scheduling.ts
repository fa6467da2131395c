/** Rules with a schedule: each run is an event for the rule's own targets, and for nobody else. */
import type { Job } from "../../base/scheduler.ts";
import { newTrace } from "../../telemetry/trace.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { EventsDeps } from "./deps.ts";
import { eventText } from "./envelope.ts";
import { intentsOf } from "./fan-out.ts";
import { scheduleBatch, schedulePollMs } from "./limits.ts";
import { ruleArn } from "./names.ts";
import { readSubscriber } from "./rulebooks.ts";
import { parseSchedule } from "./schedule.ts";
import { isRule, rules, type RuleRow } from "./tables.ts";

export function scheduleJob({ store, clock, ids, delivery }: EventsDeps): Job {
  /** Once, whoever else looks at it: the run and the next one's time are written together. */
  const run = async (seen: RuleRow) => {
    const now = clock.now();
    const dueMs = seen.due_ms ?? now;
    const id = ids.uuid();
    const trace = newTrace(ids, now);
    await store.tx(async (tx) => {
      const subscriber = await readSubscriber(tx, seen, seen.name);
      if (subscriber?.rule.due_ms !== seen.due_ms || seen.schedule === null) return;
      const { rule } = subscriber;
      const event = eventText({
        id,
        detailType: "Scheduled Event",
        source: "aws.events",
        account: rule.account,
        timeMs: dueMs,
        region: rule.region,
        resources: [ruleArn(rule)],
        detail: "{}",
      });
      for (const intent of intentsOf(subscriber, { id, event, ingestedMs: now }, trace)) {
        await delivery.enqueue(tx, intent);
      }
      // What was missed while no node ran is made up for once.
      const due = parseSchedule(seen.schedule).following(dueMs, now) ?? null;
      await tx.run(sql`update ${rules.name} set ${assign(rules, { due_ms: due })} where ${isRule(rule)}`);
    });
  };
  return {
    name: "events:schedules",
    everyMs: schedulePollMs,
    async run(signal) {
      const now = clock.now();
      const due = await store.read((tx) =>
        tx.all<RuleRow>(sql`select ${rules.columns} from ${rules.name} where due_ms <= ${now}
          order by due_ms, account, region, bus, name limit ${scheduleBatch}`),
      );
      for (const row of due) if (!signal.aborted) await run(row);
      return { more: due.length === scheduleBatch };
    },
  };
}
