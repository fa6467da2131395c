import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { checksumOf, joinedChecksum, type AlgorithmName } from "./checksums.ts";

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

const mib = 2 ** 20;
const named = (name: string) => expect.objectContaining({ name });
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();

/** Three parts whose bytes differ, the last one short. */
const bodies = [Buffer.alloc(5 * mib, "a1"), Buffer.alloc(5 * mib + 3, "b22"), Buffer.from("the end")];
const whole = Buffer.concat(bodies);

async function begin(Bucket: string, more: Partial<CreateMultipartUploadCommandInput> = {}) {
  await s3.send(new CreateBucketCommand({ Bucket }));
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "joined", ...more }));
  return { Bucket, Key: "joined", UploadId };
}
type Ref = Awaited<ReturnType<typeof begin>>;

async function sendParts(ref: Ref, numbers: readonly number[], ChecksumAlgorithm?: "SHA256") {
  const sent = [];
  for (const [i, Body] of bodies.entries()) {
    const PartNumber = numbers[i] ?? 0;
    const { ETag, ChecksumSHA256 } = await s3.send(
      new UploadPartCommand({ ...ref, PartNumber, Body, ...(ChecksumAlgorithm ? { ChecksumAlgorithm } : {}) }),
    );
    sent.push({ PartNumber, ETag, ChecksumSHA256 });
  }
  return sent;
}

