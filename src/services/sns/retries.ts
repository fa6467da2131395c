/** Delivery policies: how often and when an HTTP endpoint is tried again. Source: developer guide, "Creating an HTTP/S delivery policy". */
import { Bug, type Fault } from "../../base/errors.ts";
import type { DeliveryPolicy } from "../../kit/delivery.ts";
import { deliveryMsMax, retriesMax, retryDelaySecondsMax } from "./limits.ts";

/** The member names are AWS's; delays are in seconds. */
export interface RetryPolicy {
  minDelayTarget: number;
  maxDelayTarget: number;
  numRetries: number;
  numNoDelayRetries: number;
  numMinDelayRetries: number;
  numMaxDelayRetries: number;
  backoffFunction: BackoffFunction;
}

export interface HttpPolicy {
  retries: RetryPolicy;
  maxReceivesPerSecond: number | undefined;
  contentType: string;
}

export type BackoffFunction = "linear" | "arithmetic" | "geometric" | "exponential";
const functions: readonly BackoffFunction[] = ["linear", "arithmetic", "geometric", "exponential"];

export const defaultRetries: RetryPolicy = {
  minDelayTarget: 20,
  maxDelayTarget: 20,
  numRetries: 3,
  numMaxDelayRetries: 0,
  numNoDelayRetries: 0,
  numMinDelayRetries: 0,
  backoffFunction: "linear",
};
export const defaultContentType = "text/plain; charset=UTF-8";

/** Content types that AWS takes. Source: developer guide, "Creating an HTTP/S delivery policy", headerContentType. */
const contentTypePattern =
  /^(?:text\/(?:plain|css|csv|html|xml)|application\/(?:atom\+xml|json|octet-stream|soap\+xml|x-www-form-urlencoded|xhtml\+xml|xml))(?:\s*;\s*charset=[\w-]+)?$/i;

/** How the delays of the backoff phase grow: the share of the way from the least to the greatest, at a place from 0 to 1. */
const shapes: Readonly<Record<BackoffFunction, (at: number, min: number, max: number) => number>> = {
  linear: (at, min, max) => min + (max - min) * at,
  // The steps themselves grow by the same amount each time.
  arithmetic: (at, min, max) => min + (max - min) * ((at + at * at) / 2),
  geometric: (at, min, max) => min + (max - min) * at * at,
  exponential: (at, min, max) => min * (max / min) ** at,
};

/** Delays in milliseconds: at once, before the backoff, the backoff, after it. */
export function retryDelaysMs(policy: RetryPolicy): number[] {
  const { minDelayTarget: min, maxDelayTarget: max, numRetries, backoffFunction } = policy;
  const { numNoDelayRetries: atOnce, numMinDelayRetries: before, numMaxDelayRetries: after } = policy;
  const backoff = Math.max(0, numRetries - atOnce - before - after);
  const shape = shapes[backoffFunction];
  const seconds = [
    ...Array.from({ length: atOnce }, () => 0),
    ...Array.from({ length: before }, () => min),
    ...Array.from({ length: backoff }, (_, i) => shape(backoff === 1 ? 0 : i / (backoff - 1), min, max)),
    ...Array.from({ length: after }, () => max),
  ];
  return seconds.map((delay) => Math.round(delay * 1_000));
}

type Refuse = (what: string) => Fault;
type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function objectOf(text: string, refuse: Refuse): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw refuse("DeliveryPolicy: failed to parse JSON.");
}

function only(fields: Fields, names: readonly string[], where: string, refuse: Refuse): void {
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined) throw refuse(`DeliveryPolicy: unknown field: ${where}${unknown}`);
}

function whole(fields: Fields, name: keyof RetryPolicy, min: number, max: number, otherwise: number, refuse: Refuse) {
  const value = fields[name];
  if (value === undefined || value === null) return otherwise;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw refuse(`DeliveryPolicy: healthyRetryPolicy.${name} must be between ${min} and ${max}`);
}

