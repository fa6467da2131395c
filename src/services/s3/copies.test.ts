import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  GetBucketTaggingCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CopyObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let s3: S3Client;
beforeAll(async () => {
  mikan = await startMikan();
  s3 = clientsOf(mikan.url).s3;
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  s3.destroy();
  await mikan.close();
});

const Bucket = "copies";
const mib = 2 ** 20;
const named = (name: string) => expect.objectContaining({ name });
const copy = (Key: string, CopySource: string, more: Partial<CopyObjectCommandInput> = {}) =>
  s3.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...more }));
const textOf = async (Key: string) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString() ?? "";
const large = Buffer.alloc(5 * mib, "large");

/** An object of two parts. */
async function putInParts(Key: string) {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts = [];
  for (const [i, Body] of [large, Buffer.from("tail")].entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body }));
    Parts.push({ PartNumber: i + 1, ETag });
  }
  await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
}

describe("copies", () => {
  it("keep what the source had, or replace it, and outlive the source", async () => {
    const Key = "dir/ä source+1";
    const source = `${Bucket}/${encodeURIComponent(Key)}`;
    const put = new PutObjectCommand({
      Bucket,
      Key,
      Body: "bytes",
      ContentType: "text/plain",
      Metadata: { a: "1" },
      Tagging: "stage=one",
    });
    const { ETag } = await s3.send(put);
    expect((await copy("kept", source)).CopyObjectResult).toMatchObject({ ETag });
    const replaced = { MetadataDirective: "REPLACE", TaggingDirective: "REPLACE" } as const;
    await copy("replaced", `/${source}`, { ...replaced, Metadata: { b: "2" }, Tagging: "stage=two" });
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    expect(await textOf("kept")).toBe("bytes");
    const kept = await s3.send(new HeadObjectCommand({ Bucket, Key: "kept" }));
    expect(kept).toMatchObject({ ContentType: "text/plain", Metadata: { a: "1" } });
    const other = await s3.send(new HeadObjectCommand({ Bucket, Key: "replaced" }));
    expect(other).toMatchObject({ ContentType: "binary/octet-stream", Metadata: { b: "2" } });
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: "replaced" }));
    expect(tags.TagSet).toEqual([{ Key: "stage", Value: "two" }]);
  });

  it("depend on what the source is, and on there being a change", async () => {
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: "if", Body: "v" }));
    const source = `${Bucket}/if`;
    await copy("if-2", source, { CopySourceIfMatch: ETag });
    for (const refused of [{ CopySourceIfMatch: '"x"' }, { CopySourceIfNoneMatch: ETag }, { IfNoneMatch: "*" }]) {
      await expect(copy("if-2", source, refused)).rejects.toThrow(named("PreconditionFailed"));
    }
    await expect(copy("if", source)).rejects.toThrow(named("InvalidRequest"));
    await copy("if", source, { MetadataDirective: "REPLACE", Metadata: { now: "this" } });
    await expect(copy("x", `${Bucket}/none`)).rejects.toThrow(named("NoSuchKey"));
    await expect(copy("x", "only-a-bucket")).rejects.toThrow(named("InvalidArgument"));
  });

  it("of an object in parts are in one piece", async () => {
    await putInParts("in-parts");
    const { CopyObjectResult } = await copy("in-one", `${Bucket}/in-parts`, { ChecksumAlgorithm: "SHA256" });
    const whole = Buffer.concat([large, Buffer.from("tail")]);
    expect(CopyObjectResult).toMatchObject({
      ETag: `"${createHash("md5").update(whole).digest("hex")}"`,
      ChecksumSHA256: createHash("sha256").update(whole).digest("base64"),
    });
  });

  it("become parts of an upload, whole or by range", async () => {
    await putInParts("parts-of");
    const Key = "assembled";
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "SHA256" }));
    const part = async (PartNumber: number, CopySourceRange?: string) => {
      const CopySource = `${Bucket}/parts-of`;
      const input = { Bucket, Key, UploadId, PartNumber, CopySource, CopySourceRange };
      const { CopyPartResult } = await s3.send(new UploadPartCopyCommand(input));
      return { PartNumber, ...CopyPartResult };
    };
    const one = await part(1);
    const two = await part(2, `bytes=${5 * mib - 1}-${5 * mib + 2}`);
    expect(two.ETag).toBe(`"${createHash("md5").update("etai").digest("hex")}"`);
    await expect(part(3, "bytes=0-99999999")).rejects.toThrow(named("InvalidRange"));
    await expect(part(3, "bytes=5-1")).rejects.toThrow(named("InvalidArgument"));
    await s3.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: [one, two] } }),
    );
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "parts-of" }));
    expect((await textOf(Key)).slice(-10)).toBe("getailetai");
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key,
        ObjectAttributes: ["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"],
      }),
    );
    expect(attributes).toMatchObject({
      ObjectSize: 5 * mib + 8,
      StorageClass: "STANDARD",
      Checksum: { ChecksumType: "COMPOSITE" },
      ObjectParts: {
        TotalPartsCount: 2,
        Parts: [
          { PartNumber: 1, Size: 5 * mib + 4 },
          { PartNumber: 2, Size: 4 },
        ],
      },
    });
    expect(attributes.ETag).toMatch(/^[0-9a-f]{32}-2$/);
  });
});

describe("tags", () => {
  it("belong to objects and to buckets", async () => {
    const Key = "tagged";
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: "v", Tagging: "a=1&b=two%20words" }));
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key }))).$metadata.httpStatusCode).toBe(200);
    const TagSet = [{ Key: "c", Value: "3" }];
    const tags = async () => (await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet;
    expect(await tags()).toContainEqual({ Key: "b", Value: "two words" });
    await s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    expect(await tags()).toEqual(TagSet);
    await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key }));
    expect(await tags()).toEqual([]);
    const eleven = Array.from({ length: 11 }, (_, i) => ({ Key: `k${i}`, Value: "v" }));
    const put = (TagSet: { Key: string; Value: string }[]) =>
      s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }));
    await expect(put(eleven)).rejects.toThrow(named("BadRequest"));
    await expect(put([{ Key: "a?", Value: "" }])).rejects.toThrow(named("InvalidTag"));
    await expect(put([...TagSet, ...TagSet])).rejects.toThrow(named("InvalidTag"));

    await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toThrow(named("NoSuchTagSet"));
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet);
    await s3.send(new DeleteBucketTaggingCommand({ Bucket }));
    await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toThrow(named("NoSuchTagSet"));
  });
});
