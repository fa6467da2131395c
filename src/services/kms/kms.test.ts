/** KMS through the official client, on a whole node. */
import { createHash, createPublicKey, createVerify, publicEncrypt, constants, verify } from "node:crypto";
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DeriveSharedSecretCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyPairCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateMacCommand,
  GenerateRandomCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  GetPublicKeyCommand,
  KMSClient,
  ListAliasesCommand,
  ListGrantsCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  PutKeyPolicyCommand,
  ReEncryptCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  SignCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  VerifyCommand,
  VerifyMacCommand,
  type CreateKeyCommandInput,
  type KeySpec,
  type SigningAlgorithmSpec,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";

let mikan: Mikan;
let kms: KMSClient;
const account = "000000000000";

beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  kms = new KMSClient({
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: account, secretAccessKey: "test" },
    maxAttempts: 1,
  });
});
afterAll(async () => {
  kms.destroy();
  await mikan.close(0);
});

const createKey = async (input: CreateKeyCommandInput = {}) => {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand(input));
  return must(KeyMetadata, "KeyMetadata");
};
const plaintext = Buffer.from("a plan");
const encrypt = async (KeyId: string, EncryptionContext?: Record<string, string>) => {
  const { CiphertextBlob } = await kms.send(
    new EncryptCommand({ KeyId, Plaintext: plaintext, ...(EncryptionContext && { EncryptionContext }) }),
  );
  return must(CiphertextBlob, "CiphertextBlob");
};
const refused = (name: string, message?: string) =>
  expect.objectContaining(message === undefined ? { name } : { name, message });

describe("keys", () => {
  it("are created, described, listed and tagged", async () => {
    const key = await createKey({ Description: "orders", Tags: [{ TagKey: "team", TagValue: "a" }] });
    expect(key).toMatchObject({
      AWSAccountId: account,
      Arn: `arn:aws:kms:us-east-1:${account}:key/${key.KeyId}`,
      Enabled: true,
      KeyState: "Enabled",
      KeySpec: "SYMMETRIC_DEFAULT",
      KeyUsage: "ENCRYPT_DECRYPT",
      KeyManager: "CUSTOMER",
      EncryptionAlgorithms: ["SYMMETRIC_DEFAULT"],
    });
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: key.Arn }));
    expect(KeyMetadata).toEqual(key);
    const { Keys } = await kms.send(new ListKeysCommand({}));
    expect(Keys).toContainEqual({ KeyId: key.KeyId, KeyArn: key.Arn });

    const KeyId = key.KeyId;
    await kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: "tier", TagValue: "1" }] }));
    await kms.send(new UntagResourceCommand({ KeyId, TagKeys: ["team"] }));
    const { Tags } = await kms.send(new ListResourceTagsCommand({ KeyId }));
    expect(Tags).toEqual([{ TagKey: "tier", TagValue: "1" }]);
  });

  it("answer AWS's faults for what is not there or does not fit", async () => {
    const id = "11111111-2222-4333-8444-555555555555";
    await expect(kms.send(new DescribeKeyCommand({ KeyId: id }))).rejects.toEqual(
      refused("NotFoundException", `Key 'arn:aws:kms:us-east-1:${account}:key/${id}' does not exist`),
    );
    await expect(kms.send(new DescribeKeyCommand({ KeyId: "alias/none" }))).rejects.toEqual(
      refused("NotFoundException", `Alias arn:aws:kms:us-east-1:${account}:alias/none is not found.`),
    );
    await expect(kms.send(new DescribeKeyCommand({ KeyId: "nonsense" }))).rejects.toEqual(
      refused("NotFoundException", "Invalid keyId 'nonsense'"),
    );
    await expect(createKey({ KeySpec: "ECC_NIST_P256" })).rejects.toEqual(refused("ValidationException"));
    await expect(createKey({ MultiRegion: true })).rejects.toEqual(refused("NotImplemented"));
    const { KeyId } = await createKey({ KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" });
    await expect(encrypt(must(KeyId, "id"))).rejects.toEqual(refused("InvalidKeyUsageException"));
  });

  it("are disabled, sent to their deletion, and brought back", async () => {
    const key = await createKey();
    const KeyId = must(key.KeyId, "id");
    const blob = await encrypt(KeyId);
    await kms.send(new DisableKeyCommand({ KeyId }));
    await expect(encrypt(KeyId)).rejects.toEqual(refused("DisabledException", `${key.Arn} is disabled.`));
    await expect(kms.send(new DecryptCommand({ CiphertextBlob: blob }))).rejects.toEqual(refused("DisabledException"));
    await kms.send(new EnableKeyCommand({ KeyId }));

    await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    await expect(encrypt(KeyId)).rejects.toEqual(
      refused("KMSInvalidStateException", `${key.Arn} is pending deletion.`),
    );
    await kms.send(new CancelKeyDeletionCommand({ KeyId }));
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata?.KeyState).toBe("Disabled");
  });

  it("have policies and grants", async () => {
    const { KeyId, Arn } = await createKey();
    const { Policy } = await kms.send(new GetKeyPolicyCommand({ KeyId }));
    expect(JSON.parse(must(Policy, "Policy"))).toMatchObject({ Id: "key-default-1" });
    await expect(kms.send(new PutKeyPolicyCommand({ KeyId, Policy: "no json" }))).rejects.toEqual(
      refused("MalformedPolicyDocumentException"),
    );
    const policy = JSON.stringify({ Version: "2012-10-17", Statement: [] });
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: policy }));
    expect((await kms.send(new GetKeyPolicyCommand({ KeyId }))).Policy).toBe(policy);

    const grant = {
      KeyId,
      Name: "reader",
      GranteePrincipal: `arn:aws:iam::${account}:role/reader`,
      Operations: ["Decrypt" as const],
    };
    const first = await kms.send(new CreateGrantCommand(grant));
    expect((await kms.send(new CreateGrantCommand(grant))).GrantId).toBe(first.GrantId);
    const second = await kms.send(new CreateGrantCommand({ ...grant, Name: "writer" }));
    const { Grants } = await kms.send(new ListGrantsCommand({ KeyId }));
    expect(Grants?.map(({ Name }) => Name).toSorted()).toEqual(["reader", "writer"]);
    expect(Grants?.[0]?.KeyId).toBe(Arn);
    await kms.send(new RevokeGrantCommand({ KeyId, GrantId: first.GrantId }));
    await kms.send(new RetireGrantCommand({ GrantToken: second.GrantToken }));
    expect((await kms.send(new ListGrantsCommand({ KeyId }))).Grants).toEqual([]);
  });
});

