/** Signatures, message authentication codes, key agreement; and the public halves. */
import {
  constants,
  createHmac,
  createPublicKey,
  diffieHellman,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import { must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { ecdsaSign, ecdsaVerify } from "./curves.ts";
import { checkDryRun, checkRecipient } from "./encryption.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { checkAlgorithm, checkEnabled, specNamed, type KmsDeps, type Usable } from "./keyring.ts";
import { publicKeyOf } from "./material.ts";
import { keyArn } from "./names.ts";
import { pkcs1Sign, pkcs1Verify, pssSign, pssVerify } from "./rsa-digests.ts";
import { algorithmsOf, hashOf, type Hash } from "./specs.ts";

// Both run on libuv's threads: RSA_4096 would hold the loop for milliseconds.
const signMessage = promisify<string | null, Uint8Array, SignKey, Buffer>(sign);
const verifyMessage = promisify<string | null, Uint8Array, SignKey, Uint8Array, boolean>(verify);

interface SignKey {
  key: KeyObject;
  padding?: number;
  saltLength?: number;
}

const hashBytes: Readonly<Record<Hash, number>> = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 };

interface Work {
  usable: Usable;
  algorithm: string;
  hash: Hash;
  /** The private key. */
  key: KeyObject;
}

const isPss = (algorithm: string) => algorithm.startsWith("RSASSA_PSS");

function signKey(key: KeyObject, algorithm: string): SignKey {
  if (isPss(algorithm)) {
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  }
  return algorithm.startsWith("RSASSA") ? { key, padding: constants.RSA_PKCS1_PADDING } : { key };
}

/** Ed25519 hashes for itself. */
const nameOfHash = ({ usable, hash }: Work) => (usable.spec.kind === "ed25519" ? null : hash);

function checkDigest({ usable, algorithm, hash }: Work, digest: Uint8Array): void {
  if (usable.spec.kind === "ed25519") throw invalid(`MessageType DIGEST is not valid for ${algorithm}.`);
  if (digest.byteLength !== hashBytes[hash]) {
    throw invalid(`Digest is invalid length for algorithm ${algorithm}.`);
  }
}

function signDigest(work: Work, digest: Uint8Array): Uint8Array {
  const { usable, key, hash, algorithm } = work;
  checkDigest(work, digest);
  if (usable.spec.kind === "ec") return ecdsaSign(key, usable.spec.curve, digest);
  return isPss(algorithm) ? pssSign(key, hash, digest) : pkcs1Sign(key, hash, digest);
}

function verifyDigest(work: Work, digest: Uint8Array, signature: Uint8Array): boolean {
  const { usable, hash, algorithm } = work;
  checkDigest(work, digest);
  const key = publicKeyOf(work.key);
  if (usable.spec.kind === "ec") return ecdsaVerify(key, usable.spec.curve, digest, signature);
  return isPss(algorithm) ? pssVerify(key, hash, digest, signature) : pkcs1Verify(key, hash, digest, signature);
}

export function signingOperations({ keyring }: KmsDeps) {
  const prepare = async (keyId: string, algorithm: string, type: string | undefined, call: Call, operation: string) => {
    const usable = await keyring.usable(keyId, call, "SIGN_VERIFY", operation);
    checkAlgorithm(usable, algorithm);
    if (type === "EXTERNAL_MU") throw notYet("MessageType EXTERNAL_MU");
    const key = await keyring.open(usable.row, usable.row.version);
    return { usable, algorithm, hash: must(hashOf(algorithm), "the hash of an algorithm"), key };
  };
  const macWork = async (keyId: string, algorithm: string, call: Call, operation: string, message: Uint8Array) => {
    const usable = await keyring.usable(keyId, call, "GENERATE_VERIFY_MAC", operation);
    checkAlgorithm(usable, algorithm);
    const key = await keyring.open(usable.row, usable.row.version);
    const mac = createHmac(must(hashOf(algorithm), "the hash of an algorithm"), key)
      .update(message)
      .digest();
    return { mac, arn: keyArn(usable.row) };
  };

  return {
    async Sign(input, call) {
      const work = await prepare(input.KeyId, input.SigningAlgorithm, input.MessageType, call, "Sign");
      checkDryRun(input.DryRun);
      const Signature =
        input.MessageType === "DIGEST"
          ? signDigest(work, input.Message)
          : await signMessage(nameOfHash(work), input.Message, signKey(work.key, work.algorithm));
      return { KeyId: keyArn(work.usable.row), Signature, SigningAlgorithm: input.SigningAlgorithm };
    },

    async Verify(input, call) {
      const work = await prepare(input.KeyId, input.SigningAlgorithm, input.MessageType, call, "Verify");
      checkDryRun(input.DryRun);
      const isValid =
        input.MessageType === "DIGEST"
          ? verifyDigest(work, input.Message, input.Signature)
          : await verifyMessage(
              nameOfHash(work),
              input.Message,
              signKey(publicKeyOf(work.key), work.algorithm),
              input.Signature,
            );
      if (!isValid) throw fault("KMSInvalidSignatureException", "");
      return { KeyId: keyArn(work.usable.row), SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm };
    },

    async GenerateMac(input, call) {
      const { mac, arn } = await macWork(input.KeyId, input.MacAlgorithm, call, "GenerateMac", input.Message);
      checkDryRun(input.DryRun);
      return { Mac: mac, MacAlgorithm: input.MacAlgorithm, KeyId: arn };
    },

    async VerifyMac(input, call) {
      const { mac, arn } = await macWork(input.KeyId, input.MacAlgorithm, call, "VerifyMac", input.Message);
      checkDryRun(input.DryRun);
      if (input.Mac.byteLength !== mac.byteLength || !timingSafeEqual(mac, input.Mac)) {
        throw fault("KMSInvalidMacException", "");
      }
      return { MacValid: true, MacAlgorithm: input.MacAlgorithm, KeyId: arn };
    },

    async DeriveSharedSecret(input, call) {
      checkRecipient(input.Recipient);
      const usable = await keyring.usable(input.KeyId, call, "KEY_AGREEMENT", "DeriveSharedSecret");
      checkAlgorithm(usable, input.KeyAgreementAlgorithm);
      checkDryRun(input.DryRun);
      const privateKey = await keyring.open(usable.row, usable.row.version);
      return {
        KeyId: keyArn(usable.row),
        SharedSecret: agree(privateKey, input.PublicKey),
        KeyAgreementAlgorithm: input.KeyAgreementAlgorithm,
        KeyOrigin: "AWS_KMS",
      };
    },

    async GetPublicKey(input, call) {
      const row = await keyring.find(input.KeyId, call);
      const spec = specNamed(row.spec);
      const publicKey = (await keyring.material(row, row.version))?.public_key;
      if (publicKey === undefined || publicKey === null) {
        throw fault("UnsupportedOperationException", `${keyArn(row)} is a ${row.spec} key, which has no public half.`);
      }
      checkEnabled(row);
      const algorithms = [...algorithmsOf(spec, row.usage)] as never[];
      return {
        KeyId: keyArn(row),
        PublicKey: publicKey,
        KeySpec: row.spec as "RSA_2048",
        CustomerMasterKeySpec: row.spec as "RSA_2048",
        KeyUsage: row.usage as "SIGN_VERIFY",
        ...(row.usage === "SIGN_VERIFY" ? { SigningAlgorithms: algorithms } : {}),
        ...(row.usage === "ENCRYPT_DECRYPT" ? { EncryptionAlgorithms: algorithms } : {}),
        ...(row.usage === "KEY_AGREEMENT" ? { KeyAgreementAlgorithms: algorithms } : {}),
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}

function agree(privateKey: KeyObject, spki: Uint8Array): Uint8Array {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return diffieHellman({ privateKey, publicKey });
  } catch (cause) {
    // Whatever OpenSSL does not like about it, it is the caller's key: no SPKI, another curve, or no point of it.
    throw fault("ValidationException", "The public key is not a valid key for this operation.", {}, { cause });
  }
}
