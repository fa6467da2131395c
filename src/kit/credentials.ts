/** Which keys the node knows: asked by wire for the secret that a request must be signed with, and by the endpoint for who signed. */
import type { Instant } from "../base/clock.ts";
import type { Caller } from "./principals.ts";

export interface PresentedKey {
  accessKeyId: string;
  /** Temporary keys come with one. */
  sessionToken: string | undefined;
}

export interface KnownKey {
  principal: Caller;
  secret: string;
  /** Temporary keys end. */
  expiresMs?: Instant;
}

/** The key if this one has made it, else undefined. Must be quick to say no: it is asked for every request. */
export type KeyOf = (presented: PresentedKey) => Promise<KnownKey | undefined>;

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Bits of `random` that stay beside the account in a key id: 10 bytes, of which the account takes 40 bits and a mark one. */
const lowBits = 39n;
const mark = 1n << 79n;

/**
 * An access key id as AWS makes them: four letters that say what kind it is, and base32 of 80 bits that hold the account.
 * `random` has 10 bytes or more.
 */
export function accessKeyIdOf(kind: "AKIA" | "ASIA", account: string, random: Uint8Array): string {
  const low = BigInt(`0x${Buffer.from(random.subarray(0, 10)).toString("hex")}`) & ((1n << lowBits) - 1n);
  const bits = mark | (BigInt(account) << lowBits) | low;
  const letters = Array.from({ length: 16 }, (_, at) => idLetters.charAt(Number((bits >> BigInt(75 - 5 * at)) & 31n)));
  return kind + letters.join("");
}

/** The account inside an access key id; undefined for an id that holds none. */
export function accountIn(accessKeyId: string): string | undefined {
  if (!/^A(KIA|SIA)[Q-Z2-7][A-Z2-7]{15}$/.test(accessKeyId)) return undefined;
  let bits = 0n;
  for (const letter of accessKeyId.slice(4)) bits = (bits << 5n) | BigInt(idLetters.indexOf(letter));
  const account = String((bits & (mark - 1n)) >> lowBits);
  return account.length > 12 ? undefined : account.padStart(12, "0");
}

/** Asks one after another. */
export function firstOf(sources: readonly KeyOf[]): KeyOf {
  return async (presented) => {
    for (const keyOf of sources) {
      const known = await keyOf(presented);
      if (known !== undefined) return known;
    }
    return undefined;
  };
}