function readRetries(value: unknown, refuse: Refuse): RetryPolicy | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw refuse("DeliveryPolicy: healthyRetryPolicy must be an object");
  only(value, Object.keys(defaultRetries), "healthyRetryPolicy.", refuse);
  const numRetries = whole(value, "numRetries", 0, retriesMax, defaultRetries.numRetries, refuse);
  const counted = (name: keyof RetryPolicy) => whole(value, name, 0, retriesMax, 0, refuse);
  const delay = (name: keyof RetryPolicy) => whole(value, name, 1, retryDelaySecondsMax, 20, refuse);
  const backoffFunction = functions.find((known) => known === (value["backoffFunction"] ?? "linear"));
  if (backoffFunction === undefined) {
    throw refuse(`DeliveryPolicy: healthyRetryPolicy.backoffFunction must be one of ${functions.join(", ")}`);
  }
  const policy: RetryPolicy = {
    minDelayTarget: delay("minDelayTarget"),
    maxDelayTarget: delay("maxDelayTarget"),
    numRetries,
    numMaxDelayRetries: counted("numMaxDelayRetries"),
    numNoDelayRetries: counted("numNoDelayRetries"),
    numMinDelayRetries: counted("numMinDelayRetries"),
    backoffFunction,
  };
  checkTogether(policy, refuse);
  return policy;
}

function checkTogether(policy: RetryPolicy, refuse: Refuse): void {
  const { numRetries, numNoDelayRetries, numMinDelayRetries, numMaxDelayRetries } = policy;
  if (policy.maxDelayTarget < policy.minDelayTarget) {
    throw refuse("DeliveryPolicy: healthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget");
  }
  if (numNoDelayRetries + numMinDelayRetries + numMaxDelayRetries > numRetries) {
    throw refuse("DeliveryPolicy: healthyRetryPolicy.numRetries must be at least the sum of the retries of its phases");
  }
  const seconds = retryDelaysMs(policy).reduce((sum, ms) => sum + ms, 0) / 1_000;
  if (seconds > retryDelaySecondsMax) {
    throw refuse(`DeliveryPolicy: the delays of all retries together must not exceed ${retryDelaySecondsMax} seconds`);
  }
}

function readThrottle(value: unknown, refuse: Refuse): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw refuse("DeliveryPolicy: throttlePolicy must be an object");
  only(value, ["maxReceivesPerSecond"], "throttlePolicy.", refuse);
  const rate = value["maxReceivesPerSecond"];
  if (rate === undefined || rate === null) return undefined;
  if (typeof rate === "number" && Number.isInteger(rate) && rate >= 1) return rate;
  throw refuse("DeliveryPolicy: throttlePolicy.maxReceivesPerSecond must be at least 1");
}

function readRequest(value: unknown, refuse: Refuse): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw refuse("DeliveryPolicy: requestPolicy must be an object");
  only(value, ["headerContentType"], "requestPolicy.", refuse);
  const type = value["headerContentType"];
  if (type === undefined || type === null) return undefined;
  if (typeof type === "string" && contentTypePattern.test(type)) return type;
  throw refuse("DeliveryPolicy: requestPolicy.headerContentType is not supported");
}

/** What a policy says; what it does not say is undefined. */
export interface PartialPolicy {
  retries: RetryPolicy | undefined;
  maxReceivesPerSecond: number | undefined;
  contentType: string | undefined;
}

const nothing: PartialPolicy = { retries: undefined, maxReceivesPerSecond: undefined, contentType: undefined };

/** The DeliveryPolicy of a subscription. */
export function readSubscriptionPolicy(text: string, refuse: Refuse): PartialPolicy {
  const policy = objectOf(text, refuse);
  only(
    policy,
    ["healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy", "guaranteed"],
    "",
    refuse,
  );
  return {
    retries: readRetries(policy["healthyRetryPolicy"], refuse),
    maxReceivesPerSecond: readThrottle(policy["throttlePolicy"], refuse),
    contentType: readRequest(policy["requestPolicy"], refuse),
  };
}

