/** Signatures, as the SDK's own signer makes them, and tampered with. */
import { CloudFormationClient, ListStacksCommand } from "@aws-sdk/client-cloudformation";
import { DescribeLogGroupsCommand, CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { GetFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { createHash, createHmac } from "node:crypto";
import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { bytesOf, type Body, type HttpRequest } from "../base/http.ts";
import { countingIds } from "../base/ids.ts";
import { authorizationFor, rawRequest, serveWire, type WireServer } from "./serve.suite.ts";
import { createWire, WireRefusal, type DecodedCall } from "./wire.ts";

const keys: Readonly<Record<string, { secret: string; sessionToken?: string }>> = {
  AKIAGOOD: { secret: "right" },
  ASIATEMP: { secret: "right", sessionToken: "token" },
};
const secretOf = async (id: string) => keys[id];

describe("the official clients", () => {
  let server: WireServer;
  beforeAll(async () => {
    server = await serveWire({ verify: { secretOf } });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.calls.length = 0;
    server.answer = async ({ operation, input }) => {
      if (operation === "PutObject") await bytesOf((input as { Body: Body }).Body, 1e6);
      // The client compares the digest of what it sent.
      return operation === "SendMessage" ? { MD5OfMessageBody: createHash("md5").update("b").digest("hex") } : {};
    };
  });
  const config = (accessKeyId: string, secretAccessKey = "right", sessionToken?: string) => ({
    endpoint: server.url,
    region: "us-east-1",
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    maxAttempts: 1,
  });
  type Config = ReturnType<typeof config>;
  const sends: Readonly<Record<string, (config: Config) => Promise<unknown>>> = {
    sqs: (c) => new SQSClient(c).send(new SendMessageCommand({ QueueUrl: "q", MessageBody: "b" })),
    logs: (c) => new CloudWatchLogsClient(c).send(new DescribeLogGroupsCommand({})),
    cloudformation: (c) => new CloudFormationClient(c).send(new ListStacksCommand({})),
    lambda: (c) =>
      new LambdaClient(c).send(
        new GetFunctionCommand({ FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:f", Qualifier: "1" }),
      ),
    "s3 get": (c) => new S3Client(c).send(new GetObjectCommand({ Bucket: "b", Key: "a b/c+d!'()*é//x/../y" })),
    "s3 put": (c) => new S3Client(c).send(new PutObjectCommand({ Bucket: "b", Key: "k", Body: "hello" })),
    "s3 put of a stream": (c) =>
      new S3Client(c).send(
        new PutObjectCommand({ Bucket: "b", Key: "k", Body: Readable.from([Buffer.from("hello")]), ContentLength: 5 }),
      ),
  };

  test.each(Object.keys(sends))("%s: a right signature", async (name) => {
    await sends[name]?.(config("AKIAGOOD"));
    expect(server.calls.at(-1)?.credentials).toMatchObject({ accessKeyId: "AKIAGOOD", verified: true });
    await sends[name]?.(config("ASIATEMP", "right", "token"));
    expect(server.calls.at(-1)?.credentials).toMatchObject({ accessKeyId: "ASIATEMP", sessionToken: "token" });
  });

  const wrong: Readonly<Record<string, [badSecret: string, badKey: string, badToken: string]>> = {
    sqs: ["InvalidSignatureException", "UnrecognizedClientException", "UnrecognizedClientException"],
    cloudformation: ["SignatureDoesNotMatch", "InvalidClientTokenId", "InvalidClientTokenId"],
    lambda: ["InvalidSignatureException", "UnrecognizedClientException", "UnrecognizedClientException"],
    "s3 put": ["SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken"],
  };
  test.each(Object.entries(wrong))("%s: a wrong one", async (name, [badSecret, badKey, badToken]) => {
    await expect(sends[name]?.(config("AKIAGOOD", "wrong"))).rejects.toMatchObject({ name: badSecret });
    await expect(sends[name]?.(config("AKIANOBODY"))).rejects.toMatchObject({ name: badKey });
    await expect(sends[name]?.(config("ASIATEMP", "right", "other"))).rejects.toMatchObject({ name: badToken });
    expect(server.calls).toEqual([]);
  });

  test("operations for those who have no credentials yet", async () => {
    const sts = new STSClient({ ...config("AKIAGOOD"), credentials: { accessKeyId: "", secretAccessKey: "" } });
    const input = {
      RoleArn: "arn:aws:iam::000000000000:role/r",
      RoleSessionName: "session",
      WebIdentityToken: "token",
    };
    await sts.send(new AssumeRoleWithWebIdentityCommand(input));
    expect(server.calls.at(-1)).toMatchObject({
      operation: "AssumeRoleWithWebIdentity",
      credentials: undefined,
      input,
    });
    await expect(new STSClient(config("AKIANOBODY")).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
      name: "InvalidClientTokenId",
    });
  });
});

const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();
const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

/** Signs by hand, from the documentation, so that any part can be made wrong. */
function sign(request: {
  method: string;
  path: string;
  query?: string;
  headers: Record<string, string>;
  hash: string;
  service: string;
  timestamp: string;
  secret?: string;
  keyId?: string;
}): { signature: string; signedHeaders: string; scope: string; key: Buffer } {
  const { method, path, query = "", headers, hash, service, timestamp, secret = "right" } = request;
  const names = Object.keys(headers).toSorted();
  const fields = names.map((name) => `${name}:${headers[name]}\n`).join("");
  const canonical = [method, path, query, fields, names.join(";"), hash].join("\n");
  const day = timestamp.slice(0, 8);
  const scope = `${day}/us-east-1/${service}/aws4_request`;
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), "us-east-1"), service), "aws4_request");
  const signature = hmac(key, ["AWS4-HMAC-SHA256", timestamp, scope, sha256(canonical)].join("\n")).toString("hex");
  return { signature, signedHeaders: names.join(";"), scope, key };
}

