/** The ways by which people bring a template to a stack: in a test's process, by `mikan`, by `aws` and by `sam`. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { mikan, run, type Ended } from "../command.ts";
import { deleteStack, restingStatus } from "../stacks.ts";
import type { Place } from "./place.ts";

const commandMsMax = 120_000;

export interface Deployment {
  stack: string;
  /** In a directory that may be written to. */
  template: string;
  parameters: Readonly<Record<string, string | number>>;
}

export interface Deployer {
  name: string;
  /** The command that it needs, when it needs one. */
  command?: string;
  /** Makes or changes a stack, and waits until it rests: whether it is as the template says, and what was said. */
  deploy(place: Place, deployment: Deployment): Promise<{ done: boolean; said: string }>;
  /** Begins to look for drift, where the client can; gives the detection's id. */
  detectDrift?(place: Place, stack: string): Promise<string>;
  /** Deletes a stack, and waits until it is gone. */
  remove(place: Place, stack: string): Promise<void>;
}

const environmentOf = ({ node }: Place) => ({
  AWS_ENDPOINT_URL: node.url,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_CONFIG_FILE: "/nonexistent",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  AWS_PAGER: "",
  SAM_CLI_TELEMETRY: "0",
  // Seconds between its questions how far a stack is.
  SAM_CLI_POLL_DELAY: "0.2",
  // Loops, which it refuses otherwise.
  SAM_CLI_ENABLE_LANGUAGE_EXTENSIONS: "1",
});

const surroundings = (place: Place, cwd?: string) => ({
  env: environmentOf(place),
  msMax: commandMsMax,
  ...(cwd === undefined ? {} : { cwd }),
});

const pairs = (parameters: Deployment["parameters"]) =>
  Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
const withFlag = (flag: string, values: readonly string[]) => (values.length === 0 ? [] : [flag, ...values]);

const said = ({ out, err }: Ended) => `${out}\n${err}`;

function must(ended: Ended, what: string): string {
  if (ended.code !== 0) throw new Error(`${what} ended with ${ended.code}: ${said(ended)}`);
  return ended.out;
}

const artifacts = "artifacts";
const capabilities = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

async function bucketFor({ clients }: Place): Promise<string> {
  // One's own bucket may be made again.
  await clients.s3.send(new CreateBucketCommand({ Bucket: artifacts }));
  return artifacts;
}

export const inProcess: Deployer = {
  name: "startMikan",
  async deploy({ node }, options) {
    return node.deploy(options).then(
      () => ({ done: true, said: "" }),
      (error: unknown) => ({ done: false, said: String(error) }),
    );
  },
  async remove({ clients }, stack) {
    const { Stacks } = await clients.cloudformation.send(new DescribeStacksCommand({ StackName: stack }));
    await deleteStack(clients, stack);
    await restingStatus(clients, Stacks?.[0]?.StackId ?? stack);
  },
};

export const byMikan: Deployer = {
  name: "mikan",
  async deploy(place, { stack, template, parameters }) {
    const values = pairs(parameters).flatMap((pair) => ["--parameter", pair]);
    const ended = await mikan(["deploy", template, "--stack", stack, ...values], surroundings(place));
    return { done: ended.code === 0, said: said(ended) };
  },
  async remove(place, stack) {
    must(await mikan(["delete", stack], surroundings(place)), "mikan delete");
  },
};

/** Whether anything but templates lies beside this one: code, or templates that it names. */
async function namesFiles(template: string): Promise<boolean> {
  const names = await readdir(dirname(template));
  return names.some((name) => !/^(template|changed|broken)\.(yaml|json)$/.test(name));
}

/**
 * `aws cloudformation package`, then `deploy`; which would ask whether the stack is there yet, and when it is not, again
 * after 30 seconds. So its change set is made by it, and executed by the command that it prints.
 */
export const byAws: Deployer = {
  name: "aws",
  command: "aws",
  async deploy(place, { stack, template, parameters }) {
    const aws = (...args: string[]) => run("aws", ["cloudformation", ...args], surroundings(place, dirname(template)));
    let file = template;
    if (await namesFiles(template)) {
      file = join(dirname(template), "packaged.yaml");
      const bucket = ["--s3-bucket", await bucketFor(place)];
      must(
        await aws("package", "--template-file", template, ...bucket, "--output-template-file", file),
        "aws cloudformation package",
      );
    }
    const named = ["--stack-name", stack, "--template-file", file, "--no-execute-changeset"];
    const overrides = withFlag("--parameter-overrides", pairs(parameters));
    const made = await aws("deploy", ...named, ...capabilities, ...overrides);
    const changeSet = /--change-set-name (\S+)/.exec(made.out)?.[1];
    if (made.code !== 0 || changeSet === undefined) return { done: false, said: said(made) };
    must(await aws("execute-change-set", "--change-set-name", changeSet), "aws cloudformation execute-change-set");
    const status = await restingStatus(place.clients, stack);
    return { done: /^(CREATE|UPDATE)_COMPLETE$/.test(status), said: status };
  },
  async detectDrift(place, stack) {
    const words = ["cloudformation", "detect-stack-drift", "--stack-name", stack, "--output", "text"];
    return must(await run("aws", words, surroundings(place)), "aws cloudformation detect-stack-drift").trim();
  },
  async remove(place, stack) {
    const { Stacks } = await place.clients.cloudformation.send(new DescribeStacksCommand({ StackName: stack }));
    const ended = await run("aws", ["cloudformation", "delete-stack", "--stack-name", stack], surroundings(place));
    must(ended, "aws cloudformation delete-stack");
    await restingStatus(place.clients, Stacks?.[0]?.StackId ?? stack);
  },
};

export const bySam: Deployer = {
  name: "sam",
  command: "sam",
  async deploy(place, { stack, template, parameters }) {
    const bucket = ["--s3-bucket", await bucketFor(place)];
    const named = ["--stack-name", stack, "--template-file", basename(template), "--region", "us-east-1"];
    const flags = ["--no-progressbar", "--no-confirm-changeset"];
    // It takes them apart at spaces itself.
    const quoted = Object.entries(parameters).map(([key, value]) => `${key}="${value}"`);
    const overrides = withFlag("--parameter-overrides", quoted);
    const words = ["deploy", ...named, ...bucket, ...flags, ...capabilities, ...overrides];
    const ended = await run("sam", words, surroundings(place, dirname(template)));
    return { done: ended.code === 0, said: said(ended) };
  },
  async remove(place, stack) {
    const words = ["delete", "--stack-name", stack, "--no-prompts", "--region", "us-east-1"];
    must(await run("sam", words, surroundings(place)), "sam delete");
  },
};
