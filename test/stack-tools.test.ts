/** Stacks cared for by the tools that people have: boto3, and `package` and `deploy` of the AWS CLI. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { describe, expect, it } from "vitest";
import { startMikan } from "../src/mikan.ts";
import { run } from "./command.ts";

const has = (command: string, args: string[]) =>
  run(command, args).then(
    ({ code }) => code === 0,
    () => false,
  );
const boto3 = await has("python3", ["-c", "import boto3"]);
const cli = await has("aws", ["--version"]);
/** The tools wait in steps of seconds. */
const msMax = 100_000;
const environment = (url: string) => ({
  AWS_ENDPOINT_URL: url,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_PAGER: "",
});

describe.skipIf(!boto3)("BOTO3 IS NOT INSTALLED: updates, change sets, drift and stack policies", () => {
  it("are as boto3 expects them", { timeout: 120_000 }, async () => {
    await using mikan = await startMikan();
    const script = fileURLToPath(new URL("boto3-stacks.py", import.meta.url));
    const { code, err } = await run("python3", [script], { env: environment(mikan.url), msMax });
    expect(code, err).toBe(0);
  });
});

const handler = "exports.handler = async () => process.env.NAME;\n";
const template = {
  Transform: "AWS::Serverless-2016-10-31",
  Resources: {
    Plain: {
      Type: "AWS::Lambda::Function",
      Properties: {
        Code: "./code",
        Handler: "index.handler",
        Runtime: "nodejs24.x",
        Role: { "Fn::GetAtt": ["Role", "Arn"] },
        Environment: { Variables: { NAME: "plain" } },
      },
    },
    Role: {
      Type: "AWS::IAM::Role",
      Properties: {
        AssumeRolePolicyDocument: {
          Version: "2012-10-17",
          Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
        },
      },
    },
    Sam: {
      Type: "AWS::Serverless::Function",
      Properties: {
        CodeUri: "./code",
        Handler: "index.handler",
        Runtime: "nodejs24.x",
        Environment: { Variables: { NAME: "sam" } },
      },
    },
    Child: { Type: "AWS::CloudFormation::Stack", Properties: { TemplateURL: "./child.json" } },
    Included: {
      Type: "AWS::Logs::LogGroup",
      Properties: { "Fn::Transform": { Name: "AWS::Include", Parameters: { Location: "./group.json" } } },
    },
  },
  Outputs: {
    Plain: { Value: { Ref: "Plain" } },
    Sam: { Value: { Ref: "Sam" } },
    Inner: { Value: { "Fn::GetAtt": ["Child", "Outputs.Name"] } },
    Included: { Value: { Ref: "Included" } },
  },
};
const child = {
  Resources: { Inner: { Type: "AWS::Logs::LogGroup", Properties: { LogGroupName: "inner" } } },
  Outputs: { Name: { Value: { Ref: "Inner" } } },
};

describe.skipIf(!cli)("THE AWS CLI IS NOT INSTALLED: aws cloudformation package", () => {
  it("uploads what a template names, and deploy makes it", { timeout: 120_000 }, async () => {
    await using mikan = await startMikan();
    const directory = await mkdtemp(join(tmpdir(), "mikan-package-"));
    try {
      await mkdir(join(directory, "code"));
      await writeFile(join(directory, "code", "index.js"), handler);
      await writeFile(join(directory, "child.json"), JSON.stringify(child));
      await writeFile(join(directory, "group.json"), JSON.stringify({ LogGroupName: "included", RetentionInDays: 7 }));
      await writeFile(join(directory, "template.json"), JSON.stringify(template));
      await new S3Client(mikan.clientConfig()).send(new CreateBucketCommand({ Bucket: "artifacts" }));
      const aws = async (...args: string[]) => {
        const env = environment(mikan.url);
        const { code, out, err } = await run("aws", ["cloudformation", ...args], { env, cwd: directory, msMax });
        expect(code, err).toBe(0);
        return out;
      };
      const files = ["--template-file", "template.json", "--output-template-file", "packaged.yaml"];
      await aws("package", ...files, "--s3-bucket", "artifacts");
      const packaged = await readFile(join(directory, "packaged.yaml"), "utf8");
      expect(packaged).toMatch(/s3:\/\/artifacts\/[0-9a-f]+/);
      expect(packaged).not.toContain("./");
      const capabilities = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];
      await aws("deploy", "--stack-name", "packaged", "--template-file", "packaged.yaml", ...capabilities);
      const query = ["--query", "Stacks[0].Outputs[].[OutputKey,OutputValue]", "--output", "json"];
      const outputs = JSON.parse(await aws("describe-stacks", "--stack-name", "packaged", ...query)) as [
        string,
        string,
      ][];
      const { Plain, Sam, ...rest } = Object.fromEntries(outputs);
      expect(rest).toEqual({ Inner: "inner", Included: "included" });
      const lambda = new LambdaClient(mikan.clientConfig());
      for (const [FunctionName, said] of [
        [Plain, '"plain"'],
        [Sam, '"sam"'],
      ]) {
        const { Payload } = await lambda.send(new InvokeCommand({ FunctionName }));
        expect(Buffer.from(Payload ?? []).toString()).toBe(said);
      }
      // The same again is no update.
      const lenient = [...capabilities, "--no-fail-on-empty-changeset"];
      const again = await aws("deploy", "--stack-name", "packaged", "--template-file", "packaged.yaml", ...lenient);
      expect(again).toContain("No changes to deploy");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
