/** The journey by the AWS CLI, unmodified: what it prints, and its exit codes. */
import { mkdtemp, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf } from "./clients.ts";
import { run, type Ended } from "./command.ts";
import { restingStatus } from "./stacks.ts";
import { freePort, startUpstream } from "./upstream.ts";
import { zipOf } from "./zip.ts";

const installed = await run("aws", ["--version"]).then(
  ({ code }) => code === 0,
  () => false,
);
if (!installed) console.warn("SKIPPED: the journey by the AWS CLI: there is no aws (pip install awscli)");

const template = (name: string) => fileURLToPath(new URL(`../examples/map-tiles/${name}`, import.meta.url));
const source = `export const handler = async (event) => {
  console.log("asked for " + (event.path ?? "nothing"));
  return { statusCode: 200, body: "function" };
};`;

let mikan: Mikan;
let directory: string;
beforeAll(async () => {
  mikan = await startMikan();
  directory = await mkdtemp(join(tmpdir(), "mikan-aws-cli-"));
  await writeFile(join(directory, "app.zip"), await zipOf({ "index.mjs": source }));
});
afterAll(async () => {
  await mikan.close(0);
  await rm(directory, { recursive: true, force: true });
});

const aws = (...args: string[]) =>
  run("aws", args, {
    cwd: directory,
    env: {
      AWS_ENDPOINT_URL: mikan.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_DEFAULT_OUTPUT: "json",
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
      AWS_PAGER: "",
    },
  });
/** The standard output of a call that works. */
async function text(...args: string[]): Promise<string> {
  const { code, out, err } = await aws(...args);
  expect(`${code} ${err}`, args.join(" ")).toMatch(/^0 /);
  return out.trim();
}
const json = async (...args: string[]) => JSON.parse(await text(...args)) as unknown;
const pairs = (values: Record<string, string | number>) =>
  Object.entries(values).map(([key, value]) => `ParameterKey=${key},ParameterValue=${value}`);

/** Version 1 of the CLI ends with 255 where version 2 has 254. */
const refused = "refused";
const endOf = ({ code, err }: Ended) => [code === 254 || code === 255 ? refused : code, err.trim()];

