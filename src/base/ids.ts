/** Names that nobody chose: request ids, tokens, the suffixes of physical names. A dependency, so that tests can repeat them. */
import { randomBytes, randomUUID } from "node:crypto";

export interface Ids {
  /** A version 4 UUID, lower case. */
  uuid(): string;
  /** `bytes` random bytes (1 or more) as lower-case hex. */
  hex(bytes: number): string;
  /** `length` characters of A-Z and 0-9, as CloudFormation's physical names end. */
  suffix(length: number): string;
}

const suffixLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

function lettersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => suffixLetters.charAt(byte % suffixLetters.length)).join("");
}

/** Bytes that are asked for at once: one at a time costs a microsecond each, and a call takes several. */
const pooledBytes = 4_096;

/** Random bytes as lower-case hex, cut from a pool; no byte is given twice. */
function pooledHex(): (bytes: number) => string {
  let pool = Buffer.alloc(0);
  let used = 0;
  return (bytes) => {
    if (bytes > pooledBytes) return randomBytes(bytes).toString("hex");
    if (used + bytes > pool.byteLength) {
      pool = randomBytes(pooledBytes);
      used = 0;
    }
    used += bytes;
    return pool.toString("hex", used - bytes, used);
  };
}

/** From the machine's random source. */
export const randomIds: Ids = {
  uuid: () => randomUUID(),
  hex: pooledHex(),
  suffix: (length) => lettersOf(randomBytes(length)),
};

/** The same ids in the same order every time, for tests. */
export function countingIds(): Ids {
  let count = 0;
  const next = () => (count += 1);
  return {
    uuid: () => `00000000-0000-4000-8000-${String(next()).padStart(12, "0")}`,
    hex: (bytes) =>
      next()
        .toString(16)
        .padStart(bytes * 2, "0"),
    suffix: (length) => next().toString(36).toUpperCase().padStart(length, "0"),
  };
}