const host = "127.0.0.1:4566";
const clock = new FakeClock(Date.UTC(2026, 0, 1));
const wire = createWire({ clock, ids: countingIds(), verify: { secretOf } });

async function refusal(request: HttpRequest): Promise<{ code: string; status: number; text: string }> {
  const failed = await wire.decode(request).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failed instanceof WireRefusal)) throw new Error("it was not refused");
  const { status, body } = failed.response;
  const text = Buffer.from(await bytesOf(body, 1e5)).toString();
  const code = /<Code>([^<]*)/.exec(text)?.[1] ?? /"__type":"(?:[^"]*#)?([^"]*)"/.exec(text)?.[1] ?? failed.fault.code;
  return { code, status, text };
}

/** A form for STS, signed in the header. */
function stsCall(
  change: { timestamp?: string; body?: string; signedBody?: string; extra?: Record<string, string> } = {},
) {
  const { timestamp = "20260101T000000Z", body = "Action=GetCallerIdentity&Version=2011-06-15", extra = {} } = change;
  const signed = { "content-type": "application/x-www-form-urlencoded", host, "x-amz-date": timestamp };
  const hash = sha256(change.signedBody ?? body);
  const made = sign({ method: "POST", path: "/", headers: signed, hash, service: "sts", timestamp });
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIAGOOD/${made.scope}, SignedHeaders=${made.signedHeaders}, Signature=${made.signature}`;
  return rawRequest({
    headers: Object.entries({ ...signed, ...extra, authorization }).flat(),
    body: Buffer.from(body),
  });
}

describe("in the header", () => {
  test("what was signed is what came", async () => {
    const { operation, credentials } = await wire.decode(stsCall());
    expect({ operation, credentials }).toMatchObject({
      operation: "GetCallerIdentity",
      credentials: { accessKeyId: "AKIAGOOD", region: "us-east-1", kind: "header", verified: true },
    });
  });

  test("another body, another field", async () => {
    expect(await refusal(stsCall({ signedBody: "Action=GetSessionToken" }))).toMatchObject({
      code: "SignatureDoesNotMatch",
      status: 403,
    });
    expect(await refusal(stsCall({ extra: { "x-amz-security-token": "t" } }))).toMatchObject({
      code: "SignatureDoesNotMatch",
      status: 403,
    });
  });

  test.each([
    ["20251231T234500Z", "in time"],
    ["20260101T001500Z", "in time"],
    ["20251231T234459Z", "SignatureDoesNotMatch"],
    ["20260101T001501Z", "SignatureDoesNotMatch"],
  ])("the clock: %s is %s", async (timestamp, verdict) => {
    const request = stsCall({ timestamp });
    if (verdict === "in time") await expect(wire.decode(request)).resolves.toBeDefined();
    else expect(await refusal(request)).toMatchObject({ code: verdict, status: 403 });
  });

  test("what is no signature", async () => {
    const withAuth = (authorization: string) =>
      rawRequest({ headers: ["Authorization", authorization, "X-Amz-Date", "20260101T000000Z"] });
    expect(await refusal(withAuth("AWS4-ECDSA-P256-SHA256 Credential=a"))).toMatchObject({ status: 501 });
    expect(await refusal(withAuth("AWS a:b"))).toMatchObject({ status: 400 });
    expect(await refusal(withAuth("Bearer x"))).toMatchObject({ status: 400 });
    expect(await refusal(withAuth("AWS4-HMAC-SHA256 Credential=a/b/c"))).toMatchObject({ status: 400 });
    expect(await refusal(withAuth("AWS4-HMAC-SHA256"))).toMatchObject({ status: 400 });
  });

  test("no signature at all", async () => {
    const form = ["Content-Type", "application/x-www-form-urlencoded"];
    const body = Buffer.from("Action=ListStacks&Version=2010-05-15");
    expect(await refusal(rawRequest({ headers: form, body }))).toMatchObject({
      code: "MissingAuthenticationToken",
      status: 403,
    });
    const target = ["X-Amz-Target", "Logs_20140328.DescribeLogGroups", "Content-Type", "application/x-amz-json-1.1"];
    expect(await refusal(rawRequest({ headers: target }))).toMatchObject({
      code: "MissingAuthenticationTokenException",
      status: 403,
    });
    expect(await refusal(rawRequest({ method: "GET", target: "/b/k" }))).toMatchObject({
      code: "AccessDenied",
      status: 403,
    });
    const lambda = await refusal(rawRequest({ method: "GET", target: "/2015-03-31/functions/" }));
    expect(lambda).toMatchObject({ status: 403, text: expect.stringContaining("missing Authentication Token") });
  });

  test("an open node that admits them learns that there are none", async () => {
    const open = createWire({ clock, ids: countingIds(), unsigned: "admit" });
    const call = await open.decode(rawRequest({ method: "GET", target: "/b/k" }));
    expect(call).toMatchObject({ service: "s3", operation: "GetObject", credentials: undefined });
  });
});

describe("in the query", () => {
  const presign = (change: { timestamp?: string; expires?: number | string; path?: string; query?: string } = {}) => {
    const { timestamp = "20260101T000000Z", expires = 600, path = "/b/a%20b", query = "" } = change;
    const scope = `${timestamp.slice(0, 8)}/us-east-1/s3/aws4_request`;
    const parts = [
      "X-Amz-Algorithm=AWS4-HMAC-SHA256",
      `X-Amz-Credential=${encodeURIComponent(`AKIAGOOD/${scope}`)}`,
      `X-Amz-Date=${timestamp}`,
      `X-Amz-Expires=${expires}`,
      "X-Amz-SignedHeaders=host",
      ...query.split("&").filter(Boolean),
    ].toSorted();
    const hash = "UNSIGNED-PAYLOAD";
    const { signature } = sign({
      method: "GET",
      path,
      query: parts.join("&"),
      headers: { host },
      hash,
      service: "s3",
      timestamp,
    });
    return { path, query: `${parts.join("&")}&X-Amz-Signature=${signature}` };
  };
  const get = ({ path, query }: { path: string; query: string }, headers: string[] = []) =>
    rawRequest({ method: "GET", target: `${path}?${query}`, headers: ["Host", host, ...headers] });

  test("a presigned get", async () => {
    const call: DecodedCall = await wire.decode(get(presign({ query: "response-content-type=text%2Fx" })));
    expect(call).toMatchObject({
      operation: "GetObject",
      input: { Bucket: "b", Key: "a b", ResponseContentType: "text/x" },
      credentials: { kind: "presigned", verified: true },
    });
  });

  test("tampering", async () => {
    const { path, query } = presign();
    expect(await refusal(get({ path: "/b/other", query }))).toMatchObject({ code: "SignatureDoesNotMatch" });
    expect(await refusal(get({ path, query: `${query}&versionId=1` }))).toMatchObject({
      code: "SignatureDoesNotMatch",
    });
    expect(await refusal(get({ path, query }, ["x-amz-meta-a", "b"]))).toMatchObject({
      code: "AccessDenied",
      status: 403,
    });
    expect(await refusal(get({ path, query: query.replace("Expires=600", "Expires=601") }))).toMatchObject({
      code: "SignatureDoesNotMatch",
    });
  });

  test.each([
    [{ timestamp: "20251231T235000Z", expires: 600 }, undefined],
    [{ timestamp: "20251231T234959Z", expires: 600 }, "AccessDenied"],
    [{ timestamp: "20251225T000000Z", expires: 604_800 }, undefined],
    [{ expires: 604_801 }, "AuthorizationQueryParametersError"],
    [{ expires: 0 }, "AuthorizationQueryParametersError"],
    [{ expires: "soon" }, "AuthorizationQueryParametersError"],
    [{ timestamp: "20260101T001501Z" }, "AccessDenied"],
  ])("the life of %j: %s", async (change, code) => {
    const request = get(presign(change));
    if (code === undefined) await expect(wire.decode(request)).resolves.toBeDefined();
    else expect(await refusal(request)).toMatchObject({ code });
  });
});

test("unverified, everything is still read", async () => {
  const open = createWire({ clock, ids: countingIds() });
  const headers = [...authorizationFor("sts"), "Content-Type", "application/x-www-form-urlencoded"];
  const call = await open.decode(
    rawRequest({ headers, body: Buffer.from("Action=GetCallerIdentity&Version=2011-06-15") }),
  );
  expect(call.credentials).toEqual({
    accessKeyId: "000000000001",
    region: "us-east-1",
    service: "sts",
    sessionToken: undefined,
    kind: "header",
    verified: false,
  });
});