describe("multipart uploads", () => {
  it("join their parts, and are read as one", async () => {
    const ref = await begin("joins", { ContentType: "text/plain", Metadata: { colour: "orange" } });
    const Parts = await sendParts(ref, [2, 5, 9]);
    // Another part, sent and not named at the end.
    await s3.send(new UploadPartCommand({ ...ref, PartNumber: 7, Body: "not wanted" }));
    const complete = new CompleteMultipartUploadCommand({ ...ref, MultipartUpload: { Parts } });
    const done = await s3.send(complete);
    const etag = `"${md5(Buffer.concat(bodies.map(md5))).toString("hex")}-3"`;
    expect(done).toMatchObject({ ETag: etag, Bucket: "joins", Key: "joined" });
    expect((await s3.send(complete)).ETag).toBe(etag);
    const got = await s3.send(new GetObjectCommand({ Bucket: "joins", Key: "joined" }));
    expect(got).toMatchObject({ ContentType: "text/plain", Metadata: { colour: "orange" }, ETag: etag });
    expect(Buffer.compare(Buffer.from((await got.Body?.transformToByteArray()) ?? []), whole)).toBe(0);

    const over = `bytes=${5 * mib - 2}-${5 * mib + 1}`;
    const part = await s3.send(new GetObjectCommand({ Bucket: "joins", Key: "joined", Range: over }));
    expect(await part.Body?.transformToString()).toBe("a1b2");
    const last = await s3.send(new GetObjectCommand({ Bucket: "joins", Key: "joined", PartNumber: 3 }));
    expect(last).toMatchObject({
      PartsCount: 3,
      ContentRange: `bytes ${10 * mib + 3}-${10 * mib + 9}/${whole.length}`,
    });
    expect(await last.Body?.transformToString()).toBe("the end");
    await expect(s3.send(new GetObjectCommand({ Bucket: "joins", Key: "joined", PartNumber: 4 }))).rejects.toThrow(
      named("InvalidPartNumber"),
    );
    await s3.send(new DeleteObjectCommand({ Bucket: "joins", Key: "joined" }));
    await s3.send(new DeleteBucketCommand({ Bucket: "joins" }));
  });

  it("refuse parts that are missing, wrong, out of order or too small", async () => {
    const ref = await begin("refuses-parts");
    const small = await s3.send(new UploadPartCommand({ ...ref, PartNumber: 1, Body: "small" }));
    const end = await s3.send(new UploadPartCommand({ ...ref, PartNumber: 2, Body: "end" }));
    const complete = (...Parts: object[]) =>
      s3.send(new CompleteMultipartUploadCommand({ ...ref, MultipartUpload: { Parts } }));
    const [one, two] = [
      { PartNumber: 1, ETag: small.ETag },
      { PartNumber: 2, ETag: end.ETag },
    ];
    await expect(complete(one, two)).rejects.toThrow(named("EntityTooSmall"));
    await expect(complete(two, one)).rejects.toThrow(named("InvalidPartOrder"));
    await expect(complete(one, { PartNumber: 3, ETag: end.ETag })).rejects.toThrow(named("InvalidPart"));
    await expect(complete({ PartNumber: 2, ETag: small.ETag })).rejects.toThrow(named("InvalidPart"));
    await expect(complete()).rejects.toThrow(named("MalformedXML"));
    await expect(s3.send(new UploadPartCommand({ ...ref, PartNumber: 10_001, Body: "x" }))).rejects.toThrow(
      named("InvalidArgument"),
    );
    await expect(
      s3.send(new UploadPartCommand({ ...ref, UploadId: "none", PartNumber: 1, Body: "x" })),
    ).rejects.toThrow(named("NoSuchUpload"));
    await s3.send(new AbortMultipartUploadCommand(ref));
    await expect(complete(one)).rejects.toThrow(named("NoSuchUpload"));
  });

  it("are listed with their parts, page by page", async () => {
    const ref = await begin("lists-uploads");
    const { UploadId: second } = await s3.send(new CreateMultipartUploadCommand({ ...ref, Key: "dir/other" }));
    await sendParts(ref, [1, 2, 10_000]);
    const first = await s3.send(new ListPartsCommand({ ...ref, MaxParts: 2 }));
    expect(first).toMatchObject({ IsTruncated: true, NextPartNumberMarker: "2", StorageClass: "STANDARD" });
    expect(first.Parts?.map(({ Size }) => Size)).toEqual([5 * mib, 5 * mib + 3]);
    const rest = await s3.send(new ListPartsCommand({ ...ref, PartNumberMarker: first.NextPartNumberMarker }));
    expect(rest.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([10_000]);

    const { Bucket } = ref;
    const page = await s3.send(new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1 }));
    expect(page.Uploads).toMatchObject([{ Key: "dir/other", UploadId: second }]);
    const next = await s3.send(
      new ListMultipartUploadsCommand({
        Bucket,
        KeyMarker: page.NextKeyMarker,
        UploadIdMarker: page.NextUploadIdMarker,
      }),
    );
    expect(next.Uploads).toMatchObject([{ Key: "joined", UploadId: ref.UploadId }]);
    const grouped = await s3.send(new ListMultipartUploadsCommand({ Bucket, Delimiter: "/" }));
    expect(grouped).toMatchObject({ CommonPrefixes: [{ Prefix: "dir/" }], Uploads: [{ Key: "joined" }] });
    // Uploads under way do not keep a bucket.
    await s3.send(new DeleteBucketCommand({ Bucket }));
  });

  it("carry checksums of parts and of the whole", async () => {
    const ref = await begin("sums-sha256", { ChecksumAlgorithm: "SHA256" });
    const Parts = await sendParts(ref, [1, 2, 3], "SHA256");
    const sums = bodies.map((body) => createHash("sha256").update(body).digest());
    expect(Parts.map(({ ChecksumSHA256 }) => ChecksumSHA256)).toEqual(sums.map((sum) => sum.toString("base64")));
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...ref, MultipartUpload: { Parts } }));
    const composite = `${createHash("sha256").update(Buffer.concat(sums)).digest("base64")}-3`;
    expect(done).toMatchObject({ ChecksumSHA256: composite, ChecksumType: "COMPOSITE" });
    const { Bucket, Key } = ref;
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    expect(head).toMatchObject({ ChecksumSHA256: composite, ChecksumType: "COMPOSITE" });
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key }))).not.toHaveProperty("ChecksumSHA256");
    const other = await begin("sums-other", { ChecksumAlgorithm: "SHA1" });
    await expect(
      s3.send(new UploadPartCommand({ ...other, PartNumber: 1, Body: "x", ChecksumAlgorithm: "CRC32" })),
    ).rejects.toThrow(named("InvalidRequest"));
  });

  it("join the CRCs of parts to that of the whole, and compare it with the client's", async () => {
    const ref = await begin("sums-crc32", { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const sent = await sendParts(ref, [1, 2, 3]);
    const Parts = sent.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(whole));
    const complete = (ChecksumCRC32: string) =>
      s3.send(
        new CompleteMultipartUploadCommand({
          ...ref,
          MultipartUpload: { Parts },
          ChecksumCRC32,
          ChecksumType: "FULL_OBJECT",
        }),
      );
    await expect(complete("AAAAAA==")).rejects.toThrow(named("BadDigest"));
    expect(await complete(sum.toString("base64"))).toMatchObject({
      ChecksumCRC32: sum.toString("base64"),
      ChecksumType: "FULL_OBJECT",
    });
    // The SDK verifies it while it reads.
    const got = await s3.send(new GetObjectCommand({ Bucket: ref.Bucket, Key: ref.Key }));
    expect((await got.Body?.transformToByteArray())?.byteLength).toBe(whole.length);
  });

  it.each(["CRC32", "CRC32C", "CRC64NVME"] satisfies AlgorithmName[])(
    "%s of the parts gives that of all",
    (algorithm) => {
      const sumOf = (bytes: Uint8Array) => {
        const sum = checksumOf(algorithm);
        sum.update(bytes);
        return sum.digest();
      };
      const pieces = [
        whole.subarray(0, 1),
        whole.subarray(1, 1),
        whole.subarray(1, 70_001),
        whole.subarray(70_001, 99_999),
      ];
      const parts = pieces.map((piece) => ({ value: sumOf(piece), sizeBytes: piece.length }));
      expect(joinedChecksum({ algorithm, type: "FULL_OBJECT" }, parts).value).toBe(sumOf(whole.subarray(0, 99_999)));
    },
  );
});
