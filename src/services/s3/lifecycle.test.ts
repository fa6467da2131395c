import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type LifecycleRule,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { FakeClock } from "../../base/clock.ts";
import { startMikan, type Mikan } from "../../mikan.ts";

/** Time of day leaps, and timers do not notice: days of every poll in the house would take minutes to play. */
class LeapingClock extends FakeClock {
  leaptMs = 0;
  override now() {
    return super.now() + this.leaptMs;
  }
}
const clock = new LeapingClock();
const day = 24 * 3600_000;
let mikan: Mikan;
let s3: S3Client;
beforeAll(async () => {
  mikan = await startMikan({ clock });
  s3 = clientsOf(mikan.url).s3;
});
afterAll(async () => {
  s3.destroy();
  await mikan.close();
});

/** The worker's rounds take I/O: time moves on a little until what is awaited is so. */
async function until(holds: () => Promise<boolean>) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (await holds()) return;
    await clock.advance(60_000);
  }
  throw new Error("it never came to hold");
}
const rule = (Bucket: string, ...Rules: LifecycleRule[]) =>
  s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
const keys = async (Bucket: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);

describe("lifecycles", () => {
  it("expire objects, and give up uploads", async () => {
    const Bucket = "expires";
    await s3.send(new CreateBucketCommand({ Bucket }));
    for (const Key of ["logs/1", "logs/2", "kept"]) await s3.send(new PutObjectCommand({ Bucket, Key, Body: "v" }));
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "never-ended" }));
    await rule(
      Bucket,
      { ID: "logs", Status: "Enabled", Filter: { Prefix: "logs/" }, Expiration: { Days: 1 } },
      { ID: "up", Status: "Enabled", Prefix: "", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 } },
    );
    const told = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(told.Rules).toHaveLength(2);
    expect(await keys(Bucket)).toHaveLength(3);
    clock.leaptMs += 2 * day;
    await until(async () => (await keys(Bucket)).length === 1);
    expect(await keys(Bucket)).toEqual(["kept"]);
    const uploads = async () => (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? [];
    expect(await uploads()).toHaveLength(1);
    clock.leaptMs += 2 * day;
    await until(async () => (await uploads()).length === 0);
  });

  it("mark what expires where versions are kept, and remove it later", async () => {
    const Bucket = "expires-versions";
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    for (const Body of ["1", "2"]) await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body }));
    const expiry = { ID: "e", Status: "Enabled" as const, Prefix: "", Expiration: { Days: 1 } };
    await rule(Bucket, expiry);
    const list = () => s3.send(new ListObjectVersionsCommand({ Bucket }));
    clock.leaptMs += 2 * day;
    await until(async () => (await keys(Bucket)).length === 0);
    const marked = await list();
    expect(marked.Versions).toHaveLength(2);
    expect(marked.DeleteMarkers).toHaveLength(1);
    await rule(Bucket, { ...expiry, NoncurrentVersionExpiration: { NoncurrentDays: 1 } });
    clock.leaptMs += 3 * day;
    await until(async () => {
      const { Versions = [], DeleteMarkers = [] } = await list();
      return Versions.length + DeleteMarkers.length === 0;
    });
  });
});
