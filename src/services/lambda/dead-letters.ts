/** Dead letter queues: an event that was given up goes, as it came, to a queue or a topic. Source: Lambda guide, "Adding a dead-letter queue". */
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { DeadLetter } from "../../kit/delivery.ts";
import type { LambdaDeps } from "./deps.ts";
import type { QueuedEvent } from "./event-queue.ts";
import { notYet } from "./faults.ts";
import { arnOf, type FunctionRef } from "./names.ts";
import { isReachable, sendMessage } from "./outlets.ts";

/** "The first 1 KB of the error message." */
const errorMessageLengthMax = 1_024;

/** An event on its way to its dead letter queue. */
export interface DeadEvent {
  /** ARN. */
  target: string;
  /** The function that was run. */
  source: FunctionRef;
  roleArn: string;
  requestId: string;
  payload: Uint8Array;
  /** The status that the last attempt had. */
  errorCode: number;
  errorMessage: string;
}

/** What is told of faults before a function ran; one that ran has 200, whatever it did. */
const statuses: Readonly<Partial<Record<string, number>>> = {
  TooManyRequestsException: 429,
  ZeroReservedConcurrency: 429,
  RecursiveInvocationException: 400,
  FunctionFailed: 200,
};

/** The message in what a function answered: `{ errorMessage }`. */
function messageIn(response: string | null | undefined): string | undefined {
  if (response == null) return undefined;
  const answer: unknown = JSON.parse(response);
  if (typeof answer !== "object" || answer === null || !("errorMessage" in answer)) return undefined;
  return typeof answer.errorMessage === "string" ? answer.errorMessage : undefined;
}

export function deadLetterOf(
  event: QueuedEvent,
  target: string,
  roleArn: string,
  error: DeadLetter["error"],
  response: string | null | undefined,
): DeadEvent {
  const { account, region, name, qualifier, requestId, payload } = event;
  return {
    target,
    source: { account, region, name, qualifier },
    roleArn,
    requestId,
    payload,
    errorCode: statuses[error.code] ?? 500,
    errorMessage: (messageIn(response) ?? error.message).slice(0, errorMessageLengthMax),
  };
}

export async function sendDeadLetter({ peers }: Pick<LambdaDeps, "peers">, dead: DeadEvent, call: Call): Promise<void> {
  const { target, source, roleArn, requestId, payload, errorCode, errorMessage } = dead;
  const principal = { kind: "role", account: source.account, roleArn, session: source.name } as const;
  const attributes = {
    RequestID: { DataType: "String", StringValue: requestId },
    ErrorCode: { DataType: "Number", StringValue: String(errorCode) },
    // No attribute may be empty.
    ErrorMessage: { DataType: "String", StringValue: errorMessage || "Unknown" },
  } as const;
  const message = { target, body: Buffer.from(payload).toString(), attributes, source: arnOf(source) };
  await sendMessage(peers, message, { ...call, principal });
}

/** Refuses by name a queue or a topic whose service this node does not have. */
export async function checkDeadLetter(
  { peers }: Pick<LambdaDeps, "peers">,
  target: string | undefined,
  call: Call,
): Promise<void> {
  if (!target || (await isReachable(peers, target, call))) return;
  throw notYet(`DeadLetterConfig of the service ${parseArn(target)?.service}`);
}
