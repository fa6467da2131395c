/** Rules: put, described, listed, enabled, disabled, deleted. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { assign, upsert } from "../../store/tables.ts";
import { admit } from "./access.ts";
import { findBus, refOf } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { raiseEpoch } from "./epochs.ts";
import { badToken, invalid, noBus, noRule, tooMany } from "./faults.ts";
import { listMax, rulesPerBusMax } from "./limits.ts";
import { busRef, defaultBus, ruleArn } from "./names.ts";
import { checkPattern } from "./patterns.ts";
import { parseSchedule } from "./schedule.ts";
import { isRule, ofBus, ofRule, rules, targets, type BusRef, type RuleRef, type RuleRow } from "./tables.ts";
import { tagsOf } from "./tags.ts";

export async function findRule(tx: ReadTx, ref: RuleRef): Promise<RuleRow | undefined> {
  return tx.one<RuleRow>(sql`select ${rules.columns} from ${rules.name} where ${isRule(ref)}`);
}

/** The rule of a bus that the caller may do `operation` with. */
export async function openRule(
  tx: ReadTx,
  name: string,
  bus: string | undefined,
  operation: string,
  call: Call,
): Promise<RuleRow> {
  const ref = { ...(await openBusOf(tx, bus, operation, call, name)), name };
  const row = await findRule(tx, ref);
  if (row === undefined) throw noRule(ref);
  return row;
}

async function openBusOf(
  tx: ReadTx,
  bus: string | undefined,
  operation: string,
  call: Call,
  rule?: string,
): Promise<BusRef> {
  const ref = busRef(bus, call);
  const row = await findBus(tx, ref);
  if (row === undefined) throw noBus(ref.bus);
  admit(row, operation, call, rule === undefined ? undefined : ruleArn({ ...ref, name: rule }));
  return refOf(row);
}

export interface RuleChange {
  name: string;
  bus?: string | undefined;
  pattern?: string | undefined;
  schedule?: string | undefined;
  state?: string | undefined;
  description?: string | undefined;
  roleArn?: string | undefined;
  /** Of a new rule; one that is there keeps its own. */
  tags: Readonly<Record<string, string>>;
  token: string | null;
}

function checkRule({ pattern, schedule, bus }: RuleChange, ref: BusRef): void {
  if (!pattern && !schedule) throw invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.");
  if (pattern) checkPattern(pattern);
  if (!schedule) return;
  if (bus !== undefined && ref.bus !== defaultBus) {
    throw invalid("ScheduleExpression is supported only on the default event bus.");
  }
  parseSchedule(schedule);
}

/** When it runs next: a schedule that did not change keeps its beat. */
function dueOf(row: Pick<RuleRow, "schedule" | "state">, former: RuleRow | undefined, now: number): number | null {
  if (row.schedule === null || row.state === "DISABLED") return null;
  if (former?.schedule === row.schedule && former.due_ms !== null) return former.due_ms;
  return parseSchedule(row.schedule).first(now) ?? null;
}

/** Writes a rule as it is asked for, in the caller's transaction. What is not named is no more. */
export async function writeRule(tx: Tx, change: RuleChange, call: Call, now: number): Promise<RuleRow> {
  checkRule(change, busRef(change.bus, call));
  const bus = await openBusOf(tx, change.bus, "PutRule", call, change.name);
  const ref = { ...bus, name: change.name };
  const former = await findRule(tx, ref);
  if (former === undefined) {
    const count = await tx.one<{ rules: number }>(sql`select count(*) as rules from ${rules.name} where ${ofBus(bus)}`);
    if ((count?.rules ?? 0) >= rulesPerBusMax) throw tooMany();
  }
  const fields = {
    pattern: change.pattern || null,
    schedule: change.schedule || null,
    state: change.state ?? "ENABLED",
    description: change.description ?? null,
    role_arn: change.roleArn ?? null,
  };
  const row: RuleRow = {
    ...ref,
    ...fields,
    created_by: former?.created_by ?? call.account,
    tags: former?.tags ?? { ...change.tags },
    due_ms: dueOf(fields, former, now),
    token: former?.token ?? change.token,
  };
  await tx.run(upsert(rules, row));
  await raiseEpoch(tx, bus, "rule", row.name);
  return row;
}

