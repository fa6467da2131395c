/** Values of secrets: sealed under a data key of KMS, bound to their secret and version. */
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { envelopeOver } from "../../kit/envelope.ts";
import type { Deps } from "../../kit/service.ts";
import { fault, invalid } from "./faults.ts";
import { valueBytesMax } from "./limits.ts";
import type { SecretRow, VersionRow } from "./tables.ts";

export const defaultKey = "alias/aws/secretsmanager";

export interface Value {
  bytes: Uint8Array;
  isBinary: boolean;
}

/** The value that a request brings, if any. */
export function givenValue(input: {
  SecretString?: string | undefined;
  SecretBinary?: Uint8Array | undefined;
}): Value | undefined {
  const { SecretString, SecretBinary } = input;
  if (SecretString !== undefined && SecretBinary !== undefined) {
    throw invalid("You can't specify both a binary secret value and a string secret value in the same secret.");
  }
  const bytes = SecretBinary ?? (SecretString === undefined ? undefined : Buffer.from(SecretString));
  if (bytes === undefined) return undefined;
  if (bytes.byteLength > valueBytesMax) throw invalid(`A secret value has at most ${valueBytesMax} bytes.`);
  return { bytes, isBinary: SecretBinary !== undefined };
}

export const isSame = (left: Value, right: Value) =>
  left.isBinary === right.isBinary && Buffer.from(left.bytes).equals(right.bytes);

export interface Values {
  seal(value: Value, of: { arn: string; versionId: string; key: string }, call: Call): Promise<Uint8Array>;
  /** Undefined for a version that has no value yet. */
  open(secret: SecretRow, version: VersionRow, call: Call): Promise<Value | undefined>;
}

export function createValues({ peers }: Deps): Values {
  const envelope = envelopeOver(() => peers.kms);
  const contextOf = (arn: string, versionId: string) => ({ SecretARN: arn, SecretVersionId: versionId });
  return {
    async seal(value, { arn, versionId, key }, call) {
      try {
        return await envelope.seal(value.bytes, key, contextOf(arn, versionId), call);
      } catch (cause) {
        if (!isFault(cause)) throw cause;
        throw fault(
          "EncryptionFailure",
          `The key cannot encrypt the secret value: ${cause.message} (${cause.code})`,
          {},
          { cause },
        );
      }
    },
    async open(secret, version, call) {
      if (version.value === null) return undefined;
      try {
        const bytes = await envelope.open(version.value, contextOf(secret.arn, version.id), call);
        return { bytes, isBinary: version.is_binary };
      } catch (cause) {
        if (!isFault(cause)) throw cause;
        throw fault(
          "DecryptionFailure",
          `The key cannot decrypt the secret value: ${cause.message} (${cause.code})`,
          {},
          { cause },
        );
      }
    },
  };
}
