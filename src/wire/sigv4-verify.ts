/** Signature version 4, verified: the canonical request is built again and signed with the caller's secret. */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { Fault } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { headersOf } from "../base/http.ts";
import { percentEncode, percentDecode, rawPairs } from "./form.ts";
import { clockSkewMs, presignedSecondsMax, signingKeysMax } from "./limits.ts";
import type { Incoming } from "./message.ts";
import { checkExpiry, isSignedBy } from "./sigv2.ts";
import { algorithm, basicTimestamp, msOfTimestamp, type Signature } from "./sigv4.ts";

/** What a key signs with; undefined for a key that nobody has. The session token is the one that came with it. */
export type SecretOf = (
  accessKeyId: string,
  sessionToken: string | undefined,
) => Promise<{ secret: string; sessionToken?: string; expired?: boolean } | undefined>;

export interface Verifier {
  /** Looks at all but the body, so that nobody without a key makes the node read one. Throws a fault. */
  begin(incoming: Incoming, signature: Signature): Promise<Verification>;
  /** Throws a fault unless the signature is that of the policy of a browser's upload, which is all that is signed there. */
  policy(signature: Signature, policy: string): Promise<void>;
}

/** Throws a fault unless the signature is right for this hash; gives the key that signs the chunks of a body. */
export type Verification = (payloadHash: string) => Uint8Array;

/** Nothing is signed in chunks under version 2. */
const noKey = new Uint8Array(0);

const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();
export const sha256Hex = (data: string | Uint8Array) => hash("sha256", data, "hex");

export function createVerifier(secretOf: SecretOf, clock: Clock): Verifier {
  const keys = signingKeys();
  const secretFor = async (signature: Signature): Promise<string> => {
    const known = await secretOf(signature.accessKeyId, signature.sessionToken);
    if (known === undefined) {
      const members = { AWSAccessKeyId: signature.accessKeyId };
      throw new Fault("InvalidClientTokenId", unknownKey(signature), members);
    }
    if (known.sessionToken !== signature.sessionToken) {
      throw new Fault("InvalidSessionToken", "The security token included in the request is invalid.");
    }
    if (known.expired === true) throw expiredToken(signature.service);
    return known.secret;
  };
  return {
    async policy(signature, policy) {
      const secret = await secretFor(signature);
      const own =
        signature.version2 === undefined
          ? hmac(keys(secret, signature), policy)
          : createHmac("sha1", secret).update(policy).digest();
      const found = Buffer.from(signature.signature, signature.version2 === undefined ? "hex" : "base64");
      if (own.byteLength !== found.byteLength || !timingSafeEqual(own, found)) throw mismatch(signature);
    },
    async begin(incoming, signature) {
      const { version2 } = signature;
      if (version2 === undefined) {
        checkTime(signature, clock.now());
        checkSignedHeaders(incoming, signature);
      } else checkExpiry(version2.expires, clock.now());
      const secret = await secretFor(signature);
      if (version2 !== undefined) {
        if (!isSignedBy(secret, incoming, signature, version2.expires)) throw mismatch(signature);
        return () => noKey;
      }
      const key = keys(secret, signature);
      const found = Buffer.from(signature.signature, "hex");
      return (payloadHash) => {
        for (const path of canonicalPaths(incoming.path, signature.service)) {
          const request = canonicalRequest(incoming, signature, path, payloadHash);
          const toSign = [algorithm, signature.timestamp, signature.scope, sha256Hex(request)].join("\n");
          if (timingSafeEqual(hmac(key, toSign), found)) return key;
        }
        throw mismatch(signature);
      };
    },
  };
}

/** The error of temporary keys that have ended. */
export const expiredToken = (service: string) =>
  new Fault(
    "ExpiredToken",
    service === "s3" ? "The provided token has expired." : "The security token included in the request is expired",
  );

const unknownKey = ({ service }: Signature) =>
  service === "s3"
    ? "The AWS Access Key Id you provided does not exist in our records."
    : "The security token included in the request is invalid.";

/** The error of a signature that is not the one expected. */
export function mismatch({ service, accessKeyId }: Pick<Signature, "service" | "accessKeyId">): Fault {
  const advice =
    service === "s3"
      ? "Check your key and signing method."
      : "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
  return new Fault(
    "SignatureDoesNotMatch",
    `The request signature we calculated does not match the signature you provided. ${advice}`,
    { AWSAccessKeyId: accessKeyId },
  );
}

function checkTime(signature: Signature, nowMs: number): void {
  const signedMs = msOfTimestamp(signature.timestamp);
  if (Number.isNaN(signedMs) || !signature.timestamp.startsWith(signature.day)) {
    throw new Fault(
      "IncompleteSignature",
      "Date in Credential scope does not match YYYYMMDD from the date of the request.",
    );
  }
  if (signature.kind === "presigned" && signature.expiresSeconds !== undefined) {
    checkLife(signature, signature.expiresSeconds, signedMs, nowMs);
    return;
  }
  if (Math.abs(nowMs - signedMs) <= clockSkewMs) return;
  const members = {
    RequestTime: signature.timestamp,
    ServerTime: new Date(nowMs).toISOString(),
    MaxAllowedSkewMilliseconds: String(clockSkewMs),
  };
  throw new Fault("RequestTimeTooSkewed", skewText(signature, signedMs, nowMs), members);
}

