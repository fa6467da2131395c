/** Key policies as documents: the one a key gets when none is given, and what a given one must look like. */
import { fault } from "./faults.ts";
import { policyBytesMax } from "./limits.ts";

/** Source: KMS developer guide, "Default key policy". */
export function defaultPolicy(account: string): string {
  const statement = {
    Sid: "Enable IAM User Permissions",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${account}:root` },
    Action: "kms:*",
    Resource: "*",
  };
  return JSON.stringify({ Version: "2012-10-17", Id: "key-default-1", Statement: [statement] }, null, 2);
}

/** What an AWS managed key shows: it is for the service, on behalf of the account. */
export function managedPolicy(account: string, region: string, service: string): string {
  const statement = {
    Sid: `Allow access through ${service} for all principals in the account that are authorized to use it`,
    Effect: "Allow",
    Principal: { AWS: "*" },
    Action: [
      "kms:Encrypt",
      "kms:Decrypt",
      "kms:ReEncrypt*",
      "kms:GenerateDataKey*",
      "kms:CreateGrant",
      "kms:DescribeKey",
    ],
    Resource: "*",
    Condition: {
      StringEquals: { "kms:ViaService": `${service}.${region}.amazonaws.com`, "kms:CallerAccount": account },
    },
  };
  return JSON.stringify({ Version: "2012-10-17", Id: `auto-${service}-1`, Statement: [statement] }, null, 2);
}

export function checkPolicy(text: string): void {
  const malformed = (cause?: unknown) =>
    fault("MalformedPolicyDocumentException", "The new key policy is not a valid policy document.", {}, { cause });
  if (Buffer.byteLength(text) > policyBytesMax) {
    throw fault("LimitExceededException", `A key policy has at most ${policyBytesMax} bytes.`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw malformed(cause);
  }
  const isDocument = typeof document === "object" && document !== null && "Statement" in document;
  if (!isDocument) throw malformed();
}
