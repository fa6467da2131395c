/** Attributes of subscriptions: what AWS takes for each. Source: API reference, Subscribe and SetSubscriptionAttributes. */
import { parseArn } from "../../base/arn.ts";
import type { Fault } from "../../base/errors.ts";
import { notYet } from "./faults.ts";
import { readFilter, scopes, type Scope } from "./filter.ts";
import type { ProtocolName } from "./protocols.ts";
import { readSubscriptionPolicy } from "./retries.ts";
import type { Attributes } from "./tables.ts";

type Refuse = (what: string) => Fault;

export const attributeNames = [
  "DeliveryPolicy",
  "FilterPolicy",
  "FilterPolicyScope",
  "RawMessageDelivery",
  "RedrivePolicy",
  "ReplayPolicy",
  "SubscriptionRoleArn",
] as const;
type Name = (typeof attributeNames)[number];

const rawProtocols: readonly ProtocolName[] = ["sqs", "http", "https"];

/** The dead-letter queue of a RedrivePolicy; undefined for what is none. */
export function deadLetterArn(text: string): string | undefined {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
  if (typeof policy !== "object" || policy === null || !("deadLetterTargetArn" in policy)) return undefined;
  return typeof policy.deadLetterTargetArn === "string" ? policy.deadLetterTargetArn : undefined;
}

export interface Subject {
  protocol: ProtocolName;
  /** Of its topic. */
  isFifo: boolean;
  account: string;
  region: string;
}

const checks: Readonly<Record<Name, (value: string, subject: Subject, refuse: Refuse) => void>> = {
  DeliveryPolicy: (value, _subject, refuse) => void readSubscriptionPolicy(value, refuse),
  FilterPolicy() {
    // With its scope, below.
  },
  FilterPolicyScope(value, _subject, refuse) {
    if (scopes.some((scope) => scope === value)) return;
    throw refuse(`FilterPolicyScope: Invalid value [${value}]. Please use either MessageBody or MessageAttributes`);
  },
  RawMessageDelivery(value, { protocol }, refuse) {
    if (value !== "true" && value !== "false") {
      throw refuse(`RawMessageDelivery: Invalid value [${value}]. Must be true or false.`);
    }
    if (value === "true" && !rawProtocols.includes(protocol)) {
      throw refuse(`RawMessageDelivery: Delivery protocol [${protocol}] does not support raw message delivery.`);
    }
  },
  RedrivePolicy(value, { account, region, isFifo }, refuse) {
    const text = deadLetterArn(value);
    if (text === undefined) throw refuse("RedrivePolicy: must be a JSON object with deadLetterTargetArn");
    const arn = parseArn(text);
    if (arn?.service !== "sqs") throw refuse("RedrivePolicy: deadLetterTargetArn is an invalid arn");
    if (arn.account !== account || arn.region !== region) {
      throw refuse("RedrivePolicy: Dead-letter queue must be in same account and region as the subscription");
    }
    if (isFifo && !arn.resource.endsWith(".fifo")) {
      throw refuse("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic");
    }
  },
  ReplayPolicy() {
    throw notYet("ReplayPolicy");
  },
  SubscriptionRoleArn(value, _subject, refuse) {
    if (!/^arn:aws[\w-]*:iam::\d{12}:role\/.+$/.test(value)) throw refuse("SubscriptionRoleArn: is an invalid arn");
  },
};

/** A policy of its own is none without a key. */
const emptied = (value: string) => value === "" || value.trim() === "{}";

/** The attributes after a change. Throws what `refuse` makes of AWS's words for the first that cannot be so. */
export function changed(before: Attributes, given: Attributes, subject: Subject, refuse: Refuse): Attributes {
  const after: Record<string, string> = { ...before };
  for (const [name, value] of Object.entries(given)) {
    const known = attributeNames.find((one) => one === name);
    if (known === undefined) throw refuse("AttributeName");
    if (emptied(value)) {
      delete after[known];
      continue;
    }
    checks[known](value, subject, refuse);
    after[known] = value;
  }
  const scope: Scope = after["FilterPolicyScope"] === "MessageBody" ? "MessageBody" : "MessageAttributes";
  if (after["FilterPolicy"] !== undefined) {
    readFilter(after["FilterPolicy"], scope, refuse);
    after["FilterPolicyScope"] = scope;
  } else delete after["FilterPolicyScope"];
  return after;
}
