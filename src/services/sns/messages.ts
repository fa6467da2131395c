/** Messages on their way in: what AWS takes, and what of it goes to which protocol. Source: API reference, Publish. */
import { createHash, hash } from "node:crypto";
import type { InputOf, Received } from "../../kit/handlers.ts";
import { invalid } from "./faults.ts";
import { idLengthMax, messageBytesMax, subjectLengthMax } from "./limits.ts";
import { attributeBytes, takeAttributes, type MessageAttributes } from "./message-attributes.ts";

/** The members that Publish has in common with an entry of a batch. */
export type Entry = Pick<
  Received<InputOf<typeof import("@aws-sdk/client-sns"), "Publish">>,
  "Message" | "Subject" | "MessageStructure" | "MessageAttributes" | "MessageDeduplicationId" | "MessageGroupId"
>;

/** A message that was published. */
export interface Message {
  id: string;
  atMs: number;
  text: string;
  /** Texts of their own for some protocols, where the publisher gave them. */
  texts?: Readonly<Record<string, string>>;
  subject?: string;
  attributes?: MessageAttributes;
  groupId?: string;
  deduplicationId?: string;
  /** 20 digits, of a FIFO topic. */
  sequence?: string;
}

/** Of a topic, as far as its messages are concerned. */
export interface Kind {
  isFifo: boolean;
  deduplicatesByContent: boolean;
}

const idPattern = /^[!-~]+$/;

export const textFor = ({ text, texts = {} }: Pick<Message, "text" | "texts">, protocol: string): string =>
  (Object.hasOwn(texts, protocol) ? texts[protocol] : undefined) ?? text;

function checkSubject(subject: string | undefined): void {
  if (subject === undefined) return;
  // "Must be UTF-8 text with no line breaks or control characters, and less than 100 characters long."
  // oxlint-disable-next-line no-control-regex
  if (subject === "" || subject.length > subjectLengthMax || /[\u0000-\u001f\u007f]/.test(subject)) {
    throw invalid("Subject");
  }
}

function checkId(parameter: string, id: string | undefined): void {
  if (id === undefined || (idPattern.test(id) && id.length <= idLengthMax)) return;
  throw invalid(
    `${parameter} Reason: ${parameter} can only include alphanumeric and punctuation characters. 1 to ${idLengthMax} in length`,
  );
}

function deduplicationOf({ isFifo, deduplicatesByContent }: Kind, entry: Entry): string | undefined {
  const { MessageDeduplicationId: given, MessageGroupId: groupId } = entry;
  checkId("MessageGroupId", groupId);
  if (!isFifo) {
    if (given === undefined) return undefined;
    throw invalid(
      "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
    );
  }
  if (groupId === undefined) throw invalid("The MessageGroupId parameter is required for FIFO topics");
  checkId("MessageDeduplicationId", given);
  if (given !== undefined) return given;
  if (deduplicatesByContent) return createHash("sha256").update(entry.Message).digest("hex");
  throw invalid(
    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  );
}

/** The texts of `MessageStructure` `json`; members that are no text, and protocols that are none, are left out. */
function textsOf(message: string): { text: string; texts: Record<string, string> } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid("Message Structure - JSON message body failed to parse", { cause });
  }
  const given = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : {};
  const texts = Object.fromEntries(
    Object.entries(given).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
  const { default: text, ...others } = texts;
  if (text === undefined) throw invalid("Message Structure - No default entry in JSON message body");
  return { text, texts: others };
}

/** The message as it is kept. Throws AWS's words on what is wrong with it. */
export function takeMessage(kind: Kind, entry: Entry, id: string, atMs: number): { message: Message; bytes: number } {
  const { Message: text, Subject: subject, MessageStructure: structure, MessageGroupId: groupId } = entry;
  if (text === "") throw invalid("Empty message");
  const attributes = takeAttributes(entry.MessageAttributes);
  const bytes = Buffer.byteLength(text) + Buffer.byteLength(subject ?? "") + attributeBytes(attributes);
  if (bytes > messageBytesMax) throw invalid("Message too long");
  checkSubject(subject);
  if (structure !== undefined && structure !== "json") throw invalid("MessageStructure");
  const deduplicationId = deduplicationOf(kind, entry);
  const message: Message = {
    id,
    atMs,
    ...(structure === "json" ? textsOf(text) : { text }),
    ...(subject === undefined ? {} : { subject }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(deduplicationId === undefined ? {} : { deduplicationId }),
  };
  return { message, bytes };
}

export const md5Of = (text: string) => hash("md5", text);