describe("encryption", () => {
  it("binds a ciphertext to its context and names its key", async () => {
    const [one, other] = [await createKey(), await createKey()];
    const context = { tenant: "a", table: "orders" };
    const CiphertextBlob = await encrypt(must(one.KeyId, "id"), context);
    const opened = await kms.send(
      new DecryptCommand({ CiphertextBlob, EncryptionContext: { table: "orders", tenant: "a" } }),
    );
    expect(Buffer.from(must(opened.Plaintext, "Plaintext"))).toEqual(plaintext);
    expect(opened.KeyId).toBe(one.Arn);
    const wrong: [object, string][] = [
      [{ CiphertextBlob }, "InvalidCiphertextException"],
      [{ CiphertextBlob, EncryptionContext: { tenant: "b", table: "orders" } }, "InvalidCiphertextException"],
      [{ CiphertextBlob: Buffer.from("nonsense"), EncryptionContext: context }, "InvalidCiphertextException"],
      [{ CiphertextBlob, EncryptionContext: context, KeyId: other.KeyId }, "IncorrectKeyException"],
    ];
    for (const [input, name] of wrong) {
      await expect(kms.send(new DecryptCommand(input as never))).rejects.toEqual(refused(name));
    }
    const changed = Uint8Array.from(CiphertextBlob);
    changed[40] = (changed[40] ?? 0) ^ 1;
    await expect(kms.send(new DecryptCommand({ CiphertextBlob: changed, EncryptionContext: context }))).rejects.toEqual(
      refused("InvalidCiphertextException"),
    );

    const moved = await kms.send(
      new ReEncryptCommand({ CiphertextBlob, SourceEncryptionContext: context, DestinationKeyId: other.KeyId }),
    );
    expect(moved).toMatchObject({ SourceKeyId: one.Arn, KeyId: other.Arn });
    const again = await kms.send(new DecryptCommand({ CiphertextBlob: moved.CiphertextBlob }));
    expect(Buffer.from(must(again.Plaintext, "Plaintext"))).toEqual(plaintext);
  });

  it("goes on after a rotation", async () => {
    const { KeyId: id } = await createKey();
    const KeyId = must(id, "id");
    const blobs = [await encrypt(KeyId)];
    await kms.send(new RotateKeyOnDemandCommand({ KeyId }));
    blobs.push(await encrypt(KeyId));
    expect((await kms.send(new GetKeyRotationStatusCommand({ KeyId }))).KeyRotationEnabled).toBe(false);
    await kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }));
    expect(await kms.send(new GetKeyRotationStatusCommand({ KeyId }))).toMatchObject({
      KeyRotationEnabled: true,
      RotationPeriodInDays: 90,
    });
    const { Rotations } = await kms.send(new ListKeyRotationsCommand({ KeyId }));
    expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(["ON_DEMAND"]);
    for (const CiphertextBlob of blobs) {
      const { Plaintext } = await kms.send(new DecryptCommand({ CiphertextBlob }));
      expect(Buffer.from(must(Plaintext, "Plaintext"))).toEqual(plaintext);
    }
  });

  it("works with RSA, also from outside", async () => {
    const { KeyId } = await createKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
    const EncryptionAlgorithm = "RSAES_OAEP_SHA_256";
    const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionAlgorithm }));
    const opened = await kms.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionAlgorithm }));
    expect(Buffer.from(must(opened.Plaintext, "Plaintext"))).toEqual(plaintext);

    const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId }));
    const key = createPublicKey({ key: Buffer.from(must(PublicKey, "PublicKey")), format: "der", type: "spki" });
    const outside = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }, plaintext);
    const inside = await kms.send(
      new DecryptCommand({ KeyId, CiphertextBlob: outside, EncryptionAlgorithm: "RSAES_OAEP_SHA_1" }),
    );
    expect(Buffer.from(must(inside.Plaintext, "Plaintext"))).toEqual(plaintext);
    await expect(
      kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(191), EncryptionAlgorithm })),
    ).rejects.toEqual(refused("ValidationException"));
  });

  it("makes data keys, pairs and random bytes", async () => {
    const { KeyId } = await createKey();
    const { Plaintext, CiphertextBlob } = await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256" }));
    expect(Plaintext).toHaveLength(32);
    expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Plaintext);
    const blind = await kms.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, NumberOfBytes: 24 }));
    expect((await kms.send(new DecryptCommand({ CiphertextBlob: blind.CiphertextBlob }))).Plaintext).toHaveLength(24);
    const pair = await kms.send(new GenerateDataKeyPairCommand({ KeyId, KeyPairSpec: "ECC_NIST_P256" }));
    const opened = await kms.send(new DecryptCommand({ CiphertextBlob: pair.PrivateKeyCiphertextBlob }));
    expect(opened.Plaintext).toEqual(pair.PrivateKeyPlaintext);
    expect((await kms.send(new GenerateRandomCommand({ NumberOfBytes: 1024 }))).Plaintext).toHaveLength(1024);
    await expect(kms.send(new GenerateDataKeyCommand({ KeyId }))).rejects.toEqual(refused("ValidationException"));
  });
});

