import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

let mikan: Mikan;
let s3: S3Client;
beforeAll(async () => {
  mikan = await startMikan();
  s3 = clientsOf(mikan.url).s3;
});
afterAll(async () => {
  s3.destroy();
  await mikan.close();
});

const named = (name: string) => expect.objectContaining({ name });

describe("S3 by its own client", () => {
  it("keeps an object with its headers and metadata, and gives parts of it", async () => {
    const Bucket = "keeps";
    await s3.send(new CreateBucketCommand({ Bucket }));
    const put = await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: "a/ä b+c.txt",
        Body: "0123456789",
        ContentType: "text/plain",
        CacheControl: "max-age=60",
        Metadata: { colour: "orange" },
      }),
    );
    expect(put.ETag).toBe('"781e5e245d69b566979b86e28d23f2c7"');
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "a/ä b+c.txt" }));
    expect(await got.Body?.transformToString()).toBe("0123456789");
    expect(got).toMatchObject({
      ContentType: "text/plain",
      CacheControl: "max-age=60",
      Metadata: { colour: "orange" },
      ContentLength: 10,
    });
    const part = await s3.send(new GetObjectCommand({ Bucket, Key: "a/ä b+c.txt", Range: "bytes=2-4" }));
    expect(part).toMatchObject({ ContentRange: "bytes 2-4/10", ContentLength: 3 });
    expect(part.$metadata.httpStatusCode).toBe(206);
    expect(await part.Body?.transformToString()).toBe("234");
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "a/ä b+c.txt" }));
    expect(head).toMatchObject({ ContentLength: 10, ETag: put.ETag });
  });

  it("streams large bodies both ways", async () => {
    const Bucket = "streams";
    await s3.send(new CreateBucketCommand({ Bucket }));
    const Body = Buffer.alloc(12 * 2 ** 20, "mikan");
    await s3.send(new PutObjectCommand({ Bucket, Key: "large", Body }));
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "large" }));
    expect(Buffer.compare(Buffer.from((await got.Body?.transformToByteArray()) ?? []), Body)).toBe(0);
    await s3.send(new PutObjectCommand({ Bucket, Key: "empty", Body: "" }));
    const empty = await s3.send(new GetObjectCommand({ Bucket, Key: "empty" }));
    expect(await empty.Body?.transformToString()).toBe("");
  });

  it("lists in byte order, by prefix and delimiter, page by page", async () => {
    const Bucket = "lists";
    await s3.send(new CreateBucketCommand({ Bucket }));
    const keys = ["Z", "a", "a/1", "a/2", "b/1/x", "b/2", "c", "é", "\u{1f34a}"];
    for (const Key of keys.toReversed()) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    const all = await s3.send(new ListObjectsV2Command({ Bucket }));
    expect(all.Contents?.map(({ Key }) => Key)).toEqual(keys);
    const grouped = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
    expect(grouped.Contents?.map(({ Key }) => Key)).toEqual(["Z", "a", "c", "é", "\u{1f34a}"]);
    expect(grouped.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(["a/", "b/"]);
    const under = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "b/", Delimiter: "/" }));
    expect(under.Contents?.map(({ Key }) => Key)).toEqual(["b/2"]);
    expect(under.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(["b/1/"]);

    const paged: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await s3.send(
        new ListObjectsV2Command({ Bucket, Delimiter: "/", MaxKeys: 2, ContinuationToken }),
      );
      paged.push(
        ...(page.Contents ?? []).map(({ Key }) => Key),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
      );
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(new Set(paged)).toEqual(new Set(["Z", "a", "a/", "b/", "c", "é", "\u{1f34a}"]));
    expect(paged).toHaveLength(7);
    await expect(s3.send(new ListObjectsV2Command({ Bucket, ContinuationToken: "forged" }))).rejects.toThrow(
      named("InvalidArgument"),
    );
  });

  it("deletes one and many, and a bucket only when it is empty", async () => {
    const Bucket = "deletes";
    await s3.send(new CreateBucketCommand({ Bucket }));
    for (const Key of ["1", "2", "3"]) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "1" }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "never there" }));
    await expect(s3.send(new DeleteBucketCommand({ Bucket }))).rejects.toThrow(named("BucketNotEmpty"));
    const { Deleted } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "2" }, { Key: "3" }] } }),
    );
    expect(Deleted?.map(({ Key }) => Key)).toEqual(["2", "3"]);
    await s3.send(new DeleteBucketCommand({ Bucket }));
    const { Buckets } = await s3.send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).not.toContain(Bucket);
  });

  it("refuses with S3's own errors", async () => {
    const Bucket = "refuses";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "v" }));
    const get = (input: object) => s3.send(new GetObjectCommand({ Bucket, Key: "k", ...input }));
    await expect(get({ Key: "none" })).rejects.toThrow(named("NoSuchKey"));
    await expect(get({ Bucket: "no-such-bucket" })).rejects.toThrow(named("NoSuchBucket"));
    await expect(get({ Range: "bytes=9-" })).rejects.toThrow(named("InvalidRange"));
    await expect(get({ IfMatch: '"x"' })).rejects.toThrow(named("PreconditionFailed"));
    await expect(get({ IfNoneMatch: "*" })).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: "none" }))).rejects.toThrow(named("NotFound"));
    await expect(s3.send(new CreateBucketCommand({ Bucket: "Not_A_Name" }))).rejects.toThrow(
      named("InvalidBucketName"),
    );
    const once = new PutObjectCommand({ Bucket, Key: "k", Body: "again", IfNoneMatch: "*" });
    await expect(s3.send(once)).rejects.toThrow(named("PreconditionFailed"));
    const locked = new PutObjectCommand({ Bucket, Key: "k", Body: "v", ObjectLockMode: "GOVERNANCE" });
    await expect(s3.send(locked)).rejects.toThrow(named("InvalidRequest"));
  });

  it("keeps accounts apart, and bucket names for all", async () => {
    const other = clientsOf(mikan.url, "111122223333").s3;
    await s3.send(new CreateBucketCommand({ Bucket: "mine-alone" }));
    await expect(other.send(new CreateBucketCommand({ Bucket: "mine-alone" }))).rejects.toThrow(
      named("BucketAlreadyExists"),
    );
    await expect(other.send(new GetObjectCommand({ Bucket: "mine-alone", Key: "k" }))).rejects.toThrow(
      named("AccessDenied"),
    );
    const { Buckets } = await other.send(new ListBucketsCommand({}));
    expect(Buckets ?? []).toEqual([]);
    expect(await s3.send(new GetBucketLocationCommand({ Bucket: "mine-alone" }))).not.toHaveProperty(
      "LocationConstraint",
    );
    other.destroy();
  });
});
