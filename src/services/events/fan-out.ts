/** From one event to the targets of the rules that match it: an intent of the outbox for each. */
import type { Call } from "../../kit/call.ts";
import type { DeliveryPolicy, Intent, Lane } from "../../kit/delivery.ts";
import { eventAgeSecondsMax, retriesMax, retryFirstMs, retryLongestMs, secondMs } from "./limits.ts";
import { ruleArn } from "./names.ts";
import type { Subscriber } from "./rulebooks.ts";
import type { RuleRef, Target } from "./tables.ts";

/** An event on its way to one target, as the outbox keeps it. */
export interface Parcel {
  rule: RuleRef;
  target: Target;
  /** JSON. */
  event: string;
  ingestedMs: number;
  traceHeader?: string;
  /** It came from another bus already, and goes to no third one. */
  hopped?: boolean;
}

/** What rules are given of one event. */
export interface Taken extends Omit<Parcel, "rule" | "target"> {
  id: string;
}

/**
 * Faults after which another attempt goes no better: the target is gone, or does not let EventBridge in.
 * Source: user guide, "Event retry policy and using dead-letter queues": such events go there at once.
 */
const finalFaults = [
  "AccessDenied",
  "AccessDeniedException",
  "AuthorizationError",
  "AuthorizationErrorException",
  "InvalidInput",
  "InvalidParameter",
  "InvalidParameterValue",
  "InvalidParameterValueException",
  "MissingParameter",
  "NotFound",
  "NotFoundException",
  "QueueDoesNotExist",
  "RequestEntityTooLarge",
  "ResourceNotFoundException",
  "HopLimit",
  "Rejected",
];

function policyOf({ RetryPolicy = {}, DeadLetterConfig }: Target): DeliveryPolicy {
  const { MaximumRetryAttempts = retriesMax, MaximumEventAgeInSeconds = eventAgeSecondsMax } = RetryPolicy;
  return {
    retryDelaysMs: { retriesMax: MaximumRetryAttempts, firstMs: retryFirstMs, maxMs: retryLongestMs },
    maxAgeMs: MaximumEventAgeInSeconds * secondMs,
    final: finalFaults,
    ...(DeadLetterConfig?.Arn === undefined ? {} : { deadLetter: { service: "events", operation: "BuryEvent" } }),
  };
}

/** A target's own; one API destination has one for all of its targets, since its rate is for all of them. */
const laneOf = (arn: string, { Id, Arn }: Target, rate: number | undefined): Lane =>
  rate === undefined ? { name: `events:${arn} ${Id}` } : { name: `events:${Arn}`, perSecondMax: rate };

/** The intents of an event for the targets of one rule. */
export function intentsOf(
  { rule, targets, rates }: Subscriber,
  { id, ...taken }: Taken,
  trace: Call["trace"],
): Intent[] {
  const { account, region, bus, name } = rule;
  const ref: RuleRef = { account, region, bus, name };
  const arn = ruleArn(ref);
  return targets.map((target): Intent => {
    const parcel: Parcel = { ...taken, rule: ref, target };
    return {
      target: { service: "events", operation: "DeliverEvent" },
      lane: laneOf(arn, target, rates.get(target.Arn)),
      input: parcel,
      policy: policyOf(target),
      key: `${id}:${arn}:${target.Id}`,
      call: { account, region, trace },
      principal: { kind: "service", service: "events.amazonaws.com", sourceArn: arn, sourceAccount: account },
    };
  });
}
