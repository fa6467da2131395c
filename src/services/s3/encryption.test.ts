import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { CreateKeyCommand, DisableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { opened, sealed } from "./sealing.ts";

let mikan: Mikan;
let s3: S3Client;
let kms: KMSClient;
let data: string;
const Bucket = "sealed";
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-sealed-"));
  mikan = await startMikan({ data });
  s3 = clientsOf(mikan.url).s3;
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  kms = new KMSClient({ endpoint: mikan.url, region: "us-east-1", credentials });
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  s3.destroy();
  kms.destroy();
  await mikan.close();
  await rm(data, { recursive: true, force: true });
});

const named = (name: string) => expect.objectContaining({ name });
const secret = "the secret of mikan ".repeat(4_000);
const textOf = async (input: object) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key: "k", ...input }))).Body?.transformToString();

async function newKey(): Promise<string> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  return KeyMetadata?.Arn ?? "";
}

/** Everything that lies in the data directory's blobs. */
async function onDisk(): Promise<string> {
  const names = await readdir(data, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && /^[0-9a-f]{32}$/.test(entry.name));
  return (await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), "latin1")))).join("");
}

function customer(letter: string) {
  const key = Buffer.alloc(32, letter);
  return {
    SSECustomerAlgorithm: "AES256",
    SSECustomerKey: key.toString("base64"),
    SSECustomerKeyMD5: createHash("md5").update(key).digest("base64"),
  };
}

