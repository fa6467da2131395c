import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
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
const set = (Bucket: string, Status: "Enabled" | "Suspended") =>
  s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }));
const put = async (Bucket: string, Key: string, Body: string) =>
  (await s3.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId;
const read = async (Bucket: string, Key: string, VersionId?: string) =>
  (await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body?.transformToString();
const list = (Bucket: string, more: object = {}) => s3.send(new ListObjectVersionsCommand({ Bucket, ...more }));
const keys = async (Bucket: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);

describe("versioning", () => {
  it("keeps every version, hides deleted objects, and brings them back", async () => {
    const Bucket = "versioned";
    await s3.send(new CreateBucketCommand({ Bucket }));
    expect(await put(Bucket, "k", "before")).toBeUndefined();
    expect(await s3.send(new GetBucketVersioningCommand({ Bucket }))).not.toHaveProperty("Status");
    await set(Bucket, "Enabled");
    const one = await put(Bucket, "k", "one");
    const two = await put(Bucket, "k", "two");
    expect(new Set([one, two]).size).toBe(2);
    expect(await read(Bucket, "k")).toBe("two");
    expect(await read(Bucket, "k", one)).toBe("one");
    expect(await read(Bucket, "k", "null")).toBe("before");

    const deleted = await s3.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    expect(deleted.DeleteMarker).toBe(true);
    await expect(read(Bucket, "k")).rejects.toThrow(named("NoSuchKey"));
    await expect(read(Bucket, "k", deleted.VersionId)).rejects.toThrow(named("MethodNotAllowed"));
    expect(await keys(Bucket)).toEqual([]);
    const all = await list(Bucket);
    expect(all.DeleteMarkers).toMatchObject([{ Key: "k", IsLatest: true, VersionId: deleted.VersionId }]);
    expect(all.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [two, false],
      [one, false],
      ["null", false],
    ]);
    const undone = await s3.send(new DeleteObjectCommand({ Bucket, Key: "k", VersionId: deleted.VersionId }));
    expect(undone).toMatchObject({ DeleteMarker: true, VersionId: deleted.VersionId });
    expect(await read(Bucket, "k")).toBe("two");
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "k", VersionId: two }));
    expect(await read(Bucket, "k")).toBe("one");
    expect(await keys(Bucket)).toEqual(["k"]);

    const source = `${Bucket}/k?versionId=null`;
    const restored = await s3.send(new CopyObjectCommand({ Bucket, Key: "k", CopySource: source }));
    expect(restored.CopySourceVersionId).toBe("null");
    expect(await read(Bucket, "k")).toBe("before");
    await expect(s3.send(new DeleteBucketCommand({ Bucket }))).rejects.toThrow(named("BucketNotEmpty"));
    const left = (await list(Bucket)).Versions ?? [];
    const Objects = left.map(({ Key, VersionId }) => ({ Key, VersionId }));
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await s3.send(new DeleteBucketCommand({ Bucket }));
  });

  it("suspended, replaces only the version null", async () => {
    const Bucket = "suspended";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await set(Bucket, "Enabled");
    const kept = await put(Bucket, "k", "kept");
    await set(Bucket, "Suspended");
    expect(await put(Bucket, "k", "first")).toBe("null");
    expect(await put(Bucket, "k", "second")).toBe("null");
    await set(Bucket, "Enabled");
    const newest = await put(Bucket, "k", "newest");
    await set(Bucket, "Suspended");
    await put(Bucket, "k", "third");
    const ids = async () => (await list(Bucket)).Versions?.map(({ VersionId }) => VersionId);
    expect(await ids()).toEqual(["null", newest, kept]);
    expect(await read(Bucket, "k", "null")).toBe("third");
    const deleted = await s3.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    expect(deleted).toMatchObject({ DeleteMarker: true, VersionId: "null" });
    expect(await ids()).toEqual([newest, kept]);
    const head = s3.send(new HeadObjectCommand({ Bucket, Key: "k", VersionId: "null" }));
    await expect(head).rejects.toMatchObject({ $metadata: { httpStatusCode: 405 } });
    await expect(read(Bucket, "k", "f".repeat(32))).rejects.toThrow(named("InvalidArgument"));
    await expect(read(Bucket, "k", `00${"0".repeat(30)}`)).rejects.toThrow(named("NoSuchVersion"));
  });

  it("lists page by page, by prefix and delimiter", async () => {
    const Bucket = "pages-of-versions";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await set(Bucket, "Enabled");
    for (const Key of ["a", "a", "a", "dir/1", "dir/2", "dir/2", "z"]) await put(Bucket, Key, Key);
    const seen: string[] = [];
    let markers: object = {};
    for (let pages = 0; pages < 10; pages += 1) {
      const page = await list(Bucket, { ...markers, MaxKeys: 2, Delimiter: "/" });
      seen.push(...(page.Versions ?? []).map(({ Key }) => String(Key)));
      seen.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => String(Prefix)));
      if (page.IsTruncated !== true) break;
      markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
    expect(seen.sort()).toEqual(["a", "a", "a", "dir/", "z"]);
    expect((await list(Bucket, { Prefix: "dir/" })).Versions).toHaveLength(3);
  });

  it("tells each of many deletions what became of it", async () => {
    const Bucket = "many-versions";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await set(Bucket, "Enabled");
    const one = await put(Bucket, "a", "1");
    await put(Bucket, "b", "1");
    const Objects = [{ Key: "a", VersionId: one }, { Key: "b" }, { Key: "c", VersionId: "nonsense" }];
    const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    expect(Deleted).toMatchObject([
      { Key: "a", VersionId: one },
      { Key: "b", DeleteMarker: true },
    ]);
    expect(Errors).toMatchObject([{ Key: "c", Code: "InvalidArgument" }]);
  });
});