describe("signatures", () => {
  const hashes = { SHA_256: "sha256", SHA_384: "sha384", SHA_512: "sha512" } as const;
  const specs: [KeySpec, number][] = [
    ["RSA_2048", 6],
    ["RSA_3072", 6],
    ["RSA_4096", 6],
    ["ECC_NIST_P256", 1],
    ["ECC_NIST_P384", 1],
    ["ECC_NIST_P521", 1],
    ["ECC_SECG_P256K1", 1],
    ["ECC_NIST_EDWARDS25519", 1],
  ];

  it.each(specs)("of %s hold for messages and digests alike, and outside", async (KeySpec, count) => {
    const { KeyId, SigningAlgorithms } = await createKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
    expect(SigningAlgorithms).toHaveLength(count);
    const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId }));
    const key = createPublicKey({ key: Buffer.from(must(PublicKey, "PublicKey")), format: "der", type: "spki" });
    for (const SigningAlgorithm of SigningAlgorithms ?? []) {
      const hash = Object.entries(hashes).find(([name]) => SigningAlgorithm.endsWith(name))?.[1] ?? "sha512";
      const digest = createHash(hash).update(plaintext).digest();
      const forms = [
        { Message: plaintext, MessageType: "RAW" as const },
        { Message: digest, MessageType: "DIGEST" as const },
      ].filter(({ MessageType }) => MessageType === "RAW" || !SigningAlgorithm.startsWith("ED25519"));
      for (const signed of forms) {
        const { Signature } = await kms.send(new SignCommand({ KeyId, SigningAlgorithm, ...signed }));
        const signature = must(Signature, "Signature");
        expect(holdsOutside(key, SigningAlgorithm, hash, signature), SigningAlgorithm).toBe(true);
        for (const checked of forms) {
          const input = { KeyId, SigningAlgorithm, Signature: signature };
          const { SignatureValid } = await kms.send(new VerifyCommand({ ...input, ...checked }));
          expect(SignatureValid).toBe(true);
          const broken = Uint8Array.from(signature);
          broken[broken.length - 5] = (broken.at(-5) ?? 0) ^ 1;
          await expect(kms.send(new VerifyCommand({ ...input, ...checked, Signature: broken }))).rejects.toEqual(
            refused("KMSInvalidSignatureException"),
          );
        }
      }
    }
  });

  function holdsOutside(
    key: ReturnType<typeof createPublicKey>,
    algorithm: SigningAlgorithmSpec,
    hash: string,
    signature: Uint8Array,
  ) {
    if (algorithm.startsWith("ED25519")) return verify(null, plaintext, key, signature);
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return createVerify(hash)
      .update(plaintext)
      .verify({ key, ...(algorithm.startsWith("RSASSA_PSS") ? pss : {}) }, signature);
  }

  it("refuse what does not fit the key", async () => {
    const { KeyId } = await createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
    const sign = (input: object) =>
      kms.send(new SignCommand({ KeyId, Message: plaintext, SigningAlgorithm: "ECDSA_SHA_256", ...input }));
    await expect(sign({ SigningAlgorithm: "ECDSA_SHA_384" })).rejects.toEqual(refused("InvalidKeyUsageException"));
    await expect(sign({ MessageType: "DIGEST" })).rejects.toEqual(refused("ValidationException"));
    await expect(sign({ DryRun: true })).rejects.toEqual(refused("DryRunOperationException"));
  });

  it("have a symmetric sibling, and agreement on a secret", async () => {
    for (const [KeySpec, MacAlgorithm] of [
      ["HMAC_224", "HMAC_SHA_224"],
      ["HMAC_512", "HMAC_SHA_512"],
    ] as const) {
      const { KeyId } = await createKey({ KeySpec, KeyUsage: "GENERATE_VERIFY_MAC" });
      const { Mac } = await kms.send(new GenerateMacCommand({ KeyId, MacAlgorithm, Message: plaintext }));
      const check = (Message: Uint8Array) => kms.send(new VerifyMacCommand({ KeyId, MacAlgorithm, Message, Mac }));
      expect((await check(plaintext)).MacValid).toBe(true);
      await expect(check(Buffer.from("other"))).rejects.toEqual(refused("KMSInvalidMacException"));
    }
    const create = { KeySpec: "ECC_NIST_P384", KeyUsage: "KEY_AGREEMENT" } as const;
    const [a, b] = [await createKey(create), await createKey(create)];
    const secret = async (mine: typeof a, theirs: typeof a) => {
      const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: theirs.KeyId }));
      const input = { KeyId: mine.KeyId, PublicKey, KeyAgreementAlgorithm: "ECDH" as const };
      return (await kms.send(new DeriveSharedSecretCommand(input))).SharedSecret;
    };
    expect(await secret(a, b)).toEqual(await secret(b, a));
  });
});

