/**
 * A browser's upload: a form posted to a bucket, taken as the PutObject that it stands for. Source: S3 API reference,
 * "POST Object" and "Authenticating requests in browser-based uploads using POST (AWS Signature Version 4)".
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/errors.ts";
import { headerOf, type HttpResponse } from "../base/http.ts";
import { percentEncode } from "./form.ts";
import { boundaryOf, readFormData } from "./form-data.ts";
import { mediaType, type HeaderMap, type Incoming } from "./message.ts";
import { checkPostPolicy, type AllowedLength } from "./post-policy.ts";
import { s3Address } from "./s3-routes.ts";
import type { Verifier } from "./sigv4-verify.ts";
import { signatureOf, type Signature } from "./sigv4.ts";
import { parseXml } from "./xml-read.ts";
import { escapeText } from "./xml-write.ts";

/** Fields that are header fields of a PutObject under another name. */
const renamed: Readonly<Record<string, string>> = { acl: "x-amz-acl" };
/** Fields that are header fields of a PutObject as they are. */
const kept = new Set(["cache-control", "content-type", "content-disposition", "content-encoding", "expires"]);
/** Fields of the signature, which a PutObject does not have. */
const signing = /^x-amz-(algorithm|credential|date|signature|security-token)$/;

export interface Posted {
  /** The PutObject that the form stands for. */
  incoming: Incoming;
  signature: Signature;
  /** The answer to a browser, of the answer to that PutObject. */
  answer(response: HttpResponse): HttpResponse;
}

export interface PostDeps {
  hosts: readonly string[];
  clock: Clock;
  /** Undefined on a node that believes every signature. */
  verifier: Verifier | undefined;
}

/** Undefined for anything but a form that is posted to a bucket. */
export async function postedForm(incoming: Incoming, deps: PostDeps): Promise<Posted | undefined> {
  const { request, path, headers } = incoming;
  if (request.method !== "POST" || mediaType(headers) !== "multipart/form-data") return undefined;
  const { bucket, key: below } = s3Address(request.host, path, deps.hosts);
  if (bucket === undefined || below !== "") return undefined;
  const form = await readFormData(request.body, boundaryOf(headers.get("content-type") ?? ""));
  const fields = new Map(
    [...form.fields].map(([name, value]) => [name, value.replaceAll("${filename}", form.fileName)]),
  );
  const key = fields.get("key");
  if (key === undefined || key === "") {
    throw new Fault(
      "InvalidArgument",
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      { ArgumentName: "key", ArgumentValue: "" },
    );
  }
  const policy = fields.get("policy");
  const signature = signatureIn(fields);
  if (policy === undefined || signature === undefined) throw new Fault("AccessDenied", "Access Denied");
  await deps.verifier?.policy(signature, policy);
  const length = checkPostPolicy(policy, new Map([...fields, ["bucket", bucket]]), deps.clock.now());
  const encodedKey = key.split("/").map(percentEncode).join("/");
  const put = `${path.endsWith("/") ? path : `${path}/`}${encodedKey}`;
  return {
    signature,
    incoming: {
      request: { ...request, method: "PUT", target: put, body: bounded(form.file, length) },
      path: put,
      rawQuery: "",
      query: [],
      headers: putHeaders(fields),
    },
    answer: (response) => answerOf(response, fields, { bucket, key, url: `${request.scheme}://${request.host}${put}` }),
  };
}

function putHeaders(fields: ReadonlyMap<string, string>): HeaderMap {
  const headers = new Map<string, string>();
  for (const [name, value] of fields) {
    const own = renamed[name] ?? name;
    if (kept.has(own) || (own.startsWith("x-amz-") && !signing.test(own))) headers.set(own, value);
  }
  const tagging = fields.get("tagging");
  if (tagging !== undefined) headers.set("x-amz-tagging", taggingOf(tagging));
  return headers;
}

/** The tags of the XML document that forms have, as a header has them. */
function taggingOf(document: string): string {
  const tags = parseXml(Buffer.from(document)).children.find(({ name }) => name === "TagSet")?.children ?? [];
  return tags
    .map(({ children }) => {
      const text = (wanted: string) => percentEncode(children.find(({ name }) => name === wanted)?.text ?? "");
      return `${text("Key")}=${text("Value")}`;
    })
    .join("&");
}

/** The signature among the fields, of version 4 or 2: the same words as in the query of a presigned URL. */
function signatureIn(fields: ReadonlyMap<string, string>): Signature | undefined {
  const accessKeyId = fields.get("awsaccesskeyid");
  const signature = fields.get("signature");
  if (accessKeyId !== undefined && signature !== undefined) {
    const sessionToken = fields.get("x-amz-security-token");
    return { ...version2, accessKeyId, signature, sessionToken };
  }
  const names = ["Algorithm", "Credential", "Date", "Signature", "Security-Token"];
  const query = names.flatMap((name) => {
    const value = fields.get(`x-amz-${name.toLowerCase()}`);
    return value === undefined ? [] : [[`X-Amz-${name}`, value] as const];
  });
  return signatureOf({ query: [...query, ["X-Amz-SignedHeaders", "policy"]], headers: new Map() });
}

const version2 = {
  region: "",
  service: "s3",
  kind: "presigned",
  verified: false,
  timestamp: "",
  day: "",
  scope: "",
  signedHeaders: [],
  expiresSeconds: undefined,
  version2: { expires: "" },
} as const;

/** The file, unless it is shorter or longer than the policy allows. */
async function* bounded(
  file: AsyncIterable<Uint8Array>,
  { minBytes, maxBytes }: AllowedLength,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of file) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) {
      throw new Fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
        ProposedSize: String(bytes),
        MaxSizeAllowed: String(maxBytes),
      });
    }
    yield piece;
  }
  if (bytes >= minBytes) return;
  throw new Fault("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", {
    ProposedSize: String(bytes),
    MinSizeAllowed: String(minBytes),
  });
}

interface Stored {
  bucket: string;
  key: string;
  url: string;
}

function answerOf(put: HttpResponse, fields: ReadonlyMap<string, string>, { bucket, key, url }: Stored): HttpResponse {
  const etag = headerOf(put.headers, "etag") ?? "";
  const headers = [...put.headers, "Location", url];
  const to = fields.get("success_action_redirect") ?? fields.get("redirect");
  if (to !== undefined && URL.canParse(to)) {
    const target = new URL(to);
    for (const [name, value] of Object.entries({ bucket, key, etag })) target.searchParams.set(name, value);
    return { status: 303, headers: [...put.headers, "Location", target.href], body: undefined };
  }
  const status = fields.get("success_action_status");
  if (status === "200") return { status: 200, headers, body: new Uint8Array(0) };
  if (status !== "201") return { status: 204, headers, body: undefined };
  const members = Object.entries({ Location: url, Bucket: bucket, Key: key, ETag: etag });
  const inner = members.map(([name, value]) => `<${name}>${escapeText(value)}</${name}>`).join("");
  return {
    status: 201,
    headers: [...headers, "Content-Type", "application/xml"],
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>${inner}</PostResponse>`),
  };
}