/** The DeliveryPolicy of a topic: what its HTTP subscriptions have, unless they say otherwise and may. */
export function readTopicPolicy(text: string, refuse: Refuse): PartialPolicy & { overrides: boolean } {
  const policy = objectOf(text, refuse);
  only(policy, ["http"], "", refuse);
  const http = policy["http"] ?? {};
  if (!isObject(http)) throw refuse("DeliveryPolicy: http must be an object");
  const known = [
    "defaultHealthyRetryPolicy",
    "disableSubscriptionOverrides",
    "defaultThrottlePolicy",
    "defaultRequestPolicy",
    "defaultSicklyRetryPolicy",
  ];
  only(http, known, "http.", refuse);
  return {
    retries: readRetries(http["defaultHealthyRetryPolicy"], refuse),
    maxReceivesPerSecond: readThrottle(http["defaultThrottlePolicy"], refuse),
    contentType: readRequest(http["defaultRequestPolicy"], refuse),
    overrides: http["disableSubscriptionOverrides"] !== true,
  };
}

/** A stored policy was checked when it was set. */
const broken: Refuse = (what) => {
  throw new Bug(what);
};

/** What is in force for an HTTP subscription. */
export function httpPolicyOf(ofSubscription: string | undefined, ofTopic: string | undefined): HttpPolicy {
  const topic = ofTopic === undefined ? { ...nothing, overrides: true } : readTopicPolicy(ofTopic, broken);
  const own =
    ofSubscription === undefined || !topic.overrides ? nothing : readSubscriptionPolicy(ofSubscription, broken);
  return {
    retries: own.retries ?? topic.retries ?? defaultRetries,
    maxReceivesPerSecond: own.maxReceivesPerSecond ?? topic.maxReceivesPerSecond,
    contentType: own.contentType ?? topic.contentType ?? defaultContentType,
  };
}

/** As EffectiveDeliveryPolicy of a topic shows it. */
export function effectiveOfTopic(ofTopic: string | undefined): string {
  const { retries, maxReceivesPerSecond, contentType } = httpPolicyOf(undefined, ofTopic);
  const { overrides } = ofTopic === undefined ? { overrides: true } : readTopicPolicy(ofTopic, broken);
  return JSON.stringify({
    http: {
      defaultHealthyRetryPolicy: retries,
      disableSubscriptionOverrides: !overrides,
      ...(maxReceivesPerSecond === undefined ? {} : { defaultThrottlePolicy: { maxReceivesPerSecond } }),
      defaultRequestPolicy: { headerContentType: contentType },
    },
  });
}

/** As EffectiveDeliveryPolicy of an HTTP subscription shows it. */
export function effectiveOfSubscription(policy: HttpPolicy): string {
  const { retries, maxReceivesPerSecond, contentType } = policy;
  return JSON.stringify({
    healthyRetryPolicy: retries,
    sicklyRetryPolicy: null,
    throttlePolicy: maxReceivesPerSecond === undefined ? null : { maxReceivesPerSecond },
    requestPolicy: { headerContentType: contentType },
    guaranteed: false,
  });
}

const dead = { deadLetter: { service: "sns", operation: "Bury" } };

/** HTTP: as its delivery policy says. */
export const httpDelivery = ({ retries }: HttpPolicy): DeliveryPolicy => ({
  retryDelaysMs: retryDelaysMs(retries),
  maxAgeMs: deliveryMsMax,
  final: ["EndpointRefused"],
  ...dead,
});

/**
 * Queues and functions. Source: developer guide, "Message delivery retries": 100,015 attempts in 23 days, the last 100,000
 * of them 20 s apart.
 */
export const managedDelivery: DeliveryPolicy = {
  retryDelaysMs: { retriesMax: 100_014, firstMs: 1_000, maxMs: 20_000 },
  maxAgeMs: deliveryMsMax,
  final: ["EndpointRefused"],
  ...dead,
};

/** Emails and texts, which only have to be written down: 50 attempts in 6 hours. */
export const outboxDelivery: DeliveryPolicy = {
  retryDelaysMs: { retriesMax: 49, firstMs: 1_000, maxMs: 600_000 },
  maxAgeMs: 6 * 3600_000,
  ...dead,
};
