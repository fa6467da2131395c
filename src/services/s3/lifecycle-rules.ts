/** Lifecycle rules, pure: what becomes of a version, and when. Source: S3 user guide, "Expiring objects" and "Lifecycle configuration elements". */
import { fault } from "./faults.ts";
import type { LifecycleRule, Transition } from "./settings-of.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";

const dayMs = 24 * 3600_000;
const rulesMax = 1_000;
/** Source: S3 user guide, "Constraints and considerations for transitions". */
const infrequentDaysMin = 30;

type Asked = NonNullable<
  Received<InputOf<typeof import("@aws-sdk/client-s3"), "PutBucketLifecycleConfiguration">>["LifecycleConfiguration"]
>["Rules"][number];

/** Counted in days a time is the midnight (UTC) after them. */
export function dueMs(fromMs: number, days: number): number {
  return Math.ceil((fromMs + days * dayMs) / dayMs) * dayMs;
}

export interface Candidate {
  key: string;
  sizeBytes: number;
  tags: Readonly<Record<string, string>>;
  modifiedMs: number;
  /** Null for the newest. */
  supersededMs: number | null;
  deleteMarker: boolean;
  /** Noncurrent versions of the key that are newer than this. */
  newerNoncurrent: number;
  /** There is no other version of the key. */
  alone: boolean;
}

/** `expire`: as a client's DeleteObject; `remove`: this version for good. */
export type Verdict = "keep" | "expire" | "remove";

export function verdictOf(rules: readonly LifecycleRule[], candidate: Candidate, now: number): Verdict {
  const matching = rules.filter((rule) => rule.enabled && matches(rule, candidate));
  if (candidate.supersededMs !== null) {
    const since = candidate.supersededMs;
    const outdated = matching.some(
      ({ noncurrentDays, noncurrentKept }) =>
        noncurrentDays !== null &&
        now >= dueMs(since, noncurrentDays) &&
        candidate.newerNoncurrent >= (noncurrentKept ?? 0),
    );
    return outdated ? "remove" : "keep";
  }
  const expired = matching.some(
    ({ expireDays, expireAtMs }) =>
      (expireDays !== null && now >= dueMs(candidate.modifiedMs, expireDays)) ||
      (expireAtMs !== null && now >= expireAtMs),
  );
  if (!candidate.deleteMarker) return expired ? "expire" : "keep";
  // A marker over nothing hides nothing.
  const idle = candidate.alone && (expired || matching.some(({ expireMarkers }) => expireMarkers));
  return idle ? "remove" : "keep";
}

function matches({ filter }: LifecycleRule, { key, sizeBytes, tags, deleteMarker }: Candidate): boolean {
  if (!key.startsWith(filter.prefix)) return false;
  const wanted = Object.entries(filter.tags);
  if (deleteMarker) return wanted.length === 0;
  return (
    wanted.every(([name, value]) => tags[name] === value) &&
    (filter.sizeAbove === null || sizeBytes > filter.sizeAbove) &&
    (filter.sizeBelow === null || sizeBytes < filter.sizeBelow)
  );
}

/** Uploads under way that are given up. */
export function abandoned(rules: readonly LifecycleRule[], key: string, createdMs: number, now: number): boolean {
  return rules.some(
    ({ enabled, abortDays, filter }) =>
      enabled && abortDays !== null && key.startsWith(filter.prefix) && now >= dueMs(createdMs, abortDays),
  );
}

const malformed = () =>
  fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema");

/** Rules as a client writes them, checked. `newId` names those without a name. */
export function rulesOf(asked: readonly Asked[], newId: () => string): LifecycleRule[] {
  if (asked.length === 0 || asked.length > rulesMax) throw malformed();
  const rules = asked.map((rule) => ruleOf(rule, newId));
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw fault("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule");
  }
  return rules;
}

function ruleOf(asked: Asked, newId: () => string): LifecycleRule {
  const { Expiration, NoncurrentVersionExpiration: noncurrent, AbortIncompleteMultipartUpload: abort } = asked;
  const transitions = (asked.Transitions ?? []).map(transitionOf);
  const noncurrentTransitions = (asked.NoncurrentVersionTransitions ?? []).map(noncurrentTransitionOf);
  const moves = transitions.length + noncurrentTransitions.length > 0;
  if (Expiration === undefined && noncurrent === undefined && abort === undefined && !moves) {
    throw fault("InvalidRequest", "At least one action needs to be specified in a rule");
  }
  const expireAtMs = Expiration?.Date?.getTime() ?? null;
  if (expireAtMs !== null && expireAtMs % dayMs !== 0) {
    throw fault("InvalidArgument", "'Date' must be at midnight GMT");
  }
  for (const days of [Expiration?.Days, noncurrent?.NoncurrentDays, abort?.DaysAfterInitiation]) {
    if (days !== undefined && days <= 0)
      throw fault("InvalidArgument", "'Days' for Expiration action must be a positive integer");
  }
  const ways = [Expiration?.Days, Expiration?.Date, Expiration?.ExpiredObjectDeleteMarker];
  if (Expiration !== undefined && ways.filter((way) => way !== undefined).length !== 1) throw malformed();
  return {
    id: asked.ID ?? newId(),
    enabled: asked.Status === "Enabled",
    filter: filterOf(asked),
    expireDays: Expiration?.Days ?? null,
    expireAtMs,
    expireMarkers: Expiration?.ExpiredObjectDeleteMarker ?? false,
    noncurrentDays: noncurrent?.NoncurrentDays ?? null,
    noncurrentKept: noncurrent?.NewerNoncurrentVersions ?? null,
    abortDays: abort?.DaysAfterInitiation ?? null,
    transitions,
    noncurrentTransitions,
  };
}