/** Throws where it has targets still. */
export async function removeRule(tx: Tx, ref: RuleRef): Promise<void> {
  const target = await tx.one(sql`select id from ${targets.name} where ${ofRule(ref)} limit 1`);
  if (target !== undefined) throw invalid("Rule can't be deleted since it has targets.");
  await tx.run(sql`delete from ${rules.name} where ${isRule(ref)}`);
  await raiseEpoch(tx, ref, "rule", ref.name);
}

type State = "ENABLED" | "DISABLED" | "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

const listed = (row: RuleRow) => ({
  Name: row.name,
  Arn: ruleArn(row),
  ...(row.pattern === null ? {} : { EventPattern: row.pattern }),
  ...(row.schedule === null ? {} : { ScheduleExpression: row.schedule }),
  // Only what the SDK's own type names is ever written.
  State: row.state as State,
  ...(row.description === null ? {} : { Description: row.description }),
  ...(row.role_arn === null ? {} : { RoleArn: row.role_arn }),
  EventBusName: row.bus,
});

export function ruleOperations({ store, clock }: EventsDeps) {
  const setState = async (name: string, bus: string | undefined, state: State, operation: string, call: Call) => {
    const now = clock.now();
    await store.tx(async (tx) => {
      const row = await openRule(tx, name, bus, operation, call);
      if (row.state === state) return;
      const due = dueOf({ schedule: row.schedule, state }, row, now);
      await tx.run(sql`update ${rules.name} set ${assign(rules, { state, due_ms: due })} where ${isRule(row)}`);
      await raiseEpoch(tx, row, "rule", row.name);
    });
    return {};
  };
  return {
    async PutRule(input, call) {
      const change: RuleChange = {
        name: input.Name,
        bus: input.EventBusName,
        pattern: input.EventPattern,
        schedule: input.ScheduleExpression,
        state: input.State,
        description: input.Description,
        roleArn: input.RoleArn,
        tags: tagsOf(input.Tags),
        token: null,
      };
      const now = clock.now();
      const row = await store.tx((tx) => writeRule(tx, change, call, now));
      return { RuleArn: ruleArn(row) };
    },

    async DescribeRule({ Name, EventBusName }, call) {
      const row = await store.read((tx) => openRule(tx, Name, EventBusName, "DescribeRule", call));
      return { ...listed(row), CreatedBy: row.created_by };
    },

    async ListRules({ NamePrefix = "", EventBusName, NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListRules", filters: [NamePrefix, EventBusName ?? ""], call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read(async (tx) => {
        const bus = await openBusOf(tx, EventBusName, "ListRules", call);
        return tx.all<RuleRow>(sql`select ${rules.columns} from ${rules.name} where ${ofBus(bus)}
          and ${beginsWith("name", NamePrefix)} and name > ${after} order by name limit ${Limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
      return { Rules: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async ListRuleNamesByTarget({ TargetArn, EventBusName, NextToken, Limit = listMax }, call) {
      const listing = { operation: "events:ListRuleNamesByTarget", filters: [TargetArn, EventBusName ?? ""], call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const rows = await store.read(async (tx) => {
        const bus = await openBusOf(tx, EventBusName, "ListRuleNamesByTarget", call);
        return tx.all<{ rule: string }>(sql`select distinct rule from ${targets.name}
          where ${ofBus(bus)} and arn = ${TargetArn} and rule > ${after} order by rule limit ${Limit + 1}`);
      });
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ rule }) => [rule]);
      return { RuleNames: page.map(({ rule }) => rule), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    EnableRule: ({ Name, EventBusName }, call) => setState(Name, EventBusName, "ENABLED", "EnableRule", call),

    DisableRule: ({ Name, EventBusName }, call) => setState(Name, EventBusName, "DISABLED", "DisableRule", call),

    async DeleteRule({ Name, EventBusName }, call) {
      await store.tx(async (tx) => {
        const bus = await openBusOf(tx, EventBusName, "DeleteRule", call, Name);
        const row = await findRule(tx, { ...bus, name: Name });
        // A rule that is not there is as good as deleted.
        if (row !== undefined) await removeRule(tx, row);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
