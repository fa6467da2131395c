import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { S3Client } from "@aws-sdk/client-s3";
import { startMikan, type Mikan } from "../mikan.ts";

const run = promisify(execFile);
const rootKey = { accessKeyId: "AKIAROOT", secretAccessKey: "secret" };
let mikan: Mikan;
beforeAll(async () => {
  mikan = await startMikan({ rootKey });
  const s3 = new S3Client({ endpoint: mikan.url, region: "us-east-1", credentials: rootKey, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "links" }));
  await s3.send(new PutObjectCommand({ Bucket: "links", Key: "a b/ä", Body: "linked" }));
  s3.destroy();
});
afterAll(() => mikan.close());

const hasBoto = await run("python3", ["-c", "import boto3"]).then(
  () => true,
  () => false,
);
describe.skipIf(!hasBoto)(hasBoto ? "links of boto3" : "BOTO3 IS NOT INSTALLED: not tested", () => {
  it.each(["s3", "s3v4"])("signed as %s are good for what they name, and nothing else", async (version) => {
    const script = `
import boto3, sys
from botocore.config import Config
c = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAROOT",
    aws_secret_access_key=sys.argv[2], config=Config(signature_version=sys.argv[3], s3={"addressing_style": "path"}))
print(c.generate_presigned_url("get_object", Params={"Bucket": "links", "Key": "a b/ä", "ResponseContentType": "text/x"}))
print(c.generate_presigned_url("put_object", Params={"Bucket": "links", "Key": "new"}))
print(c.generate_presigned_url("get_object", Params={"Bucket": "links", "Key": "new"}, ExpiresIn=-60))`;
    const links = async (secret: string) => {
      const { stdout } = await run("python3", ["-c", script, mikan.url, secret, version]);
      return stdout.trim().split("\n");
    };
    const [get = "", put = "", old = ""] = await links("secret");
    expect(get).toContain(version === "s3" ? "AWSAccessKeyId=" : "X-Amz-Signature=");
    const got = await fetch(get);
    expect([got.status, got.headers.get("content-type"), await got.text()]).toEqual([200, "text/x", "linked"]);
    expect((await fetch(put, { method: "PUT", body: new Uint8Array([1, 2]) })).status).toBe(200);
    for (const [link, method] of [
      [get.replace("links/a", "links/b"), "GET"],
      [get.replace("text", "next"), "GET"],
      [put, "GET"],
      // Version 4 counts seconds, and none are fewer than one.
      ...(version === "s3" ? ([[old, "GET"]] as const) : []),
      [(await links("wrong"))[0] ?? "", "GET"],
    ] as const) {
      expect([link, (await fetch(link, { method })).status]).toEqual([link, 403]);
    }
  });
});
