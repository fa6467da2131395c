/** A node with a root key: whoever signs right is served, everybody else is told what AWS tells, and functions can call home. */
import { networkInterfaces } from "node:os";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  CreateFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";
import { CloudWatchLogsClient, CreateLogGroupCommand, DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { startNodeProcess } from "./node-process.ts";
import { zipOf } from "./zip.ts";

/** Functions here have their SDK from this checkout, which they see in no view of their own. */
const isolation = "process";
const rootKey = { accessKeyId: "AKIAROOTEXAMPLE00000", secretAccessKey: "root/secret+of=the-node" };
const halfAnHourMs = 30 * 60_000;

interface Signing {
  accessKeyId?: string;
  secretAccessKey?: string;
  sessionToken?: string;
  systemClockOffset?: number;
}

/** One client of each protocol, and the simplest call of it. */
function callers(endpoint: string, { systemClockOffset, ...key }: Signing = {}) {
  const options = {
    endpoint,
    region: "us-east-1",
    credentials: { ...rootKey, ...key },
    maxAttempts: 1,
    ...(systemClockOffset === undefined ? {} : { systemClockOffset }),
  };
  return {
    query: () => new STSClient(options).send(new GetCallerIdentityCommand({})),
    json: () => new CloudWatchLogsClient(options).send(new CreateLogGroupCommand({ logGroupName: "made" })),
    restJson: () => new LambdaClient(options).send(new ListFunctionsCommand({})),
    restXml: () => new S3Client({ ...options, forcePathStyle: true }).send(new ListBucketsCommand({})),
  };
}
type Protocol = keyof ReturnType<typeof callers>;

/** `403 SignatureDoesNotMatch`, or `200`. */
async function outcome(call: () => Promise<{ $metadata: { httpStatusCode?: number } }>): Promise<string> {
  try {
    return String((await call()).$metadata.httpStatusCode);
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return `${$metadata?.httpStatusCode} ${name}`;
  }
}

const callsHome = `
export const handler = async () => {
  const { STSClient, GetCallerIdentityCommand } = await import(process.env.STS_CLIENT);
  const { S3Client, PutObjectCommand } = await import(process.env.S3_CLIENT);
  const { Arn, Account } = await new STSClient({}).send(new GetCallerIdentityCommand({}));
  const bucket = { Bucket: "of-functions", Key: "note" };
  await new S3Client({ forcePathStyle: true }).send(new PutObjectCommand({ ...bucket, Body: "written by a function" }));
  const { AWS_ACCESS_KEY_ID: id, AWS_SESSION_TOKEN: token } = process.env;
  return { Arn, Account, id, token };
};
`;

interface Home {
  Arn: string;
  Account: string;
  id: string;
  token: string;
}

/** A function that calls two services with the official clients and the keys it was given. */
async function whoIsTheFunction(endpoint: string, credentials: { accessKeyId: string; secretAccessKey: string }) {
  const options = { endpoint, region: "us-east-1", credentials };
  const lambda = new LambdaClient(options);
  await new S3Client({ ...options, forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: "of-functions" }));
  const trust = { Version: "2012-10-17", Statement: [] };
  const { Role } = await new IAMClient(options).send(
    new CreateRoleCommand({ RoleName: "caller", Path: "/apps/", AssumeRolePolicyDocument: JSON.stringify(trust) }),
  );
  const Variables = {
    STS_CLIENT: import.meta.resolve("@aws-sdk/client-sts"),
    S3_CLIENT: import.meta.resolve("@aws-sdk/client-s3"),
  };
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "home",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Role: Role?.Arn ?? "",
      Timeout: 20,
      Environment: { Variables },
      Code: { ZipFile: await zipOf({ "index.mjs": callsHome }) },
    }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 1 }, { FunctionName: "home" });
  const { Payload, FunctionError } = await lambda.send(new InvokeCommand({ FunctionName: "home" }));
  const text = Buffer.from(Payload ?? []).toString();
  expect(FunctionError, text).toBeUndefined();
  return JSON.parse(text) as Home;
}

