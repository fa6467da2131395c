/** The journey's two templates through the official clients, on a whole node with real sockets. */
import {
  AlreadyExistsException,
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  InsufficientCapabilitiesException,
  ListChangeSetsCommand,
  ListStackResourcesCommand,
  UpdateStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
  waitUntilStackUpdateComplete,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import yazl from "yazl";
import { startMikan, type Mikan } from "../../mikan.ts";

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}.yaml`, import.meta.url), "utf8");
const run = promisify(execFile);

let mikan: Mikan;
let monolith: Server;
let cloudformation: CloudFormationClient;
let listenerPort: number;

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const listening = (server: Server) =>
  new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });

async function freePort(): Promise<number> {
  const server = createServer();
  await listening(server);
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function zipOf(path: string, source: string): Promise<Uint8Array> {
  const zip = new yazl.ZipFile();
  zip.addBuffer(Buffer.from(source), path);
  zip.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

beforeAll(async () => {
  mikan = await startMikan();
  monolith = createServer((_, response) => response.end("monolith"));
  await listening(monolith);
  listenerPort = await freePort();
  const config = {
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  };
  cloudformation = new CloudFormationClient(config);
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "code" }));
  const source = `exports.handler = async () => ({ statusCode: 200, body: process.env.GREETING });`;
  await s3.send(new PutObjectCommand({ Bucket: "code", Key: "map.zip", Body: await zipOf("index.js", source) }));
  await s3.send(new PutObjectCommand({ Bucket: "code", Key: "map.yaml", Body: fixture("map") }));
  s3.destroy();
});

afterAll(async () => {
  cloudformation.destroy();
  await mikan.close(0);
  await new Promise((resolve) => monolith.close(resolve));
});

const parametersOf = (values: Record<string, string | number>) =>
  Object.entries(values).map(([ParameterKey, value]) => ({ ParameterKey, ParameterValue: String(value) }));
const waiting = () => ({ client: cloudformation, maxWaitTime: 20, minDelay: 1, maxDelay: 1 });
const stackNamed = async (StackName: string) =>
  (await cloudformation.send(new DescribeStacksCommand({ StackName }))).Stacks?.[0];
const at = async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${listenerPort}${path}`);
  return response.text();
};

