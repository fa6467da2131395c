/** AWS::Events::Rule: a rule with its targets. */
import type { Call } from "../../kit/call.ts";
import { asProperties, type JsonObject, type Resource, type ResourceRequest } from "../../kit/resource.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import type { EventsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { busRef, defaultBus, ruleArn } from "./names.ts";
import { readSubscriber } from "./rulebooks.ts";
import { findRule, removeRule, writeRule, type RuleChange } from "./rules.ts";
import { checkTarget } from "./target-kinds.ts";
import { deleteTargets, writeTargets } from "./targets.ts";
import { isRule, ofRule, rules, targets, type RuleRef, type RuleRow } from "./tables.ts";
import { documentText, readInput, tagsIn } from "./template-input.ts";

const nameLengthMax = 64;

/** `Ref` of a rule of another bus than the default one names both. */
const stateOf = (row: RuleRef) => ({
  physicalId: row.bus === defaultBus ? row.name : `${row.bus}|${row.name}`,
  attributes: { Arn: ruleArn(row) },
});

function refIn(physicalId: string, { account, region }: Call): RuleRef {
  const [first = "", second] = physicalId.split("|");
  return second === undefined
    ? { account, region, bus: defaultBus, name: first }
    : { account, region, bus: first, name: second };
}

function wantedOf(properties: JsonObject, name: string, token: string, tags: Readonly<Record<string, string>>) {
  const { EventPattern, Targets, Tags: _, ...rest } = properties;
  const rule = readInput("PutRule", { ...rest, Name: name, EventPattern: documentText(EventPattern) });
  const list = Array.isArray(Targets) ? Targets : [];
  const given = list.length === 0 ? [] : readInput("PutTargets", { Rule: name, Targets: list }).Targets;
  for (const target of given) checkTarget(target);
  const change: RuleChange = {
    name,
    bus: rule.EventBusName,
    pattern: rule.EventPattern,
    schedule: rule.ScheduleExpression,
    state: rule.State,
    description: rule.Description,
    roleArn: rule.RoleArn,
    tags: tagsIn(properties, tags),
    token,
  };
  return { change, targets: given };
}

type Wanted = ReturnType<typeof wantedOf>;

export function ruleResource({ store, clock }: EventsDeps): Resource {
  const idsOf = (tx: Tx, row: RuleRow) =>
    tx.all<{ id: string }>(sql`select id from ${targets.name} where ${ofRule(row)}`);

  /** The rule and its targets as they are wanted, in one step. */
  const put = (wanted: Wanted, call: Call, now: number) => async (tx: Tx) => {
    const row = await writeRule(tx, wanted.change, call, now);
    const tags = { ...wanted.change.tags };
    await tx.run(sql`update ${rules.name} set ${assign(rules, { tags })} where ${isRule(row)}`);
    const kept = new Set(wanted.targets.map(({ Id }) => Id));
    const gone = (await idsOf(tx, row)).map(({ id }) => id).filter((id) => !kept.has(id));
    if (gone.length > 0) await deleteTargets(tx, row, gone);
    if (wanted.targets.length > 0) await writeTargets(tx, row, wanted.targets);
    return stateOf(row);
  };
  const nameIn = ({ physicalName }: Pick<ResourceRequest, "physicalName">) => physicalName;

  return {
    type: "AWS::Events::Rule",
    properties: [
      "Description",
      "EventBusName",
      "EventPattern",
      "Name",
      "RoleArn",
      "ScheduleExpression",
      "State",
      "Tags",
      "Targets",
    ],
    required: [],
    attributes: ["Arn"],
    name: { property: "Name", lengthMax: nameLengthMax },
    replaceOn: ["EventBusName"],
    async create(request, call) {
      const { properties, token, tags } = request;
      const wanted = wantedOf(properties, nameIn(request), token, tags);
      const now = clock.now();
      return store.tx(async (tx) => {
        const found = await findRule(tx, { ...busRef(wanted.change.bus, call), name: wanted.change.name });
        if (found !== undefined && found.token !== token) {
          throw fault("ResourceAlreadyExistsException", `Rule ${wanted.change.name} already exists.`);
        }
        return put(wanted, call, now)(tx);
      });
    },
    async update({ physicalId, properties, token, tags }, call) {
      const wanted = wantedOf(properties, refIn(physicalId, call).name, token, tags);
      return store.tx(put(wanted, call, clock.now()));
    },
    async read({ physicalId }, call) {
      const ref = refIn(physicalId, call);
      const found = await store.read((tx) => readSubscriber(tx, ref, ref.name));
      if (found === undefined) return undefined;
      const { rule, targets: theirs } = found;
      return asProperties({
        Name: rule.name,
        EventBusName: rule.bus,
        EventPattern: rule.pattern === null ? undefined : (JSON.parse(rule.pattern) as unknown),
        ScheduleExpression: rule.schedule ?? undefined,
        State: rule.state,
        Description: rule.description ?? undefined,
        RoleArn: rule.role_arn ?? undefined,
        Targets: theirs,
      });
    },
    comparison: { EventPattern: "exact", Tags: "unread" },
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const row = await findRule(tx, refIn(physicalId, call));
        if (row === undefined) return;
        const ids = (await idsOf(tx, row)).map(({ id }) => id);
        await deleteTargets(tx, row, ids);
        await removeRule(tx, row);
      });
    },
  };
}
