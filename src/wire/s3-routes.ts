/** S3's requests to operations: bucket by host or by path, key as the rest of the path, then query and copy source. */
import { percentDecode } from "./form.ts";
import type { Incoming, Located } from "./message.ts";
import type { ServiceModel } from "./model.ts";
import { best, routeOf, type Route } from "./rest-routes.ts";

/** What a URI names: the service itself, a bucket, an object. */
type Level = "service" | "bucket" | "object";

interface Candidate extends Route {
  method: string;
  level: Level;
  /** It is a copy: `x-amz-copy-source` tells it from a put. */
  copies: boolean;
  /** A path of its own below the service. */
  fixedPath: string | undefined;
}

/** Sent to hosts of their own, which no client of this endpoint uses; their URIs are those of other operations. */
const elsewhere = new Set(["ListDirectoryBuckets"]);

const copySource = "x-amz-copy-source";

export interface Address {
  bucket: string | undefined;
  /** What is left for the key, still encoded; without the first slash. */
  key: string;
}

/**
 * Splits a request into bucket and key. By host: `b.s3.localhost`, `b.s3.us-east-1.localhost`, and `b.localhost`, which
 * SDKs make of an endpoint at `localhost`; `hosts` are the names this node goes by. Else by path.
 */
export function s3Address(host: string, path: string, hosts: readonly string[]): Address {
  const rest = path.startsWith("/") ? path.slice(1) : path;
  const bucket = bucketOfHost(host, hosts);
  if (bucket !== undefined) return { bucket, key: rest };
  if (rest === "") return { bucket: undefined, key: "" };
  const slash = rest.indexOf("/");
  return slash === -1
    ? { bucket: percentDecode(rest), key: "" }
    : { bucket: percentDecode(rest.slice(0, slash)), key: rest.slice(slash + 1) };
}

function bucketOfHost(host: string, hosts: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, "");
  for (const base of hosts) {
    if (name === base || !name.endsWith(`.${base}`)) continue;
    const before = name.slice(0, -base.length - 1);
    // `s3`, `s3.us-east-1`, `s3-us-west-2`, and the same below a bucket.
    const service = /(?:^|\.)s3(?:[.-][a-z0-9-]+)?$/.exec(before);
    const bucket = service === null ? before : before.slice(0, service.index);
    return bucket === "" ? undefined : bucket;
  }
  return undefined;
}

export function s3Routes(model: ServiceModel, hosts: readonly string[]): (incoming: Incoming) => Located | undefined {
  const candidates = model.operationNames
    .filter((name) => !elsewhere.has(name))
    .flatMap((name) => {
      const operation = model.operation(name);
      return operation === undefined ? [] : [candidateOf(routeOf(operation))];
    });
  const byPlace = Map.groupBy(candidates, ({ method, level, fixedPath }) => fixedPath ?? `${method} ${level}`);
  return ({ request, path, query, headers }) => {
    const fixed = byPlace.get(path)?.find(({ method }) => method === request.method);
    if (fixed !== undefined) return { operation: fixed.operation, labels: {} };
    const { bucket, key } = s3Address(request.host, path, hosts);
    const level: Level = bucket === undefined ? "service" : key === "" ? "bucket" : "object";
    const copies = headers.has(copySource);
    const open = byPlace
      .get(`${request.method} ${level}`)
      ?.filter(
        (candidate) =>
          candidate.copies === copies && candidate.required.every((name) => query.some(([found]) => found === name)),
      );
    // A copy source where nothing is copied is an odd header, not another operation.
    const route = best(open?.length === 0 ? byPlace.get(`${request.method} ${level}`) : open, query);
    if (route === undefined) return undefined;
    const labels: Record<string, string> = {};
    if (bucket !== undefined) labels["Bucket"] = bucket;
    if (level === "object") labels["Key"] = percentDecode(key);
    return { operation: route.operation, labels };
  };
}

function candidateOf({ path, ...route }: Route & { path: string }): Candidate {
  const { members } = route.operation.input;
  const inBucket = members.some(({ name, traits }) => name === "Bucket" && traits.httpLabel === 1);
  const level: Level = path.includes("{") ? "object" : inBucket ? "bucket" : "service";
  return {
    ...route,
    level,
    method: route.operation.http[0],
    copies: members.some(({ required, traits }) => required && traits.httpHeader === copySource),
    fixedPath: level === "service" && path !== "/" ? path : undefined,
  };
}
