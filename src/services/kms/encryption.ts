/** Encryption and decryption, with symmetric keys and with RSA. */
import { constants, privateDecrypt, publicEncrypt, type KeyObject } from "node:crypto";
import type { EncryptionAlgorithmSpec } from "@aws-sdk/client-kms";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { blobKey, decryptBlob, encryptBlob, type EncryptionContext } from "./blob.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { checkAlgorithm, checkEnabled, type KmsDeps, type Usable } from "./keyring.ts";
import { publicKeyOf } from "./material.ts";
import { keyArn } from "./names.ts";
import { hashOf, type Hash } from "./specs.ts";
import { findKey } from "./tables.ts";

const symmetric = "SYMMETRIC_DEFAULT";
const hashBytes: Readonly<Partial<Record<Hash, number>>> = { sha1: 20, sha256: 32 };

export const badCiphertext = (cause?: unknown) => fault("InvalidCiphertextException", "", {}, { cause });

export function checkDryRun(dryRun: boolean | undefined): void {
  if (dryRun) {
    throw fault("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.");
  }
}

/** Nitro enclaves attest who they are; without that, the plaintext would go to whoever asks. */
export function checkRecipient(recipient: object | undefined): void {
  if (recipient !== undefined) throw notYet("Recipient (Nitro enclaves)");
}

function checkNoContext(context: EncryptionContext | undefined, algorithm: string): void {
  if (Object.keys(context ?? {}).length > 0) throw invalid(`Encryption context is not supported for ${algorithm}.`);
}

const oaep = (key: KeyObject, algorithm: string) => ({
  key,
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: hashOf(algorithm) ?? "sha256",
});

interface Sealing {
  algorithm: EncryptionAlgorithmSpec;
  context: EncryptionContext | undefined;
}
type Given = Partial<Sealing> & { keyId?: string | undefined };

export interface Encryption {
  encrypt(usable: Usable, plaintext: Uint8Array, sealing: Sealing): Promise<Uint8Array>;
  /** Finds the key in the ciphertext, or takes the named one, and opens it. */
  decrypt(
    ciphertext: Uint8Array,
    given: Given,
    call: Call,
    operation: string,
  ): Promise<{ usable: Usable; plaintext: Uint8Array; algorithm: EncryptionAlgorithmSpec }>;
}

export function createEncryption({ store, keyring }: KmsDeps): Encryption {
  const encryptRsa = async ({ row, spec }: Usable, plaintext: Uint8Array, algorithm: string) => {
    const key = await keyring.open(row, row.version);
    const bytesMax =
      (spec.kind === "rsa" ? spec.bits / 8 : 0) - 2 * (hashBytes[hashOf(algorithm) ?? "sha256"] ?? 32) - 2;
    if (plaintext.byteLength > bytesMax) {
      throw invalid(
        `Algorithm ${algorithm} and key spec ${row.spec} cannot encrypt data larger than ${bytesMax} bytes.`,
      );
    }
    return publicEncrypt(oaep(publicKeyOf(key), algorithm), plaintext);
  };

  /** The key that a ciphertext names. One that is gone, or of another account, cannot be told from nonsense. */
  const named = async (ciphertext: Uint8Array, call: Call, operation: string) => {
    const inside = blobKey(ciphertext);
    const row = inside && (await store.read((tx) => findKey(tx, call, inside.id)));
    if (inside === undefined || row === undefined || inside.version > row.version || inside.version < 1) {
      throw badCiphertext();
    }
    checkEnabled(row);
    return { usable: await keyring.usable(row.id, call, "ENCRYPT_DECRYPT", operation), version: inside.version };
  };

  const decryptSymmetric = async (ciphertext: Uint8Array, given: Given, call: Call, operation: string) => {
    const wanted =
      given.keyId === undefined ? undefined : await keyring.usable(given.keyId, call, "ENCRYPT_DECRYPT", operation);
    const { usable, version } = await named(ciphertext, call, operation);
    if (wanted !== undefined && wanted.row.id !== usable.row.id) {
      throw fault(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
      );
    }
    const key = await keyring.open(usable.row, version);
    try {
      return { usable, plaintext: decryptBlob(key, ciphertext, given.context ?? {}) };
    } catch (cause) {
      // OpenSSL's one error for a tag that does not match: a changed ciphertext, or another encryption context.
      throw badCiphertext(cause);
    }
  };

  const decryptRsa = async (ciphertext: Uint8Array, given: Given, algorithm: string, call: Call, operation: string) => {
    if (given.keyId === undefined) throw invalid(`KeyId is required when the algorithm is ${algorithm}.`);
    checkNoContext(given.context, algorithm);
    const usable = await keyring.usable(given.keyId, call, "ENCRYPT_DECRYPT", operation);
    checkAlgorithm(usable, algorithm);
    const key = await keyring.open(usable.row, usable.row.version);
    try {
      return { usable, plaintext: privateDecrypt(oaep(key, algorithm), ciphertext) };
    } catch (cause) {
      throw badCiphertext(cause);
    }
  };

  return {
    async encrypt(usable, plaintext, { algorithm, context }) {
      checkAlgorithm(usable, algorithm);
      if (usable.spec.kind !== "symmetric") {
        checkNoContext(context, algorithm);
        return encryptRsa(usable, plaintext, algorithm);
      }
      const { id, version } = usable.row;
      return encryptBlob(await keyring.open(usable.row, version), { id, version }, plaintext, context ?? {});
    },
    async decrypt(ciphertext, given, call, operation) {
      const algorithm = given.algorithm ?? symmetric;
      const opened =
        algorithm === symmetric
          ? await decryptSymmetric(ciphertext, given, call, operation)
          : await decryptRsa(ciphertext, given, algorithm, call, operation);
      return { ...opened, algorithm };
    },
  };
}

