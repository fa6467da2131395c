/** Quotas, and what AWS checks of names and tags. Source: Application Load Balancers guide, "Quotas"; API reference. */
import { fault, invalid } from "./refusals.ts";

/**
 * Defaults of a new account. Names are those that DescribeAccountLimits answers.
 * Sources: ALB user guide and NLB user guide, "Quotas".
 */
export const quotas = {
  "application-load-balancers": 50,
  "listeners-per-application-load-balancer": 50,
  "rules-per-application-load-balancer": 100,
  "condition-values-per-alb-rule": 5,
  "condition-wildcards-per-alb-rule": 5,
  "target-groups": 3000,
  "target-groups-per-action-on-application-load-balancer": 5,
  "target-groups-per-application-load-balancer": 100,
  "targets-per-application-load-balancer": 1000,
  "target-id-registrations-per-application-load-balancer": 1000,
  "certificates-per-application-load-balancer": 25,
  "network-load-balancers": 50,
  "listeners-per-network-load-balancer": 50,
  "target-groups-per-action-on-network-load-balancer": 5,
  "targets-per-network-load-balancer": 3000,
  "certificates-per-network-load-balancer": 25,
} as const;

/** Targets of one group. */
export const targetsPerGroupMax = 1000;
const tagsMax = 50;
/** Default of every PageSize; 1-400 is checked by the wire. */
export const pageSizeDefault = 400;
/** DescribeLoadBalancers and DescribeTags take this many ARNs in one call. */
export const arnsPerCallMax = 20;
const nameLengthMax = 32;

export interface Tag {
  Key: string;
  Value: string;
}

/** Throws unless `name` may be given; `what` begins AWS's sentence: `The load balancer name`. */
export function checkName(what: string, name: string): void {
  if (name.length > nameLengthMax) {
    throw invalid(`${what} '${name}' cannot be longer than '${nameLengthMax}' characters`);
  }
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    throw invalid(`${what} '${name}' can only contain characters that are alphanumeric characters or hyphens(-)`);
  }
  if (name.startsWith("-") || name.endsWith("-")) throw invalid(`${what} '${name}' cannot begin or end with '-'`);
}

/** Keys that begin so are AWS's own; CloudFormation gives them, clients may not. */
const reservedPrefix = "aws:";

/** Tags as a client gives them. Throws on a key that is reserved. */
export function clientTags<T extends { Key: string }>(tags: readonly T[] = []): readonly T[] {
  const reserved = tags.find(({ Key }) => Key.toLowerCase().startsWith(reservedPrefix));
  if (reserved !== undefined)
    throw invalid(`Tag keys beginning with 'aws:' are reserved for system use: ${reserved.Key}`);
  return tags;
}

/** The tags that are there with `added` over them. Throws past 50, and on a key that came twice. */
export function mergeTags(
  present: readonly Tag[],
  added: readonly { Key: string; Value?: string | undefined }[],
): Tag[] {
  const seen = new Set<string>();
  for (const { Key } of added) {
    if (seen.has(Key)) throw fault("DuplicateTagKeysException", `Tag key was specified more than once: ${Key}`);
    seen.add(Key);
  }
  const merged = new Map(present.map((tag) => [tag.Key, tag.Value]));
  for (const { Key, Value } of added) merged.set(Key, Value ?? "");
  if (merged.size > tagsMax) {
    throw fault(
      "TooManyTagsException",
      "The quota for the number of tags that can be assigned to a load balancer has been reached",
    );
  }
  return [...merged].map(([Key, Value]) => ({ Key, Value }));
}
