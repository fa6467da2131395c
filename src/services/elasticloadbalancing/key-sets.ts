/**
 * The key sets that tokens are verified with, fetched from their endpoints and kept fresh.
 * Source: ALB user guide, "Verify JWTs": RS256 only, at most 150 KB and 10 keys; a set beyond that lets nothing pass.
 */
import type { Clock, Instant } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Job } from "../../base/scheduler.ts";
import type { JsonWebKey } from "../../edge/ports.ts";
import type { Log } from "../../telemetry/log.ts";

const bytesMax = 150 * 1024;
const keysMax = 10;
/** An endpoint has this long to answer. A change of routing that names a new one waits for it. */
const fetchMsMax = 5_000;
/** How long a set is good, and how long after a failure the endpoint is asked again. */
const freshMs = 5 * 60_000;
const retryMs = 30_000;
const jobMs = 15_000;

/** Gets a URL: its status, and its body, which is read as far as it is wanted. */
export type Get = (url: string, signal: AbortSignal) => Promise<{ status: number; body: AsyncIterable<Uint8Array> }>;

export interface KeySetDeps {
  clock: Clock;
  log: Log;
  get?: Get;
  /** The keys of some endpoint are others than before. */
  changed(): Promise<void>;
}

export interface KeySets {
  /** Fetches what was never asked for, and forgets what is not named any more. Never fails: then there are no keys. */
  want(endpoints: readonly string[]): Promise<void>;
  /** The keys of an endpoint, as they were last; none where they could not be had. */
  keysOf(endpoint: string): readonly JsonWebKey[];
  readonly job: Job;
}

interface KeySet {
  keys: readonly JsonWebKey[];
  askAgain: Instant;
}

const getByFetch: Get = async (url, signal) => {
  const { status, body } = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  return { status, body: body ?? new ReadableStream<Uint8Array>() };
};

export function createKeySets({ clock, log, get = getByFetch, changed }: KeySetDeps): KeySets {
  const sets = new Map<string, KeySet>();

  const load = async (endpoint: string): Promise<readonly JsonWebKey[]> => {
    const late = new AbortController();
    const timer = clock.after(fetchMsMax, () => late.abort(new Error(`no answer within ${fetchMsMax} ms`)));
    try {
      const { status, body } = await get(endpoint, late.signal);
      if (status !== 200) throw new Error(`the endpoint answered ${status}`);
      return keysIn(await textOf(body));
    } finally {
      timer.cancel();
    }
  };
  /** True when the keys are others than before. */
  const refresh = async (endpoint: string): Promise<boolean> => {
    const before = sets.get(endpoint);
    try {
      const keys = await load(endpoint);
      sets.set(endpoint, { keys, askAgain: clock.now() + freshMs });
      return JSON.stringify(keys) !== JSON.stringify(before?.keys ?? []);
    } catch (cause) {
      const error = asError(cause);
      log.warn("a key set could not be fetched; tokens are verified with the keys of before", { endpoint, error });
      sets.set(endpoint, { keys: before?.keys ?? [], askAgain: clock.now() + retryMs });
      return false;
    }
  };

  return {
    async want(endpoints) {
      const wanted = new Set(endpoints);
      for (const endpoint of sets.keys()) if (!wanted.has(endpoint)) sets.delete(endpoint);
      await Promise.all([...wanted].filter((endpoint) => !sets.has(endpoint)).map(refresh));
    },
    keysOf: (endpoint) => sets.get(endpoint)?.keys ?? [],
    job: {
      name: "elasticloadbalancing:key-sets",
      everyMs: jobMs,
      async run() {
        const due = [...sets].filter(([, { askAgain }]) => askAgain <= clock.now());
        const news = await Promise.all(due.map(([endpoint]) => refresh(endpoint)));
        if (news.includes(true)) await changed();
      },
    },
  };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > bytesMax) throw new Error(`the key set is longer than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** The RSA keys for signatures in a set (RFC 7517 section 5). Throws for what is no set, or has too many. */
function keysIn(text: string): JsonWebKey[] {
  const set: unknown = JSON.parse(text);
  const keys: unknown = typeof set === "object" && set !== null && "keys" in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("the key set has no keys");
  if (keys.length > keysMax) throw new Error(`the key set has more than ${keysMax} keys`);
  return keys.flatMap((key: unknown) => rsaKey(key));
}

function rsaKey(key: unknown): JsonWebKey[] {
  if (typeof key !== "object" || key === null) return [];
  const { kty, use, alg, kid, n, e } = key as Partial<Record<string, unknown>>;
  const fits = kty === "RSA" && (use ?? "sig") === "sig" && (alg ?? "RS256") === "RS256";
  if (!fits || typeof n !== "string" || typeof e !== "string") return [];
  return [{ kid: typeof kid === "string" ? kid : "", n, e }];
}
