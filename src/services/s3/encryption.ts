/**
 * Encryption of objects: under a data key of KMS, or under a key that the customer brings and keeps. Source: S3 user
 * guide, "Using server-side encryption with AWS KMS keys" and "... with customer-provided keys".
 */
import { createHash } from "node:crypto";
import { formatArn } from "../../base/arn.ts";
import { isFault, must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { fault } from "./faults.ts";
import type { Settings } from "./settings-of.ts";
import type { Bucket } from "./tables.ts";

const keyBytes = 32;
const ownKey = "alias/aws/s3";

/** A customer's key, as every request about the object carries it. */
export interface CustomerKey {
  SSECustomerAlgorithm?: string | undefined;
  SSECustomerKey?: string | undefined;
  SSECustomerKeyMD5?: string | undefined;
}

/** What a request says about how its object is to lie. */
export interface Asked extends CustomerKey {
  ServerSideEncryption?: string | undefined;
  SSEKMSKeyId?: string | undefined;
  SSEKMSEncryptionContext?: string | undefined;
  BucketKeyEnabled?: boolean | undefined;
}

export interface Chosen {
  /** What is kept with the object, by the names of members. */
  headers: Record<string, string>;
  dataKey: string | null;
  /** The key that the bytes lie under; undefined for bytes that lie as they came. */
  key: Uint8Array | undefined;
}

/** What an object or an upload keeps of it. */
export interface Kept {
  headers: Readonly<Record<string, string>>;
  dataKey: string | null;
}

export interface Place {
  bucket: Bucket;
  key: string;
}

const plain: Chosen = { headers: {}, dataKey: null, key: undefined };

export function isSealed({ headers, dataKey }: Kept): boolean {
  return dataKey !== null || headers["SSECustomerAlgorithm"] !== undefined;
}

/** The members of answers that tell how an object lies. */
export interface EncryptionMembers {
  ServerSideEncryption?: "AES256" | "aws:kms";
  SSEKMSKeyId?: string;
  BucketKeyEnabled?: boolean;
  SSECustomerAlgorithm?: string;
  SSECustomerKeyMD5?: string;
}

export function encryptionMembers(headers: Readonly<Record<string, string>>): EncryptionMembers {
  const { ServerSideEncryption, SSEKMSKeyId = "", BucketKeyEnabled } = headers;
  const { SSECustomerAlgorithm, SSECustomerKeyMD5 = "" } = headers;
  if (SSECustomerAlgorithm !== undefined) return { SSECustomerAlgorithm, SSECustomerKeyMD5 };
  if (ServerSideEncryption !== "aws:kms") return { ServerSideEncryption: "AES256" };
  const bucketKey = BucketKeyEnabled === undefined ? {} : { BucketKeyEnabled: true };
  return { ServerSideEncryption, SSEKMSKeyId, ...bucketKey };
}

const invalid = (message: string, name: string) => fault("InvalidArgument", message, { ArgumentName: name });

/** The key of a request; undefined when it carries none. */
function customerKey(given: CustomerKey): { key: Uint8Array; md5: string } | undefined {
  const { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 } = given;
  if (SSECustomerAlgorithm === undefined && SSECustomerKey === undefined && SSECustomerKeyMD5 === undefined) {
    return undefined;
  }
  if (SSECustomerAlgorithm === undefined || SSECustomerKey === undefined || SSECustomerKeyMD5 === undefined) {
    throw invalid(
      "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
      "x-amz-server-side-encryption-customer-key",
    );
  }
  if (SSECustomerAlgorithm !== "AES256") {
    throw fault("InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid.");
  }
  const key = Buffer.from(SSECustomerKey, "base64");
  const md5 = createHash("md5").update(key).digest("base64");
  if (key.byteLength !== keyBytes) {
    throw invalid(
      "The secret key was invalid for the specified algorithm.",
      "x-amz-server-side-encryption-customer-key",
    );
  }
  if (md5 === SSECustomerKeyMD5) return { key, md5 };
  throw invalid(
    "The calculated MD5 hash of the key did not match the hash that was provided.",
    "x-amz-server-side-encryption-customer-key-MD5",
  );
}

/** What KMS says of a key is told under its own name: `KMS.DisabledException`. */
async function byKms<T>(asking: Promise<T>): Promise<T> {
  try {
    return await asking;
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw fault(`KMS.${cause.code}`, cause.message, {}, { cause });
  }
}

export function createEncryption({ peers }: Pick<Deps, "peers">) {
  const contextOf = ({ bucket, key }: Place, bucketKey: boolean) => {
    const resource = bucketKey ? bucket.name : `${bucket.name}/${key}`;
    return { "aws:s3:arn": formatArn({ service: "s3", region: "", account: "", resource }) };
  };
  const callIn = ({ bucket }: Place, call: Call): Call => ({ ...call, region: bucket.region });

  return {
    /** How a new object lies: as the request says, else as the bucket does. */
    async choose(asked: Asked, byDefault: Settings["encryption"] | undefined, place: Place, call: Call) {
      const own = customerKey(asked);
      if (own !== undefined) {
        if (asked.ServerSideEncryption !== undefined) {
          throw invalid(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            "x-amz-server-side-encryption",
          );
        }
        const headers = { SSECustomerAlgorithm: "AES256", SSECustomerKeyMD5: own.md5 };
        return { headers, dataKey: null, key: own.key } satisfies Chosen;
      }
      const rule = byDefault?.Rules[0];
      const usual = rule?.ApplyServerSideEncryptionByDefault;
      const algorithm = asked.ServerSideEncryption ?? usual?.SSEAlgorithm ?? "AES256";
      if (algorithm !== "aws:kms") {
        if (asked.SSEKMSKeyId !== undefined) {
          throw invalid(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            "x-amz-server-side-encryption",
          );
        }
        if (algorithm === "AES256") return plain;
        throw fault("NotImplemented", `Mikan does not implement ServerSideEncryption ${algorithm} yet.`);
      }
      if (asked.SSEKMSEncryptionContext !== undefined) {
        throw fault("NotImplemented", "Mikan does not implement SSEKMSEncryptionContext yet.");
      }
      const KeyId =
        asked.SSEKMSKeyId ?? (asked.ServerSideEncryption === undefined ? usual?.KMSMasterKeyID : undefined) ?? ownKey;
      const bucketKey = asked.BucketKeyEnabled ?? rule?.BucketKeyEnabled ?? false;
      const input = { KeyId, KeySpec: "AES_256" as const, EncryptionContext: contextOf(place, bucketKey) };
      const made = await byKms(peers.kms.GenerateDataKey(input, callIn(place, call)));
      return {
        headers: {
          ServerSideEncryption: "aws:kms",
          SSEKMSKeyId: made.KeyId ?? KeyId,
          ...(bucketKey ? { BucketKeyEnabled: "true" } : {}),
        },
        dataKey: Buffer.from(must(made.CiphertextBlob, "an encrypted data key")).toString("base64"),
        key: must(made.Plaintext, "a data key"),
      } satisfies Chosen;
    },

    /** Throws unless the request carries the customer's key of an object that lies under one. */
    checkCustomerKey,

    /** The key that an object's bytes lie under; undefined for those that lie as they came. */
    async keyOf(kept: Kept, given: CustomerKey, place: Place, call: Call): Promise<Uint8Array | undefined> {
      const own = checkCustomerKey(kept, given);
      if (own !== undefined || kept.dataKey === null) return own;
      const bucketKey = kept.headers["BucketKeyEnabled"] !== undefined;
      const input = {
        CiphertextBlob: Buffer.from(kept.dataKey, "base64"),
        EncryptionContext: contextOf(place, bucketKey),
      };
      const { Plaintext } = await byKms(peers.kms.Decrypt(input, callIn(place, call)));
      return must(Plaintext, "a data key");
    },
  };
}
export type ObjectEncryption = ReturnType<typeof createEncryption>;

function checkCustomerKey({ headers }: Pick<Kept, "headers">, given: CustomerKey): Uint8Array | undefined {
  const md5 = headers["SSECustomerKeyMD5"];
  const own = customerKey(given);
  if (md5 === undefined) {
    if (own === undefined) return undefined;
    throw fault("InvalidRequest", "The encryption parameters are not applicable to this object.");
  }
  if (own === undefined) {
    throw fault(
      "InvalidRequest",
      "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
    );
  }
  if (own.md5 !== md5) throw fault("AccessDenied", "Access Denied");
  return own.key;
}
