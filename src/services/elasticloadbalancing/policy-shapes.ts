/** Each policy as a template says it, read into what the edge runs, with the defaults of what is not said. */
import { X509Certificate } from "node:crypto";
import { asError } from "../../base/errors.ts";
import type {
  BreakerPolicy,
  CachePolicy,
  CapPolicy,
  ClientLimits,
  ClusterConfig,
  ClusterTls,
  FailoverPolicy,
  FallbackPolicy,
  MirrorPolicy,
  OutlierPolicy,
  RateLimit,
  RetryPolicy,
} from "../../edge/ports.ts";
import {
  flag,
  fraction,
  listOf,
  members,
  membersOr,
  needed,
  oneOf,
  plainOr,
  refused,
  targetGroup,
  textLike,
  whole,
  type Reader,
} from "./policy-readers.ts";

/** The edge counts so many permits of a pool at the most. */
const permitsMax = 65_536;
/** No wait is longer than the longest idle timeout of a load balancer. */
const timeoutMsMax = 4_000_000;
const retryAfterSecondsMax = 86_400;
/** Of a request body that is kept, to be sent again or to be mirrored. */
const bodyBytesMax = 1024 * 1024;
const bodyBytesDefault = 64 * 1024;
const retriesMax = 10;
const rateMax = 1_000_000;
const limitsOfRuleMax = 5;
const groupsMax = 5;
/** AWS's, of a target group in an action that forwards. */
const weightMax = 999;
const statusesMax = 32;
const methodsMax = 16;
const parametersMax = 64;
/** Of a response cache, in each edge worker. */
const cacheBytesMax = 1024 * 1024 * 1024;
const cacheBytesDefault = 64 * 1024 * 1024;
const cacheEntryBytesDefault = 1024 * 1024;
const staleSecondsMax = 31_536_000;
/** nginx waits 5 s for another request by default; a minute is as long as an idle timeout. */
const coalesceMsMax = 60_000;

const answer = oneOf("alb", "rest-api", "http-api", "native");
const sharedName = textLike("1 to 64 letters, digits, - and _", /^[\w-]{1,64}$/);
const timeoutMs = whole(1, timeoutMsMax);
const permits = whole(0, permitsMax);
const percent = fraction(0, 100);
const keptBytes = whole(0, bodyBytesMax);
const statuses = listOf(whole(200, 599), statusesMax);
/** Methods without effects (RFC 9110 section 9.2.1) that carry a request worth repeating. */
const safeMethods = ["GET", "HEAD", "OPTIONS"];

/** Part of a policy that others may share by this name; without one it is the rule's own. */
export interface Shared {
  sharedAs: string | undefined;
}

export const cap: Reader<Omit<CapPolicy, "id"> & Shared> = (json, path) => {
  const read = membersOr("Max", {
    Max: permits,
    Answer: answer,
    RetryAfterSeconds: whole(0, retryAfterSecondsMax),
    SharedAs: sharedName,
  })(json, path);
  return {
    max: needed(read.Max, `${path}.Max`),
    answer: read.Answer ?? "alb",
    retryAfterSeconds: read.RetryAfterSeconds ?? 1,
    sharedAs: read.SharedAs,
  };
};

/** A try ends before its request does. */
const consistent =
  <T extends { RequestMs?: number; PerTryMs?: number }>(timeouts: Reader<T>): Reader<T> =>
  (json, path) => {
    const read = timeouts(json, path);
    const { RequestMs, PerTryMs } = read;
    if (RequestMs !== undefined && PerTryMs !== undefined && PerTryMs >= RequestMs) {
      throw refused(path, `has a PerTryMs (${PerTryMs}) that leaves no time within RequestMs (${RequestMs})`);
    }
    return read;
  };

const ofRequests = { RequestMs: timeoutMs, PerTryMs: timeoutMs, IdleMs: timeoutMs };
export const ruleTimeouts = consistent(members(ofRequests));
/** Of a rule and of its target group in one. */
export const destinationTimeouts = consistent(members({ ...ofRequests, ConnectMs: timeoutMs }));

