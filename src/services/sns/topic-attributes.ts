/** Attributes of topics: what AWS takes for each, and what they mean. Source: API reference, CreateTopic and SetTopicAttributes. */
import type { PolicyDocument } from "../../kit/authorize.ts";
import { readPolicy } from "../../kit/policy-text.ts";
import { invalid, notYet } from "./faults.ts";
import { displayNameLengthMax } from "./limits.ts";
import { topicArn, type TopicRef } from "./names.ts";
import { readTopicPolicy } from "./retries.ts";
import type { Attributes, TopicRow } from "./tables.ts";

interface Rule {
  /** Throws, or not, for a value other than the empty text. */
  fits(value: string): boolean;
  /** Only FIFO topics have it. */
  fifo?: boolean;
  /** Is set when the topic is made, and never again. */
  fixed?: boolean;
}

const truth = (value: string) => value === "true" || value === "false";
const oneOf =
  (...values: readonly string[]) =>
  (value: string) =>
    values.includes(value);
const isSampleRate = (value: string) => /^\d{1,3}$/.test(value) && Number(value) <= 100;
const isRole = (value: string) => /^arn:aws[\w-]*:iam::\d{12}:role\/.+$/.test(value);

/** Protocols whose deliveries can be logged, as attributes name them. */
export const feedbackKinds = ["HTTP", "Lambda", "SQS", "Firehose", "Application"] as const;
export type FeedbackKind = (typeof feedbackKinds)[number];

const feedback: Readonly<Record<string, Rule>> = Object.fromEntries(
  feedbackKinds.flatMap((kind): [string, Rule][] => [
    [`${kind}SuccessFeedbackRoleArn`, { fits: isRole }],
    [`${kind}SuccessFeedbackSampleRate`, { fits: isSampleRate }],
    [`${kind}FailureFeedbackRoleArn`, { fits: isRole }],
  ]),
);

export const attributeRules: Readonly<Record<string, Rule>> = {
  DisplayName: { fits: (value) => value.length <= displayNameLengthMax },
  Policy: { fits: (value) => readPolicy(value) !== undefined },
  DeliveryPolicy: { fits: (value) => readTopicPolicy(value, invalid) !== undefined },
  KmsMasterKeyId: { fits: (value) => value.length <= 2_048 },
  SignatureVersion: { fits: oneOf("1", "2") },
  TracingConfig: { fits: oneOf("PassThrough", "Active") },
  FifoTopic: { fits: truth, fixed: true },
  ContentBasedDeduplication: { fits: truth, fifo: true },
  FifoThroughputScope: { fits: oneOf("Topic", "MessageGroup"), fifo: true },
  ArchivePolicy: { fits: () => true, fifo: true },
  ...feedback,
};

/** Throws AWS's words for the first attribute that a topic of this kind cannot have, or not so. */
export function checkAttributes(given: Attributes, isFifo: boolean): void {
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(attributeRules, name) ? attributeRules[name] : undefined;
    if (rule === undefined || (rule.fifo === true && !isFifo)) {
      throw invalid(rule === undefined ? "AttributeName" : name);
    }
    if (name === "ArchivePolicy" && value !== "" && value !== "{}") throw notYet("ArchivePolicy");
    if (value !== "" && !rule.fits(value)) throw invalid(`Attributes Reason: Invalid value for ${name}`);
  }
}

/** The attributes after a change; an emptied one is gone. */
export function changed(before: Attributes, given: Attributes): Attributes {
  return Object.fromEntries(Object.entries({ ...before, ...given }).filter(([, value]) => value !== ""));
}

/** What AWS gives a topic that has no policy of its own: its account may do everything. */
export function defaultPolicy(ref: TopicRef): PolicyDocument {
  return {
    Version: "2008-10-17",
    Id: "__default_policy_ID",
    Statement: [
      {
        Sid: "__default_statement_ID",
        Effect: "Allow",
        Principal: { AWS: "*" },
        Action: [
          "SNS:GetTopicAttributes",
          "SNS:SetTopicAttributes",
          "SNS:AddPermission",
          "SNS:RemovePermission",
          "SNS:DeleteTopic",
          "SNS:Subscribe",
          "SNS:ListSubscriptionsByTopic",
          "SNS:Publish",
        ],
        Resource: topicArn(ref),
        Condition: { StringEquals: { "AWS:SourceOwner": ref.account } },
      },
    ],
  };
}

export const policyOf = (ref: TopicRef, attributes: Attributes): PolicyDocument =>
  (attributes["Policy"] === undefined ? undefined : readPolicy(attributes["Policy"])) ?? defaultPolicy(ref);

/** What publishing needs of a topic's attributes, read once. */
export interface Settings {
  deduplicatesByContent: boolean;
  deduplicatesByGroup: boolean;
  signatureVersion: "1" | "2";
}

export function settingsOf(set: Attributes): Settings {
  return {
    deduplicatesByContent: set["ContentBasedDeduplication"] === "true",
    deduplicatesByGroup: set["FifoThroughputScope"] === "MessageGroup",
    signatureVersion: set["SignatureVersion"] === "2" ? "2" : "1",
  };
}

/** With what is there without being set, as GetTopicAttributes shows it. */
export function shownAttributes(row: TopicRow): Record<string, string> {
  const { attributes, policy, is_fifo: isFifo } = row;
  return {
    TopicArn: topicArn(row),
    Owner: row.account,
    DisplayName: "",
    ...(isFifo ? { ContentBasedDeduplication: "false", FifoThroughputScope: "Topic" } : {}),
    ...attributes,
    Policy: attributes["Policy"] ?? JSON.stringify(policy),
    ...(isFifo ? { FifoTopic: "true" } : {}),
  };
}