it.skipIf(!installed)("makes the journey", { timeout: 240_000 }, async () => {
  await using monolith = await startUpstream();
  using clients = clientsOf(mikan.url);
  const port = await freePort();
  const servedBy = async () => (await fetch(`http://127.0.0.1:${port}/map/1`)).text();
  const rests = (stack: unknown) => restingStatus(clients, (stack as { StackId: string }).StackId);

  const createFront = [
    "cloudformation",
    "create-stack",
    "--stack-name",
    "front",
    "--template-body",
    `file://${template("front.yaml")}`,
  ];
  const front = await json(
    ...createFront,
    "--parameters",
    ...pairs({ ListenerPort: port, MonolithPort: monolith.port }),
  );
  expect(front).toEqual({
    StackId: expect.stringMatching(/^arn:aws:cloudformation:us-east-1:000000000000:stack\/front\/[0-9a-f-]{36}$/),
  });
  expect(await rests(front)).toBe("CREATE_COMPLETE");
  // The CLI's waiters ask again after 30 seconds, so they are called when there is nothing to wait for.
  await text("cloudformation", "wait", "stack-create-complete", "--stack-name", "front");
  expect(await servedBy()).toBe("monolith");

  expect(await text("s3", "mb", "s3://code")).toBe("make_bucket: code");
  await text("s3", "cp", "app.zip", "s3://code/apps/app.zip");
  expect(await text("s3", "ls", "s3://code/apps/")).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+ app\.zip$/);
  await text("s3", "cp", "s3://code/apps/app.zip", "back.zip");
  expect(await readFile(join(directory, "back.zip"))).toEqual(await readFile(join(directory, "app.zip")));

  const createApp = [
    "cloudformation",
    "create-stack",
    "--stack-name",
    "map",
    "--template-body",
    `file://${template("peeled-app.yaml")}`,
  ];
  const parameters = pairs({
    AppName: "map",
    PathPattern: "/map/*",
    Priority: 10,
    ConcurrencyCap: 4,
    CodeBucket: "code",
    CodeKey: "apps/app.zip",
  });
  const withoutCapabilities = await aws(...createApp, "--parameters", ...parameters);
  expect(endOf(withoutCapabilities)).toEqual([
    refused,
    "An error occurred (InsufficientCapabilitiesException) when calling the CreateStack operation: Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
  ]);
  const app = await json(
    ...createApp,
    "--parameters",
    ...parameters,
    "--capabilities",
    "CAPABILITY_IAM",
    "CAPABILITY_AUTO_EXPAND",
  );
  expect(await rests(app)).toBe("CREATE_COMPLETE");
  expect(await servedBy()).toBe("function");

  const resources = await text(
    "cloudformation",
    "describe-stack-resources",
    "--stack-name",
    "map",
    "--query",
    "StackResources[].LogicalResourceId",
    "--output",
    "text",
  );
  expect(resources.split("\t").toSorted()).toEqual([
    "Function",
    "FunctionRole",
    "InvokePermission",
    "Rule",
    "TargetGroup",
  ]);
  const groups = await text(
    "elbv2",
    "describe-target-groups",
    "--query",
    "TargetGroups[?TargetType=='ip'].TargetGroupArn",
    "--output",
    "text",
  );
  expect(await json("elbv2", "describe-target-health", "--target-group-arn", groups)).toEqual({
    TargetHealthDescriptions: [
      {
        Target: { Id: "127.0.0.1", Port: monolith.port },
        HealthCheckPort: String(monolith.port),
        TargetHealth: { State: "healthy" },
      },
    ],
  });

  const invoke = ["lambda", "invoke", "--function-name", "map"];
  expect(await json(...invoke, "--payload", `{"path": "here"}`, "--log-type", "Tail", "out.json")).toEqual({
    StatusCode: 200,
    ExecutedVersion: "$LATEST",
    LogResult: expect.any(String),
  });
  expect(JSON.parse(await readFile(join(directory, "out.json"), "utf8"))).toEqual({
    statusCode: 200,
    body: "function",
  });
  expect(await json(...invoke, "--invocation-type", "Event", "out.json")).toEqual({ StatusCode: 202 });
  expect(await json(...invoke, "--invocation-type", "DryRun", "out.json")).toEqual({ StatusCode: 204 });
  const nobody = await aws("lambda", "invoke", "--function-name", "nobody", "out.json");
  expect(endOf(nobody)).toEqual([
    refused,
    "An error occurred (ResourceNotFoundException) when calling the Invoke operation: Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody",
  ]);
  await expect
    .poll(
      () =>
        text(
          "logs",
          "filter-log-events",
          "--log-group-name",
          "/aws/lambda/map",
          "--filter-pattern",
          `"asked for here"`,
          "--query",
          "events[].message",
          "--output",
          "text",
        ),
      { timeout: 20_000 },
    )
    .toMatch(/\tINFO\tasked for here$/);

  // On its way out of use by another stack: refused, and the stack stays as it is.
  await text("cloudformation", "delete-stack", "--stack-name", "front");
  expect(
    await json(
      "cloudformation",
      "describe-stacks",
      "--stack-name",
      "front",
      "--query",
      "Stacks[0].[StackStatus,StackStatusReason]",
    ),
  ).toEqual(["CREATE_COMPLETE", "Delete canceled. Cannot delete export front-listener as it is in use by map."]);
  for (const stack of [app, front]) {
    await text("cloudformation", "delete-stack", "--stack-name", (stack as { StackId: string }).StackId);
    expect(await rests(stack)).toBe("DELETE_COMPLETE");
    if (stack === app) expect(await servedBy()).toBe("monolith");
  }
  await text("cloudformation", "wait", "stack-delete-complete", "--stack-name", "front");
  const gone = await aws("cloudformation", "describe-stacks", "--stack-name", "front");
  expect(endOf(gone)).toEqual([
    refused,
    "An error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id front does not exist",
  ]);
  await text("s3", "rb", "s3://code", "--force");
  expect(await text("s3", "ls")).toBe("");
  expect(endOf(await aws("ec2", "describe-spot-price-history"))).toEqual([
    refused,
    "An error occurred (NotImplemented) when calling the DescribeSpotPriceHistory operation: Mikan does not implement ec2:DescribeSpotPriceHistory yet.",
  ]);
});
