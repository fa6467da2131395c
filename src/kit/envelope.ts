/** Envelope encryption: values of any length under a data key of KMS, which travels with them, itself encrypted. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { must } from "../base/errors.ts";
import type { Call } from "./call.ts";
import type { Peers } from "./peers.ts";

export interface Envelope {
  /** Encrypts under `keyId`, an id, ARN or alias of KMS. KMS's own faults come through. */
  seal(
    plaintext: Uint8Array,
    keyId: string,
    context: Readonly<Record<string, string>>,
    call: Call,
  ): Promise<Uint8Array>;
  /** Decrypts with whichever key it was; fails as KMS does when the context is another. */
  open(sealed: Uint8Array, context: Readonly<Record<string, string>>, call: Call): Promise<Uint8Array>;
}

/** The first byte; KMS's own ciphertexts begin with another. */
export const envelopeMark = 0xe1;
const nonceBytes = 12;
const tagBytes = 16;
const cipherName = "aes-256-gcm";

/** Layout: mark (1), length of the encrypted data key (2), that key, nonce (12), ciphertext, tag (16). */
export function envelopeOver(kms: () => Pick<Peers["kms"], "GenerateDataKey" | "Decrypt">): Envelope {
  return {
    async seal(plaintext, keyId, context, call) {
      const input = { KeyId: keyId, KeySpec: "AES_256" as const, EncryptionContext: { ...context } };
      const { Plaintext, CiphertextBlob } = await kms().GenerateDataKey(input, call);
      const wrapped = must(CiphertextBlob, "an encrypted data key");
      const length = Buffer.alloc(2);
      length.writeUInt16BE(wrapped.byteLength);
      const header = Buffer.concat([Buffer.from([envelopeMark]), length, wrapped, randomBytes(nonceBytes)]);
      const cipher = createCipheriv(cipherName, must(Plaintext, "a data key"), header.subarray(-nonceBytes));
      cipher.setAAD(header);
      return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    async open(bytes, context, call) {
      const sealed = Buffer.from(bytes);
      const keyEnd = 3 + sealed.readUInt16BE(1);
      const header = sealed.subarray(0, keyEnd + nonceBytes);
      const input = { CiphertextBlob: sealed.subarray(3, keyEnd), EncryptionContext: { ...context } };
      const { Plaintext } = await kms().Decrypt(input, call);
      const decipher = createDecipheriv(cipherName, must(Plaintext, "a data key"), header.subarray(keyEnd));
      decipher.setAAD(header);
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      return Buffer.concat([decipher.update(sealed.subarray(header.byteLength, -tagBytes)), decipher.final()]);
    },
  };
}
