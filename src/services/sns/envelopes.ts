/** What endpoints receive: the JSON document around a message, and Lambda's event. Source: developer guide, "Parsing Amazon SNS message formats". */
import type { Topic } from "./lookup.ts";
import { arnOf, topicArn } from "./names.ts";
import type { MessageAttributes } from "./message-attributes.ts";
import type { Parcel } from "./parcels.ts";
import type { Signing } from "./signing.ts";

export interface EnvelopeDeps {
  signing: Signing;
  /** `scheme://host` of the URLs in it. */
  baseUrl: string;
}

/** What there is to say of a message, before it has the form of a protocol. */
export interface Facts {
  Type: Parcel["type"];
  MessageId: string;
  SequenceNumber?: string;
  TopicArn: string;
  Subject?: string;
  Message: string;
  Timestamp: string;
  Token?: string;
  SubscribeURL?: string;
  SignatureVersion?: string;
  Signature?: string;
  SigningCertURL?: string;
  UnsubscribeURL?: string;
  MessageAttributes?: Readonly<Record<string, { Type: string; Value: string }>>;
}

/** Members whose values are signed, in this order. */
const signedMembers = {
  Notification: ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
  SubscriptionConfirmation: ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
  UnsubscribeConfirmation: ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
} as const;

export function textToSign(facts: Facts): string {
  return signedMembers[facts.Type]
    .filter((name) => facts[name] !== undefined)
    .map((name) => `${name}\n${facts[name]}\n`)
    .join("");
}

const shownAttributes = (attributes: MessageAttributes) =>
  Object.fromEntries(Object.entries(attributes).map(([name, { type, value }]) => [name, { Type: type, Value: value }]));

const query = (baseUrl: string, fields: Readonly<Record<string, string>>) =>
  `${baseUrl}/?${new URLSearchParams(fields).toString()}`;

export async function factsOf({ signing, baseUrl }: EnvelopeDeps, parcel: Parcel, topic: Topic): Promise<Facts> {
  const { type, message, token } = parcel;
  const { id, text, subject, atMs, attributes, sequence } = message;
  const arn = topicArn({ ...parcel, name: parcel.topic });
  const confirms = type !== "Notification";
  const SubscriptionArn = arnOf({ ...parcel, id: parcel.subscription });
  const facts: Facts = {
    Type: type,
    MessageId: id,
    ...(sequence === undefined ? {} : { SequenceNumber: sequence }),
    ...(confirms ? { Token: token ?? "" } : {}),
    TopicArn: arn,
    ...(subject === undefined ? {} : { Subject: subject }),
    Message: text,
    ...(confirms
      ? { SubscribeURL: query(baseUrl, { Action: "ConfirmSubscription", TopicArn: arn, Token: token ?? "" }) }
      : {}),
    Timestamp: new Date(atMs).toISOString(),
  };
  // Messages of FIFO topics are not signed.
  const signed = topic.row.is_fifo
    ? {}
    : {
        SignatureVersion: topic.settings.signatureVersion,
        Signature: await signing.sign(textToSign(facts), topic.settings.signatureVersion),
        SigningCertURL: `${baseUrl}${await signing.path()}`,
      };
  return {
    ...facts,
    ...signed,
    ...(confirms ? {} : { UnsubscribeURL: query(baseUrl, { Action: "Unsubscribe", SubscriptionArn }) }),
    ...(attributes === undefined ? {} : { MessageAttributes: shownAttributes(attributes) }),
  };
}

/** As AWS writes it: two spaces, and one on either side of the colons. */
export function documentOf(facts: Facts): string {
  return JSON.stringify(facts, undefined, 2).replace(/^( +"(?:[^"\\]|\\.)*"):/gm, "$1 :");
}

/** The event of a function. Source: Lambda guide, "Invoking Lambda functions with Amazon SNS notifications". */
export function lambdaEvent(facts: Facts, subscription: string): object {
  const { SigningCertURL, UnsubscribeURL, Subject = null, MessageAttributes = {}, Type, MessageId, TopicArn } = facts;
  return {
    Records: [
      {
        EventSource: "aws:sns",
        EventVersion: "1.0",
        EventSubscriptionArn: subscription,
        Sns: {
          Type,
          MessageId,
          TopicArn,
          Subject,
          Message: facts.Message,
          Timestamp: facts.Timestamp,
          SignatureVersion: facts.SignatureVersion,
          Signature: facts.Signature,
          SigningCertUrl: SigningCertURL,
          UnsubscribeUrl: UnsubscribeURL,
          MessageAttributes,
        },
      },
    ],
  };
}
