/** The body of an S3 request on its way in: decoded from `aws-chunked`, its checksums verified while it streams. */
import { createHash } from "node:crypto";
import { Fault } from "../base/errors.ts";
import type { Body } from "../base/http.ts";
import { decodeChunked } from "./aws-chunked.ts";
import {
  checksum,
  checksumAlgorithms,
  checksumBytes,
  unknownChecksums,
  type Checksum,
  type ChecksumAlgorithm,
} from "./checksums.ts";
import type { HeaderMap } from "./message.ts";
import { bytesOfBase64 } from "./scalars.ts";
import { mismatch } from "./sigv4-verify.ts";
import type { Signature } from "./sigv4.ts";

export const unsignedPayload = "UNSIGNED-PAYLOAD";
const checksumPrefix = "x-amz-checksum-";

/** What is claimed of an S3 body, and is to be shown to be so. */
export interface S3BodyClaims {
  headers: HeaderMap;
  /** The signature of the request, and with verification on the key that signs its chunks. */
  signature: Signature | undefined;
  chunkKey: Uint8Array | undefined;
  /** The operation's body may have `x-amz-checksum-*`. */
  checksummed: boolean;
  /** Told of a checksum that came as a trailer, once the body has been read and found to match. */
  onTrailer(field: string, value: string): void;
}

/**
 * An S3 body, decoded. Bytes at hand are checked at once; a stream throws a fault at its end when something claimed of
 * it is not so. Whoever reads it must not act on it before that.
 */
export function s3Body(body: Body, claims: S3BodyClaims): Body {
  const { headers } = claims;
  const claimed = headers.get("x-amz-content-sha256") ?? unsignedPayload;
  if (claimed.startsWith("STREAMING-AWS4-ECDSA")) {
    throw new Fault("NotImplemented", `Mikan does not implement ${claimed}.`);
  }
  const checks = checksOf(claims, claimed);
  if (claimed.startsWith("STREAMING-")) return checked(chunked(body, claims, claimed, checks), checks);
  if (checks.length === 0) return body;
  if (body !== undefined && !(body instanceof Uint8Array)) return checked(body, checks);
  for (const check of checks) {
    if (body !== undefined) check.sum.update(body);
    check.finish();
  }
  return body;
}

/** A checksum under way, and what it is compared with. */
interface Check {
  sum: { update(bytes: Uint8Array): void };
  /** Throws a fault when the sum is not what was claimed. */
  finish(): void;
}

/** A check whose claim comes after the body. */
interface TrailingCheck extends Check {
  field: string;
  expect(value: string | undefined): void;
}

async function* checked(source: AsyncIterable<Uint8Array>, checks: readonly Check[]): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    for (const check of checks) check.sum.update(piece);
    yield piece;
  }
  for (const check of checks) check.finish();
}

function checksOf(claims: S3BodyClaims, claimed: string): Check[] {
  const { headers, checksummed } = claims;
  const checks: Check[] = [];
  const md5 = headers.get("content-md5");
  if (md5 !== undefined) checks.push(md5Check(md5));
  if (checksummed) {
    const given = headerChecksums(headers);
    const trailing = trailingChecksums(headers);
    if (given.length + trailing.length > 1) {
      throw new Fault(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
      );
    }
    checks.push(...given.map(([algorithm, value]) => headerCheck(algorithm, value)));
    checks.push(...trailing.map((algorithm) => trailerCheck(algorithm, claims)));
  }
  if (/^[0-9a-f]{64}$/.test(claimed)) checks.push(sha256Check(claimed));
  else if (claimed !== unsignedPayload && !claimed.startsWith("STREAMING-")) {
    throw new Fault(
      "InvalidArgument",
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
      { ArgumentName: "x-amz-content-sha256", ArgumentValue: claimed.slice(0, 128) },
    );
  }
  return checks;
}

function headerChecksums(headers: HeaderMap): [ChecksumAlgorithm, string][] {
  for (const name of unknownChecksums) {
    if (headers.has(checksumPrefix + name)) throw unknownChecksum(checksumPrefix + name);
  }
  return checksumAlgorithms.flatMap((algorithm) => {
    const value = headers.get(checksumPrefix + algorithm);
    return value === undefined ? [] : [[algorithm, value] as [ChecksumAlgorithm, string]];
  });
}

