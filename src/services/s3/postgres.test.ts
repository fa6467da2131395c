/** The same buckets on PostgreSQL: whole nodes over a real server, driven by the official client. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { systemClock } from "../../base/clock.ts";
import { randomIds } from "../../base/ids.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { openStore } from "../../store/open.ts";
import { sql } from "../../store/sql.ts";
import { createLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { lifecycleJob } from "./lifecycle.ts";
import { migrations } from "./tables.ts";
import { newestVersion } from "./versions.ts";

const server = await startPostgresOrSkip("S3 on PostgreSQL");
afterAll(() => server?.stop());

let mikan: Mikan | undefined;
afterEach(() => mikan?.close());
async function start(): Promise<{ s3: S3Client; data: string }> {
  const data = (await server?.createDatabase()) ?? "";
  mikan = await startMikan({ data });
  return { s3: clientsOf(mikan.url).s3, data };
}
const log = createLog({ clock: systemClock, level: "error" });
const open = (data: string) => openStore({ data, ephemeral: false, clock: systemClock, log, metrics: createMetrics() });

describe.skipIf(server === undefined)("PostgreSQL", () => {
  it("holds objects in one piece, in parts, and their copies", async () => {
    const { s3 } = await start();
    const Bucket = "objects";
    await s3.send(new CreateBucketCommand({ Bucket }));
    for (const Body of ["one", "two"]) {
      await s3.send(new PutObjectCommand({ Bucket, Key: "a/k", Body, Tagging: "t=1", Metadata: { m: "x" } }));
    }
    await s3.send(new CopyObjectCommand({ Bucket, Key: "a/copy", CopySource: `${Bucket}/a/k` }));
    const ref = { Bucket, Key: "parts" };
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...ref, ChecksumAlgorithm: "CRC32" }));
    const first = Buffer.alloc(5 * 2 ** 20, "p");
    const upload = { ...ref, UploadId };
    const one = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: first }));
    const two = await s3.send(new UploadPartCopyCommand({ ...upload, PartNumber: 2, CopySource: `${Bucket}/a/k` }));
    expect((await s3.send(new ListPartsCommand(upload))).Parts).toHaveLength(2);
    expect((await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads).toHaveLength(1);
    const Parts = [
      { PartNumber: 1, ETag: one.ETag },
      { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
    ];
    await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "a/k" }));
    const tail = await s3.send(new GetObjectCommand({ ...ref, PartNumber: 2 }));
    expect([await tail.Body?.transformToString(), tail.ContentRange]).toEqual(["two", "bytes 5242880-5242882/5242883"]);
    const copy = await s3.send(new GetObjectCommand({ Bucket, Key: "a/copy" }));
    expect([await copy.Body?.transformToString(), copy.Metadata]).toEqual(["two", { m: "x" }]);
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: "a/copy" }));
    expect(tags.TagSet).toEqual([{ Key: "t", Value: "1" }]);
    const listed = await s3.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
    expect([listed.CommonPrefixes, listed.Contents?.map(({ Key }) => Key)]).toEqual([[{ Prefix: "a/" }], ["parts"]]);
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "a/copy" }, { Key: "parts" }] } }));
    await s3.send(new DeleteBucketCommand({ Bucket }));
  });

  it("holds versions, and follows their lifecycle", async () => {
    const { s3, data } = await start();
    const Bucket = "versions";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    for (const Body of ["1", "2", "3"]) await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
    const list = (more: object = {}) => s3.send(new ListObjectVersionsCommand({ Bucket, ...more }));
    const page = await list({ MaxKeys: 2 });
    const rest = await list({ KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker });
    expect([page.DeleteMarkers?.length, page.Versions?.length, rest.Versions?.length]).toEqual([1, 1, 2]);
    const Rules = [
      {
        Status: "Enabled" as const,
        Prefix: "",
        Expiration: { ExpiredObjectDeleteMarker: true },
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      },
    ];
    await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    // As a node would that has run for three days more.
    const store = await open(data);
    const clock = { ...systemClock, now: () => systemClock.now() + 3 * 24 * 3600_000 };
    const deps = { store, clock, ids: randomIds, publicUrl: () => "http://127.0.0.1" };
    const job = lifecycleJob(deps, { happened: async () => undefined });
    const pass = async () => {
      while ((await job.run(new AbortController().signal))?.more);
      const { Versions = [], DeleteMarkers = [] } = await list();
      return [Versions.length, DeleteMarkers.length];
    };
    // A marker goes once there is nothing under it.
    expect([await pass(), await pass()]).toEqual([
      [0, 1],
      [0, 0],
    ]);
    await store.close();
    await s3.send(new DeleteBucketCommand({ Bucket }));
  });

  it("takes over the objects of a node that knew no versions", async () => {
    const store = await open((await server?.createDatabase()) ?? "");
    await store.migrate([{ owner: "s3", migrations: migrations.slice(0, 1) }]);
    await store.tx((tx) =>
      tx.run(sql`insert into s3_objects (account, region, bucket, key, blob_id, size_bytes, etag, modified_ms,
          content_type, headers, metadata)
        values ('1', 'r', 'b', 'k', 'blob', 4, 'etag', ${systemClock.now()}, 'text/plain', '{}', '{"a":"b"}')`),
    );
    await store.migrate([{ owner: "s3", migrations }]);
    const bucket = { account: "1", region: "r", name: "b", created_ms: 0, token: null };
    expect(await store.read((tx) => newestVersion(tx, bucket, "k"))).toMatchObject({
      version_id: "null",
      listed: true,
      metadata: { a: "b" },
      tags: null,
    });
    await store.close();
  });
});
