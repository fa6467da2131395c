import { describe, expect, it } from "vitest";
import type { HttpRequest } from "../base/http.ts";
import { refusalOf, type SafetyOptions } from "./safety.ts";

function request(changes: Partial<HttpRequest> & { fields?: string[] }): HttpRequest {
  const { fields = ["Authorization", "AWS4-HMAC-SHA256 Credential=test"], ...rest } = changes;
  return {
    method: "POST",
    target: "/",
    host: "127.0.0.1:4566",
    scheme: "http",
    headers: fields,
    body: undefined,
    client: { address: "127.0.0.1", port: 50_000 },
    startedAt: 0,
    signal: new AbortController().signal,
    ...rest,
  };
}

const open = { hosts: ["mikan.internal"], verified: false };
const statusOf = (changes: Parameters<typeof request>[0], options: SafetyOptions = open) =>
  refusalOf(request(changes), options)?.status;
const presigned = "?X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0";

describe("the front door", () => {
  it.each(["127.0.0.1:4566", "localhost:4566", "[::1]:4566", "bucket.s3.localhost:4566", "mikan.internal"])(
    "answers to %s",
    (host) => {
      expect(statusOf({ host })).toBeUndefined();
    },
  );

  it.each(["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:4566", "169.254.169.254"])(
    "refuses the rebound host %s",
    (host) => {
      expect(statusOf({ host })).toBe(403);
    },
  );

  it("refuses pages of another origin, and answers its own", () => {
    expect(statusOf({ fields: ["Origin", "https://evil.example"] })).toBe(403);
    expect(statusOf({ fields: ["Origin", "null"] })).toBe(403);
    expect(statusOf({ fields: ["Sec-Fetch-Site", "cross-site"] })).toBe(403);
    expect(statusOf({ fields: ["Sec-Fetch-Site", "same-site"] })).toBe(403);
    expect(statusOf({ fields: ["Origin", "http://127.0.0.1:4566", "Sec-Fetch-Site", "same-origin"] })).toBeUndefined();
  });

  it("lets a page in whose origin was granted, by that origin, and never to the node's own paths", () => {
    const options = { ...open, grantedOrigin: "https://app.example" };
    const fields = ["Origin", "https://app.example", "Sec-Fetch-Site", "cross-site", "Authorization", "x"];
    expect(statusOf({ fields }, options)).toBeUndefined();
    expect(statusOf({ fields: ["Origin", "https://evil.example"] }, options)).toBe(403);
    expect(statusOf({ fields: ["Sec-Fetch-Site", "cross-site"] }, options)).toBe(403);
    expect(statusOf({ fields, method: "GET", target: "/_mikan/status" }, options)).toBe(403);
    expect(statusOf({ fields, host: "evil.example" }, options)).toBe(403);
    const lambda = presigned.replace("s3", "lambda");
    const link = { fields: fields.slice(0, 4), method: "GET", target: `/b/k${lambda}` };
    expect(statusOf(link, options)).toBe(403);
  });

  it("wants an intent for changes of its own", () => {
    expect(statusOf({ target: "/_mikan/reset", fields: [] })).toBe(403);
    expect(statusOf({ target: "/_mikan/reset", fields: ["X-Mikan-Intent", "reset"] })).toBeUndefined();
    expect(statusOf({ target: "/_mikan/status", method: "GET", fields: [] })).toBeUndefined();
  });

  it("shows its state, and changes it, on its own machine only", () => {
    const client = { address: "192.0.2.7", port: 50_000 };
    const intent = ["X-Mikan-Intent", "reset"];
    expect(statusOf({ target: "/_mikan/status", method: "GET", client })).toBe(403);
    expect(statusOf({ target: "/_mikan/reset", fields: intent, client })).toBe(403);
    expect(statusOf({ target: "/_mikan/health?x", method: "GET", client })).toBeUndefined();
    expect(
      statusOf({ target: "/_mikan/status", method: "GET", client: { address: "::ffff:127.0.0.1", port: 1 } }),
    ).toBeUndefined();
  });

  it("wants the JSON protocols' own content type", () => {
    const target = ["X-Amz-Target", "AmazonSQS.SendMessage"];
    expect(statusOf({ fields: [...target, "Content-Type", "text/plain"] })).toBe(400);
    expect(statusOf({ fields: [...target, "Content-Type", "application/x-amz-json-1.0"] })).toBeUndefined();
  });

  it("serves S3 objects only by presigned query, unless signatures are verified", () => {
    const lambda = presigned.replace("s3", "lambda");
    expect(statusOf({ method: "GET", target: `/bucket/key${presigned}`, fields: [] })).toBeUndefined();
    expect(statusOf({ method: "POST", target: `/bucket/key${presigned}`, fields: [] })).toBe(403);
    expect(statusOf({ method: "GET", target: `/bucket${presigned}`, fields: [] })).toBe(403);
    expect(statusOf({ method: "GET", target: `/bucket/key${lambda}`, fields: [] })).toBe(403);
    expect(
      statusOf({ method: "GET", target: `/2015-03-31/functions${lambda}`, fields: [] }, { ...open, verified: true }),
    ).toBeUndefined();
  });
});
