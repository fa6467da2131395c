/** Where subscriptions deliver to: what an endpoint of each protocol looks like. Source: API reference, Subscribe. */
import { parseArn } from "../../base/arn.ts";
import { invalid, notYet } from "./faults.ts";
import type { FeedbackKind } from "./topic-attributes.ts";

export const protocolNames = ["sqs", "lambda", "http", "https", "email", "email-json", "sms"] as const;
export type ProtocolName = (typeof protocolNames)[number];

/** Those that AWS has too. */
const others = ["application", "firehose"];

interface Protocol {
  /** Throws AWS's words for what is no endpoint. */
  check(endpoint: string): void;
  /** The account that owns an endpoint, where that can be told. */
  ownerOf(endpoint: string): string | undefined;
  /** Its owner must agree, where somebody else subscribes it. */
  confirms: "always" | "foreign" | "never";
  feedback?: FeedbackKind;
}

const refused = (why: string) => invalid(`Endpoint Reason: ${why}`);

const arnOf = (service: string, what: string): Pick<Protocol, "check" | "ownerOf"> => ({
  check(endpoint) {
    const arn = parseArn(endpoint);
    if (arn?.service !== service || !/^\d{12}$/.test(arn.account)) throw refused(`${what} endpoint ARN`);
  },
  ownerOf: (endpoint) => parseArn(endpoint)?.account,
});

const urlOf = (scheme: "http" | "https"): Protocol => ({
  check(endpoint) {
    const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
    if (!endpoint.startsWith(`${scheme}://`)) {
      throw invalid("Endpoint Reason: Endpoint must match the specified protocol");
    }
    if (url === undefined || url.hostname === "") throw refused("Please use a valid URL");
  },
  ownerOf: () => undefined,
  confirms: "always",
  feedback: "HTTP",
});

const email: Protocol = {
  check(endpoint) {
    if (!/^[^\s@]+@[^\s@]+$/.test(endpoint)) throw refused("Invalid email address");
  },
  ownerOf: () => undefined,
  confirms: "always",
};

export const phonePattern = /^\+?[0-9][0-9-]{3,18}$/;

export const protocols: Readonly<Record<ProtocolName, Protocol>> = {
  sqs: { ...arnOf("sqs", "SQS"), confirms: "foreign", feedback: "SQS" },
  lambda: { ...arnOf("lambda", "Lambda"), confirms: "never", feedback: "Lambda" },
  http: urlOf("http"),
  https: urlOf("https"),
  email,
  "email-json": email,
  sms: {
    check(endpoint) {
      if (!phonePattern.test(endpoint)) throw refused("Invalid SMS endpoint");
    },
    ownerOf: () => undefined,
    confirms: "never",
  },
};

/** Throws for what is no protocol, and refuses by name what Mikan does not deliver to. */
export function readProtocol(text: string): ProtocolName {
  const known = protocolNames.find((name) => name === text);
  if (known !== undefined) return known;
  if (others.includes(text)) throw notYet(`the protocol ${text}`);
  throw invalid(`Amazon SNS does not support this protocol string: ${text}`);
}

export const protocolOf = (row: { protocol: string }): ProtocolName => readProtocol(row.protocol);
