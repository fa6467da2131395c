/** `aws-chunked` bodies: AWS's own example, every form, every way to be cut, and tampered with. */
import { createHash, createHmac } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { Fault, isFault } from "../base/errors.ts";
import { bytesOf, type Body } from "../base/http.ts";
import { countingIds } from "../base/ids.ts";
import { decodeChunked } from "./aws-chunked.ts";
import { checksum, type ChecksumAlgorithm } from "./checksums.ts";
import { authorizationFor, rawRequest } from "./serve.suite.ts";
import { createWire, WireRefusal } from "./wire.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.byteLength; i += size) yield bytes.subarray(i, i + size);
}

/** The put's body, or the code of the fault that reading it threw. */
async function put(
  headers: string[],
  body: Body,
  wire = open,
): Promise<{ text: string; input: Record<string, unknown> }> {
  const request = rawRequest({ method: "PUT", target: "/b/k", headers: [...authorizationFor("s3"), ...headers], body });
  const { input } = await wire.decode(request);
  const fields = input as Record<string, unknown>;
  const bytes = await bytesOf(fields["Body"] as Body, 1e7);
  return { text: Buffer.from(bytes).toString("latin1"), input: fields };
}

async function code(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome;
  } catch (error) {
    if (error instanceof WireRefusal) return error.fault.code;
    if (isFault(error)) return error.code;
    throw error;
  }
  return "accepted";
}

const open = createWire({ clock: new FakeClock(), ids: countingIds() });
/** Fields of an unsigned body with a trailer; `authorizationFor` says UNSIGNED-PAYLOAD, so they come in its place. */
const unsigned = (length: number, trailer?: string) => [
  "x-amz-decoded-content-length",
  String(length),
  ...(trailer === undefined ? [] : ["x-amz-trailer", trailer]),
];
const streaming = (headers: string[], claimed = "STREAMING-UNSIGNED-PAYLOAD-TRAILER") => [
  ...authorizationFor("s3").map((field) => (field === "UNSIGNED-PAYLOAD" ? claimed : field)),
  ...headers,
];

async function putStreaming(
  headers: string[],
  body: Body,
  claimed?: string,
): Promise<{ text: string; input: Record<string, unknown> }> {
  const request = rawRequest({ method: "PUT", target: "/b/k", headers: streaming(headers, claimed), body });
  const { input } = await open.decode(request);
  const fields = input as Record<string, unknown>;
  return { text: Buffer.from(await bytesOf(fields["Body"] as Body, 1e7)).toString("latin1"), input: fields };
}