export function encryptionOperations({ keyring, encryption }: KmsDeps & { encryption: Encryption }) {
  return {
    async Encrypt(input, call) {
      const usable = await keyring.usable(input.KeyId, call, "ENCRYPT_DECRYPT", "Encrypt");
      const algorithm = input.EncryptionAlgorithm ?? symmetric;
      checkAlgorithm(usable, algorithm);
      checkDryRun(input.DryRun);
      const sealing = { algorithm, context: input.EncryptionContext };
      const CiphertextBlob = await encryption.encrypt(usable, input.Plaintext, sealing);
      return { CiphertextBlob, KeyId: keyArn(usable.row), EncryptionAlgorithm: algorithm };
    },

    async Decrypt(input, call) {
      checkRecipient(input.Recipient);
      if (input.CiphertextBlob === undefined) throw invalid("CiphertextBlob must be given.");
      const given: Given = {
        keyId: input.KeyId,
        context: input.EncryptionContext,
        ...(input.EncryptionAlgorithm === undefined ? {} : { algorithm: input.EncryptionAlgorithm }),
      };
      const { usable, plaintext, algorithm } = await encryption.decrypt(input.CiphertextBlob, given, call, "Decrypt");
      checkDryRun(input.DryRun);
      return { Plaintext: plaintext, KeyId: keyArn(usable.row), EncryptionAlgorithm: algorithm };
    },

    async ReEncrypt(input, call) {
      if (input.CiphertextBlob === undefined) throw invalid("CiphertextBlob must be given.");
      const target = await keyring.usable(input.DestinationKeyId, call, "ENCRYPT_DECRYPT", "ReEncrypt");
      const from: Given = {
        keyId: input.SourceKeyId,
        context: input.SourceEncryptionContext,
        ...(input.SourceEncryptionAlgorithm === undefined ? {} : { algorithm: input.SourceEncryptionAlgorithm }),
      };
      const source = await encryption.decrypt(input.CiphertextBlob, from, call, "ReEncrypt");
      const algorithm = input.DestinationEncryptionAlgorithm ?? symmetric;
      checkDryRun(input.DryRun);
      const sealing = { algorithm, context: input.DestinationEncryptionContext };
      return {
        CiphertextBlob: await encryption.encrypt(target, source.plaintext, sealing),
        SourceKeyId: keyArn(source.usable.row),
        KeyId: keyArn(target.row),
        SourceEncryptionAlgorithm: source.algorithm,
        DestinationEncryptionAlgorithm: algorithm,
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}
