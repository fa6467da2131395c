/** Python on both sides of a node: functions in it, and the recipe for tests in it. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, it } from "vitest";
import { startMikan } from "../src/mikan.ts";

const boto = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!boto) console.warn("SKIPPED: Python and a node, because python3 has no boto3 here (pip install boto3)");

const source = `
import boto3, os

def handler(event, context):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=event["bucket"])
    print("made", event["bucket"])
    return boto3.client("sts").get_caller_identity()["Account"]
`;

it.skipIf(!boto)("a function in Python, written into a template, calls the node through boto3", async () => {
  await using mikan = await startMikan();
  const directory = await mkdtemp(join(tmpdir(), "mikan-python-"));
  const template = join(directory, "template.json");
  const Role = "arn:aws:iam::000000000000:role/any";
  const Properties = {
    FunctionName: "maker",
    Runtime: "python3.12",
    Handler: "index.handler",
    Timeout: 30,
    MemorySize: 512,
    Role,
    Code: { ZipFile: source },
  };
  await writeFile(template, JSON.stringify({ Resources: { Maker: { Type: "AWS::Lambda::Function", Properties } } }));
  await mikan.deploy({ template, stack: "maker" });
  await rm(directory, { recursive: true });

  const Payload = Buffer.from(JSON.stringify({ bucket: "made-in-python" }));
  const input = { FunctionName: "maker", Payload, LogType: "Tail" as const };
  const answer = await new LambdaClient(mikan.clientConfig()).send(new InvokeCommand(input));
  expect(Buffer.from(answer.Payload ?? []).toString()).toBe('"000000000000"');
  expect(Buffer.from(answer.LogResult ?? "", "base64").toString()).toContain("\nmade made-in-python\n");
  const { Buckets = [] } = await new S3Client(mikan.clientConfig()).send(new ListBucketsCommand({}));
  expect(Buckets.map(({ Name }) => Name)).toEqual(["made-in-python"]);
});

it.skipIf(!boto)("the recipe for tests in Python works as it is written", async () => {
  const cwd = fileURLToPath(new URL("../examples/in-tests/", import.meta.url));
  const command = `${process.execPath} ${fileURLToPath(new URL("../src/cli/main.ts", import.meta.url))}`;
  const env = { ...process.env, MIKAN_COMMAND: command, PYTHONDONTWRITEBYTECODE: "1" };
  const { stderr } = await promisify(execFile)("python3", ["-W", "error", "-m", "unittest", "test_buckets"], {
    cwd,
    env,
  });
  expect(stderr).toMatch(/Ran 2 tests .*\n\nOK\n/s);
});
