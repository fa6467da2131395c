import {
  CreateBucketCommand,
  GetBucketCorsCommand,
  GetObjectCommand,
  PutBucketCorsCommand,
  PutBucketPolicyCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsOf } from "../../../test/clients.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { checkCorsRules, corsAnswer } from "./cors.ts";

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

const named = (name: string) => expect.objectContaining({ name });
const scope = "Credential=test/20260101/us-east-1/s3/aws4_request";
const Authorization = `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`;
const signed = { Authorization, "x-amz-date": "20260101T000000Z", "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };

async function send(method: string, path: string, headers: Record<string, string>) {
  const outgoing = request(`${mikan.url}${path}`, { method, headers });
  outgoing.end();
  const response = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve).on("error", reject);
  });
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

describe("pages of another origin", () => {
  const Bucket = "pages";
  const Origin = "https://app.example";
  const CORSRules = [
    {
      AllowedOrigins: ["https://*.example"],
      AllowedMethods: ["GET", "PUT"],
      AllowedHeaders: ["authorization", "x-amz-*"],
      ExposeHeaders: ["ETag"],
      MaxAgeSeconds: 60,
    },
  ];

  it("reach the objects of a bucket whose rules let them in, and nothing else", async () => {
    for (const name of [Bucket, "closed"]) await s3.send(new CreateBucketCommand({ Bucket: name }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "k", Body: "open" }));
    await s3.send(new PutObjectCommand({ Bucket: "closed", Key: "k", Body: "closed" }));
    await expect(s3.send(new GetBucketCorsCommand({ Bucket }))).rejects.toThrow(named("NoSuchCORSConfiguration"));
    expect((await send("GET", `/${Bucket}/k`, { Origin, ...signed })).status).toBe(403);
    await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
    expect((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toEqual(CORSRules);

    const asked = { Origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-amz-date" };
    const before = await send("OPTIONS", `/${Bucket}/k`, asked);
    expect(before).toMatchObject({
      status: 200,
      headers: { "access-control-allow-origin": Origin, "access-control-allow-headers": "x-amz-date" },
    });
    const got = await send("GET", `/${Bucket}/k`, { Origin, ...signed });
    expect(got).toMatchObject({
      status: 200,
      body: "open",
      headers: { "access-control-allow-origin": Origin, "access-control-expose-headers": "ETag" },
    });
    const refusals: [string, string, Record<string, string>][] = [
      ["GET", "/closed/k", signed],
      ["DELETE", `/${Bucket}/k`, signed],
      ["PUT", `/${Bucket}`, signed],
      ["GET", `/${Bucket}?cors`, signed],
      ["PUT", `/${Bucket}/stolen`, { ...signed, "x-amz-copy-source": "/closed/k" }],
      ["GET", "/_mikan/status", {}],
      ["GET", `/${Bucket}/k`, { ...signed, Host: "evil.example" }],
    ];
    for (const [method, path, headers] of refusals) {
      const { status } = await send(method, path, { Origin, ...headers });
      expect([method, path, status]).toEqual([method, path, 403]);
    }
    // The same path, signed for another service, is that service's: nothing of it is reached.
    const lambda = { ...signed, Authorization: Authorization.replace("/s3/", "/lambda/") };
    expect((await send("GET", `/${Bucket}/k`, { Origin, ...lambda })).status).toBe(404);
    expect((await send("GET", `/${Bucket}/k`, { Origin: "https://evil.test", ...signed })).status).toBe(403);
    const forged = { ...asked, "Access-Control-Request-Headers": "x-mikan-intent" };
    expect((await send("OPTIONS", `/${Bucket}/k`, forged)).status).toBe(403);
  });

  it("are matched by the first rule that fits", () => {
    const question = { Bucket, Origin: "https://a.example", Method: "GET", Headers: [] };
    expect(corsAnswer(CORSRules, question)).toContain("https://a.example");
    const open = { AllowedOrigins: ["*"], AllowedMethods: ["GET"] };
    const answer = corsAnswer([open], question) ?? [];
    expect(answer).toContain("*");
    expect(answer).not.toContain("Access-Control-Allow-Credentials");
    expect(corsAnswer([open], { ...question, Method: "PUT" })).toBeUndefined();
    expect(() => checkCorsRules([{ ...open, AllowedOrigins: ["https://*.*"] }])).toThrow(/wildcard/);
    expect(() => checkCorsRules([{ ...open, AllowedMethods: ["PATCH"] }])).toThrow(/unsupported HTTP method/i);
  });
});

describe("websites", () => {
  const Bucket = "site";
  const visit = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    send(method, path, { Host: `${Bucket}.s3-website.localhost:4566`, ...headers });

  it("show what the bucket's policy lets everybody read", async () => {
    await s3.send(new CreateBucketCommand({ Bucket }));
    const pages = { "index.html": "home", "docs/index.html": "docs", "error.html": "oh no", old: "x" };
    for (const [Key, Body] of Object.entries(pages)) {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: "text/html" }));
    }
    expect((await visit("/")).body).toContain("NoSuchWebsiteConfiguration");
    const WebsiteConfiguration = {
      IndexDocument: { Suffix: "index.html" },
      ErrorDocument: { Key: "error.html" },
      RoutingRules: [
        {
          Condition: { KeyPrefixEquals: "blog/" },
          Redirect: { ReplaceKeyPrefixWith: "docs/", HttpRedirectCode: "302" },
        },
      ],
    };
    await s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
    expect(await visit("/")).toMatchObject({ status: 403, headers: { "content-type": "text/html; charset=utf-8" } });
    const allow = (Action: string, Resource: string) => ({ Effect: "Allow", Principal: "*", Action, Resource });
    const Statement = [
      allow("s3:GetObject", `arn:aws:s3:::${Bucket}/*`),
      allow("s3:ListBucket", `arn:aws:s3:::${Bucket}`),
    ];
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));

    const home = await visit("/", { Origin: "https://elsewhere.example", "Sec-Fetch-Site": "cross-site" });
    expect(home).toMatchObject({ status: 200, body: "home", headers: { "content-type": "text/html" } });
    expect(home.headers).not.toHaveProperty("access-control-allow-origin");
    expect((await visit("/", { "If-None-Match": home.headers.etag ?? "" })).status).toBe(304);
    expect(await visit("/docs")).toMatchObject({ status: 302, headers: { location: "/docs/" } });
    expect((await visit("/docs/")).body).toBe("docs");
    expect(await visit("/none")).toMatchObject({ status: 404, body: "oh no" });
    const blog = await visit("/blog/one");
    expect(blog).toMatchObject({
      status: 302,
      headers: { location: `http://${Bucket}.s3-website.localhost:4566/docs/one` },
    });
    expect((await visit("/", {}, "PUT")).status).toBe(405);
    expect(await visit("/", {}, "HEAD")).toMatchObject({ status: 200, body: "" });
    await s3.send(new PutObjectCommand({ Bucket, Key: "old", Body: "x", WebsiteRedirectLocation: "/new" }));
    expect(await visit("/old")).toMatchObject({ status: 301, headers: { location: "/new" } });
  });

  it("refuse what cannot be a site", async () => {
    const put = (WebsiteConfiguration: object) =>
      s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }));
    await expect(put({ IndexDocument: { Suffix: "a/b" } })).rejects.toThrow(named("InvalidArgument"));
    await expect(s3.send(new PutBucketPolicyCommand({ Bucket, Policy: "no json" }))).rejects.toThrow(
      named("MalformedPolicy"),
    );
    const range = await visit("/", { Range: "bytes=1-2" });
    expect(range).toMatchObject({ status: 206, body: "om", headers: { "content-range": "bytes 1-2/4" } });
    expect(await visit("/", { Range: "bytes=9-" })).toMatchObject({ status: 416 });
    expect(await (await s3.send(new GetObjectCommand({ Bucket, Key: "index.html" }))).Body?.transformToString()).toBe(
      "home",
    );
  });
});
