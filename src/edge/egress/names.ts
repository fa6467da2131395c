/**
 * Addresses of names, kept as long as the DNS says, and longer while it does not answer (RFC 8767). What is asked for at
 * once is asked once.
 */
import { lookup, Resolver } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";

export interface Address {
  address: string;
  family: 4 | 6;
}

export interface Answer {
  addresses: readonly Address[];
  ttlSeconds: number;
}

export type Resolve = (name: string) => Promise<Answer>;

export interface Names {
  /** Never empty. Rejects with {@link Forbidden}, or with what the DNS said where nothing is known of the name. */
  addresses(name: string): Promise<readonly Address[]>;
}

/** An address that is not gone to: the machine's metadata, of which a caller could learn its keys. */
export class Forbidden extends Error {
  override readonly name = "Forbidden";
}

const namesMax = 10_000;
/** An answer holds at least and at most this long, whatever it says. */
const ttlMsMin = 1_000;
const ttlMsMax = 60 * 60_000;
/** RFC 8767 section 5: a day to three. */
const staleMsMax = 24 * 60 * 60_000;
/** After a failure the DNS is asked again so much later; until then what is known is served. */
const retryMs = 5_000;
const answerMsMax = 5_000;

const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fe80::", 10, "ipv6");
// AWS's instance metadata, and the credentials of its containers.
linkLocal.addAddress("fd00:ec2::254", "ipv6");
linkLocal.addAddress("fd00:ec2::23", "ipv6");

interface Known {
  addresses: readonly Address[];
  freshUntilMs: number;
  staleUntilMs: number;
}

export interface NamesDeps {
  clock: Clock;
  resolve?: Resolve;
  /** Link-local and metadata addresses too. */
  allowLinkLocal?: boolean;
}

export function createNames({ clock, resolve = resolveOverDns(), allowLinkLocal = false }: NamesDeps): Names {
  /** The one asked for last is last. */
  const known = new Map<string, Known>();
  const asked = new Map<string, Promise<readonly Address[]>>();

  const ask = async (name: string): Promise<readonly Address[]> => {
    const before = known.get(name);
    try {
      const { addresses, ttlSeconds } = await resolve(name);
      const ttlMs = Math.min(ttlMsMax, Math.max(ttlMsMin, ttlSeconds * 1000));
      const nowMs = clock.monotonicMs();
      known.delete(name);
      known.set(name, { addresses, freshUntilMs: nowMs + ttlMs, staleUntilMs: nowMs + ttlMs + staleMsMax });
      for (const oldest of known.keys()) if (known.size > namesMax) known.delete(oldest);
      return addresses;
    } catch (error) {
      const nowMs = clock.monotonicMs();
      if (before === undefined || nowMs > before.staleUntilMs) throw asError(error);
      before.freshUntilMs = nowMs + retryMs;
      return before.addresses;
    } finally {
      asked.delete(name);
    }
  };
  const find = (name: string): Promise<readonly Address[]> => {
    const found = known.get(name);
    if (found !== undefined && clock.monotonicMs() < found.freshUntilMs) return Promise.resolve(found.addresses);
    let asking = asked.get(name);
    if (asking === undefined) asked.set(name, (asking = ask(name)));
    return asking;
  };

  return {
    async addresses(name) {
      const family = isIP(name);
      const all =
        family === 0 ? await find(name) : [{ address: name, family: family === 6 ? (6 as const) : (4 as const) }];
      const allowed = all.filter(({ address, family: kind }) => allowLinkLocal || !isLinkLocal(address, kind));
      // Where one address of a name is forbidden the others are as doubtful, but they are what the name is for.
      if (all.length > 0 && allowed.length === 0) throw new Forbidden(`${name} is a link-local or metadata address`);
      if (allowed.length === 0) throw new Error(`${name} has no address`);
      return allowed;
    },
  };
}

function isLinkLocal(address: string, family: 4 | 6): boolean {
  return linkLocal.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** IPv4 first; names that only this machine knows (`localhost`) are asked of it, and hold for a second. */
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
    if (name.includes(".") && !name.endsWith(".localhost"))
      throw four.status === "rejected" ? four.reason : new Error(`${name} has no address`);
    const local = await lookup(name, { all: true, order: "ipv4first" });
    return {
      addresses: local.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })),
      ttlSeconds: 1,
    };
  };
}