function transitionOf({ StorageClass, Days, Date: at }: NonNullable<Asked["Transitions"]>[number]): Transition {
  if (StorageClass === undefined || (Days === undefined) === (at === undefined)) throw malformed();
  if ((Days ?? 0) < 0) throw fault("InvalidArgument", "'Days' in Transition action must be nonnegative");
  if (Days !== undefined && Days < infrequentDaysMin && StorageClass.endsWith("_IA")) {
    const message = `'Days' in Transition action must be greater than or equal to ${infrequentDaysMin} for storageClass '${StorageClass}'`;
    throw fault("InvalidArgument", message);
  }
  return { storageClass: StorageClass, days: Days ?? null, atMs: at?.getTime() ?? null, newerKept: null };
}

function noncurrentTransitionOf(asked: NonNullable<Asked["NoncurrentVersionTransitions"]>[number]): Transition {
  const { StorageClass, NoncurrentDays, NewerNoncurrentVersions } = asked;
  if (StorageClass === undefined || NoncurrentDays === undefined) throw malformed();
  return {
    storageClass: StorageClass,
    days: NoncurrentDays,
    atMs: null,
    newerKept: NewerNoncurrentVersions ?? null,
  };
}

function filterOf({ Prefix, Filter }: Asked): LifecycleRule["filter"] {
  if ((Prefix === undefined) === (Filter === undefined)) throw malformed();
  const and = Filter?.And;
  const tags = and?.Tags ?? (Filter?.Tag === undefined ? [] : [Filter.Tag]);
  const bounds = and ?? Filter;
  return {
    prefix: Prefix ?? and?.Prefix ?? Filter?.Prefix ?? "",
    tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
    sizeAbove: bounds?.ObjectSizeGreaterThan ?? null,
    sizeBelow: bounds?.ObjectSizeLessThan ?? null,
    style: Prefix === undefined ? (and === undefined ? "Filter" : "And") : "Prefix",
  };
}

/** A rule as answers tell it. */
export function toldRule(rule: LifecycleRule) {
  const { expireDays, expireAtMs, expireMarkers, noncurrentDays, noncurrentKept, abortDays } = rule;
  const expires = expireDays !== null || expireAtMs !== null || expireMarkers;
  return {
    ID: rule.id,
    Status: rule.enabled ? ("Enabled" as const) : ("Disabled" as const),
    ...toldFilter(rule.filter),
    ...(expires
      ? {
          Expiration: {
            ...(expireDays === null ? {} : { Days: expireDays }),
            ...(expireAtMs === null ? {} : { Date: new Date(expireAtMs) }),
            ...(expireMarkers ? { ExpiredObjectDeleteMarker: true } : {}),
          },
        }
      : {}),
    ...(noncurrentDays === null
      ? {}
      : {
          NoncurrentVersionExpiration: {
            NoncurrentDays: noncurrentDays,
            ...(noncurrentKept === null ? {} : { NewerNoncurrentVersions: noncurrentKept }),
          },
        }),
    ...(abortDays === null ? {} : { AbortIncompleteMultipartUpload: { DaysAfterInitiation: abortDays } }),
    ...toldTransitions(rule),
  };
}

function toldTransitions({ transitions = [], noncurrentTransitions = [] }: LifecycleRule) {
  const Transitions = transitions.map(({ storageClass: StorageClass, days, atMs }) => ({
    StorageClass,
    ...(days === null ? {} : { Days: days }),
    ...(atMs === null ? {} : { Date: new Date(atMs) }),
  }));
  const NoncurrentVersionTransitions = noncurrentTransitions.map(({ storageClass: StorageClass, days, newerKept }) => ({
    StorageClass,
    ...(days === null ? {} : { NoncurrentDays: days }),
    ...(newerKept === null ? {} : { NewerNoncurrentVersions: newerKept }),
  }));
  return {
    ...(Transitions.length === 0 ? {} : { Transitions }),
    ...(NoncurrentVersionTransitions.length === 0 ? {} : { NoncurrentVersionTransitions }),
  };
}

/** When the newest version of an object expires, and by which rule; undefined when it does not. For `x-amz-expiration`. */
export function expiryOf(
  rules: readonly LifecycleRule[],
  object: Pick<Candidate, "key" | "sizeBytes" | "tags" | "modifiedMs">,
): string | undefined {
  const candidate = { ...object, supersededMs: null, deleteMarker: false, newerNoncurrent: 0, alone: false };
  const [first] = rules
    .filter((rule) => rule.enabled && matches(rule, candidate))
    .flatMap(({ id, expireDays, expireAtMs }) => {
      const atMs = expireDays === null ? expireAtMs : dueMs(object.modifiedMs, expireDays);
      return atMs === null ? [] : [{ id, atMs }];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  if (first === undefined) return undefined;
  return `expiry-date="${new Date(first.atMs).toUTCString()}", rule-id="${encodeURIComponent(first.id)}"`;
}

function toldFilter({ prefix, tags, sizeAbove, sizeBelow, style }: LifecycleRule["filter"]) {
  if (style === "Prefix") return { Prefix: prefix };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const sizes = {
    ...(sizeAbove === null ? {} : { ObjectSizeGreaterThan: sizeAbove }),
    ...(sizeBelow === null ? {} : { ObjectSizeLessThan: sizeBelow }),
  };
  if (style === "And") return { Filter: { And: { Prefix: prefix, Tags, ...sizes } } };
  const [Tag] = Tags;
  if (Tag !== undefined) return { Filter: { Tag } };
  return { Filter: Object.keys(sizes).length > 0 ? sizes : { Prefix: prefix } };
}
