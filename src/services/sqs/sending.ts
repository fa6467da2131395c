/** SendMessage and SendMessageBatch. */
import { hash } from "node:crypto";
import { must } from "../../base/errors.ts";
import type { Call, Principal } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { roleName } from "../../kit/principals.ts";
import { formatTrace } from "../../telemetry/trace.ts";
import { checkBatch, outcomesOf } from "./batches.ts";
import type { SqsDeps } from "./deps.ts";
import { checkId, fault, invalidValue, missing, otherKind } from "./faults.ts";
import type { NewMessage } from "./kinds.ts";
import { delaySecondsMax, messageBytesMax } from "./limits.ts";
import type { Queue } from "./lookup.ts";
import {
  attributeBytes,
  attributesMd5,
  checkCharacters,
  takeAttributes,
  takeTraceHeader,
  type AttributeValue,
} from "./message-attributes.ts";
import { createMessageIds } from "./message-ids.ts";
import type { Extras } from "./tables.ts";

/** The members that SendMessage has in common with an entry of a batch. */
interface Entry {
  MessageBody: string;
  DelaySeconds?: number | undefined;
  MessageAttributes?: Readonly<Record<string, AttributeValue>> | undefined;
  MessageSystemAttributes?: Readonly<Record<string, AttributeValue>> | undefined;
  MessageDeduplicationId?: string | undefined;
  MessageGroupId?: string | undefined;
}

/** What the sender is told beside the id. */
interface Digests {
  MD5OfMessageBody: string;
  MD5OfMessageAttributes?: string;
  MD5OfMessageSystemAttributes?: string;
}

interface Checked {
  message: NewMessage;
  digests: Digests;
  bytes: number;
}

/** AWS's id of the sender: a user's or a role session's own, else the account. */
function senderOf(principal: Principal): string {
  switch (principal.kind) {
    case "user":
      return principal.id ?? principal.account;
    case "role":
      return `${principal.roleId ?? roleName(principal)}:${principal.session}`;
    default:
      return principal.service;
  }
}

function delayOf({ row }: Queue, seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  if (seconds < 0 || seconds > delaySecondsMax) {
    throw invalidValue(seconds, "DelaySeconds", `DelaySeconds must be >= 0 and <= ${delaySecondsMax}.`);
  }
  // A FIFO queue delays as a whole; AWS takes a delay of none.
  if (row.is_fifo && seconds > 0) throw otherKind(seconds, "DelaySeconds");
  return row.is_fifo ? undefined : seconds * 1_000;
}

function deduplicationOf({ row, settings }: Queue, entry: Entry): string | undefined {
  const { MessageDeduplicationId: given, MessageGroupId: groupId, MessageBody } = entry;
  checkId("MessageGroupId", groupId);
  if (!row.is_fifo) {
    if (given !== undefined) throw otherKind(given, "MessageDeduplicationId");
    return undefined;
  }
  if (groupId === undefined) throw missing("MessageGroupId");
  checkId("MessageDeduplicationId", given);
  if (given !== undefined) return given;
  if (settings.deduplicatesByContent) return hash("sha256", MessageBody);
  throw fault(
    "InvalidParameterValue",
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  );
}

/** The message that an entry means; throws AWS's words on what is wrong with it. */
function checked(queue: Queue, entry: Entry, id: string, now: number, { principal, trace: caller }: Call): Checked {
  const { MessageBody: body } = entry;
  if (body === "") throw missing("MessageBody");
  checkCharacters(body);
  const attributes = takeAttributes(entry.MessageAttributes);
  const trace = takeTraceHeader(entry.MessageSystemAttributes);
  // A function's client tells of its chain in the request alone: the next function must know, or a loop is never found.
  const traceHeader = trace?.value ?? (caller.lineage === undefined ? undefined : formatTrace(caller));
  const bytes = Buffer.byteLength(body) + attributeBytes(attributes);
  if (bytes > queue.settings.messageBytesMax) {
    throw fault(
      "InvalidParameterValue",
      `One or more parameters are invalid. Reason: Message must be shorter than ${queue.settings.messageBytesMax} bytes.`,
    );
  }
  const delayMs = delayOf(queue, entry.DelaySeconds);
  const deduplicationId = deduplicationOf(queue, entry);
  const extras: Extras = {
    ...(attributes === undefined ? {} : { attributes }),
    ...(traceHeader === undefined ? {} : { traceHeader }),
    ...(deduplicationId === undefined ? {} : { deduplicationId }),
  };
  const ofAttributes = attributesMd5(attributes);
  const ofTrace = trace === undefined ? undefined : attributesMd5({ AWSTraceHeader: trace });
  return {
    bytes,
    message: {
      id,
      sentMs: now,
      body,
      extras: Object.keys(extras).length === 0 ? null : extras,
      sender: senderOf(principal),
      delayMs,
      groupId: entry.MessageGroupId,
    },
    digests: {
      MD5OfMessageBody: hash("md5", body),
      ...(ofAttributes === undefined ? {} : { MD5OfMessageAttributes: ofAttributes }),
      ...(ofTrace === undefined ? {} : { MD5OfMessageSystemAttributes: ofTrace }),
    },
  };
}

export function sendingOperations(deps: SqsDeps) {
  const { clock, queues, kindOf } = deps;
  const nextId = createMessageIds(deps.ids);
  return {
    async SendMessage(input, call) {
      const queue = await queues.open(input.QueueUrl, "SendMessage", call);
      const now = clock.now();
      const { message, digests } = checked(queue, input, nextId(now), now, call);
      const [sent] = await kindOf(queue).send(queue, [message]);
      const { id: MessageId, sequence } = must(sent, "sent message");
      return { MessageId, ...digests, ...(sequence === undefined ? {} : { SequenceNumber: sequence }) };
    },

    async SendMessageBatch(input, call) {
      const queue = await queues.open(input.QueueUrl, "SendMessage", call);
      checkBatch(input.Entries, "SendMessageBatchRequestEntry");
      const now = clock.now();
      const { done, failed } = outcomesOf(input.Entries, (entry) => {
        const made = checked(queue, entry, nextId(now), now, call);
        return { ...made, entryId: entry.Id };
      });
      const bytes = done.reduce((sum, made) => sum + made.bytes, 0);
      if (bytes > messageBytesMax) {
        throw fault(
          "BatchRequestTooLong",
          `Batch requests cannot be longer than ${messageBytesMax} bytes. You have sent ${bytes} bytes.`,
        );
      }
      const messages = done.map(({ message }) => message);
      const sent = messages.length === 0 ? [] : await kindOf(queue).send(queue, messages);
      return {
        Successful: done.map(({ entryId: Id, digests }, i) => {
          const { id: MessageId, sequence } = must(sent[i], "sent message");
          return { Id, MessageId, ...digests, ...(sequence === undefined ? {} : { SequenceNumber: sequence }) };
        }),
        Failed: failed,
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
