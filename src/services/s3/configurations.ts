/** Configurations of a bucket that are stored and told: versioning, policies, public access, ownership, encryption. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { fault } from "./faults.ts";
import { putSetting, readSetting, removeSetting } from "./settings.ts";

/** Source: S3 user guide, "Bucket policies": 20 KB. */
const policyBytesMax = 20 * 1024;

/** Refuses what is no policy document; what it allows is not looked at. */
export function checkPolicy(text: string): void {
  if (Buffer.byteLength(text) > policyBytesMax) {
    throw fault("InvalidArgument", "Policy exceeds the maximum allowed document size.");
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'");
  }
  const statements = statementsOf(document);
  if (statements.length === 0) throw malformedPolicy("Missing required field Statement");
  for (const statement of statements) {
    for (const [field, other] of requiredFields) {
      if (!(field in statement) && !(other in statement)) throw malformedPolicy(`Missing required field ${field}`);
    }
    if (!("Effect" in statement) || (statement.Effect !== "Allow" && statement.Effect !== "Deny")) {
      throw malformedPolicy("Invalid effect");
    }
  }
}

const requiredFields = [
  ["Effect", "Effect"],
  ["Principal", "NotPrincipal"],
  ["Action", "NotAction"],
  ["Resource", "NotResource"],
] as const;

const malformedPolicy = (message: string) => fault("MalformedPolicy", message);

function statementsOf(document: object): readonly object[] {
  if (!("Statement" in document)) return [];
  const all: unknown[] = Array.isArray(document.Statement) ? document.Statement : [document.Statement];
  return all.filter((statement) => typeof statement === "object" && statement !== null);
}

/** Somebody who is nobody in particular is allowed something, without conditions. */
export function isPublic(text: string): boolean {
  return statementsOf(JSON.parse(text) as object).some((statement) => {
    if (!("Effect" in statement) || statement.Effect !== "Allow" || "Condition" in statement) return false;
    const principal: unknown = "Principal" in statement ? statement.Principal : undefined;
    const named: unknown =
      typeof principal === "object" && principal !== null && "AWS" in principal ? principal.AWS : principal;
    return named === "*" || (Array.isArray(named) && named.includes("*"));
  });
}

export function configurationOperations(deps: Deps) {
  return {
    async PutBucketVersioning(input, call) {
      const { Status, MFADelete } = input.VersioningConfiguration;
      if (MFADelete === "Enabled") throw fault("NotImplemented", "Mikan does not implement MFADelete yet.");
      if (Status === undefined) {
        throw fault("IllegalVersioningConfigurationException", "The Versioning element must be specified");
      }
      if (Status === "Suspended" && (await readSetting(deps, input.Bucket, "objectLock", call)) !== undefined) {
        throw fault(
          "InvalidBucketState",
          "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        );
      }
      await putSetting(deps, input.Bucket, "versioning", { Status }, call);
      return {};
    },
    async GetBucketVersioning(input, call) {
      return { ...(await readSetting(deps, input.Bucket, "versioning", call)) };
    },

    async PutBucketPolicy(input, call) {
      checkPolicy(input.Policy);
      await putSetting(deps, input.Bucket, "policy", input.Policy, call);
      return {};
    },
    async GetBucketPolicy(input, call) {
      const Policy = await readSetting(deps, input.Bucket, "policy", call);
      if (Policy === undefined) throw noPolicy(input.Bucket);
      return { Policy };
    },
    async GetBucketPolicyStatus(input, call) {
      const policy = await readSetting(deps, input.Bucket, "policy", call);
      if (policy === undefined) throw noPolicy(input.Bucket);
      return { PolicyStatus: { IsPublic: isPublic(policy) } };
    },
    async DeleteBucketPolicy(input, call) {
      await removeSetting(deps, input.Bucket, "policy", call);
      return {};
    },

    async PutPublicAccessBlock(input, call) {
      await putSetting(deps, input.Bucket, "publicAccessBlock", input.PublicAccessBlockConfiguration, call);
      return {};
    },
    async GetPublicAccessBlock(input, call) {
      const stored = await readSetting(deps, input.Bucket, "publicAccessBlock", call);
      if (stored === undefined) {
        throw fault("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", {
          BucketName: input.Bucket,
        });
      }
      const { BlockPublicAcls = false, IgnorePublicAcls = false } = stored;
      const { BlockPublicPolicy = false, RestrictPublicBuckets = false } = stored;
      return {
        PublicAccessBlockConfiguration: { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets },
      };
    },
    async DeletePublicAccessBlock(input, call) {
      await removeSetting(deps, input.Bucket, "publicAccessBlock", call);
      return {};
    },

    async PutBucketOwnershipControls(input, call) {
      if (input.OwnershipControls.Rules.length !== 1) throw fault("MalformedXML", malformedXml);
      await putSetting(deps, input.Bucket, "ownershipControls", input.OwnershipControls, call);
      return {};
    },
    async GetBucketOwnershipControls(input, call) {
      const OwnershipControls = await readSetting(deps, input.Bucket, "ownershipControls", call);
      // A bucket that was never told otherwise has been its owner's alone since 2023.
      if (OwnershipControls === undefined) return { OwnershipControls: ownerEnforced };
      if (OwnershipControls.Rules.length > 0) return { OwnershipControls };
      throw fault("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", {
        BucketName: input.Bucket,
      });
    },
    async DeleteBucketOwnershipControls(input, call) {
      await putSetting(deps, input.Bucket, "ownershipControls", { Rules: [] }, call);
      return {};
    },

    async PutBucketEncryption(input, call) {
      const { Rules } = input.ServerSideEncryptionConfiguration;
      if (Rules.length !== 1) throw fault("MalformedXML", malformedXml);
      await putSetting(deps, input.Bucket, "encryption", { Rules: [...Rules] }, call);
      return {};
    },
    async GetBucketEncryption(input, call) {
      const stored = await readSetting(deps, input.Bucket, "encryption", call);
      // Every bucket has had this since 2023. Source: S3 user guide, "Default encryption FAQ".
      return { ServerSideEncryptionConfiguration: stored ?? defaultEncryption };
    },
    async DeleteBucketEncryption(input, call) {
      await removeSetting(deps, input.Bucket, "encryption", call);
      return {};
    },

    async GetBucketRequestPayment(input, call) {
      await readSetting(deps, input.Bucket, "policy", call);
      return { Payer: "BucketOwner" };
    },
    async GetBucketLogging(input, call) {
      await readSetting(deps, input.Bucket, "policy", call);
      return {};
    },
    async GetBucketAccelerateConfiguration(input, call) {
      await readSetting(deps, input.Bucket, "policy", call);
      return {};
    },
    async GetBucketReplication(input, call) {
      await readSetting(deps, input.Bucket, "policy", call);
      throw fault("ReplicationConfigurationNotFoundError", "The replication configuration was not found", {
        BucketName: input.Bucket,
      });
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

const ownerEnforced = { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" as const }] };
const malformedXml = "The XML you provided was not well-formed or did not validate against our published schema";
const defaultEncryption = {
  Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" as const }, BucketKeyEnabled: false }],
};

const noPolicy = (BucketName: string) =>
  fault("NoSuchBucketPolicy", "The bucket policy does not exist", { BucketName });
