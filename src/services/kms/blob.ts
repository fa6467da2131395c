/**
 * Ciphertexts of symmetric keys. They describe themselves: format (1), key id (16), version of its material (4),
 * nonce (12), ciphertext, tag (16). All before the ciphertext and the encryption context are authenticated.
 */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from "node:crypto";

export type EncryptionContext = Readonly<Record<string, string>>;

const cipherName = "aes-256-gcm";
const formatVersion = 1;
const idBytes = 16;
const nonceAt = 1 + idBytes + 4;
const headerBytes = nonceAt + 12;
const tagBytes = 16;

/** One text for one context, whatever the order in which its pairs came. */
function canonical(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify(pairs));
}

export interface BlobKey {
  /** A UUID. */
  id: string;
  version: number;
}

export function encryptBlob(
  key: KeyObject,
  { id, version }: BlobKey,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Uint8Array {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(version);
  const nonce = randomBytes(headerBytes - nonceAt);
  const header = Buffer.concat([
    Buffer.from([formatVersion]),
    Buffer.from(id.replaceAll("-", ""), "hex"),
    number,
    nonce,
  ]);
  const cipher = createCipheriv(cipherName, key, nonce);
  cipher.setAAD(Buffer.concat([header, canonical(context)]));
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Which key encrypted it; undefined for what is no ciphertext of ours. */
export function blobKey(bytes: Uint8Array): BlobKey | undefined {
  const blob = Buffer.from(bytes);
  if (blob.byteLength < headerBytes + tagBytes || blob[0] !== formatVersion) return undefined;
  const hex = blob.toString("hex", 1, 1 + idBytes);
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { id, version: blob.readUInt32BE(1 + idBytes) };
}

/** @throws Error when the ciphertext was changed, or the context is another. */
export function decryptBlob(key: KeyObject, bytes: Uint8Array, context: EncryptionContext): Uint8Array {
  const blob = Buffer.from(bytes);
  const header = blob.subarray(0, headerBytes);
  const decipher = createDecipheriv(cipherName, key, header.subarray(nonceAt));
  decipher.setAAD(Buffer.concat([header, canonical(context)]));
  decipher.setAuthTag(blob.subarray(-tagBytes));
  return Buffer.concat([decipher.update(blob.subarray(headerBytes, -tagBytes)), decipher.final()]);
}
