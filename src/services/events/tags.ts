/** Tags of buses and rules. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, upsert } from "../../store/tables.ts";
import { findBus } from "./bus-rows.ts";
import type { EventsDeps } from "./deps.ts";
import { fault, invalid, noBus, noRule } from "./faults.ts";
import { tagsMax } from "./limits.ts";
import { busOfArn, ruleOfArn } from "./names.ts";
import { buses, isRule, rules, type BusRow, type RuleRow } from "./tables.ts";

export type Tags = Record<string, string>;
interface Tag {
  Key: string;
  Value: string;
}

export function tagsOf(list: readonly Tag[] | undefined): Tags {
  const tags = Object.fromEntries((list ?? []).map(({ Key, Value }) => [Key, Value]));
  return checked(tags);
}

function checked(tags: Tags): Tags {
  if (Object.keys(tags).length > tagsMax) {
    throw fault("LimitExceededException", `A resource can have at most ${tagsMax} tags.`);
  }
  return tags;
}

const absent = (arn: string) => invalid(`Parameter ResourceARN is not valid. Reason: ${arn} is no event bus or rule.`);

/** What has tags, by its ARN: one of the two. */
async function tagged(tx: ReadTx, arn: string, { account, region }: Call): Promise<{ bus?: BusRow; rule?: RuleRow }> {
  const ofRule = ruleOfArn(arn);
  const ref = ofRule ?? busOfArn(arn);
  if (ref === undefined || ref.account !== account || ref.region !== region) throw absent(arn);
  if (ofRule === undefined) {
    const bus = await findBus(tx, ref);
    if (bus === undefined) throw noBus(ref.bus);
    return { bus };
  }
  const rule = await tx.one<RuleRow>(sql`select ${rules.columns} from ${rules.name} where ${isRule(ofRule)}`);
  if (rule === undefined) throw noRule(ofRule);
  return { rule };
}

export function tagOperations({ store }: EventsDeps) {
  const change = async (arn: string, call: Call, make: (tags: Tags) => Tags) => {
    await store.tx(async (tx) => {
      const { bus, rule } = await tagged(tx, arn, call);
      if (bus !== undefined) await tx.run(upsert(buses, { ...bus, tags: checked(make(bus.tags)) }));
      if (rule === undefined) return;
      const tags = checked(make(rule.tags));
      await tx.run(sql`update ${rules.name} set ${assign(rules, { tags })} where ${isRule(rule)}`);
    });
    return {};
  };
  return {
    TagResource: (input, call) => change(input.ResourceARN, call, (tags) => ({ ...tags, ...tagsOf(input.Tags) })),

    UntagResource: (input, call) =>
      change(input.ResourceARN, call, (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !input.TagKeys.includes(key))),
      ),

    async ListTagsForResource(input, call) {
      const { bus, rule } = await store.read((tx) => tagged(tx, input.ResourceARN, call));
      const tags = Object.entries(bus?.tags ?? rule?.tags ?? {});
      return { Tags: tags.map(([Key, Value]) => ({ Key, Value })) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
