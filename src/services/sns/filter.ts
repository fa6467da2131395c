/** Filter policies: which messages a subscription is for. Source: developer guide, "Amazon SNS message filtering". */
import { parsePattern, PatternError, type EventPattern } from "../../kit/event-pattern/pattern.ts";
import { createMatcher, type Matcher } from "../../kit/event-pattern/matcher.ts";
import { Bug, type Fault } from "../../base/errors.ts";
import { filterBytesMax, filterCombinationsMax, filterKeysMax } from "./limits.ts";
import {
  arrayType,
  elementsOf,
  isBinary,
  type MessageAttribute,
  type MessageAttributes,
} from "./message-attributes.ts";
import { textFor, type Message } from "./messages.ts";
import type { SubscriptionRow } from "./tables.ts";

export type Scope = "MessageAttributes" | "MessageBody";
export const scopes: readonly Scope[] = ["MessageAttributes", "MessageBody"];

type Refuse = (what: string) => Fault;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Values of all keys multiplied, those that lie deeper by their depth too; alternatives of an `$or` are added.
 * Source: developer guide, "Filter policy constraints".
 */
function combinations(policy: Readonly<Record<string, unknown>>, depth: number): number {
  let product = 1;
  for (const [key, value] of Object.entries(policy)) {
    if (key === "$or" && Array.isArray(value)) {
      product *= value.reduce((sum: number, one: unknown) => sum + (isObject(one) ? combinations(one, depth) : 1), 0);
    } else if (Array.isArray(value)) product *= value.length * depth;
    else if (isObject(value)) product *= combinations(value, depth + 1);
  }
  return product;
}

/** The pattern of a filter policy. Throws what `refuse` makes of AWS's words for one that is none. */
export function readFilter(text: string, scope: Scope, refuse: Refuse): EventPattern {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw refuse("FilterPolicy: failed to parse JSON.");
  }
  if (!isObject(policy)) throw refuse("FilterPolicy: Filter policy must be a JSON object");
  if (Buffer.byteLength(text) > filterBytesMax) throw refuse("FilterPolicy: Filter policy is too large");
  if (Object.keys(policy).length > filterKeysMax) {
    throw refuse(`FilterPolicy: Filter policy can not have more than ${filterKeysMax} keys`);
  }
  if (scope === "MessageAttributes" && Object.values(policy).some(isObject)) {
    throw refuse("Filter policy scope MessageAttributes does not support nested filter policy");
  }
  if (combinations(policy, 1) > filterCombinationsMax) throw refuse("FilterPolicy: Filter policy is too complex");
  try {
    return parsePattern(text, { charsMax: filterBytesMax });
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw refuse(`FilterPolicy: ${error.message}`);
  }
}

function valueOf({ type, value }: MessageAttribute): unknown {
  if (type === arrayType) return elementsOf(value);
  return type.startsWith("Number") ? Number(value) : value;
}

/** What a filter policy of attributes sees. Binary values are not there for it. */
function attributeEvent(attributes: MessageAttributes = {}): object {
  const seen = Object.entries(attributes).filter(([, { type }]) => !isBinary(type));
  return Object.fromEntries(seen.map(([name, attribute]) => [name, valueOf(attribute)]));
}

/** What a filter policy of the body sees: nothing where it is no object. */
function bodyEvent(text: string): object | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) ? body : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Who of some subscriptions a message is for: found at once, however many filter policies there are. */
export interface Audience {
  of(message: Message): readonly SubscriptionRow[];
}

/** A stored policy was checked when it was set. */
const broken: Refuse = (what) => {
  throw new Bug(what);
};

export function audienceOf(rows: readonly SubscriptionRow[]): Audience {
  const everything: SubscriptionRow[] = [];
  const byAttributes = createMatcher<SubscriptionRow>();
  const byBody = new Map<string, Matcher<SubscriptionRow>>();
  for (const row of rows) {
    const policy = row.attributes["FilterPolicy"];
    if (policy === undefined || policy === "{}") {
      everything.push(row);
      continue;
    }
    const scope = row.attributes["FilterPolicyScope"] === "MessageBody" ? "MessageBody" : "MessageAttributes";
    const pattern = readFilter(policy, scope, broken);
    if (scope === "MessageAttributes") byAttributes.add(pattern, row);
    else {
      // The body may be another for each protocol.
      const matcher = byBody.get(row.protocol) ?? createMatcher<SubscriptionRow>();
      matcher.add(pattern, row);
      byBody.set(row.protocol, matcher);
    }
  }
  return {
    of(message) {
      const found = [...everything];
      if (byAttributes.size > 0) found.push(...byAttributes.match(attributeEvent(message.attributes)));
      for (const [protocol, matcher] of byBody) {
        const event = bodyEvent(textFor(message, protocol));
        if (event !== undefined) found.push(...matcher.match(event));
      }
      return found;
    },
  };
}