describe("the journey's stacks", () => {
  it("put a load balancer in front, peel a route off, and give it back", async () => {
    await cloudformation.send(
      new CreateStackCommand({
        StackName: "front",
        TemplateBody: fixture("front"),
        Parameters: parametersOf({ ListenerPort: listenerPort, MonolithPort: portOf(monolith) }),
        Tags: [{ Key: "team", Value: "map" }],
      }),
    );
    await waitUntilStackCreateComplete(waiting(), { StackName: "front" });
    const front = await stackNamed("front");
    expect(front?.Outputs?.[0]).toMatchObject({ OutputKey: "ListenerArn", ExportName: "front-listener" });
    expect(front?.Tags).toEqual([{ Key: "team", Value: "map" }]);
    expect(await at("/map/1")).toBe("monolith");

    const { StackId: mapId = "" } = await cloudformation.send(
      new CreateStackCommand({
        StackName: "map",
        TemplateURL: `${mikan.url}/code/map.yaml`,
        Capabilities: ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters: parametersOf({
          AppName: "map",
          PathPattern: "/map/*",
          Priority: 10,
          CodeBucket: "code",
          CodeKey: "map.zip",
        }),
      }),
    );
    await waitUntilStackCreateComplete(waiting(), { StackName: "map" });
    expect(await at("/map/1")).toBe("hello from map");
    expect(await at("/other")).toBe("monolith");
    const { StackResourceSummaries: resources = [] } = await cloudformation.send(
      new ListStackResourcesCommand({ StackName: "map" }),
    );
    expect(resources.map(({ LogicalResourceId: id, ResourceType: type }) => `${id} ${type}`).toSorted()).toEqual([
      "App AWS::Lambda::Function",
      "AppRole AWS::IAM::Role",
      "Permission AWS::Lambda::Permission",
      "Rule AWS::ElasticLoadBalancingV2::ListenerRule",
      "TargetGroup AWS::ElasticLoadBalancingV2::TargetGroup",
    ]);

    await cloudformation.send(new DeleteStackCommand({ StackName: "map" }));
    await waitUntilStackDeleteComplete(waiting(), { StackName: mapId });
    expect(await at("/map/1")).toBe("monolith");
  });

  it("fail with the client's own exceptions", async () => {
    const create = (input: Partial<ConstructorParameters<typeof CreateStackCommand>[0]>) =>
      cloudformation.send(new CreateStackCommand({ StackName: "bad", ...input }));
    await expect(create({ TemplateBody: fixture("map") })).rejects.toThrow("Parameters: [AppName");
    await expect(
      create({
        StackName: "front",
        TemplateBody: fixture("front"),
        Parameters: parametersOf({ ListenerPort: 1, MonolithPort: 1 }),
      }),
    ).rejects.toThrow(AlreadyExistsException);
    const Parameters = parametersOf({ AppName: "a", PathPattern: "/", Priority: 1, CodeBucket: "c", CodeKey: "k" });
    await expect(create({ TemplateBody: fixture("map"), Parameters })).rejects.toThrow(
      InsufficientCapabilitiesException,
    );
    await expect(stackNamed("bad")).rejects.toMatchObject({
      name: "ValidationError",
      message: "Stack with id bad does not exist",
    });
    await expect(create({ TemplateURL: "https://example.com/t.yaml" })).rejects.toThrow(
      "TemplateURL must be a supported URL.",
    );
    await expect(create({ TemplateURL: `${mikan.url}/code/none.yaml` })).rejects.toThrow(
      "S3 error: The specified key does not exist.",
    );
    await expect(
      cloudformation.send(
        new UpdateStackCommand({
          StackName: "front",
          UsePreviousTemplate: true,
          Parameters: ["ListenerPort", "MonolithPort"].map((ParameterKey) => ({
            ParameterKey,
            UsePreviousValue: true,
          })),
        }),
      ),
    ).rejects.toThrow("No updates are to be performed.");
  });
});

/** Names of the tools that tests drive from outside; one that is missing is said so, not passed over. */
async function has(command: string, ...arguments_: string[]): Promise<boolean> {
  return run(command, arguments_).then(
    () => true,
    () => false,
  );
}

const environment = () => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_ENDPOINT_URL: mikan.url,
  AWS_PAGER: "",
});

const hasCli = await has("aws", "--version");
describe.skipIf(!hasCli)(hasCli ? "AWS CLI" : "AWS CLI IS NOT INSTALLED: not tested", () => {
  it("makes, shows and deletes a stack", async () => {
    const aws = async (...arguments_: string[]) => {
      const { stdout } = await run("aws", ["cloudformation", ...arguments_, "--output", "json"], {
        env: environment(),
      });
      return stdout === "" ? {} : (JSON.parse(stdout) as Record<string, unknown>);
    };
    const body = JSON.stringify({
      Resources: { B: { Type: "AWS::S3::Bucket" } },
      Outputs: { Name: { Value: { Ref: "B" } } },
    });
    await aws("create-stack", "--stack-name", "cli", "--template-body", body);
    await waitUntilStackCreateComplete(waiting(), { StackName: "cli" });
    const shown = await aws("describe-stacks", "--stack-name", "cli");
    expect(shown).toMatchObject({
      Stacks: [
        {
          StackName: "cli",
          StackStatus: "CREATE_COMPLETE",
          Outputs: [{ OutputValue: expect.stringMatching(/^cli-b-/) }],
        },
      ],
    });
    const events = await aws("describe-stack-events", "--stack-name", "cli");
    expect(events).toMatchObject({
      StackEvents: expect.arrayContaining([expect.objectContaining({ LogicalResourceId: "B" })]),
    });
    expect(await aws("get-template", "--stack-name", "cli")).toMatchObject({
      TemplateBody: JSON.parse(body) as unknown,
    });
    await aws("delete-stack", "--stack-name", "cli");
    await expect(aws("validate-template", "--template-body", "Resources: {}")).rejects.toThrow(
      "An error occurred (ValidationError) when calling the ValidateTemplate operation: Template format error: At least one Resources member must be defined.",
    );
  }, 120_000);
});

