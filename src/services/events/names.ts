/** How buses, rules and the rest are named: by name and by ARN. */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { BusRef, Place, RuleRef } from "./tables.ts";

export const defaultBus = "default";

const arnIn = ({ account, region }: Place, resource: string) =>
  formatArn({ service: "events", region, account, resource });

export const busArn = (ref: BusRef) => arnIn(ref, `event-bus/${ref.bus}`);

/** Rules of the default bus do not name it. */
export const ruleArn = (ref: RuleRef) =>
  arnIn(ref, ref.bus === defaultBus ? `rule/${ref.name}` : `rule/${ref.bus}/${ref.name}`);

const busPrefix = "event-bus/";

/** The bus of a name or an ARN, of any account and region; the default one where none is named. */
export function busRef(text: string | undefined, { account, region }: Pick<Call, "account" | "region">): BusRef {
  if (text === undefined) return { account, region, bus: defaultBus };
  return busOfArn(text) ?? { account, region, bus: text };
}

/** Undefined for what is no bus's ARN. */
export function busOfArn(text: string): BusRef | undefined {
  const arn = parseArn(text);
  if (arn?.service !== "events" || !arn.resource.startsWith(busPrefix)) return undefined;
  return { account: arn.account, region: arn.region, bus: arn.resource.slice(busPrefix.length) };
}

/** The rule of an ARN: what lies before the last slash is its bus. */
export function ruleOfArn(text: string): RuleRef | undefined {
  const arn = parseArn(text);
  const [, bus = defaultBus, name] = /^rule\/(?:(.+)\/)?([^/]+)$/.exec(arn?.resource ?? "") ?? [];
  if (arn?.service !== "events" || name === undefined) return undefined;
  return { account: arn.account, region: arn.region, bus, name };
}
