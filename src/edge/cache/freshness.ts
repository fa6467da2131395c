/** What may be kept, and for how long it may be given out: RFC 9111 for a shared cache, and RFC 5861. Pure rules. */
import type { Headers } from "../../base/http.ts";
import type { CachePolicy } from "../policies.ts";
import { dateOf, directivesOf, secondsOf, valueOf, type Directives } from "./fields.ts";

/** Final answers whose meaning is all in themselves. Errors of a server are not kept, whatever they say. */
const statuses: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501]);

/** How long an answer may be given out. Times in milliseconds. */
export interface Freshness {
  /** Monotonic, when it was kept, and its age then. */
  keptMs: number;
  ageMs: number;
  lifetimeMs: number;
  /** It is asked about before each use. */
  validatesAlways: boolean;
  /** How long past its lifetime it may be given out while it is asked about, and in place of an error. */
  whileRevalidateMs: number;
  ifErrorMs: number;
  /** Requests with `Authorization` may have it too (RFC 9111 section 3.5). */
  public: boolean;
}

/** When an answer came. */
export interface Arrival {
  /** Milliseconds since the epoch, and monotonic. */
  nowMs: number;
  monotonicMs: number;
  /** Between the request and the head of its answer. */
  delayMs: number;
}

type StalePolicy = Pick<CachePolicy, "staleWhileRevalidateSeconds" | "staleIfErrorSeconds">;

/** The freshness of an answer to a GET; undefined when it may not be kept, or keeping it is of no use. */
export function freshnessOf(
  status: number,
  fields: Headers,
  policy: StalePolicy,
  arrival: Arrival,
): Freshness | undefined {
  if (!statuses.has(status) || valueOf(fields, "set-cookie") !== undefined) return undefined;
  const directives = directivesOf(valueOf(fields, "cache-control"));
  if (directives.has("no-store") || directives.has("private")) return undefined;
  const validatesAlways = directives.has("no-cache");
  const lifetime = lifetimeOf(directives, fields, arrival.nowMs) ?? (validatesAlways ? 0 : undefined);
  // Nothing is guessed from Last-Modified: an answer is reused only where it says so itself.
  if (lifetime === undefined) return undefined;
  const freshness: Freshness = {
    keptMs: arrival.monotonicMs,
    ageMs: ageOf(fields, arrival),
    lifetimeMs: lifetime,
    validatesAlways,
    ...staleOf(directives, policy),
    public: ["public", "s-maxage", "must-revalidate"].some((name) => directives.has(name)),
  };
  const reusable = !validatesAlways && leftMs(freshness, arrival.monotonicMs) + staleMs(freshness) > 0;
  return reusable || hasValidator(fields) ? freshness : undefined;
}

const staleMs = ({ whileRevalidateMs, ifErrorMs }: Freshness) => Math.max(whileRevalidateMs, ifErrorMs);

export function hasValidator(fields: Headers): boolean {
  return valueOf(fields, "etag") !== undefined || valueOf(fields, "last-modified") !== undefined;
}

/** RFC 9111 section 4.2.1. */
function lifetimeOf(directives: Directives, fields: Headers, nowMs: number): number | undefined {
  const seconds = secondsOf(directives, "s-maxage") ?? secondsOf(directives, "max-age");
  if (seconds !== undefined) return seconds * 1000;
  const expires = valueOf(fields, "expires");
  if (expires === undefined) return undefined;
  return Math.max(0, (dateOf(expires) ?? 0) - (dateOf(valueOf(fields, "date")) ?? nowMs));
}

/** RFC 9111 section 4.2.3: the age that it has when it is kept. */
function ageOf(fields: Headers, { nowMs, delayMs }: Arrival): number {
  const apparentMs = Math.max(0, nowMs - (dateOf(valueOf(fields, "date")) ?? nowMs));
  const age = valueOf(fields, "age") ?? "";
  const saidMs = /^\d{1,10}/.test(age) ? Number.parseInt(age, 10) * 1000 : 0;
  // A date has whole seconds: less than one is no age.
  return Math.max(apparentMs < 1000 ? 0 : apparentMs, saidMs + delayMs);
}

/** How stale it may be given out. `s-maxage` forbids that to shared caches, unless the same answer asks for it. */
function staleOf(directives: Directives, policy: StalePolicy) {
  const never = ["must-revalidate", "proxy-revalidate", "no-cache"].some((name) => directives.has(name));
  const secondsFor = (name: string, otherwise: number) =>
    never ? 0 : (secondsOf(directives, name) ?? (directives.has("s-maxage") ? 0 : otherwise));
  return {
    whileRevalidateMs: secondsFor("stale-while-revalidate", policy.staleWhileRevalidateSeconds) * 1000,
    ifErrorMs: secondsFor("stale-if-error", policy.staleIfErrorSeconds) * 1000,
  };
}

/** Its age now. */
export function ageMsOf({ ageMs, keptMs }: Freshness, monotonicMs: number): number {
  return ageMs + Math.max(0, monotonicMs - keptMs);
}

/** How long it is still fresh; negative when it is stale. */
export function leftMs(freshness: Freshness, monotonicMs: number): number {
  return freshness.lifetimeMs - ageMsOf(freshness, monotonicMs);
}

/** What a client says of the answer that it wants (RFC 9111 section 5.2.1). */
export interface Wanted {
  /** Not without asking. */
  validated: boolean;
  ageMsMax: number;
  freshMsMin: number;
  onlyIfCached: boolean;
}

/** Fields of a request that the cache leaves to the endpoint: part of an answer, or a condition for doing something. */
const leftAlone = ["range", "if-range", "if-match", "if-unmodified-since"];

/** What a request wants of the cache; undefined when that is to stay out of it. */
export function wantedOf(fields: Headers): Wanted | undefined {
  const value = valueOf(fields, "cache-control");
  const directives = directivesOf(value);
  if (directives.has("no-store") || leftAlone.some((name) => valueOf(fields, name) !== undefined)) return undefined;
  const pragma = value === undefined && directivesOf(valueOf(fields, "pragma")).has("no-cache");
  return {
    validated: pragma || directives.has("no-cache"),
    ageMsMax: (secondsOf(directives, "max-age") ?? Number.POSITIVE_INFINITY) * 1000,
    freshMsMin: (secondsOf(directives, "min-fresh") ?? 0) * 1000,
    onlyIfCached: directives.has("only-if-cached"),
  };
}

/** What may be done with a kept answer: given out, given out while it is asked about, or asked about first. */
export function useOf(freshness: Freshness, wanted: Wanted, monotonicMs: number): "give" | "give-stale" | "ask" {
  const left = leftMs(freshness, monotonicMs);
  if (wanted.validated || freshness.validatesAlways) return "ask";
  // max-age=0 asks for an answer that is made now.
  if (wanted.ageMsMax === 0 || ageMsOf(freshness, monotonicMs) > wanted.ageMsMax) return "ask";
  if (wanted.freshMsMin > 0 && left < wanted.freshMsMin) return "ask";
  if (left > 0) return "give";
  return left + freshness.whileRevalidateMs > 0 ? "give-stale" : "ask";
}

/** Whether it may stand in for an error. */
export function coversError(freshness: Freshness, wanted: Wanted, monotonicMs: number): boolean {
  if (wanted.validated || freshness.validatesAlways) return false;
  return freshness.ifErrorMs > 0 && leftMs(freshness, monotonicMs) + freshness.ifErrorMs > 0;
}