const retryOn = oneOf("connect-failure", "reset", "gateway-error", "5xx", "retriable-4xx", "unsent");

/** Defaults of the waits: Envoy's, `retry_back_off`. */
export const retry: Reader<RetryPolicy> = (json, path) => {
  const read = membersOr("Max", {
    Max: whole(1, retriesMax),
    On: listOf(retryOn, 6),
    Statuses: statuses,
    Backoff: members({ Kind: oneOf("exponential", "fibonacci"), BaseMs: timeoutMs, MaxMs: timeoutMs }),
    BodyBytesMax: keptBytes,
    RetryAfterMsMax: timeoutMs,
  })(json, path);
  const { Kind = "exponential", BaseMs = 25, MaxMs = Math.max(250, BaseMs) } = read.Backoff ?? {};
  if (MaxMs < BaseMs) throw refused(`${path}.Backoff`, `has a MaxMs (${MaxMs}) below its BaseMs (${BaseMs})`);
  return {
    on: read.On ?? (read.Statuses === undefined ? ["connect-failure", "reset", "gateway-error"] : []),
    statuses: read.Statuses ?? [],
    retriesMax: read.Max ?? 1,
    backoff: { kind: Kind, baseMs: BaseMs, maxMs: MaxMs },
    bodyBytesMax: read.BodyBytesMax ?? bodyBytesDefault,
    ...(read.RetryAfterMsMax === undefined ? {} : { retryAfterMsMax: read.RetryAfterMsMax }),
  };
};

