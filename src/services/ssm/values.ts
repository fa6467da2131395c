/** Values: checked against tier and pattern, and encrypted by KMS where they are secret. */
import { createContext, Script } from "node:vm";
import { isFault, type Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { envelopeMark, envelopeOver } from "../../kit/envelope.ts";
import type { Deps } from "../../kit/service.ts";
import { fault, invalid } from "./faults.ts";
import { advancedCharactersMax, kmsPlaintextBytesMax, patternMsMax, standardCharactersMax } from "./limits.ts";
import { parameterArn } from "./names.ts";
import type { VersionRow } from "./tables.ts";

export const defaultKey = "alias/aws/ssm";

/** The tier that a value gets. Nobody is moved back from Advanced: AWS cannot either. */
export function tierOf(asked: string | undefined, present: string | undefined, value: string): string {
  const isLong = value.length > standardCharactersMax;
  const tier = asked === "Intelligent-Tiering" ? (isLong ? "Advanced" : (present ?? "Standard")) : (asked ?? present);
  if (present === "Advanced" && tier === "Standard") {
    throw invalid(
      "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.",
    );
  }
  if (tier === "Advanced" && value.length > advancedCharactersMax) {
    throw invalid(`Advanced tier parameters support a maximum parameter value of ${advancedCharactersMax} characters.`);
  }
  if (tier !== "Advanced" && isLong) {
    throw invalid(
      `Standard tier parameters support a maximum parameter value of ${standardCharactersMax} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html`,
    );
  }
  return tier ?? "Standard";
}

export function checkValue(value: string): void {
  if (value === "") throw invalid("Parameter value can't be empty.");
  if (value.includes("{{")) {
    throw invalid('Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.');
  }
}

const matching = new Script("new RegExp(pattern).test(value)");

/** In a context of its own, since only there can V8 be told to give a regular expression up. */
export function checkPattern(pattern: string | undefined, value: string): void {
  if (pattern === undefined || pattern === "") return;
  let matches: unknown;
  try {
    matches = matching.runInContext(createContext({ pattern, value }), { timeout: patternMsMax });
  } catch (cause) {
    if (!isSaidByPattern(cause)) throw cause;
    throw fault("InvalidAllowedPatternException", "The request does not meet the regular expression requirement.");
  }
  if (matches === true) return;
  throw fault(
    "ParameterPatternMismatchException",
    `Parameter value, cannot be validated against allowedPattern: ${pattern}`,
  );
}

/** The pattern is none, or took too long. An error made in another context is no instance of this one's classes. */
function isSaidByPattern(cause: unknown): boolean {
  if (typeof cause !== "object" || cause === null) return false;
  const isSlow = "code" in cause && cause.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
  return isSlow || ("name" in cause && cause.name === "SyntaxError");
}

export interface Values {
  /** The bytes to keep: UTF-8, or a ciphertext bound to the parameter's ARN. */
  keep(
    value: string,
    of: { type: string; tier: string; keyId: string | null; name: string },
    call: Call,
  ): Promise<Uint8Array>;
  /** As it is shown: what was put, or the ciphertext as base64 unless `decrypt`. */
  show(row: VersionRow, decrypt: boolean | undefined, call: Call): Promise<string>;
}

/** What KMS refuses is told as Parameter Store tells it. */
async function throughKms<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const codes = ["NotFoundException", "DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException"];
    const isKeys =
      isFault(error) && [...codes, "InvalidArnException", "InvalidCiphertextException"].includes(error.code);
    if (!isKeys) throw error;
    throw keyFault(error);
  }
}

function keyFault(cause: Fault): Fault {
  const why = cause.message === "" ? "The ciphertext cannot be opened." : cause.message;
  return fault("InvalidKeyId", `${why} (KMS: ${cause.code})`, {}, { cause });
}

export function createValues({ peers }: Deps): Values {
  const envelope = envelopeOver(() => peers.kms);
  const contextOf = (name: string, { account, region }: Call) => ({
    PARAMETER_ARN: parameterArn({ account, region, name }),
  });
  return {
    async keep(value, { type, tier, keyId, name }, call) {
      const plaintext = Buffer.from(value);
      if (type !== "SecureString") return plaintext;
      const context = contextOf(name, call);
      const KeyId = keyId ?? defaultKey;
      return throughKms(async () => {
        if (tier === "Advanced" || plaintext.byteLength > kmsPlaintextBytesMax) {
          return envelope.seal(plaintext, KeyId, context, call);
        }
        // As on AWS: a standard parameter is KMS's own ciphertext, which its owner can decrypt without Parameter Store.
        const input = { KeyId, Plaintext: plaintext, EncryptionContext: context };
        const { CiphertextBlob } = await peers.kms.Encrypt(input, call);
        return CiphertextBlob ?? new Uint8Array();
      });
    },
    async show(row, decrypt, call) {
      const bytes = Buffer.from(row.value);
      if (row.type !== "SecureString") return bytes.toString();
      if (decrypt !== true) return bytes.toString("base64");
      const context = contextOf(row.name, call);
      const plaintext = await throughKms(async () => {
        if (bytes[0] === envelopeMark) return envelope.open(bytes, context, call);
        const opened = await peers.kms.Decrypt({ CiphertextBlob: bytes, EncryptionContext: context }, call);
        return opened.Plaintext ?? new Uint8Array();
      });
      return Buffer.from(plaintext).toString();
    },
  };
}
