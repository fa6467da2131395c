/** Browsers' uploads: forms with a signed policy, as pages post them. */
import { CreateBucketCommand, GetObjectCommand, GetObjectTaggingCommand, S3Client } from "@aws-sdk/client-s3";
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";

const rootKey = { accessKeyId: "AKIAROOTROOTROOTROOT", secretAccessKey: "a root secret" };
const Bucket = "uploads";

let mikan: Mikan;
let s3: S3Client;
beforeAll(async () => {
  mikan = await startMikan({ rootKey });
  s3 = new S3Client({ endpoint: mikan.url, region: "us-east-1", credentials: rootKey, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  s3.destroy();
  await mikan.close();
});

const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();

interface Form {
  /** Fields as the page sends them. */
  fields?: Record<string, string>;
  /** Conditions besides those for the bucket and the signature. */
  conditions?: unknown[];
  file?: string;
  secret?: string;
  expiresMs?: number;
}

const inAMinute = () => Date.now() + 60_000;

async function post({ fields = {}, conditions = [], file = "content", secret, expiresMs = inAMinute() }: Form) {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const day = date.slice(0, 8);
  const signing = {
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-credential": `${rootKey.accessKeyId}/${day}/us-east-1/s3/aws4_request`,
    "x-amz-date": date,
  };
  const all = [
    { bucket: Bucket },
    ...Object.entries(signing).map(([name, value]) => ({ [name]: value })),
    ...conditions,
  ];
  const document = { expiration: new Date(expiresMs).toISOString(), conditions: all };
  const policy = Buffer.from(JSON.stringify(document)).toString("base64");
  const scope = [day, "us-east-1", "s3", "aws4_request"];
  const key = scope.reduce<string | Uint8Array>(hmac, `AWS4${secret ?? rootKey.secretAccessKey}`);
  const form = new FormData();
  const sent = { ...fields, ...signing, policy, "x-amz-signature": hmac(key, policy).toString("hex") };
  for (const [name, value] of Object.entries(sent)) form.set(name, value);
  form.set("file", new Blob([file]), "my photo.txt");
  form.set("submit", "Upload");
  const response = await fetch(`${mikan.url}/${Bucket}`, { method: "POST", body: form, redirect: "manual" });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const codeOf = (body: string) => /<Code>(.*?)<\/Code>/.exec(body)?.[1];
const messageOf = (body: string) => /<Message>(.*?)<\/Message>/.exec(body)?.[1];
const eq = (fields: Record<string, string>) => Object.entries(fields).map(([name, value]) => ({ [name]: value }));

describe("POST to a bucket", () => {
  it("stores the file under the name of the form, with its headers, metadata and tags", async () => {
    const fields = {
      key: "user/${filename}",
      "Content-Type": "text/plain",
      "x-amz-meta-colour": "orange",
      tagging: "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>",
    };
    const { key: _, ...exact } = fields;
    const conditions = [["starts-with", "$key", "user/"], ["content-length-range", 1, 2_000_000], ...eq(exact)];
    const file = "0123456789\r\n--not the boundary\r\n".repeat(30_000);
    const { status, headers, body } = await post({ fields, conditions, file });
    expect([status, body]).toEqual([204, ""]);
    const ref = { Bucket, Key: "user/my photo.txt" };
    const got = await s3.send(new GetObjectCommand(ref));
    expect(await got.Body?.transformToString()).toBe(file);
    expect(got).toMatchObject({ ContentType: "text/plain", Metadata: { colour: "orange" }, ETag: headers.get("etag") });
    expect((await s3.send(new GetObjectTaggingCommand(ref))).TagSet).toEqual([{ Key: "a", Value: "b c" }]);
    expect(headers.get("location")).toBe(`${mikan.url}/${Bucket}/user/my%20photo.txt`);
  });

  it("answers as the form asks: a status, a document, another page", async () => {
    const asked = (more: Record<string, string>) => {
      const fields = { key: "k", ...more };
      return post({ fields, conditions: eq(fields) });
    };
    expect((await asked({ success_action_status: "200" })).status).toBe(200);
    const created = await asked({ success_action_status: "201" });
    expect([created.status, created.body]).toEqual([
      201,
      expect.stringContaining(
        `<PostResponse><Location>${mikan.url}/${Bucket}/k</Location><Bucket>${Bucket}</Bucket><Key>k</Key>`,
      ),
    ]);
    const away = await asked({ success_action_redirect: "https://example.com/done?x=1" });
    expect(away.status).toBe(303);
    expect(away.headers.get("location")).toMatch(
      /^https:\/\/example\.com\/done\?x=1&bucket=uploads&key=k&etag=%22[0-9a-f]{32}%22$/,
    );
  });

  it.each<[string, Form, number, string, string?]>([
    ["another secret", { secret: "wrong" }, 403, "SignatureDoesNotMatch"],
    [
      "a policy that has expired",
      { expiresMs: 0 },
      403,
      "AccessDenied",
      "Invalid according to Policy: Policy expired.",
    ],
    [
      "another key",
      { fields: { key: "other" } },
      403,
      "AccessDenied",
      'Invalid according to Policy: Policy Condition failed: ["eq","$key","k"]',
    ],
    [
      "a field without a condition",
      { fields: { key: "k", "x-amz-meta-a": "1" } },
      403,
      "AccessDenied",
      "Invalid according to Policy: Extra input fields: x-amz-meta-a",
    ],
    ["no key", { fields: {} }, 400, "InvalidArgument"],
    ["a file that is too long", { conditions: [{ key: "k" }, ["content-length-range", 0, 6]] }, 400, "EntityTooLarge"],
    ["a file that is too short", { conditions: [{ key: "k" }, ["content-length-range", 8, 9]] }, 400, "EntityTooSmall"],
    [
      "fields without end",
      { fields: { key: "k", "x-ignore-a": "a".repeat(30_000) } },
      400,
      "MaxPostPreDataLengthExceededError",
    ],
  ])("refuses %s", async (_, form, status, code, message) => {
    const answer = await post({ fields: { key: "k" }, conditions: [{ key: "k" }], ...form });
    expect([answer.status, codeOf(answer.body)]).toEqual([status, code]);
    if (message !== undefined) expect(messageOf(answer.body)?.replaceAll("&quot;", '"')).toBe(message);
  });

  it("refuses a form that nobody has signed, and one that is none", async () => {
    const form = new FormData();
    form.set("key", "k");
    form.set("file", new Blob(["x"]), "f");
    const unsigned = await fetch(`${mikan.url}/${Bucket}`, { method: "POST", body: form });
    expect([unsigned.status, codeOf(await unsigned.text())]).toEqual([403, "AccessDenied"]);
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const broken = await fetch(`${mikan.url}/${Bucket}`, { method: "POST", headers, body: "--b\r\nhalf" });
    expect([broken.status, codeOf(await broken.text())]).toEqual([400, "MalformedPOSTRequest"]);
  });

  it("takes version 2 of the signature, as boto3 makes it", async () => {
    const conditions = [{ bucket: Bucket }, { key: "v2" }];
    const document = { expiration: new Date(inAMinute()).toISOString(), conditions };
    const policy = Buffer.from(JSON.stringify(document)).toString("base64");
    const send = async (secret: string) => {
      const form = new FormData();
      const signature = createHmac("sha1", secret).update(policy).digest("base64");
      const fields = { key: "v2", AWSAccessKeyId: rootKey.accessKeyId, policy, signature };
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      form.set("file", new Blob(["two"]), "f");
      return (await fetch(`${mikan.url}/${Bucket}`, { method: "POST", body: form })).status;
    };
    expect([await send(rootKey.secretAccessKey), await send("wrong")]).toEqual([204, 403]);
  });
});