const headerName = textLike("the name of a field", /^[-!#$%&'*+.^_`|~\dA-Za-z]{1,64}$/);
const limitBy: Reader<RateLimit["by"]> = plainOr(
  (json, path) => ({ kind: oneOf("route", "client")(json, path) }),
  (json, path) => ({
    kind: "header" as const,
    name: needed(members({ Header: headerName })(json, path).Header, `${path}.Header`),
  }),
);

const rateLimit: Reader<Omit<RateLimit, "id"> & Shared> = (json, path) => {
  const read = membersOr("RequestsPerSecond", {
    RequestsPerSecond: fraction(0.001, rateMax),
    Burst: whole(0, rateMax),
    By: limitBy,
    Answer: answer,
    SharedAs: sharedName,
  })(json, path);
  const requestsPerSecond = needed(read.RequestsPerSecond, `${path}.RequestsPerSecond`);
  return {
    requestsPerSecond,
    // A second's worth at once, so that a rate is not also a demand for even spacing.
    burst: read.Burst ?? Math.ceil(requestsPerSecond),
    by: read.By ?? { kind: "route" },
    answer: read.Answer ?? "native",
    sharedAs: read.SharedAs,
  };
};
export const rateLimits = listOf(rateLimit, limitsOfRuleMax);

export const mirror: Reader<MirrorPolicy> = (json, path) => {
  const read = membersOr("TargetGroupArn", {
    TargetGroupArn: targetGroup,
    Percent: percent,
    Methods: listOf(textLike("a method", /^[A-Z]{1,32}$/), methodsMax),
    BodyBytesMax: keptBytes,
  })(json, path);
  return {
    clusterId: needed(read.TargetGroupArn, `${path}.TargetGroupArn`),
    percent: read.Percent ?? 100,
    methods: read.Methods ?? safeMethods,
    bodyBytesMax: read.BodyBytesMax ?? bodyBytesDefault,
  };
};

export const fallback: Reader<FallbackPolicy> = (json, path) => {
  const read = membersOr("TargetGroupArn", {
    TargetGroupArn: targetGroup,
    OnError: flag,
    Statuses: statuses,
    BodyBytesMax: keptBytes,
  })(json, path);
  return {
    clusterId: needed(read.TargetGroupArn, `${path}.TargetGroupArn`),
    onError: read.OnError ?? true,
    statuses: read.Statuses ?? [],
    bodyBytesMax: read.BodyBytesMax ?? bodyBytesDefault,
  };
};

const parameters = listOf(textLike("the name of a query parameter", /^[^&=#\s]{1,128}$/), parametersMax);

export const cache: Reader<CachePolicy> = (json, path) => {
  const read = members({
    BytesMax: whole(1024, cacheBytesMax),
    EntryBytesMax: whole(1, cacheBytesMax),
    // An empty list is none of them.
    QueryParameters: (names, at): string[] => (Array.isArray(names) && names.length === 0 ? [] : parameters(names, at)),
    StaleWhileRevalidateSeconds: whole(0, staleSecondsMax),
    StaleIfErrorSeconds: whole(0, staleSecondsMax),
    CoalesceMs: whole(0, coalesceMsMax),
  })(json, path);
  const { BytesMax = cacheBytesDefault, EntryBytesMax = Math.min(cacheEntryBytesDefault, BytesMax) } = read;
  if (EntryBytesMax > BytesMax) {
    throw refused(path, `has an EntryBytesMax (${EntryBytesMax}) above its BytesMax (${BytesMax})`);
  }
  return {
    bytesMax: BytesMax,
    entryBytesMax: EntryBytesMax,
    ...(read.QueryParameters === undefined ? {} : { queryParameters: read.QueryParameters }),
    staleWhileRevalidateSeconds: read.StaleWhileRevalidateSeconds ?? 0,
    staleIfErrorSeconds: read.StaleIfErrorSeconds ?? 0,
    coalesceMs: read.CoalesceMs ?? 0,
  };
};

/** A target group of a level: its ARN, or with a weight. */
const locality: Reader<FailoverPolicy["levels"][number][number]> = (json, path) => {
  const { TargetGroupArn, Weight } = membersOr("TargetGroupArn", {
    TargetGroupArn: targetGroup,
    Weight: whole(1, weightMax),
  })(json, path);
  return { clusterId: needed(TargetGroupArn, `${path}.TargetGroupArn`), weight: Weight ?? 1 };
};

/** Levels of one target group each, or of several. Defaults: Envoy's, `overprovisioning_factor` and `healthy_panic_threshold`. */
export const failover: Reader<FailoverPolicy> = (json, path) => {
  const read = members({
    TargetGroupArns: listOf(targetGroup, groupsMax),
    Levels: listOf(listOf(locality, groupsMax), groupsMax),
    OverprovisioningPercent: whole(100, 1_000),
    PanicPercent: percent,
  })(json, path);
  const { TargetGroupArns: groups, Levels: levels } = read;
  if (groups !== undefined && levels !== undefined)
    throw refused(path, "has TargetGroupArns and Levels: one of them says it");
  return {
    levels: levels ?? needed(groups, `${path}.TargetGroupArns`).map((clusterId) => [{ clusterId, weight: 1 }]),
    overprovisioning: read.OverprovisioningPercent ?? 140,
    panicPercent: read.PanicPercent ?? 50,
  };
};

/** What is not said has no limit but the edge's own. */
export const breaker: Reader<BreakerPolicy> = (json, path) => {
  const read = members({ Connections: permits, Pending: permits, Requests: permits, Retries: permits })(json, path);
  return {
    connectionsMax: read.Connections ?? permitsMax,
    pendingMax: read.Pending ?? permitsMax,
    requestsMax: read.Requests ?? permitsMax,
    retriesMax: read.Retries ?? permitsMax,
  };
};

/** Defaults: Envoy's, `retry_budget`. */
export const retryBudget: Reader<NonNullable<ClusterConfig["retryBudget"]>> = (json, path) => {
  const read = members({ Percent: percent, Min: permits })(json, path);
  return { percent: read.Percent ?? 20, min: read.Min ?? 3 };
};

const sweep = { MinimumHosts: whole(1, 1_000), RequestVolume: whole(1, 1_000_000) };

/** Defaults: Envoy's, where a gateway error, a failure of local origin and a failure percentage eject nobody. */
export const outlier: Reader<OutlierPolicy> = (json, path) => {
  const inARow = whole(0, 10_000);
  const read = membersOr("Consecutive5xx", {
    Consecutive5xx: inARow,
    ConsecutiveGatewayErrors: inARow,
    ConsecutiveLocalOriginFailures: inARow,
    IntervalMs: timeoutMs,
    BaseEjectionMs: timeoutMs,
    MaxEjectionMs: timeoutMs,
    MaxEjectionPercent: percent,
    SuccessRate: members({ ...sweep, StdevFactor: fraction(0, 10) }),
    FailurePercentage: members({ ...sweep, Threshold: percent }),
  })(json, path);
  const { SuccessRate = {}, FailurePercentage, BaseEjectionMs = 30_000 } = read;
  const percentage =
    FailurePercentage === undefined
      ? {}
      : {
          failurePercentage: {
            threshold: FailurePercentage.Threshold ?? 85,
            minimumHosts: FailurePercentage.MinimumHosts ?? 5,
            requestVolume: FailurePercentage.RequestVolume ?? 50,
          },
        };
  return {
    consecutive5xx: read.Consecutive5xx ?? 5,
    consecutiveGatewayErrors: read.ConsecutiveGatewayErrors ?? 0,
    consecutiveLocalOriginFailures: read.ConsecutiveLocalOriginFailures ?? 0,
    intervalMs: read.IntervalMs ?? 10_000,
    baseEjectionMs: BaseEjectionMs,
    maxEjectionMs: read.MaxEjectionMs ?? Math.max(300_000, BaseEjectionMs),
    maxEjectionPercent: read.MaxEjectionPercent ?? 10,
    successRate: {
      minimumHosts: SuccessRate.MinimumHosts ?? 5,
      requestVolume: SuccessRate.RequestVolume ?? 100,
      stdevFactor: SuccessRate.StdevFactor ?? 1.9,
    },
    ...percentage,
  };
};

/** What one client address may take of a listener. */
export const clients: Reader<ClientLimits> = (json, path) => {
  const read = members({
    Connections: whole(1, 1_000_000),
    RequestsPerSecond: fraction(0.001, rateMax),
    Burst: whole(0, rateMax),
  })(json, path);
  const { Connections, RequestsPerSecond, Burst } = read;
  if (Burst !== undefined && RequestsPerSecond === undefined) throw refused(`${path}.RequestsPerSecond`, "is missing");
  return {
    ...(Connections === undefined ? {} : { connectionsMax: Connections }),
    ...(RequestsPerSecond === undefined
      ? {}
      : { requestsPerSecond: RequestsPerSecond, burst: Burst ?? Math.ceil(RequestsPerSecond) }),
  };
};

const pemText = textLike(
  "a certificate in PEM",
  /^-----BEGIN CERTIFICATE-----[\s\S]{1,32768}-----END CERTIFICATE-----\s*$/,
);

/**
 * Certificate authorities in PEM, as long as a chain may be. Each is read here: OpenSSL passes over those that it cannot
 * read, and everything behind them, and targets would fail for no reason that anybody is told.
 */
const pem: Reader<string> = (json, path) => {
  const text = pemText(json, path);
  for (const [i, certificate] of text.split(/(?=-----BEGIN CERTIFICATE-----)/).entries()) {
    const fault = readingFault(certificate);
    if (fault !== undefined) {
      throw refused(path, `has a certificate, number ${i + 1}, that cannot be read: ${fault.message}`);
    }
  }
  return text;
};

/** Why a certificate cannot be read. */
function readingFault(certificate: string): Error | undefined {
  try {
    return new X509Certificate(certificate).serialNumber === "" ? new Error("it has no serial number") : undefined;
  } catch (error) {
    return asError(error);
  }
}

const hostName = textLike("a host name", /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/i);

/** Whether whoever answers must prove to be the target; ALB believes everybody, and so does a group without this. */
export const targetTls: Reader<ClusterTls> = (json, path) => {
  const read = members({ Verify: flag, ServerName: hostName, Ca: pem })(json, path);
  return {
    verify: read.Verify ?? true,
    ...(read.ServerName === undefined ? {} : { serverName: read.ServerName }),
    ...(read.Ca === undefined ? {} : { ca: read.Ca }),
  };
};

export const groupTimeouts = members({ ConnectMs: timeoutMs });