describe("AWS's example of signed chunks", () => {
  // Source: S3 API reference, "Example: PUT object" of the chunked upload: 66,560 letters a, in chunks of 64 KiB.
  const signatures = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
  ];
  const chunks = [65_536, 1_024, 0].map(
    (size, i) => `${size.toString(16)};chunk-signature=${signatures[i]}\r\n${"a".repeat(size)}\r\n`,
  );
  const headers = {
    host: "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "content-length": "66824",
  };
  const authorization =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
    "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class," +
    "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
  const verifying = createWire({
    clock: new FakeClock(Date.UTC(2013, 4, 24)),
    ids: countingIds(),
    hosts: ["amazonaws.com"],
    verify: { secretOf: async () => ({ secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" }) },
  });
  const send = async (body: string, pieces = 1_000) => {
    const { input } = await verifying.decode(
      rawRequest({
        method: "PUT",
        host: "s3.amazonaws.com",
        target: "/examplebucket/chunkObject.txt",
        headers: [...Object.entries(headers).flat(), "authorization", authorization],
        body: inPieces(Buffer.from(body), pieces),
      }),
    );
    const fields = input as Record<string, unknown>;
    return { fields, bytes: await bytesOf(fields["Body"] as Body, 1e6) };
  };

  test("is verified, chunk by chunk", async () => {
    const { fields, bytes } = await send(chunks.join(""));
    expect(bytes).toHaveLength(66_560);
    expect(fields).toMatchObject({ Key: "chunkObject.txt", ContentLength: 66_560, StorageClass: "REDUCED_REDUNDANCY" });
    expect(fields).not.toHaveProperty("ContentEncoding");
  });

  test("a changed byte, a chunk left out, an end too soon", async () => {
    const [first = "", second = "", third = ""] = chunks;
    expect(await code(send([first.replace("aaa\r\n", "aab\r\n"), second, third].join("")))).toBe(
      "SignatureDoesNotMatch",
    );
    expect(await code(send([second, third].join("")))).toBe("SignatureDoesNotMatch");
    expect(await code(send([first, third].join("")))).toBe("SignatureDoesNotMatch");
    expect(await code(send([first, second].join("")))).toBe("IncompleteBody");
    expect(await code(send(chunks.join("").replaceAll(/;chunk-signature=[0-9a-f]{64}/g, "")))).toBe(
      "SignatureDoesNotMatch",
    );
  });
});

describe("signed trailers", () => {
  const key = Buffer.alloc(32, 7);
  const scope = "20260101/us-east-1/s3/aws4_request";
  const timestamp = "20260101T000000Z";
  const seed = "0".repeat(64);
  const sha256 = (data: string) => createHash("sha256").update(data).digest("hex");
  const hmac = (...lines: string[]) => createHmac("sha256", key).update(lines.join("\n")).digest("hex");
  const make = (data: string, trailer: string) => {
    const first = hmac("AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, seed, sha256(""), sha256(data));
    const last = hmac("AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, first, sha256(""), sha256(""));
    const signature = hmac("AWS4-HMAC-SHA256-TRAILER", timestamp, scope, last, sha256(`${trailer}\n`));
    return (
      `${data.length.toString(16)};chunk-signature=${first}\r\n${data}\r\n0;chunk-signature=${last}\r\n` +
      `${trailer}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`
    );
  };
  const read = async (body: string) => {
    const trailers = new Map<string, string>();
    const decoded = decodeChunked({
      source: inPieces(Buffer.from(body), 7),
      decodedBytes: undefined,
      signing: { key, seed, timestamp, scope, mismatch: () => new Fault("SignatureDoesNotMatch", "mismatch") },
      onTrailers: (found) => found.forEach((value, name) => trailers.set(name, value)),
    });
    const bytes = await bytesOf(decoded, 1e6);
    return { text: Buffer.from(bytes).toString(), trailers: Object.fromEntries(trailers) };
  };

  test("are verified", async () => {
    const body = make("hello", "x-amz-checksum-crc32c:mnG7TA==");
    expect(await read(body)).toEqual({ text: "hello", trailers: { "x-amz-checksum-crc32c": "mnG7TA==" } });
    await expect(read(body.replace("mnG7TA==", "mnG7TB=="))).rejects.toMatchObject({ code: "SignatureDoesNotMatch" });
    await expect(read(body.replace(/x-amz-trailer-signature:.*\r\n/, ""))).rejects.toMatchObject({
      code: "SignatureDoesNotMatch",
    });
  });
});

describe("unsigned", () => {
  const body = "5\r\nhello\r\n6\r\n world\r\n0\r\n";

  test("with and without a trailer, cut anywhere", async () => {
    for (const size of [1, 2, 3, 7, 100]) {
      const plain = inPieces(Buffer.from(`${body}\r\n`), size);
      expect((await putStreaming(unsigned(11), plain)).text).toBe("hello world");
      const trailed = inPieces(Buffer.from(`${body}x-amz-checksum-crc32:DUoRhQ==\r\n\r\n`), size);
      const { text, input } = await putStreaming(unsigned(11, "x-amz-checksum-crc32"), trailed);
      expect({ text, sum: input["ChecksumCRC32"] }).toEqual({ text: "hello world", sum: "DUoRhQ==" });
    }
    expect((await putStreaming(unsigned(11), Buffer.from(body))).text).toBe("hello world");
  });

  test.each([
    [
      "a wrong checksum",
      unsigned(11, "x-amz-checksum-crc32"),
      `${body}x-amz-checksum-crc32:AAAAAA==\r\n\r\n`,
      "BadDigest",
    ],
    [
      "a malformed one",
      unsigned(11, "x-amz-checksum-crc32"),
      `${body}x-amz-checksum-crc32:x\r\n\r\n`,
      "InvalidRequest",
    ],
    ["an announced one that is missing", unsigned(11, "x-amz-checksum-crc32"), `${body}\r\n`, "MalformedTrailerError"],
    ["one that nobody computes", unsigned(11, "x-amz-checksum-xxhash64"), body, "NotImplemented"],
    ["two of them", unsigned(11, "x-amz-checksum-crc32,x-amz-checksum-sha1"), body, "InvalidRequest"],
    ["more bytes than announced", unsigned(10), body, "IncompleteBody"],
    ["fewer bytes than announced", unsigned(12), body, "IncompleteBody"],
    ["no end", unsigned(11), "5\r\nhello\r\n", "IncompleteBody"],
    ["a size that is none", unsigned(11), "five\r\nhello\r\n", "InvalidRequest"],
    ["a size beyond reason", unsigned(11), "fffffffffffffff\r\nhello\r\n", "InvalidRequest"],
    ["a bare line feed", unsigned(11), "5\nhello\r\n", "InvalidRequest"],
    ["data longer than its size", unsigned(11), "4\r\nhello\r\n", "InvalidRequest"],
    ["a line without end", unsigned(11), `5;${"x".repeat(5_000)}`, "InvalidRequest"],
    ["trailers without end", unsigned(11), `${body}${"a:b\r\n".repeat(500)}`, "InvalidRequest"],
    ["a length that is none", ["x-amz-decoded-content-length", "-1"], body, "InvalidArgument"],
  ])("%s", async (_, headers, text, expected) => {
    // Names of trailers must differ, or they would replace one another.
    let count = 0;
    const body = text.replaceAll("a:b", () => `a${(count += 1)}:b`);
    expect(await code(putStreaming(headers, inPieces(Buffer.from(body), 100)))).toBe(expected);
  });

  test("asymmetric signatures are refused by name", async () => {
    const claimed = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
    expect(await code(putStreaming(unsigned(11), Buffer.from(body), claimed))).toBe("NotImplemented");
  });

  test("any data in any chunks comes out as it went in", async () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(parts, fc.integer({ min: 1, max: 300 }), async (chunks, size) => {
        const whole = Buffer.concat(chunks);
        const framed = chunks.map((chunk) =>
          Buffer.concat([Buffer.from(`${chunk.byteLength.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]),
        );
        const sum = checksum("crc64nvme");
        sum.update(whole);
        const end = Buffer.from(`0\r\nx-amz-checksum-crc64nvme:${sum.digest()}\r\n\r\n`);
        const headers = unsigned(whole.byteLength, "x-amz-checksum-crc64nvme");
        const { text } = await putStreaming(headers, inPieces(Buffer.concat([...framed, end]), size));
        expect(text).toBe(whole.toString("latin1"));
      }),
    );
  });
});

test("a body that is no stream is checked before anybody sees it", async () => {
  const hello = Buffer.from("hello");
  expect((await put(["x-amz-checksum-crc32", "NhCmhg=="], hello)).text).toBe("hello");
  expect(await code(put(["x-amz-checksum-crc32", "NhCmhh=="], hello))).toBe("BadDigest");
  expect(await code(put(["content-md5", "XUFAKrxLKna5cZ2REBfFkg=="], hello))).toBe("accepted");
  expect(await code(put(["content-md5", "XUFAKrxLKna5cZ2REBfFkQ=="], hello))).toBe("BadDigest");
});

test("checksums of the check string of their catalogue", () => {
  // "123456789", as the CRC RevEng catalogue lists them.
  const known: Readonly<Partial<Record<ChecksumAlgorithm, string>>> = {
    crc32: "cbf43926",
    crc32c: "e3069283",
    crc64nvme: "ae8b14860a799888",
  };
  for (const [algorithm, hex] of Object.entries(known)) {
    const sum = checksum(algorithm as ChecksumAlgorithm);
    sum.update(Buffer.from("1234"));
    sum.update(Buffer.from("56789"));
    expect(Buffer.from(sum.digest(), "base64").toString("hex"), algorithm).toBe(hex);
  }
});