const hasBoto = await has("python3", "-c", "import boto3");
describe.skipIf(!hasBoto)(hasBoto ? "boto3" : "boto3 IS NOT INSTALLED: not tested", () => {
  it("makes, waits for, pages through and deletes a stack", async () => {
    const program = `
import boto3, json
cf = boto3.client("cloudformation")
resources = {"R%d" % i: {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}} for i in range(120)}
arn = cf.create_stack(StackName="boto", TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"])["StackId"]
cf.get_waiter("stack_create_complete").wait(StackName="boto", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
events = [e["EventId"] for p in cf.get_paginator("describe_stack_events").paginate(StackName="boto") for e in p["StackEvents"]]
listed = [r["LogicalResourceId"] for p in cf.get_paginator("list_stack_resources").paginate(StackName="boto") for r in p["StackResourceSummaries"]]
cf.delete_stack(StackName="boto")
cf.get_waiter("stack_delete_complete").wait(StackName=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
try:
    cf.describe_stacks(StackName="boto")
except cf.exceptions.ClientError as error:
    print(json.dumps({"events": len(set(events)), "all": len(events), "listed": len(set(listed)), "error": error.response["Error"]}))
`;
    const { stdout } = await run("python3", ["-c", program], { env: environment() });
    expect(JSON.parse(stdout)).toEqual({
      events: 362,
      all: 362,
      listed: 120,
      error: { Type: "Sender", Code: "ValidationError", Message: "Stack with id boto does not exist" },
    });
  });
});

describe.skipIf(!hasCli)(
  hasCli ? "aws cloudformation deploy" : "AWS CLI IS NOT INSTALLED: deploy is not tested",
  () => {
    it("creates, changes, and has nothing to do", async () => {
      const directory = await mkdtemp(join(tmpdir(), "mikan-deploy-"));
      const file = join(directory, "template.yaml");
      const deploy = async (retention: number, ...more: string[]) => {
        // The command names its change set by the second: two deploys in one second are two of one name.
        const second = Math.floor(Date.now() / 1_000);
        await vi.waitUntil(() => Math.floor(Date.now() / 1_000) > second, { timeout: 5_000 });
        const overrides = ["--parameter-overrides", `Days=${retention}`, "--tags", "team=map"];
        const { stdout, stderr } = await run(
          "aws",
          ["cloudformation", "deploy", "--stack-name", "deployed", "--template-file", file, ...overrides, ...more],
          { env: environment() },
        );
        return stdout + stderr;
      };
      try {
        await writeFile(
          file,
          `Parameters: { Days: { Type: Number } }
Resources:
  Group: { Type: "AWS::Logs::LogGroup", Properties: { RetentionInDays: !Ref Days } }
Outputs: { Name: { Value: !Ref Group } }
`,
        );
        expect(await deploy(3)).toContain("Successfully created/updated stack - deployed");
        const made = await stackNamed("deployed");
        expect(made).toMatchObject({ StackStatus: "CREATE_COMPLETE", Tags: [{ Key: "team", Value: "map" }] });
        expect(await deploy(3, "--no-fail-on-empty-changeset")).toContain(
          "No changes to deploy. Stack deployed is up to date",
        );
        await expect(deploy(3, "--fail-on-empty-changeset")).rejects.toMatchObject({ code: 255 });
        expect(await deploy(7, "--no-execute-changeset")).toContain("Changeset created successfully");
        const { Summaries: summaries = [] } = await cloudformation.send(
          new ListChangeSetsCommand({ StackName: "deployed" }),
        );
        const changeSet = summaries.find((one) => one.ExecutionStatus === "AVAILABLE");
        await cloudformation.send(new ExecuteChangeSetCommand({ ChangeSetName: changeSet?.ChangeSetId }));
        await waitUntilStackUpdateComplete(waiting(), { StackName: "deployed" });
        const changed = await stackNamed("deployed");
        expect(changed).toMatchObject({ StackStatus: "UPDATE_COMPLETE", Outputs: made?.Outputs });
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    }, 120_000);
  },
);
