/** Attributes of queues: their defaults, and what AWS takes for each. Source: API reference, CreateQueue and SetQueueAttributes. */
import type { PolicyDocument } from "../../kit/authorize.ts";
import { readPolicy } from "../../kit/policy-text.ts";
import { fault } from "./faults.ts";
import {
  delaySecondsMax,
  keyReuseSecondsMax,
  keyReuseSecondsMin,
  maximumMessageSizeMin,
  messageBytesMax,
  retentionSecondsMax,
  retentionSecondsMin,
  visibilitySecondsMax,
  waitSecondsMax,
} from "./limits.ts";
import { readRedriveAllowPolicy, readRedrivePolicy } from "./redrive.ts";
import type { Attributes } from "./tables.ts";

interface Rule {
  /** Throws, or not, for a value other than the empty text. */
  fits(value: string): boolean;
  default?: string;
  /** Only FIFO queues have it. */
  fifo?: boolean;
  /** May be emptied, and is gone then. */
  removable?: boolean;
}

const whole = (min: number, max: number) => (value: string) =>
  /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max;
const truth = (value: string) => value === "true" || value === "false";
const oneOf =
  (...values: readonly string[]) =>
  (value: string) =>
    values.includes(value);
const reads =
  (read: (value: string) => unknown) =>
  (value: string): boolean =>
    read(value) !== undefined;

export const attributeRules: Readonly<Record<string, Rule>> = {
  DelaySeconds: { fits: whole(0, delaySecondsMax), default: "0" },
  MaximumMessageSize: { fits: whole(maximumMessageSizeMin, messageBytesMax), default: String(messageBytesMax) },
  MessageRetentionPeriod: { fits: whole(retentionSecondsMin, retentionSecondsMax), default: "345600" },
  ReceiveMessageWaitTimeSeconds: { fits: whole(0, waitSecondsMax), default: "0" },
  VisibilityTimeout: { fits: whole(0, visibilitySecondsMax), default: "30" },
  Policy: { fits: reads(readPolicy), removable: true },
  RedrivePolicy: { fits: reads(readRedrivePolicy), removable: true },
  RedriveAllowPolicy: { fits: reads(readRedriveAllowPolicy), removable: true },
  KmsMasterKeyId: { fits: (value) => value.length <= 2_048, removable: true },
  KmsDataKeyReusePeriodSeconds: { fits: whole(keyReuseSecondsMin, keyReuseSecondsMax) },
  SqsManagedSseEnabled: { fits: truth, default: "true" },
  FifoQueue: { fits: oneOf("true"), fifo: true },
  ContentBasedDeduplication: { fits: truth, default: "false", fifo: true },
  DeduplicationScope: { fits: oneOf("queue", "messageGroup"), default: "queue", fifo: true },
  FifoThroughputLimit: { fits: oneOf("perQueue", "perMessageGroupId"), default: "perQueue", fifo: true },
};

/** What GetQueueAttributes shows and nobody sets. */
export const shownOnly = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesDelayed",
  "ApproximateNumberOfMessagesNotVisible",
  "CreatedTimestamp",
  "LastModifiedTimestamp",
  "QueueArn",
];

export const unknownAttribute = (name: string) => fault("InvalidAttributeName", `Unknown Attribute ${name}.`);
export const invalidAttribute = (name: string, options?: ErrorOptions) =>
  fault("InvalidAttributeValue", `Invalid value for the parameter ${name}.`, {}, options);

/** Throws AWS's words for the first attribute that a queue of this kind cannot have, or not so. */
export function checkAttributes(given: Attributes, isFifo: boolean): void {
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(attributeRules, name) ? attributeRules[name] : undefined;
    if (rule === undefined || (rule.fifo === true && !isFifo)) throw unknownAttribute(name);
    if (value === "" && rule.removable === true) continue;
    if (!rule.fits(value)) throw invalidAttribute(name);
  }
  if (given["SqsManagedSseEnabled"] === "true" && (given["KmsMasterKeyId"] ?? "") !== "") {
    throw fault("InvalidAttributeValue", "You can use one type of server-side encryption (SSE) at one time.");
  }
}

function checkThroughput(attributes: Attributes): void {
  const isPerGroup = attributes["FifoThroughputLimit"] === "perMessageGroupId";
  if (!isPerGroup || attributes["DeduplicationScope"] === "messageGroup") return;
  throw fault(
    "InvalidAttributeValue",
    "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
  );
}

/** The attributes after a change: an emptied one is gone, and the two kinds of encryption exclude each other. */
export function changed(before: Attributes, given: Attributes): Attributes {
  const after: Record<string, string> = { ...before, ...given };
  for (const [name, rule] of Object.entries(attributeRules)) {
    if (rule.removable === true && after[name] === "") delete after[name];
  }
  if ((given["KmsMasterKeyId"] ?? "") !== "") after["SqsManagedSseEnabled"] = "false";
  if (given["SqsManagedSseEnabled"] === "true") delete after["KmsMasterKeyId"];
  checkThroughput(after);
  return after;
}

/** With the defaults, as GetQueueAttributes shows them. */
export function withDefaults(set: Attributes, isFifo: boolean): Attributes {
  const shown: Record<string, string> = {};
  for (const [name, rule] of Object.entries(attributeRules)) {
    if (rule.fifo === true && !isFifo) continue;
    const value = set[name] ?? rule.default;
    if (value !== undefined) shown[name] = value;
  }
  if (set["KmsMasterKeyId"] !== undefined) shown["KmsDataKeyReusePeriodSeconds"] ??= "300";
  return shown;
}

/** What the hot paths need of a queue's attributes, read once. */
export interface Settings {
  delayMs: number;
  messageBytesMax: number;
  retentionMs: number;
  waitMs: number;
  visibilityMs: number;
  deduplicatesByContent: boolean;
  deduplicatesByGroup: boolean;
  deadLetter: { arn: string; receivesMax: number } | undefined;
}

export function settingsOf(set: Attributes): Settings {
  const seconds = (name: string) => Number(set[name] ?? attributeRules[name]?.default) * 1_000;
  const redrive = set["RedrivePolicy"];
  return {
    delayMs: seconds("DelaySeconds"),
    messageBytesMax: Number(set["MaximumMessageSize"] ?? messageBytesMax),
    retentionMs: seconds("MessageRetentionPeriod"),
    waitMs: seconds("ReceiveMessageWaitTimeSeconds"),
    visibilityMs: seconds("VisibilityTimeout"),
    deduplicatesByContent: set["ContentBasedDeduplication"] === "true",
    deduplicatesByGroup: set["DeduplicationScope"] === "messageGroup",
    deadLetter: redrive === undefined ? undefined : readRedrivePolicy(redrive),
  };
}

export const policyOf = (set: Attributes): PolicyDocument | undefined =>
  set["Policy"] === undefined ? undefined : readPolicy(set["Policy"]);