function skewText({ service, timestamp }: Signature, signedMs: number, nowMs: number): string {
  if (service === "s3") return "The difference between the request time and the current time is too large.";
  const now = basicTimestamp(nowMs);
  const late = signedMs < nowMs;
  const bound = basicTimestamp(late ? nowMs - clockSkewMs : nowMs + clockSkewMs);
  return late
    ? `Signature expired: ${timestamp} is now earlier than ${bound} (${now} - 15 min.)`
    : `Signature not yet current: ${timestamp} is still later than ${bound} (${now} + 15 min.)`;
}

function checkLife(signature: Signature, seconds: number, signedMs: number, nowMs: number): void {
  if (seconds < 1) throw new Fault("IncompletePresignedQuery", "X-Amz-Expires must be a positive number");
  if (seconds > presignedSecondsMax) {
    throw new Fault(
      "IncompletePresignedQuery",
      "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
    );
  }
  if (signedMs - nowMs > clockSkewMs) throw new Fault("RequestExpired", "Request is not yet valid");
  if (nowMs <= signedMs + seconds * 1000) return;
  const members = {
    "X-Amz-Expires": String(signature.expiresSeconds),
    Expires: new Date(signedMs + seconds * 1000).toISOString(),
    ServerTime: new Date(nowMs).toISOString(),
  };
  throw new Fault("RequestExpired", "Request has expired", members);
}

/** The host, and every `x-amz-*` field that came, must be under the signature: else they could be changed on the way. */
function checkSignedHeaders(incoming: Incoming, { signedHeaders, kind }: Signature): void {
  const signed = new Set(signedHeaders);
  const needed = [...incoming.headers.keys()].filter((name) => name === "host" || name.startsWith("x-amz-"));
  // The body's hash stands in the canonical request already; boto leaves its field out of presigned requests.
  const missing = needed.filter((name) => !signed.has(name) && name !== "x-amz-content-sha256");
  if (missing.length === 0 && signed.has("host")) return;
  const names = missing.length === 0 ? ["host"] : missing;
  throw kind === "header" || missing.length === 0
    ? new Fault(
        "SignatureDoesNotMatch",
        `There were headers present in the request which were not signed: ${names.join(", ")}`,
      )
    : new Fault("AccessDenied", "There were headers present in the request which were not signed", {
        HeadersNotSigned: names.join(", "),
      });
}

/** A signing key lasts a day: four of the five HMACs of a request are saved by keeping it. */
function signingKeys(): (secret: string, signature: Signature) => Uint8Array {
  const kept = new Map<string, { secret: string; key: Uint8Array }>();
  return (secret, { accessKeyId, scope, day, region, service }) => {
    const name = `${accessKeyId}/${scope}`;
    const seen = kept.get(name);
    if (seen?.secret === secret) return seen.key;
    const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), "aws4_request");
    const [oldest] = kept.keys();
    if (kept.size >= signingKeysMax && oldest !== undefined) kept.delete(oldest);
    kept.set(name, { secret, key });
    return key;
  };
}

function canonicalRequest(incoming: Incoming, signature: Signature, path: string, payloadHash: string): string {
  const { request, rawQuery } = incoming;
  const fields = signature.signedHeaders.map((name) => `${name}:${canonicalValue(incoming, name)}\n`).join("");
  const query = canonicalQuery(rawQuery, signature.kind === "presigned");
  return [request.method, path, query, fields, signature.signedHeaders.join(";"), payloadHash].join("\n");
}

function canonicalValue({ request }: Incoming, name: string): string {
  const values = headersOf(request.headers, name);
  // HTTP/2 has no Host field.
  if (values.length === 0 && name === "host") return request.host;
  return values.map((value) => value.trim().replace(/\s+/g, " ")).join(",");
}

function canonicalQuery(rawQuery: string, presigned: boolean): string {
  return rawPairs(rawQuery)
    .map(([name, value]) => [percentEncode(percentDecode(name)), percentEncode(percentDecode(value))] as const)
    .filter(([name]) => !(presigned && name === "X-Amz-Signature"))
    .sort(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The path as clients may have signed it. S3: as sent, or encoded anew. Others: encoded twice, and some as sent. Routing
 * reads the very path that was signed; it knows no dot segments, so that normalising could not change it.
 */
function canonicalPaths(path: string, service: string): string[] {
  const encoded = service === "s3" ? encodePath(percentDecode(path)) : encodePath(path);
  return service === "s3" ? distinct([path, encoded]) : distinct([encoded, path]);
}

const distinct = (paths: string[]) => [...new Set(paths)];
const encodePath = (path: string) => path.split("/").map(percentEncode).join("/");
