/**
 * Signature version 2 in the query of a URL, for S3: what boto3 and the AWS CLI still presign with unless they are told
 * otherwise. Source: S3 developer guide, "Signing and authenticating REST requests", "Query string request authentication".
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Fault } from "../base/errors.ts";
import type { Incoming } from "./message.ts";
import { basicTimestamp, type Signature } from "./sigv4.ts";

/** Parameters that are part of what is signed. */
const signedParameters = new Set(
  (
    "acl accelerate analytics cors delete encryption inventory legal-hold lifecycle location logging metrics notification " +
    "object-lock ownershipControls partNumber policy policyStatus publicAccessBlock replication requestPayment restore " +
    "retention select select-type storageClass tagging torrent uploadId uploads versionId versioning versions website " +
    "response-cache-control response-content-disposition response-content-encoding response-content-language " +
    "response-content-type response-expires"
  ).split(" "),
);

/** The signature in a query, or undefined. Its region is not told. */
export function querySignature(incoming: Incoming): Signature | undefined {
  const valueOf = (wanted: string) => incoming.query.find(([name]) => name === wanted)?.[1];
  const accessKeyId = valueOf("AWSAccessKeyId");
  const signature = valueOf("Signature");
  if (!accessKeyId || !signature) return undefined;
  const expires = valueOf("Expires") ?? "";
  if (!/^\d{1,11}$/.test(expires)) {
    throw new Fault(
      "AccessDenied",
      "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
    );
  }
  const timestamp = basicTimestamp(Number(expires) * 1000);
  return {
    accessKeyId,
    region: "",
    service: "s3",
    sessionToken: valueOf("x-amz-security-token"),
    kind: "presigned",
    verified: false,
    timestamp,
    day: timestamp.slice(0, 8),
    scope: "",
    signedHeaders: [],
    signature,
    expiresSeconds: undefined,
    version2: { expires },
  };
}

export function checkExpiry(expires: string, nowMs: number): void {
  if (nowMs <= Number(expires) * 1000) return;
  const members = {
    Expires: new Date(Number(expires) * 1000).toISOString(),
    ServerTime: new Date(nowMs).toISOString(),
  };
  throw new Fault("RequestExpired", "Request has expired", members);
}

/** The signature is the one that this secret makes of the request, with the bucket in its path or in its host. */
export function isSignedBy(secret: string, incoming: Incoming, signature: Signature, expires: string): boolean {
  const { request, headers, path } = incoming;
  const [bucket = ""] = request.host.split(".", 1);
  const found = Buffer.from(signature.signature, "base64");
  const amz = [...headers].filter(([name]) => name.startsWith("x-amz-") && name !== "x-amz-security-token");
  if (signature.sessionToken !== undefined) amz.push(["x-amz-security-token", signature.sessionToken]);
  const fields = amz
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`)
    .join("");
  const head = [request.method, headers.get("content-md5") ?? "", headers.get("content-type") ?? "", expires];
  return [path, `/${bucket}${path}`].some((resource) => {
    const toSign = `${head.join("\n")}\n${fields}${resource}${signedQuery(incoming)}`;
    const own = createHmac("sha1", secret).update(toSign).digest();
    return own.byteLength === found.byteLength && timingSafeEqual(own, found);
  });
}

function signedQuery({ query }: Incoming): string {
  const pairs = query
    .filter(([name]) => signedParameters.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}
