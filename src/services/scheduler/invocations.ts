/** The operations that the outbox calls: a target is invoked for one occurrence, or its dead letter is sent. */
import { isFault } from "../../base/errors.ts";
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { DeadLetter, DeliveryPolicy, Intent, Lane } from "../../kit/delivery.ts";
import type { Deps } from "../../kit/service.ts";
import {
  eventAgeSecondsDefault,
  errorCharactersMax,
  retryAttemptsDefault,
  retryFirstMs,
  retryLastMs,
  secondMs,
} from "./limits.ts";
import type { Target } from "./settings.ts";
import { invokeTarget } from "./targets.ts";
import type { Place } from "./tables.ts";

/** One occurrence of a schedule on its way. */
export interface Occurrence {
  scheduleArn: string;
  target: Target;
  scheduledMs: number;
  executionId: string;
}

/** `2026-11-22T09:00:00Z` */
const timeText = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const retries = ({ RetryPolicy }: Target) => RetryPolicy?.MaximumRetryAttempts ?? retryAttemptsDefault;

/** Faults that a further attempt cannot mend: the target is not there, or can do nothing with what it gets. */
const final = [
  "AccessDenied",
  "AccessDeniedException",
  "InvalidMessageContents",
  "InvalidParameterException",
  "InvalidParameterValue",
  "InvalidParameterValueException",
  "MissingParameter",
  "NotFoundException",
  "NotImplemented",
  "QueueDoesNotExist",
  "ResourceNotFoundException",
  "ValidationError",
  "ValidationException",
];

function policyOf(target: Target, ageMs: number): DeliveryPolicy {
  const maxAgeMs = (target.RetryPolicy?.MaximumEventAgeInSeconds ?? eventAgeSecondsDefault) * secondMs;
  return {
    retryDelaysMs: { retriesMax: retries(target), firstMs: retryFirstMs, maxMs: retryLastMs },
    maxAgeMs: Math.max(0, maxAgeMs - ageMs),
    final,
    ...(target.DeadLetterConfig?.Arn === undefined
      ? {}
      : { deadLetter: { service: "scheduler", operation: "SendDeadLetter" } }),
  };
}

/** What is slow or gone holds up those who go there. */
const laneOf = ({ account, region }: Place, target: Target): Lane => ({
  name: `scheduler:${account}:${region}:${target.Arn}`,
});

const common = (place: Place, occurrence: Occurrence, trace: Call["trace"]) => ({
  key: occurrence.executionId,
  call: { ...place, trace },
  principal: {
    kind: "service",
    service: "scheduler.amazonaws.com",
    sourceArn: occurrence.scheduleArn,
    sourceAccount: place.account,
  } as const,
});

/** @param ageMs since the occurrence was due */
export function invocationIntent(place: Place, occurrence: Occurrence, ageMs: number, trace: Call["trace"]): Intent {
  return {
    target: { service: "scheduler", operation: "InvokeTarget" },
    lane: laneOf(place, occurrence.target),
    input: occurrence,
    policy: policyOf(occurrence.target, ageMs),
    ...common(place, occurrence, trace),
  };
}

/** Of an occurrence that is older than it may be before it was ever tried; undefined where nobody wants to hear of it. */
export function expiryIntent(place: Place, occurrence: Occurrence, trace: Call["trace"]): Intent | undefined {
  if (occurrence.target.DeadLetterConfig?.Arn === undefined) return undefined;
  const letter: DeadLetter = {
    input: occurrence,
    error: { code: "MaximumEventAgeExceeded", message: "The invocation is older than it may be.", members: {} },
    attempts: 0,
  };
  return {
    target: { service: "scheduler", operation: "SendDeadLetter" },
    input: letter,
    policy: {
      retryDelaysMs: { retriesMax: 40, firstMs: retryFirstMs, maxMs: retryLastMs },
      maxAgeMs: 86_400 * secondMs,
    },
    ...common(place, occurrence, trace),
  };
}

