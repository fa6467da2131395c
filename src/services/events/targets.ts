/** Targets of rules: put, removed, listed. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { upsert } from "../../store/tables.ts";
import type { EventsDeps } from "./deps.ts";
import { raiseEpoch } from "./epochs.ts";
import { badToken, invalid, tooMany } from "./faults.ts";
import { listMax, targetsPerRuleMax } from "./limits.ts";
import { openRule } from "./rules.ts";
import { checkTarget } from "./target-kinds.ts";
import { ofRule, targets as table, type RuleRow, type Target, type TargetRow } from "./tables.ts";

/** Writes targets in the caller's transaction; one with the id of another takes its place. */
export async function writeTargets(tx: Tx, rule: RuleRow, given: readonly Target[]): Promise<void> {
  const { account, region, bus, name } = rule;
  for (const target of given) {
    await tx.run(upsert(table, { account, region, bus, rule: name, id: target.Id, arn: target.Arn, target }));
  }
  const count = await tx.one<{ targets: number }>(
    sql`select count(*) as targets from ${table.name} where ${ofRule(rule)}`,
  );
  if ((count?.targets ?? 0) > targetsPerRuleMax) throw tooMany();
  await raiseEpoch(tx, rule, "rule", name);
}

/** Gives the ids that were none. */
export async function deleteTargets(tx: Tx, rule: RuleRow, ids: readonly string[]): Promise<string[]> {
  const absent: string[] = [];
  for (const id of new Set(ids)) {
    const gone = await tx.run(sql`delete from ${table.name} where ${ofRule(rule)} and id = ${id}`);
    if (gone === 0) absent.push(id);
  }
  await raiseEpoch(tx, rule, "rule", rule.name);
  return absent;
}

export function targetOperations({ store }: EventsDeps) {
  const change = <T>(
    rule: string,
    bus: string | undefined,
    operation: string,
    call: Call,
    body: (tx: Tx, row: RuleRow) => Promise<T>,
  ) => store.tx(async (tx) => body(tx, await openRule(tx, rule, bus, operation, call)));
  return {
    async PutTargets({ Rule, EventBusName, Targets }, call) {
      const ids = Targets.map(({ Id }) => Id);
      if (new Set(ids).size < ids.length) throw invalid("Target Ids must be unique within a request.");
      for (const target of Targets) checkTarget(target);
      await change(Rule, EventBusName, "PutTargets", call, (tx, row) => writeTargets(tx, row, Targets));
      return { FailedEntryCount: 0, FailedEntries: [] };
    },

    async RemoveTargets({ Rule, EventBusName, Ids }, call) {
      const absent = await change(Rule, EventBusName, "RemoveTargets", call, (tx, row) => deleteTargets(tx, row, Ids));
      return {
        FailedEntryCount: absent.length,
        FailedEntries: absent.map((TargetId) => ({
          TargetId,
          ErrorCode: "ResourceNotFoundException",
          ErrorMessage: `Target ${TargetId} does not exist on Rule ${Rule}.`,
        })),
      };
    },

    async ListTargetsByRule({ Rule, EventBusName, NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListTargetsByRule", filters: [Rule, EventBusName ?? ""], call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read(async (tx) => {
        const rule = await openRule(tx, Rule, EventBusName, "ListTargetsByRule", call);
        return tx.all<TargetRow>(sql`select ${table.columns} from ${table.name}
          where ${ofRule(rule)} and id > ${after} order by id limit ${Limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ id }) => [id]);
      return {
        Targets: page.map(({ target }) => target),
        ...(nextToken === undefined ? {} : { NextToken: nextToken }),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
