/** The answers that a route keeps in one worker: bounded in bytes, the longest unused go first. */
import type { Headers } from "../../base/http.ts";
import type { CachePolicy } from "../policies.ts";
import { valueOf } from "./fields.ts";
import type { Freshness } from "./freshness.ts";

/** Answers to one URL that differ by `Vary`; one more takes the place of the first. */
const variantsMax = 16;
/** What an entry takes beside its key, fields and body. */
const overheadBytes = 512;

export interface Entry {
  readonly key: string;
  readonly status: number;
  /** Its end-to-end fields, without `Age` and `Content-Length`. */
  readonly fields: Headers;
  readonly body: Buffer;
  readonly freshness: Freshness;
  /** The request's fields that it depends on: name in lower case, value. */
  readonly vary: readonly (readonly [string, string | undefined])[];
}

/** Somebody fetches what a key stands for; what is invalidated meanwhile is not kept. */
export interface Ticket {
  open: number;
  valid: boolean;
}

/** The values of `request` on which an answer with these fields depends; undefined when nobody can know them all. */
export function variesBy(fields: Headers, request: Headers): Entry["vary"] | undefined {
  const names = (valueOf(fields, "vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  // The second are the edge's own, which the endpoint saw and the client did not send.
  if (names.some((name) => name === "*" || name.startsWith("x-forwarded-for") || name.startsWith("x-amzn-"))) {
    return undefined;
  }
  return names.filter((name) => name !== "").map((name) => [name, valueOf(request, name)]);
}

const suits = ({ vary }: Entry, request: Headers) => vary.every(([name, value]) => valueOf(request, name) === value);

function bytesOf({ key, fields, body }: Entry): number {
  return fields.reduce((sum, text) => sum + text.length + 2, key.length + body.length + overheadBytes);
}

export class Store {
  readonly #policy: CachePolicy;
  readonly #variants = new Map<string, readonly Entry[]>();
  readonly #tickets = new Map<string, Ticket>();
  #bytes = 0;
  #fetchedBytes = 0;

  constructor(policy: CachePolicy) {
    this.#policy = policy;
  }

  /** Of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  find(key: string, request: Headers): Entry | undefined {
    const variants = this.#variants.get(key);
    const found = variants?.find((entry) => suits(entry, request));
    if (variants === undefined || found === undefined) return undefined;
    // To the end of the map, which is what was used last.
    this.#variants.delete(key);
    this.#variants.set(key, variants);
    return found;
  }

  /** Keeps `entry` in place of those that suited the same request. */
  put(entry: Entry, request: Headers): void {
    const { bytesMax, entryBytesMax } = this.#policy;
    const others = (this.#variants.get(entry.key) ?? []).filter((other) => !suits(other, request));
    this.forget(entry.key);
    const bytes = bytesOf(entry);
    const kept = bytes > bytesMax || entry.body.length > entryBytesMax ? others : [...others, entry];
    const variants = kept.slice(-variantsMax);
    if (variants.length === 0) return;
    this.#variants.set(entry.key, variants);
    for (const variant of variants) this.#bytes += bytesOf(variant);
    for (const [key] of this.#variants) {
      if (this.#bytes <= bytesMax) break;
      this.forget(key);
    }
  }

  /** Lets go of all that `key` stands for. */
  forget(key: string): void {
    for (const entry of this.#variants.get(key) ?? []) this.#bytes -= bytesOf(entry);
    this.#variants.delete(key);
  }

  /** As {@link forget}, and what is being fetched for it is not kept either. */
  invalidate(key: string): void {
    this.forget(key);
    const ticket = this.#tickets.get(key);
    if (ticket !== undefined) ticket.valid = false;
    this.#tickets.delete(key);
  }

  /** A fetch begins; {@link fetched} ends it. */
  fetching(key: string): Ticket {
    let ticket = this.#tickets.get(key);
    if (ticket === undefined) {
      ticket = { open: 0, valid: true };
      this.#tickets.set(key, ticket);
    }
    ticket.open += 1;
    return ticket;
  }

  fetched(key: string, ticket: Ticket): void {
    ticket.open -= 1;
    if (ticket.open === 0 && this.#tickets.get(key) === ticket) this.#tickets.delete(key);
  }

  /** Room for a part of a body that is being fetched: as much in all as may be kept. */
  reserve(bytes: number): boolean {
    if (this.#fetchedBytes + bytes > this.#policy.bytesMax) return false;
    this.#fetchedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#fetchedBytes -= bytes;
  }
}