/** What a target gets that is given nothing else. Source: user guide, "Managing targets", default notification. */
const defaultInput = ({ scheduleArn, scheduledMs, executionId }: Occurrence, { account, region }: Place) =>
  JSON.stringify({
    version: "0",
    id: executionId,
    "detail-type": "Scheduled Event",
    source: "aws.scheduler",
    account,
    time: timeText(scheduledMs),
    region,
    resources: [scheduleArn],
    detail: "{}",
  });

/** The keywords that `Input` may have. Source: user guide, "Adding context attributes". */
function withContext(input: string, { scheduleArn, scheduledMs, executionId }: Occurrence, attempt: number): string {
  if (!input.includes("<aws.scheduler.")) return input;
  return input
    .replaceAll("<aws.scheduler.schedule-arn>", scheduleArn)
    .replaceAll("<aws.scheduler.scheduled-time>", timeText(scheduledMs))
    .replaceAll("<aws.scheduler.execution-id>", executionId)
    .replaceAll("<aws.scheduler.attempt-number>", String(attempt));
}

const inputOf = (occurrence: Occurrence, place: Place, attempt: number) =>
  occurrence.target.Input === undefined
    ? defaultInput(occurrence, place)
    : withContext(occurrence.target.Input, occurrence, attempt);

/** As the execution role, which is what a target's service sees. */
function asRole({ target, executionId }: Occurrence, call: Call): Call {
  const account = parseArn(target.RoleArn)?.account ?? call.account;
  return { ...call, principal: { kind: "role", account, roleArn: target.RoleArn, session: executionId } };
}

export function invocationOperations({ peers, log }: Deps) {
  const deadLetterAttributes = ({ input, error, attempts }: DeadLetter): Record<string, string> => {
    const { scheduleArn, target, scheduledMs, executionId } = input as Occurrence;
    const isExhausted = attempts > retries(target);
    const isFinal = final.includes(error.code);
    return {
      ERROR_CODE: error.code,
      ERROR_MESSAGE: error.message.slice(0, errorCharactersMax) || error.code,
      EXECUTION_ID: executionId,
      ...(isFinal && !isExhausted
        ? {}
        : { EXHAUSTED_RETRY_CONDITION: isExhausted ? "MaximumRetryAttempts" : "MaximumEventAgeInSeconds" }),
      IS_PAYLOAD_TRUNCATED: "false",
      RETRY_ATTEMPTS: String(Math.max(0, attempts - 1)),
      SCHEDULED_TIME: timeText(scheduledMs),
      SCHEDULE_ARN: scheduleArn,
      TARGET_ARN: target.Arn,
    };
  };

  return {
    async InvokeTarget(occurrence: Occurrence, call: Call): Promise<object> {
      const { target, scheduleArn } = occurrence;
      const input = inputOf(occurrence, call, call.attempt ?? 1);
      await invokeTarget({ peers, target, scheduleArn, input }, asRole(occurrence, call));
      return {};
    },

    /** Source: user guide, "Configuring a dead-letter queue": the input as the body, and why as attributes. */
    async SendDeadLetter(letter: DeadLetter, call: Call): Promise<object> {
      const occurrence = letter.input as Occurrence;
      const {
        resource = "",
        account = "",
        region = "",
      } = parseArn(occurrence.target.DeadLetterConfig?.Arn ?? "") ?? {};
      const role = { ...asRole(occurrence, call), region };
      const attributes = Object.entries(deadLetterAttributes(letter)).map(
        ([name, StringValue]) => [name, { DataType: "String", StringValue }] as const,
      );
      try {
        const { QueueUrl } = await peers.sqs.GetQueueUrl(
          { QueueName: resource, QueueOwnerAWSAccountId: account },
          role,
        );
        const MessageBody = inputOf(occurrence, call, Math.max(1, letter.attempts));
        await peers.sqs.SendMessage({ QueueUrl, MessageBody, MessageAttributes: Object.fromEntries(attributes) }, role);
      } catch (error) {
        if (!isFault(error, "QueueDoesNotExist")) throw error;
        // There is nobody left to tell.
        log.warn("a schedule's dead-letter queue does not exist", { schedule: occurrence.scheduleArn });
      }
      return {};
    },
  };
}
