/**
 * Values of cookies that only the edge can read or make: AES-256-GCM under a key derived from the configuration's
 * secret, so that every worker, every node and the node after a restart read each other's.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { CipherGCM } from "node:crypto";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;
/** A cookie is at most 4 KB (RFC 6265 section 6.1), and no value of ours comes near. */
const sealedCharsMax = 4096;
const sealedPattern = /^[A-Za-z0-9+/]+={0,2}$/;

/** What a cookie says, and until when it is believed. */
export interface Sealed {
  text: string;
  /** Wall time. */
  expiresMs: number;
}

export interface Seal {
  /** `purpose` is part of what is sealed: a value made for one cookie says nothing in another. */
  close(purpose: string, sealed: Sealed): string;
  /** Undefined for what was not sealed here, for this purpose. Expired values open too. */
  open(purpose: string, value: string): Sealed | undefined;
}

/** A seal that is made when it is first asked for. */
export function sealOnce(secret = ""): () => Seal {
  let seal: Seal | undefined;
  return () => (seal ??= createSeal(secret));
}

/** @param secret any text; the same wherever cookies must be understood */
export function createSeal(secret: string): Seal {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "edge cookies", 32));
  return {
    close(purpose, { text, expiresMs }) {
      const nonce = randomBytes(nonceBytes);
      const sealing: CipherGCM = createCipheriv(cipher, key, nonce);
      sealing.setAAD(Buffer.from(purpose));
      const body = Buffer.concat([sealing.update(`${expiresMs}\n${text}`, "utf8"), sealing.final()]);
      return Buffer.concat([nonce, sealing.getAuthTag(), body]).toString("base64");
    },
    open(purpose, value) {
      if (value.length > sealedCharsMax || !sealedPattern.test(value)) return undefined;
      const bytes = Buffer.from(value, "base64");
      if (bytes.length <= nonceBytes + tagBytes) return undefined;
      const opening = createDecipheriv(cipher, key, bytes.subarray(0, nonceBytes));
      opening.setAAD(Buffer.from(purpose));
      opening.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      const plain = opening.update(bytes.subarray(nonceBytes + tagBytes));
      try {
        opening.final();
      } catch {
        // Its only failure: the tag does not fit. Somebody else's value, or an older secret's.
        return undefined;
      }
      const text = plain.toString("utf8");
      const end = text.indexOf("\n");
      return { expiresMs: Number(text.slice(0, end)), text: text.slice(end + 1) };
    },
  };
}