describe("a node with a root key", () => {
  let mikan: Mikan;
  beforeAll(async () => {
    mikan = await startMikan({ rootKey, isolation });
  });
  afterAll(() => mikan.close(0));

  const refusals: [what: string, signing: Signing, answers: Record<Protocol, string>][] = [
    ["the right key", {}, { query: "200", json: "200", restJson: "200", restXml: "200" }],
    [
      "a wrong secret",
      { secretAccessKey: "guessed" },
      {
        query: "403 SignatureDoesNotMatch",
        json: "400 InvalidSignatureException",
        restJson: "403 InvalidSignatureException",
        restXml: "403 SignatureDoesNotMatch",
      },
    ],
    [
      "an unknown key",
      { accessKeyId: "AKIANOBODY0000000000" },
      {
        query: "403 InvalidClientTokenId",
        json: "400 UnrecognizedClientException",
        restJson: "403 UnrecognizedClientException",
        restXml: "403 InvalidAccessKeyId",
      },
    ],
    [
      "the account number, as on an open node",
      { accessKeyId: "000000000000", secretAccessKey: "test" },
      {
        query: "403 InvalidClientTokenId",
        json: "400 UnrecognizedClientException",
        restJson: "403 UnrecognizedClientException",
        restXml: "403 InvalidAccessKeyId",
      },
    ],
    [
      "a clock half an hour late",
      { systemClockOffset: -halfAnHourMs },
      {
        query: "403 SignatureDoesNotMatch",
        json: "400 InvalidSignatureException",
        restJson: "403 InvalidSignatureException",
        restXml: "403 RequestTimeTooSkewed",
      },
    ],
    [
      "a session token that nobody issued",
      { accessKeyId: "ASIANOBODY0000000000", sessionToken: "FwoGZXIvYXdzEXAMPLE" },
      {
        query: "403 InvalidClientTokenId",
        json: "400 UnrecognizedClientException",
        restJson: "403 UnrecognizedClientException",
        restXml: "403 InvalidAccessKeyId",
      },
    ],
  ];
  it.each(refusals)("answers %s as AWS does, on every protocol", async (_, signing, answers) => {
    const calls = callers(mikan.url, signing);
    const outcomes = await Promise.all(
      Object.entries(calls).map(async ([protocol, call]) => [protocol, await outcome(call)] as const),
    );
    expect(Object.fromEntries(outcomes)).toEqual(answers);
  });

  it("refuses a body that was changed on the way, and an unsigned request, and changes nothing", async () => {
    const options = { endpoint: mikan.url, region: "us-east-1", credentials: rootKey, maxAttempts: 1 };
    const logs = new CloudWatchLogsClient(options);
    // After the signature is made, before it is sent.
    logs.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { body: Uint8Array };
        request.body = Buffer.from(Buffer.from(request.body).toString().replace("mine", "evil"));
        return next(args);
      },
      { step: "deserialize" },
    );
    expect(await outcome(() => logs.send(new CreateLogGroupCommand({ logGroupName: "mine" })))).toBe(
      "400 InvalidSignatureException",
    );
    const s3 = new S3Client({ ...options, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: "kept" }));
    s3.middlewareStack.add(
      (next) => (args) => {
        (args.request as { body: unknown }).body = Buffer.from("evil");
        return next(args);
      },
      { step: "deserialize" },
    );
    const put = new PutObjectCommand({ Bucket: "kept", Key: "k", Body: "mine" });
    expect(await outcome(() => s3.send(put))).toMatch(/^400 (XAmzContentSHA256Mismatch|BadDigest)$/);

    const unsigned = await fetch(`${mikan.url}/2015-03-31/functions`);
    expect(unsigned.status).toBe(403);
    expect(await unsigned.text()).toContain("missing Authentication Token");
    const describeGroups = new DescribeLogGroupsCommand({ logGroupNamePrefix: "evil" });
    expect((await new CloudWatchLogsClient(options).send(describeGroups)).logGroups).toEqual([]);
    const listObjects = new ListObjectsV2Command({ Bucket: "kept" });
    expect((await new S3Client({ ...options, forcePathStyle: true }).send(listObjects)).KeyCount).toBe(0);
  });

  it("gives functions keys of their role, which are good for every service and for nothing else", async () => {
    const home = await whoIsTheFunction(mikan.url, rootKey);
    expect(home).toMatchObject({ Arn: "arn:aws:sts::000000000000:assumed-role/caller/home", Account: "000000000000" });
    // What a function can print is not enough without its secret.
    const stolen = { accessKeyId: home.id, sessionToken: home.token, secretAccessKey: "guessed" };
    expect(await outcome(callers(mikan.url, stolen).query)).toBe("403 SignatureDoesNotMatch");
    await using other = await startMikan({ rootKey, isolation });
    expect(await outcome(callers(other.url, stolen).query)).toBe("403 InvalidClientTokenId");
  });
});

describe("an open node", () => {
  it("knows its functions by the same keys", async () => {
    await using mikan = await startMikan({ isolation });
    const home = await whoIsTheFunction(mikan.url, { accessKeyId: "111122223333", secretAccessKey: "any" });
    expect(home).toMatchObject({ Arn: "arn:aws:sts::111122223333:assumed-role/caller/home", Account: "111122223333" });
  });
});

describe("beyond loopback", () => {
  it("does not start without a root key", async () => {
    await expect(startMikan({ host: "0.0.0.0" })).rejects.toThrow(/Refusing to listen on 0\.0\.0\.0: set a root key/);
    await expect(startNodeProcess("--ephemeral", "--port", "0", "--host", "0.0.0.0")).rejects.toThrow(
      /code 1: mikan: Refusing to listen on 0\.0\.0\.0/,
    );
  });

  it("with one, serves those who sign, their functions too, and keeps its own pages to its machine", async () => {
    const address = Object.values(networkInterfaces())
      .flatMap((found) => found ?? [])
      .find(({ internal, family }) => !internal && family === "IPv4")?.address;
    if (address === undefined)
      process.stderr.write("SKIPPED: a node's outside: this machine has no address but loopback\n");
    const outside = address ?? "127.0.0.1";
    await using mikan = await startMikan({ host: "0.0.0.0", hostNames: [outside], rootKey, isolation });
    const url = `http://${outside}:${mikan.port}`;
    expect(await outcome(callers(url).query)).toBe("200");
    expect(await outcome(callers(url, { secretAccessKey: "guessed" }).query)).toBe("403 SignatureDoesNotMatch");
    expect((await whoIsTheFunction(mikan.url, rootKey)).Arn).toContain("assumed-role/caller/home");
    if (address === undefined) return;
    const headers = { "X-Mikan-Intent": "reset" };
    expect((await fetch(`${url}/_mikan/reset`, { method: "POST", headers })).status).toBe(403);
    expect((await fetch(`${url}/_mikan/status`)).status).toBe(403);
    expect((await fetch(`${url}/_mikan/health`)).status).toBe(200);
    expect((await fetch(`${mikan.url}/_mikan/status`)).status).toBe(200);
  });
});
