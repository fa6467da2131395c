/** Data keys: made here, used by the caller, kept by nobody. And random bytes. */
import { randomBytes } from "node:crypto";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { checkDryRun, checkRecipient, type Encryption } from "./encryption.ts";
import { invalid } from "./faults.ts";
import { checkAlgorithm, specNamed, type KmsDeps } from "./keyring.ts";
import { freshMaterial } from "./material.ts";
import { must } from "../../base/errors.ts";
import { keyArn } from "./names.ts";
import type { EncryptionContext } from "./blob.ts";

const algorithm = "SYMMETRIC_DEFAULT";

interface DataKeyInput {
  KeyId: string;
  KeySpec?: string | undefined;
  NumberOfBytes?: number | undefined;
  EncryptionContext?: EncryptionContext | undefined;
  DryRun?: boolean | undefined;
}

interface PairInput extends Omit<DataKeyInput, "KeySpec" | "NumberOfBytes"> {
  KeyPairSpec: string;
}

function bytesOf({ KeySpec, NumberOfBytes }: DataKeyInput): number {
  if ((KeySpec === undefined) === (NumberOfBytes === undefined)) {
    throw invalid("Please specify either number of bytes or key spec.");
  }
  return NumberOfBytes ?? (KeySpec === "AES_128" ? 16 : 32);
}

export function dataKeyOperations({ keyring, encryption }: KmsDeps & { encryption: Encryption }) {
  const wrapping = async (keyId: string, call: Call, operation: string) => {
    const usable = await keyring.usable(keyId, call, "ENCRYPT_DECRYPT", operation);
    checkAlgorithm(usable, algorithm);
    return usable;
  };

  const dataKey = async (input: DataKeyInput, call: Call, operation: string) => {
    const length = bytesOf(input);
    const usable = await wrapping(input.KeyId, call, operation);
    checkDryRun(input.DryRun);
    const Plaintext = randomBytes(length);
    const CiphertextBlob = await encryption.encrypt(usable, Plaintext, { algorithm, context: input.EncryptionContext });
    return { Plaintext, CiphertextBlob, KeyId: keyArn(usable.row) };
  };

  const pair = async (input: PairInput, call: Call, operation: string) => {
    const spec = specNamed(input.KeyPairSpec);
    const usable = await wrapping(input.KeyId, call, operation);
    checkDryRun(input.DryRun);
    const { secret, publicKey } = await freshMaterial(spec);
    return {
      PrivateKeyPlaintext: secret,
      PrivateKeyCiphertextBlob: await encryption.encrypt(usable, secret, {
        algorithm,
        context: input.EncryptionContext,
      }),
      PublicKey: must(publicKey, "the public half of a pair"),
      KeyId: keyArn(usable.row),
      KeyPairSpec: input.KeyPairSpec as "RSA_2048",
    };
  };

  return {
    async GenerateDataKey(input, call) {
      checkRecipient(input.Recipient);
      return dataKey(input, call, "GenerateDataKey");
    },

    async GenerateDataKeyWithoutPlaintext(input, call) {
      const given = input.NumberOfBytes === undefined && input.KeySpec === undefined;
      const sized = given ? { ...input, KeySpec: "AES_256" as const } : input;
      const { CiphertextBlob, KeyId } = await dataKey(sized, call, "GenerateDataKeyWithoutPlaintext");
      return { CiphertextBlob, KeyId };
    },

    async GenerateDataKeyPair(input, call) {
      checkRecipient(input.Recipient);
      return pair(input, call, "GenerateDataKeyPair");
    },

    async GenerateDataKeyPairWithoutPlaintext(input, call) {
      const { PrivateKeyPlaintext: _, ...rest } = await pair(input, call, "GenerateDataKeyPairWithoutPlaintext");
      return rest;
    },

    async GenerateRandom(input) {
      checkRecipient(input.Recipient);
      if (input.NumberOfBytes === undefined) throw invalid("NumberOfBytes is required.");
      return { Plaintext: randomBytes(input.NumberOfBytes) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-kms")>;
}
