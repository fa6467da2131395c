/** S3 through its official client: addresses, payloads, checksums, its own errors. */
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type ChecksumAlgorithm,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fault } from "../base/errors.ts";
import { bytesOf, type Body } from "../base/http.ts";
import { serveWire, type WireServer } from "./serve.suite.ts";

let server: WireServer;
let seen: { operation: string; input: Record<string, unknown>; body: string | undefined }[] = [];
beforeAll(async () => {
  server = await serveWire();
});
afterAll(() => server.close());

/** Reads the body as a service would, then answers. */
function answering(output: object = {}): void {
  server.answer = async ({ operation, input }) => {
    const fields = input as Record<string, unknown>;
    const isStream = operation === "PutObject" || operation === "UploadPart";
    const body = isStream ? Buffer.from(await bytesOf(fields["Body"] as Body, 1e7)).toString() : undefined;
    seen.push({ operation, input: fields, body });
    return output;
  };
}
beforeEach(() => {
  seen = [];
  answering();
});
afterEach(() => {
  expect(server.broken).toEqual([]);
});

const client = (config: S3ClientConfig = {}) =>
  new S3Client({
    endpoint: server.url,
    region: "us-east-1",
    credentials: { accessKeyId: "000000000042", secretAccessKey: "secret" },
    maxAttempts: 1,
    ...config,
  });
const only = () => {
  const [first] = seen.splice(0);
  if (first === undefined) throw new Error("no call came");
  return first;
};

describe("routing", () => {
  test.each([
    ["ListBuckets", new ListBucketsCommand({}), {}],
    ["CreateBucket", new CreateBucketCommand({ Bucket: "b" }), { Bucket: "b" }],
    [
      "ListObjectsV2",
      new ListObjectsV2Command({ Bucket: "b", Prefix: "a b/+", MaxKeys: 7 }),
      { Prefix: "a b/+", MaxKeys: 7 },
    ],
    ["GetObject", new GetObjectCommand({ Bucket: "b", Key: "a/b c+d/é%2F/" }), { Key: "a/b c+d/é%2F/" }],
    ["GetBucketLocation", new GetBucketLocationCommand({ Bucket: "b" }), { Bucket: "b" }],
    ["GetBucketAcl", new GetBucketAclCommand({ Bucket: "b" }), { Bucket: "b" }],
    ["DeleteObject", new DeleteObjectCommand({ Bucket: "b", Key: "k", VersionId: "v" }), { Key: "k", VersionId: "v" }],
    ["CopyObject", new CopyObjectCommand({ Bucket: "b", Key: "k", CopySource: "b/x" }), { CopySource: "b/x" }],
    ["CreateMultipartUpload", new CreateMultipartUploadCommand({ Bucket: "b", Key: "k" }), { Key: "k" }],
    ["ListParts", new ListPartsCommand({ Bucket: "b", Key: "k", UploadId: "u" }), { UploadId: "u" }],
    [
      "UploadPart",
      new UploadPartCommand({ Bucket: "b", Key: "k", UploadId: "u", PartNumber: 3, Body: "x" }),
      { PartNumber: 3 },
    ],
    [
      "CompleteMultipartUpload",
      new CompleteMultipartUploadCommand({
        Bucket: "b",
        Key: "k",
        UploadId: "u",
        MultipartUpload: {
          Parts: [
            { PartNumber: 1, ETag: '"e1"' },
            { PartNumber: 2, ETag: '"e2"' },
          ],
        },
      }),
      {
        MultipartUpload: {
          Parts: [
            { PartNumber: 1, ETag: '"e1"' },
            { PartNumber: 2, ETag: '"e2"' },
          ],
        },
      },
    ],
  ] as const)("%s", async (operation, command, input) => {
    // A copy without its result is an error to the client.
    if (operation === "CopyObject") answering({ CopyObjectResult: { ETag: '"e"' } });
    await client().send(command as PutObjectCommand);
    const call = only();
    expect(call.operation).toBe(operation);
    expect(call.input).toMatchObject(input);
  });

  test("a bucket in the host name", async () => {
    // *.localhost does not resolve everywhere: the name is put into the Host field only.
    const http = client({ forcePathStyle: true });
    http.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { headers: Record<string, string>; path: string };
        request.headers["host"] = `my.bucket.s3.eu-west-1.localhost:${server.port}`;
        request.path = request.path.replace("/ignored", "");
        return next(args);
      },
      { step: "build", priority: "low" },
    );
    await http.send(new GetObjectCommand({ Bucket: "ignored", Key: "dir/key" }));
    expect(only()).toMatchObject({ operation: "GetObject", input: { Bucket: "my.bucket", Key: "dir/key" } });
  });
});