describe("aliases", () => {
  it("point to keys, and can be pointed elsewhere", async () => {
    const [one, other] = [await createKey(), await createKey()];
    const AliasName = "alias/orders";
    await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: one.KeyId }));
    const CiphertextBlob = await encrypt(AliasName);
    await expect(kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: one.KeyId }))).rejects.toEqual(
      refused(
        "AlreadyExistsException",
        `An alias with the name arn:aws:kms:us-east-1:${account}:alias/orders already exists`,
      ),
    );
    await kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: other.KeyId }));
    const { Aliases } = await kms.send(new ListAliasesCommand({ KeyId: other.KeyId }));
    expect(Aliases).toMatchObject([{ AliasName, TargetKeyId: other.KeyId }]);
    expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).KeyId).toBe(one.Arn);
    await kms.send(new DeleteAliasCommand({ AliasName }));
    await expect(encrypt(AliasName)).rejects.toEqual(refused("NotFoundException"));
    const reserved = kms.send(new CreateAliasCommand({ AliasName: "alias/aws/ssm", TargetKeyId: one.KeyId }));
    await expect(reserved).rejects.toEqual(refused("NotAuthorizedException"));
  });

  it("of AWS make their key on first use", async () => {
    const made = await Promise.all([encrypt("alias/aws/s3"), encrypt("alias/aws/s3")]);
    const keys = await Promise.all(made.map((CiphertextBlob) => kms.send(new DecryptCommand({ CiphertextBlob }))));
    expect(keys[0]?.KeyId).toBe(keys[1]?.KeyId);
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: "alias/aws/s3" }));
    expect(KeyMetadata).toMatchObject({ KeyManager: "AWS", Arn: keys[0]?.KeyId });
    await expect(kms.send(new DisableKeyCommand({ KeyId: KeyMetadata?.KeyId }))).rejects.toEqual(
      refused("AccessDeniedException"),
    );
  });
});
