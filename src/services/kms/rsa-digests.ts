/** RSA signatures over a digest that the caller made: RFC 8017, PKCS1-v1_5 (section 9.2) and PSS (section 9.1). */
import {
  constants,
  createHash,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";
import type { Hash } from "./specs.ts";

/** DER of `SEQUENCE { AlgorithmIdentifier, OCTET STRING }` before the digest. */
const digestInfo: Readonly<Partial<Record<Hash, string>>> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

const infoOf = (hash: Hash, digest: Uint8Array) => Buffer.concat([Buffer.from(digestInfo[hash] ?? "", "hex"), digest]);
const pkcs1 = (key: KeyObject) => ({ key, padding: constants.RSA_PKCS1_PADDING });
const bare = (key: KeyObject) => ({ key, padding: constants.RSA_NO_PADDING });
const sizeOf = (key: KeyObject) => (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && timingSafeEqual(left, right);
}

export function pkcs1Sign(privateKey: KeyObject, hash: Hash, digest: Uint8Array): Uint8Array {
  return privateEncrypt(pkcs1(privateKey), infoOf(hash, digest));
}

export function pkcs1Verify(publicKey: KeyObject, hash: Hash, digest: Uint8Array, signature: Uint8Array): boolean {
  const recovered = recover(pkcs1(publicKey), signature);
  return recovered !== undefined && equal(recovered, infoOf(hash, digest));
}

/** What was signed; undefined where the signature is no number below the modulus, or not padded. */
function recover(key: ReturnType<typeof pkcs1>, signature: Uint8Array): Buffer | undefined {
  try {
    return publicDecrypt(key, signature);
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_OSSL_")) return undefined;
    throw error;
  }
}

/** MGF1 over `seed`, applied to `bytes`. */
function masked(bytes: Uint8Array, seed: Uint8Array, hash: Hash): Buffer {
  const out = Buffer.from(bytes);
  const counter = Buffer.alloc(4);
  for (let at = 0, block = 0; at < out.byteLength; block += 1) {
    counter.writeUInt32BE(block);
    for (const byte of createHash(hash).update(seed).update(counter).digest()) {
      if (at < out.byteLength) out[at] = (out[at] ?? 0) ^ byte;
      at += 1;
    }
  }
  return out;
}

const pssHash = (hash: Hash, digest: Uint8Array, salt: Uint8Array) =>
  createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest();

/** The salt is as long as the hash, as KMS makes it. */
export function pssSign(privateKey: KeyObject, hash: Hash, digest: Uint8Array): Uint8Array {
  const salt = randomBytes(digest.byteLength);
  const h = pssHash(hash, digest, salt);
  const zeros = Buffer.alloc(sizeOf(privateKey) - h.byteLength - salt.byteLength - 2);
  const db = masked(Buffer.concat([zeros, Buffer.from([1]), salt]), h, hash);
  // The modulus has a multiple of eight bits, so one bit is left unused.
  db[0] = (db[0] ?? 0) & 0x7f;
  return privateEncrypt(bare(privateKey), Buffer.concat([db, h, Buffer.from([0xbc])]));
}

export function pssVerify(publicKey: KeyObject, hash: Hash, digest: Uint8Array, signature: Uint8Array): boolean {
  const em = recover(bare(publicKey), signature);
  if (em === undefined || em.byteLength !== sizeOf(publicKey) || em.at(-1) !== 0xbc || (em[0] ?? 0) > 0x7f)
    return false;
  const split = em.byteLength - 1 - digest.byteLength;
  const h = em.subarray(split, -1);
  const db = masked(em.subarray(0, split), h, hash);
  db[0] = (db[0] ?? 0) & 0x7f;
  const saltAt = db.byteLength - digest.byteLength;
  const padding = db.subarray(0, saltAt);
  const isPadded = padding.every((byte, index) => byte === (index === saltAt - 1 ? 1 : 0));
  return isPadded && equal(pssHash(hash, digest, db.subarray(saltAt)), h);
}