describe("objects", () => {
  test("metadata and fields of a put, and of a get", async () => {
    const expires = new Date("2030-01-01T00:00:00Z");
    await client().send(
      new PutObjectCommand({
        Bucket: "b",
        Key: "k",
        Body: "hello",
        ContentType: "text/plain",
        ContentEncoding: "gzip",
        CacheControl: "max-age=1",
        Metadata: { one: "1", Two: "zwei" },
        Expires: expires,
        Tagging: "a=b&c=d",
      }),
    );
    const put = only();
    expect(put.body).toBe("hello");
    expect(put.input).toMatchObject({
      ContentType: "text/plain",
      ContentEncoding: "gzip",
      ContentLength: 5,
      CacheControl: "max-age=1",
      Metadata: { one: "1", two: "zwei" },
      Expires: expires,
      Tagging: "a=b&c=d",
    });

    const modified = new Date("2026-01-02T03:04:05Z");
    answering({
      Body: (async function* () {
        yield Buffer.from("one ");
        yield Buffer.from("two");
      })(),
      ContentLength: 7,
      ContentType: "text/x",
      ETag: '"e"',
      LastModified: modified,
      Metadata: { a: "b", uni: "ü" },
      VersionId: "bad\r\nx-evil: 1",
    });
    const got = await client().send(new GetObjectCommand({ Bucket: "b", Key: "k" }));
    expect(await got.Body?.transformToString()).toBe("one two");
    expect(got).toMatchObject({ ContentLength: 7, ContentType: "text/x", ETag: '"e"', LastModified: modified });
    expect(got.Metadata?.["a"]).toBe("b");
    expect(got.VersionId).toBe("bad  x-evil: 1");
  });

  test.each(["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] satisfies ChecksumAlgorithm[])(
    "a %s in a field, and in a trailer",
    async (algorithm) => {
      const text = "The quick brown fox jumps over the lazy dog".repeat(50);
      const s3 = client();
      await s3.send(new PutObjectCommand({ Bucket: "b", Key: "k", Body: text, ChecksumAlgorithm: algorithm }));
      const field = only();
      expect(field.body).toBe(text);
      const value = field.input[`Checksum${algorithm}`];
      expect(value).toEqual(expect.any(String));

      const stream = Readable.from([Buffer.from(text.slice(0, 100)), Buffer.from(text.slice(100))]);
      await s3.send(
        new PutObjectCommand({
          Bucket: "b",
          Key: "k",
          Body: stream,
          ContentLength: text.length,
          ContentEncoding: "gzip",
          ChecksumAlgorithm: algorithm,
        }),
      );
      const trailer = only();
      expect(trailer.body).toBe(text);
      expect(trailer.input[`Checksum${algorithm}`]).toBe(value);
      expect(trailer.input).toMatchObject({ ContentLength: text.length, ContentEncoding: "gzip" });
    },
  );

  test("what does not match its checksum is refused", async () => {
    const s3 = client({ requestChecksumCalculation: "WHEN_REQUIRED" });
    const put = (fields: object) =>
      s3
        .send(new PutObjectCommand({ Bucket: "b", Key: "k", Body: "hello", ...fields }))
        .catch((error: unknown) => error);
    expect(await put({ ChecksumCRC32: "AAAAAA==" })).toMatchObject({
      name: "BadDigest",
      message: "The CRC32 you specified did not match the calculated checksum.",
      $metadata: { httpStatusCode: 400 },
    });
    expect(await put({ ChecksumCRC32: "AAA=" })).toMatchObject({ name: "InvalidRequest" });
    expect(await put({ ContentMD5: "AAAAAAAAAAAAAAAAAAAAAA==" })).toMatchObject({ name: "BadDigest" });
    expect(await put({ ContentMD5: "nonsense" })).toMatchObject({ name: "InvalidDigest" });
    expect(seen).toEqual([]);
  });

  test("the checksum of an XML body", async () => {
    answering({ Deleted: [{ Key: "a" }], Errors: [{ Key: "b", Code: "AccessDenied", Message: "no" }] });
    const keys = [{ Key: "a&<>" }, { Key: "b", VersionId: "1" }];
    const done = await client().send(
      new DeleteObjectsCommand({ Bucket: "b", Delete: { Objects: keys, Quiet: false } }),
    );
    expect(only().input).toMatchObject({ Delete: { Objects: keys, Quiet: false } });
    expect(done).toMatchObject({
      Deleted: [{ Key: "a" }],
      Errors: [{ Key: "b", Code: "AccessDenied", Message: "no" }],
    });
  });
});

describe("answers", () => {
  test("a part of an object", async () => {
    answering({ Body: Buffer.from("ell"), ContentRange: "bytes 1-3/5" });
    const got = await client().send(new GetObjectCommand({ Bucket: "b", Key: "k", Range: "bytes=1-3" }));
    expect(await got.Body?.transformToString()).toBe("ell");
    expect(got).toMatchObject({ ContentRange: "bytes 1-3/5", $metadata: { httpStatusCode: 206 } });
  });

  test("lists", async () => {
    const modified = new Date("2026-01-02T03:04:05.678Z");
    const contents = [
      { Key: "a<&>\n", Size: 1, ETag: '"e"', LastModified: modified, StorageClass: "STANDARD" },
      { Key: "b", Size: 2 },
    ];
    answering({
      Name: "b",
      Contents: contents,
      IsTruncated: true,
      NextContinuationToken: "t",
      KeyCount: 2,
      CommonPrefixes: [{ Prefix: "p/" }],
    });
    const listed = await client().send(new ListObjectsV2Command({ Bucket: "b" }));
    expect(listed).toMatchObject({
      Name: "b",
      Contents: contents,
      IsTruncated: true,
      NextContinuationToken: "t",
      KeyCount: 2,
      CommonPrefixes: [{ Prefix: "p/" }],
    });
    answering({ Buckets: [{ Name: "b", CreationDate: modified }], Owner: { ID: "o" } });
    const buckets = await client().send(new ListBucketsCommand({}));
    expect(buckets.Buckets).toEqual([{ Name: "b", CreationDate: modified }]);
  });

  test("a location, an ACL with attributes, a copy", async () => {
    answering({ LocationConstraint: "eu-west-1" });
    const location = await client().send(new GetBucketLocationCommand({ Bucket: "b" }));
    expect(location.LocationConstraint).toBe("eu-west-1");
    const grants = [{ Grantee: { Type: "CanonicalUser", ID: "o" }, Permission: "FULL_CONTROL" }];
    answering({ Owner: { ID: "o" }, Grants: grants });
    const acl = await client().send(new GetBucketAclCommand({ Bucket: "b" }));
    expect(acl.Grants).toEqual(grants);
    answering({ CopyObjectResult: { ETag: '"x"' }, VersionId: "v" });
    const copied = await client().send(new CopyObjectCommand({ Bucket: "b", Key: "k", CopySource: "b/x" }));
    expect(copied).toMatchObject({ CopyObjectResult: { ETag: '"x"' }, VersionId: "v" });
  });

  test("errors, and those of HEAD", async () => {
    server.answer = () => {
      throw new Fault("NoSuchKey", "The specified key does not exist.", { Key: "k" });
    };
    const missing = await client()
      .send(new GetObjectCommand({ Bucket: "b", Key: "k" }))
      .catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(NoSuchKey);
    expect(missing).toMatchObject({ message: "The specified key does not exist.", $metadata: { httpStatusCode: 404 } });
    const head = await client()
      .send(new HeadObjectCommand({ Bucket: "b", Key: "k" }))
      .catch((error: unknown) => error);
    expect(head).toBeInstanceOf(NotFound);

    server.answer = () => {
      throw new Fault("BucketNotEmpty", "The bucket you tried to delete is not empty", { BucketName: "b" });
    };
    const full = await client()
      .send(new GetBucketAclCommand({ Bucket: "b" }))
      .catch((error: unknown) => error);
    expect(full).toMatchObject({ name: "BucketNotEmpty", BucketName: "b", $metadata: { httpStatusCode: 409 } });
  });
});