describe("encryption of objects", () => {
  it("lies under a data key of KMS, and is read whole and in ranges", async () => {
    const SSEKMSKeyId = await newKey();
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key: "k", Body: secret, ServerSideEncryption: "aws:kms", SSEKMSKeyId }),
    );
    expect(put).toMatchObject({ ServerSideEncryption: "aws:kms", SSEKMSKeyId });
    expect(put.ETag).not.toBe(`"${createHash("md5").update(secret).digest("hex")}"`);
    expect(await onDisk()).not.toContain("secret of mikan");
    expect(await textOf({})).toBe(secret);
    for (const [from, to] of [
      [0, 0],
      [15, 16],
      [16, 47],
      [4_099, 70_001],
    ] as const) {
      expect(await textOf({ Range: `bytes=${from}-${to}` })).toBe(secret.slice(from, to + 1));
    }
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "k" }));
    expect(head).toMatchObject({ ContentLength: secret.length, ServerSideEncryption: "aws:kms", SSEKMSKeyId });
    const KeyId = SSEKMSKeyId;
    await kms.send(new DisableKeyCommand({ KeyId }));
    await expect(textOf({})).rejects.toThrow(named("KMS.DisabledException"));
  });

  it("uses the key of S3 when none is named, and copies between keys", async () => {
    const alone = await s3.send(
      new PutObjectCommand({ Bucket, Key: "own", Body: secret, ServerSideEncryption: "aws:kms" }),
    );
    expect(alone.SSEKMSKeyId).toMatch(/^arn:aws:kms:us-east-1:000000000000:key\//);
    const plain = await s3.send(new CopyObjectCommand({ Bucket, Key: "plain", CopySource: `${Bucket}/own` }));
    expect(plain).toMatchObject({ ServerSideEncryption: "AES256" });
    expect(plain.SSEKMSKeyId).toBeUndefined();
    expect(await textOf({ Key: "plain" })).toBe(secret);
    const SSEKMSKeyId = await newKey();
    const kmsAgain = { ServerSideEncryption: "aws:kms" as const, SSEKMSKeyId };
    await s3.send(new CopyObjectCommand({ Bucket, Key: "again", CopySource: `${Bucket}/plain`, ...kmsAgain }));
    expect(await textOf({ Key: "again" })).toBe(secret);
    await expect(
      s3.send(
        new PutObjectCommand({
          Bucket,
          Key: "x",
          Body: "x",
          ServerSideEncryption: "aws:kms",
          SSEKMSKeyId: "alias/none",
        }),
      ),
    ).rejects.toThrow(named("KMS.NotFoundException"));
    await expect(
      s3.send(new PutObjectCommand({ Bucket, Key: "x", Body: "x", ServerSideEncryption: "aws:kms:dsse" })),
    ).rejects.toThrow(named("NotImplemented"));
  });

  it("covers every part of an upload", async () => {
    const ref = { Bucket, Key: "parts" };
    const { UploadId, ServerSideEncryption } = await s3.send(
      new CreateMultipartUploadCommand({ ...ref, ServerSideEncryption: "aws:kms", BucketKeyEnabled: true }),
    );
    expect(ServerSideEncryption).toBe("aws:kms");
    await s3.send(new PutObjectCommand({ Bucket, Key: "source", Body: secret }));
    const first = Buffer.alloc(5 * 2 ** 20, "secret of mikan");
    const one = await s3.send(new UploadPartCommand({ ...ref, UploadId, PartNumber: 1, Body: first }));
    const copied = { ...ref, UploadId, PartNumber: 2, CopySource: `${Bucket}/source`, CopySourceRange: "bytes=4-9" };
    const two = await s3.send(new UploadPartCopyCommand(copied));
    const Parts = [
      { PartNumber: 1, ETag: one.ETag },
      { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
    ];
    await s3.send(new CompleteMultipartUploadCommand({ ...ref, UploadId, MultipartUpload: { Parts } }));
    expect(await textOf({ ...ref, Range: `bytes=${first.length - 7}-` })).toBe(
      `${first.toString().slice(-7)}${secret.slice(4, 10)}`,
    );
    const got = await s3.send(new HeadObjectCommand(ref));
    expect(got).toMatchObject({ ServerSideEncryption: "aws:kms", BucketKeyEnabled: true });
  });

  it("is the bucket's when the request says nothing", async () => {
    const own = { Bucket: "sealed-by-default", Key: "k" };
    await s3.send(new CreateBucketCommand({ Bucket: own.Bucket }));
    const KMSMasterKeyID = await newKey();
    const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: "aws:kms" as const, KMSMasterKeyID };
    const Rules = [{ ApplyServerSideEncryptionByDefault, BucketKeyEnabled: true }];
    await s3.send(new PutBucketEncryptionCommand({ Bucket: own.Bucket, ServerSideEncryptionConfiguration: { Rules } }));
    const told = { ServerSideEncryption: "aws:kms", SSEKMSKeyId: KMSMasterKeyID, BucketKeyEnabled: true };
    expect(await s3.send(new PutObjectCommand({ ...own, Body: "v" }))).toMatchObject(told);
    expect(await s3.send(new GetObjectCommand(own))).toMatchObject(told);
    const other = await s3.send(new PutObjectCommand({ ...own, Body: "v", ServerSideEncryption: "AES256" }));
    expect(other).toMatchObject({ ServerSideEncryption: "AES256" });
  });

  it("takes the customer's own key, and gives nothing without it", async () => {
    const mine = { Bucket, Key: "mine", ...customer("a") };
    const put = await s3.send(new PutObjectCommand({ ...mine, Body: secret }));
    expect(put).toMatchObject({ SSECustomerAlgorithm: "AES256", SSECustomerKeyMD5: mine.SSECustomerKeyMD5 });
    expect(put.ServerSideEncryption).toBeUndefined();
    expect(await textOf(mine)).toBe(secret);
    await expect(textOf({ Key: "mine" })).rejects.toThrow(named("InvalidRequest"));
    await expect(textOf({ Key: "mine", ...customer("b") })).rejects.toThrow(named("AccessDenied"));
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: "mine" }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 400 },
    });
    const { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 } = mine;
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: "freed",
        CopySource: `${Bucket}/mine`,
        CopySourceSSECustomerAlgorithm: SSECustomerAlgorithm,
        CopySourceSSECustomerKey: SSECustomerKey,
        CopySourceSSECustomerKeyMD5: SSECustomerKeyMD5,
      }),
    );
    expect(await textOf({ Key: "freed" })).toBe(secret);
  });
});

it("is read from the middle of a block", async () => {
  const key = Buffer.alloc(32, 7);
  const text = Buffer.from("0123456789abcdef".repeat(8));
  const pieces: Uint8Array[] = [];
  for await (const piece of sealed(text, key)) pieces.push(piece);
  const whole = Buffer.concat(pieces);
  const read = async function* (_: string, start = 0, end = whole.length) {
    yield whole.subarray(start, end);
  };
  const blobs = { read, put: () => Promise.reject(new Error()), delete: async () => {}, sweep: async () => 0 };
  const found: Uint8Array[] = [];
  for await (const piece of opened({ blobs }, "id", { start: 16 + 37, end: 16 + 90, key })) found.push(piece);
  expect(Buffer.concat(found).toString()).toBe(text.subarray(37, 90).toString());
});
