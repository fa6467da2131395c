/**
 * Addresses of names, kept as long as the DNS says, and longer while it does not answer (RFC 8767). What is asked for at
 * once is asked once.
 */
import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { asError, errorCode } from "../../base/errors.ts";
import type { Address } from "./rules.ts";

export interface Answer {
  addresses: readonly Address[];
  ttlSeconds: number;
}

export type Resolve = (name: string) => Promise<Answer>;

/** What a name stands for, and for how long that may be believed. */
export interface Found {
  addresses: readonly Address[];
  freshMs: number;
}

export interface Names {
  /** Rejects with what the DNS said where nothing is known of the name. */
  find(name: string): Promise<Found>;
}

const namesMax = 10_000;
/** An answer holds at least and at most this long, whatever it says. */
const ttlMsMin = 1_000;
const ttlMsMax = 60 * 60_000;
/** RFC 8767 section 5: a day to three. */
const staleMsMax = 24 * 60 * 60_000;
/** After a failure the DNS is asked again so much later; until then what is known is served (RFC 8767: 30 s at most). */
const retryMs = 5_000;
/** Nobody waits longer for a DNS that may not answer, where something is known (RFC 8767's client response timer). */
const patienceMs = 1_800;
const answerMsMax = 5_000;
/** Of one name; the rest are left out. */
const addressesMax = 8;

interface Known {
  addresses: readonly Address[];
  freshUntilMs: number;
  staleUntilMs: number;
}

export interface NamesDeps {
  clock: Clock;
  resolve?: Resolve;
}

export function createNames({ clock, resolve = resolveOverDns() }: NamesDeps): Names {
  /** The one asked for last is last. */
  const known = new Map<string, Known>();
  const asked = new Map<string, Promise<Known>>();

  const ask = async (name: string): Promise<Known> => {
    const before = known.get(name);
    try {
      const { addresses, ttlSeconds } = await resolve(name);
      const ttlMs = Math.min(ttlMsMax, Math.max(ttlMsMin, ttlSeconds * 1000));
      const nowMs = clock.monotonicMs();
      const found = {
        addresses: preferred(addresses),
        freshUntilMs: nowMs + ttlMs,
        staleUntilMs: nowMs + ttlMs + staleMsMax,
      };
      known.delete(name);
      known.set(name, found);
      for (const oldest of known.keys()) if (known.size > namesMax) known.delete(oldest);
      return found;
    } catch (error) {
      // That there is no such name is an answer too, and a newer one.
      if (isNoSuchName(error)) known.delete(name);
      else if (before !== undefined && clock.monotonicMs() <= before.staleUntilMs) return stale(before);
      throw asError(error);
    } finally {
      asked.delete(name);
    }
  };
  const stale = (found: Known): Known => {
    found.freshUntilMs = Math.max(found.freshUntilMs, clock.monotonicMs() + retryMs);
    return found;
  };
  /** Rejects as `asking` does; what is known is given out meanwhile. */
  const orStale = async (asking: Promise<Known>, before: Known | undefined): Promise<Known> => {
    if (before === undefined || clock.monotonicMs() > before.staleUntilMs) return asking;
    const waiting = new AbortController();
    const late = clock.sleep(patienceMs, waiting.signal).then(
      () => stale(before),
      // It was not needed any more.
      () => before,
    );
    try {
      return await Promise.race([asking, late]);
    } finally {
      waiting.abort();
    }
  };

  return {
    async find(name) {
      const family = isIP(name);
      if (family !== 0) return { addresses: [{ address: name, family: family === 6 ? 6 : 4 }], freshMs: ttlMsMax };
      let found = known.get(name);
      if (found === undefined || clock.monotonicMs() >= found.freshUntilMs) {
        let asking = asked.get(name);
        if (asking === undefined) asked.set(name, (asking = ask(name)));
        found = await orStale(asking, found);
      }
      if (found.addresses.length === 0) throw new Error(`${name} has no address`);
      return { addresses: found.addresses, freshMs: Math.max(0, found.freshUntilMs - clock.monotonicMs()) };
    },
  };
}

function isNoSuchName(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOTFOUND" || code === "ENODATA";
}

/**
 * Those of IPv4 where there are any: many machines have names with both, and no way to the other. In one order, however
 * the DNS turns them, so that what has not changed is seen not to have.
 */
function preferred(addresses: readonly Address[]): Address[] {
  const four = addresses.filter(({ family }) => family === 4);
  return (four.length > 0 ? four : [...addresses])
    .toSorted((a, b) => (a.address < b.address ? -1 : 1))
    .slice(0, addressesMax);
}

/** No server knows the name, or there is none to ask. One that is slow is not passed by: the machine would ask it, too. */
function isUnknown(reason: unknown): boolean {
  return isNoSuchName(reason) || errorCode(reason) === "ECONNREFUSED";
}

/** Names that only this machine knows (`localhost`, what is in its hosts file) are asked of it, and hold for a second. */
function resolveOverDns(): Resolve {
  const resolver = new Resolver({ timeout: answerMsMax, tries: 2 });
  const ofFamily = async (name: string, family: 4 | 6): Promise<(Address & { ttl: number })[]> => {
    const records =
      family === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
    return records.map(({ address, ttl }) => ({ address, family, ttl }));
  };
  return async (name) => {
    const [four, six] = await Promise.allSettled([ofFamily(name, 4), ofFamily(name, 6)]);
    const found = [four, six].flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    if (found.length > 0) {
      return { addresses: found, ttlSeconds: Math.min(...found.map(({ ttl }) => ttl)) };
    }
    const reasons = [four, six].flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    const other = reasons.find((reason) => !isUnknown(reason));
    if (other !== undefined) throw asError(other);
    const local = await lookup(name, { all: true, order: "ipv4first" });
    return {
      addresses: local.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })),
      ttlSeconds: 1,
    };
  };
}
