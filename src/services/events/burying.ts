/** Dead letters: events that no attempt could hand over go to the target's queue. Source: user guide, "Using dead-letter queues". */
import { parseArn } from "../../base/arn.ts";
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { DeadLetter } from "../../kit/delivery.ts";
import type { EventsDeps } from "./deps.ts";
import type { Parcel } from "./fan-out.ts";
import { retriesMax } from "./limits.ts";
import { ruleArn } from "./names.ts";

/** AWS's words for faults, of those that it publishes; everything else is the target's own. */
const errorCodes: Readonly<Partial<Record<string, string>>> = {
  AccessDenied: "NO_PERMISSIONS",
  AccessDeniedException: "NO_PERMISSIONS",
  AuthorizationError: "NO_PERMISSIONS",
  AuthorizationErrorException: "NO_PERMISSIONS",
  HopLimit: "THIRD_ACCOUNT_HOP_DETECTED",
  InternalFailure: "INTERNAL_ERROR",
  InvalidInput: "INVALID_JSON",
  InvalidParameter: "INVALID_PARAMETER",
  InvalidParameterValue: "INVALID_PARAMETER",
  InvalidParameterValueException: "INVALID_PARAMETER",
  NotFound: "NO_RESOURCE",
  NotFoundException: "NO_RESOURCE",
  QueueDoesNotExist: "NO_RESOURCE",
  Rejected: "SDK_CLIENT_ERROR",
  ResourceNotFoundException: "NO_RESOURCE",
  ServiceUnavailable: "THROTTLING",
  ThrottlingException: "THROTTLING",
  Timeout: "TIMEOUT",
  TooManyRequestsException: "THROTTLING",
  Unreachable: "CONNECTION_FAILURE",
};

/** Why there was no further attempt; undefined where the fault itself was the end. */
function exhausted({ target }: Parcel, attempts: number, code: string): string | undefined {
  const { MaximumRetryAttempts = retriesMax } = target.RetryPolicy ?? {};
  if (finalCodes.has(errorCodes[code] ?? "")) return undefined;
  return attempts > MaximumRetryAttempts ? "MaximumRetryAttempts" : "MaximumEventAgeInSeconds";
}

const finalCodes: ReadonlySet<string> = new Set([
  "NO_PERMISSIONS",
  "NO_RESOURCE",
  "INVALID_JSON",
  "INVALID_PARAMETER",
  "SDK_CLIENT_ERROR",
  "THIRD_ACCOUNT_HOP_DETECTED",
]);

const attribute = (value: string) => ({ DataType: "String", StringValue: value || "Unknown" });

/** What the outbox calls when all attempts failed. */
export function buryingOperations({ peers }: EventsDeps) {
  return {
    async BuryEvent({ input, error, attempts }: Omit<DeadLetter, "input"> & { input: Parcel }, call: Call) {
      const { rule, target, event } = input;
      const arn = must(parseArn(target.DeadLetterConfig?.Arn ?? ""), "the ARN of a dead-letter queue");
      const condition = exhausted(input, attempts, error.code);
      await peers.sqs.SendMessage(
        {
          QueueUrl: `${call.publicUrl}/${arn.account}/${arn.resource}`,
          MessageBody: event,
          MessageAttributes: {
            RULE_ARN: attribute(ruleArn(rule)),
            TARGET_ARN: attribute(target.Arn),
            ERROR_CODE: attribute(errorCodes[error.code] ?? "ERROR_FROM_TARGET"),
            ERROR_MESSAGE: attribute(error.message),
            RETRY_ATTEMPTS: { DataType: "Number", StringValue: String(Math.max(0, attempts - 1)) },
            ...(condition === undefined ? {} : { EXHAUSTED_RETRY_CONDITION: attribute(condition) }),
          },
        },
        { ...call, account: arn.account, region: arn.region },
      );
      return {};
    },
  };
}
