import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { FilterLogEventsCommand, CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "./mikan.ts";
import { silentLog } from "./telemetry/log.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-embedded-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function template(name: string, body: object): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, JSON.stringify(body));
  return file;
}

const buckets = async (mikan: Mikan) => {
  const { Buckets = [] } = await new S3Client(mikan.clientConfig()).send(new ListBucketsCommand({}));
  return Buckets.map(({ Name }) => Name);
};
const makeBucket = (mikan: Mikan, Bucket: string) =>
  new S3Client(mikan.clientConfig()).send(new CreateBucketCommand({ Bucket }));

describe("a node in a test's process", () => {
  it("gives settings for SDK clients, in the account that is named", async () => {
    await using mikan = await startMikan();
    const accountOf = async (account?: string) => {
      const { Account } = await new STSClient(mikan.clientConfig(account)).send(new GetCallerIdentityCommand({}));
      return Account;
    };
    expect([await accountOf(), await accountOf("123456789012")]).toEqual(["000000000000", "123456789012"]);
  });

  it("gives its root key where signatures are verified, and no other account", async () => {
    const rootKey = { accessKeyId: "AKIAROOT", secretAccessKey: "a-long-secret" };
    await using mikan = await startMikan({ rootKey });
    await makeBucket(mikan, "signed");
    expect(await buckets(mikan)).toEqual(["signed"]);
    expect(() => mikan.clientConfig("123456789012")).toThrow("its root key is no key of account 123456789012");
  });

  it("is apart from the others, and empty after a reset", async () => {
    await using one = await startMikan();
    await using other = await startMikan();
    await Promise.all([makeBucket(one, "mine"), makeBucket(other, "yours")]);
    expect([await buckets(one), await buckets(other)]).toEqual([["mine"], ["yours"]]);
    const { url } = one;
    await one.reset();
    expect([one.url, await buckets(one), await buckets(other)]).toEqual([url, [], ["yours"]]);
  });

  it("may be one of many at once, each with what is its own", async () => {
    const listeners = process.listenerCount("exit");
    const nodes = await Promise.all(Array.from({ length: 20 }, () => startMikan()));
    await Promise.all(nodes.map((mikan, index) => makeBucket(mikan, `bucket-${index}`)));
    const seen = await Promise.all(nodes.map(buckets));
    expect(seen).toEqual(nodes.map((_, index) => [`bucket-${index}`]));
    expect(process.listenerCount("exit")).toBeLessThanOrEqual(listeners + 2);
    await Promise.all(nodes.map((mikan) => mikan.close(0)));
  });

  it("that keeps its data cannot be emptied", async () => {
    await using mikan = await startMikan({ data: join(directory, "data") });
    await expect(mikan.reset()).rejects.toThrow("only an ephemeral one can be emptied");
  });
});

describe("deploy", () => {
  const named = (name: string, more: object = {}) =>
    template(name, {
      Parameters: { Name: { Type: "String" }, Text: { Type: "String", Default: "first" } },
      Resources: { Bucket: { Type: "AWS::S3::Bucket", Properties: { BucketName: { Ref: "Name" } } }, ...more },
      Outputs: { Name: { Value: { Ref: "Bucket" } }, Text: { Value: { Ref: "Text" } } },
    });

  it("creates a stack, leaves it, changes it, and tells its outputs", async () => {
    await using mikan = await startMikan();
    const file = await named("bucket.json");
    const first = await mikan.deploy({ template: file, stack: "app", parameters: { Name: "of-app" } });
    expect(first).toMatchObject({ status: "CREATE_COMPLETE", outputs: { Name: "of-app", Text: "first" } });
    expect(first.stackId).toContain(":stack/app/");
    expect(await buckets(mikan)).toContain("of-app");
    expect(await mikan.deploy({ template: file, stack: "app", parameters: { Name: "of-app" } })).toEqual(first);
    const other = { Second: { Type: "AWS::S3::Bucket", Properties: { BucketName: "second" } } };
    const second = await mikan.deploy({ template: await named("two.json", other), stack: "app" });
    expect(second).toMatchObject({ stackId: first.stackId, status: "UPDATE_COMPLETE", outputs: { Name: "of-app" } });
    expect(await buckets(mikan)).toEqual(["of-app", "second"]);
    const bad = { Second: { Type: "AWS::S3::Bucket", Properties: { BucketName: "Not A Name" } } };
    await expect(mikan.deploy({ template: await named("bad.json", bad), stack: "app" })).rejects.toThrow(
      /^stack app is UPDATE_ROLLBACK_COMPLETE.*\n {2}Second: /s,
    );
    expect(await buckets(mikan)).toEqual(["of-app", "second"]);
  });

  it("uploads the local code of a template in JSON, and of one in YAML", async () => {
    await using mikan = await startMikan();
    await mkdir(join(directory, "code"), { recursive: true });
    await writeFile(join(directory, "code/index.mjs"), "export const handler = async () => 'deployed';");
    const Properties = { Runtime: "nodejs24.x", Handler: "index.handler", CodeUri: "code" };
    const json = {
      Transform: "AWS::Serverless-2016-10-31",
      Resources: { F: { Type: "AWS::Serverless::Function", Properties } },
      Outputs: { Name: { Value: { Ref: "F" } } },
    };
    const yaml = `Transform: ${json.Transform}
Resources:
  F: { Type: AWS::Serverless::Function, Properties: { Runtime: nodejs24.x, Handler: index.handler, CodeUri: code } }
Outputs:
  Name: { Value: !Ref F }
`;
    await writeFile(join(directory, "code.yaml"), yaml);
    const lambda = new LambdaClient(mikan.clientConfig());
    for (const file of [await template("code.json", json), join(directory, "code.yaml")]) {
      const { outputs } = await mikan.deploy({ template: file, stack: file.slice(-4) });
      const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: outputs["Name"] }));
      expect(Buffer.from(Payload ?? []).toString()).toBe('"deployed"');
    }
  });

  it("rejects with what failed", async () => {
    await using mikan = await startMikan();
    const file = await template("twice.json", {
      Resources: { Bucket: { Type: "AWS::S3::Bucket", Properties: { BucketName: "Not A Name" } } },
    });
    await expect(mikan.deploy({ template: pathToFileURL(file), stack: "bad" })).rejects.toThrow(
      /^stack bad is ROLLBACK_COMPLETE.*\n {2}Bucket: /s,
    );
  });
});

