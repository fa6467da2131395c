/** The SAM CLI, unmodified: what it builds, deploys, lists, calls and deletes, for functions in Node and in Python. */
import { DescribeStackResourceCommand } from "@aws-sdk/client-cloudformation";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { run, type Ended } from "./command.ts";

const home = await mkdtemp(join(tmpdir(), "mikan-sam-"));
/** SAM keeps settings at home and reads none of the machine's; it asks every so many seconds. */
const settings = {
  HOME: home,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_CONFIG_FILE: "/nonexistent",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  SAM_CLI_TELEMETRY: "0",
  SAM_CLI_POLL_DELAY: "0.2",
};
const [installed, python] = await Promise.all(
  ["sam", "python3"].map((name) =>
    run(name, ["--version"], { env: settings }).then(
      ({ code, out }) => (code === 0 ? out : undefined),
      () => undefined,
    ),
  ),
);
/** SAM builds for the Python that it finds. */
const runtime = `python${/Python (3\.\d+)/.exec(python ?? "")?.[1] ?? "3.13"}`;
const title =
  installed === undefined ? "SAM IS NOT INSTALLED: sam build, deploy, delete (pip install aws-sam-cli)" : "sam";
const commandMsMax = 100_000;

const template = `
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: { Type: String, Default: hi }
Globals:
  Function: { Timeout: 10, Environment: { Variables: { GREETING: !Ref Greeting } } }
Resources:
  Photos: { Type: AWS::S3::Bucket }
  Node:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: node/
      Handler: index.handler
      Runtime: nodejs24.x
      AutoPublishAlias: live
      Policies: [{ SSMParameterReadPolicy: { ParameterName: greeting } }]
  Python:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: python/
      Handler: app.handler
      Runtime: ${runtime}
      Events: { Uploaded: { Type: S3, Properties: { Bucket: !Ref Photos, Events: "s3:ObjectCreated:*" } } }
    Connectors:
      Reads: { Properties: { Destination: { Id: Photos }, Permissions: [Read] } }
Outputs:
  Alias: { Value: !Ref Node.Alias }
  Bucket: { Value: !Ref Photos }
`;
const files = {
  "template.yaml": template,
  "node/index.mjs": `export const handler = async (event) => ({ node: process.env.GREETING, event });`,
  "node/package.json": `{ "name": "node", "version": "1.0.0" }`,
  "python/app.py": `import os

def handler(event, context):
    for record in event.get("Records", []):
        print("uploaded " + record["s3"]["object"]["key"])
    return {"python": os.environ["GREETING"]}
`,
  "python/requirements.txt": "",
};

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(home, name, ".."), { recursive: true });
    await writeFile(join(home, name), text);
  }
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
  await rm(home, { recursive: true, force: true });
});

const sam = (...args: string[]): Promise<Ended> =>
  run("sam", args, { cwd: home, env: { ...settings, AWS_ENDPOINT_URL: mikan.url }, msMax: commandMsMax });
/** The standard output of a command that works. */
async function works(...args: string[]): Promise<string> {
  const { code, out, err } = await sam(...args);
  expect(`${code} ${code === 0 ? "" : out + err}`, args.join(" ")).toBe("0 ");
  return out;
}
const asked = "deploy --stack-name shop --no-confirm-changeset --no-fail-on-empty-changeset --no-progressbar".split(
  " ",
);
const deploy = (...args: string[]) => works(...asked, "--capabilities", "CAPABILITY_IAM", ...args);
async function outputs(): Promise<Record<string, string>> {
  const listed = JSON.parse(await works("list", "stack-outputs", "--stack-name", "shop", "--output", "json")) as {
    OutputKey: string;
    OutputValue: string;
  }[];
  return Object.fromEntries(listed.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
}

describe.skipIf(installed === undefined)(title, { timeout: commandMsMax }, () => {
  it("builds, and deploys to a bucket that it makes for itself", async () => {
    await works("build");
    const said = await deploy("--resolve-s3");
    expect(said).toContain("Managed S3 bucket: aws-sam-cli-managed-default-samclisourcebucket-");
    expect(said).toContain("Successfully created/updated stack - shop in us-east-1");
  });

  it("has nothing to do for what is there, and says so", async () => {
    expect(await deploy("--resolve-s3")).toContain("No changes to deploy. Stack shop is up to date");
  });

  it("lists outputs, and calls a function", async () => {
    expect(await outputs()).toEqual({
      Alias: expect.stringMatching(/^arn:aws:lambda:us-east-1:000000000000:function:shop-Node-[A-Z0-9]+:live$/),
      Bucket: expect.stringMatching(/^shop-photos-/),
    });
    const said = await works("remote", "invoke", "Node", "--stack-name", "shop", "--event", `{"a":1}`);
    expect(said).toContain(`{"node":"hi","event":{"a":1}}`);
  });

  it("shows the log of a function that a bucket's event has called", async () => {
    const Bucket = await physicalId("Photos");
    await clients.s3.send(new PutObjectCommand({ Bucket, Key: "cat.png", Body: "cat" }));
    const name = await physicalId("Python");
    await expect
      .poll(() => clients.logs.send(new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}` })), {
        timeout: 20_000,
      })
      .toMatchObject({ events: expect.arrayContaining([expect.objectContaining({ message: "uploaded cat.png\n" })]) });
    expect(await works("logs", "--stack-name", "shop")).toContain("uploaded cat.png");
    // A stack whose bucket holds something cannot be deleted, here as on AWS.
    await clients.s3.send(new DeleteObjectCommand({ Bucket, Key: "cat.png" }));
  });

  it("changes a parameter, and uploads to a bucket of the user's", async () => {
    await clients.s3.send(new CreateBucketCommand({ Bucket: "artifacts" }));
    const said = await deploy("--s3-bucket", "artifacts", "--parameter-overrides", "Greeting=moin");
    expect(said).toMatch(/\* Modify +Python +AWS::Lambda::Function +False/);
    const FunctionName = await physicalId("Python");
    const { Payload } = await clients.lambda.send(new InvokeCommand({ FunctionName }));
    expect(Payload?.transformToString()).toBe(`{"python": "moin"}`);
  });

  it("deletes the stack and what it uploaded", async () => {
    expect(await works("delete", "--no-prompts", "--stack-name", "shop")).toContain("Deleted successfully");
    await expect(physicalId("Photos")).rejects.toThrow("does not exist");
    const left = await clients.s3.send(new ListObjectsV2Command({ Bucket: "artifacts" }));
    expect(left.KeyCount).toBe(0);
  });
});

async function physicalId(logicalId: string): Promise<string> {
  const input = { StackName: "shop", LogicalResourceId: logicalId };
  const { StackResourceDetail } = await clients.cloudformation.send(new DescribeStackResourceCommand(input));
  return StackResourceDetail?.PhysicalResourceId ?? "";
}