function trailingChecksums(headers: HeaderMap): ChecksumAlgorithm[] {
  const names = (headers.get("x-amz-trailer") ?? "").split(",").map((name) => name.trim().toLowerCase());
  return names
    .filter((name) => name.startsWith(checksumPrefix))
    .map((name) => {
      const found = checksumAlgorithms.find((algorithm) => name === checksumPrefix + algorithm);
      if (found === undefined) throw unknownChecksum(name);
      return found;
    });
}

const unknownChecksum = (field: string) =>
  new Fault("NotImplemented", `Mikan does not implement ${field.slice(0, 64)}.`);

function headerCheck(algorithm: ChecksumAlgorithm, value: string): Check {
  if (bytesOfBase64(value)?.byteLength !== checksumBytes[algorithm]) throw invalidChecksum(checksumPrefix + algorithm);
  const sum = checksum(algorithm);
  return { sum, finish: () => expectChecksum(algorithm, sum, value) };
}

function trailerCheck(algorithm: ChecksumAlgorithm, { onTrailer }: S3BodyClaims): TrailingCheck {
  const sum = checksum(algorithm);
  const field = checksumPrefix + algorithm;
  let expected: string | undefined;
  return {
    sum,
    field,
    expect: (value) => {
      expected = value;
    },
    finish() {
      if (expected === undefined) {
        throw new Fault(
          "MalformedTrailerError",
          "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        );
      }
      if (bytesOfBase64(expected)?.byteLength !== checksumBytes[algorithm]) throw invalidChecksum(field);
      expectChecksum(algorithm, sum, expected);
      onTrailer(field, expected);
    },
  };
}

const invalidChecksum = (field: string) => new Fault("InvalidRequest", `Value for ${field} header is invalid.`);

function expectChecksum(algorithm: ChecksumAlgorithm, sum: Checksum, value: string): void {
  if (sum.digest() === value) return;
  throw new Fault("BadDigest", `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`);
}

function md5Check(value: string): Check {
  if (bytesOfBase64(value)?.byteLength !== checksumBytes.md5) {
    throw new Fault("InvalidDigest", "The Content-MD5 you specified was invalid.", { "Content-MD5": value });
  }
  const sum = checksum("md5");
  return {
    sum,
    finish() {
      const calculated = sum.digest();
      if (calculated === value) return;
      throw new Fault("BadDigest", "The Content-MD5 you specified did not match what we received.", {
        ExpectedDigest: value,
        CalculatedDigest: calculated,
      });
    },
  };
}

function sha256Check(claimed: string): Check {
  const hash = createHash("sha256");
  return {
    sum: { update: (bytes) => void hash.update(bytes) },
    finish() {
      const computed = hash.digest("hex");
      if (computed === claimed) return;
      throw new Fault(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { ClientComputedContentSHA256: claimed, S3ComputedContentSHA256: computed },
      );
    },
  };
}

function chunked(
  body: Body,
  { headers, signature, chunkKey }: S3BodyClaims,
  claimed: string,
  checks: readonly Check[],
): AsyncGenerator<Uint8Array> {
  const decoded = headers.get("x-amz-decoded-content-length");
  if (decoded !== undefined && !/^\d{1,15}$/.test(decoded)) {
    throw new Fault("InvalidArgument", "Provided x-amz-decoded-content-length is not a length");
  }
  const signed = claimed.startsWith("STREAMING-AWS4-HMAC-SHA256") && signature !== undefined && chunkKey !== undefined;
  return decodeChunked({
    source: streamOf(body),
    decodedBytes: decoded === undefined ? undefined : Number(decoded),
    signing: signed
      ? {
          key: chunkKey,
          seed: signature.signature,
          timestamp: signature.timestamp,
          scope: signature.scope,
          mismatch: () => mismatch(signature),
        }
      : undefined,
    onTrailers(trailers) {
      for (const check of checks) if (isTrailing(check)) check.expect(trailers.get(check.field));
    },
  });
}

const isTrailing = (check: Check): check is TrailingCheck => "expect" in check;

async function* streamOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else if (body !== undefined) yield* body;
}