describe("the fake clock", () => {
  const role = "arn:aws:iam::000000000000:role/any";
  const functionOf = (source: string) => ({
    Resources: {
      Function: {
        Type: "AWS::Lambda::Function",
        Properties: {
          FunctionName: "f",
          Runtime: "nodejs24.x",
          Handler: "index.handler",
          Role: role,
          Code: { ZipFile: source },
        },
      },
    },
  });

  it("moves the retries of an asynchronous invocation, and the time of its log", async () => {
    // It ends in a warning, as it should.
    await using mikan = await startMikan({ clock: "fake", log: silentLog });
    const startMs = mikan.clock.now();
    const source = "exports.handler = async () => { throw new Error('again'); };";
    await mikan.deploy({ template: await template("fails.json", functionOf(source)), stack: "app" });
    await new LambdaClient(mikan.clientConfig()).send(
      new InvokeCommand({ FunctionName: "f", InvocationType: "Event" }),
    );
    const logs = new CloudWatchLogsClient(mikan.clientConfig());
    const attempts = async () => {
      const input = { logGroupName: "/aws/lambda/f", filterPattern: '"START RequestId"' };
      const { events = [] } = await logs.send(new FilterLogEventsCommand(input)).catch(() => ({ events: [] }));
      return events.map(({ timestamp = 0 }) => timestamp - startMs);
    };
    await expect.poll(attempts, { timeout: 10_000 }).toHaveLength(1);
    // An attempt is over a little after its line is there: so time goes on until the next has come.
    const moved = async () => {
      await mikan.clock.advance(20_000);
      return attempts();
    };
    await expect.poll(moved, { timeout: 10_000 }).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = await attempts();
    expect(second - first).toBeGreaterThan(45_000);
    expect(third - second).toBeGreaterThan(90_000);
    expect(mikan.clock.now() - startMs).toBeGreaterThan(third);
  });

  it("leaves a function its own time, and a stack its work", async () => {
    await using mikan = await startMikan({ clock: "fake" });
    const source = `exports.handler = async (event, context) => {
      await new Promise((done) => setTimeout(done, 300));
      return [Date.now(), context.getRemainingTimeInMillis()];
    };`;
    await mikan.deploy({ template: await template("slow.json", functionOf(source)), stack: "app" });
    const lambda = new LambdaClient(mikan.clientConfig());
    const invoked = lambda.send(new InvokeCommand({ FunctionName: "f" }));
    await mikan.clock.advance(3_000);
    const { Payload, FunctionError } = await invoked;
    expect(FunctionError).toBeUndefined();
    const [now, leftMs] = JSON.parse(Buffer.from(Payload ?? []).toString()) as [number, number];
    expect(mikan.clock.now() - now).toBeGreaterThan(2_500);
    expect(leftMs).toBeGreaterThan(0);
  });

  it("is only there when asked for", async () => {
    await using mikan = await startMikan();
    await expect(mikan.clock.advance(1)).rejects.toThrow('start it with clock: "fake"');
  });
});
