/**
 * A stack of 200 resources created, updated in one, updated in none, and deleted; beside Moto's server and MiniStack.
 * `node bench/stacks.ts`
 *
 * The same template by the same client, which asks again after 10 ms how far the stack is, from its call until the stack
 * rests. Mikan is durable: what it says is done is on disk. Its peers keep everything in memory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  paginateListStackResources,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { freePort } from "../test/upstream.ts";
import { buildMikan, startBuilt, type Built } from "./built.ts";
import { isKept, median, printTable, type Kept } from "./measure.ts";

const rounds = 7;
const units = 40;
const resourcesInUnit = 5;
const pollMs = 10;
const restMsMax = 120_000;
const readyMsMax = 30_000;

const measures = ["create", "update of one", "no-op update", "delete"] as const;
type Measure = (typeof measures)[number];
type Times = Record<Measure, number>;

interface Subject {
  name: string;
  client: CloudFormationClient;
  rounds: Times[];
}

export interface StackFigures {
  measure: Measure;
  subject: string;
  /** Median of the rounds. */
  ms: number;
  /** Its time over Mikan's: the median of each round's ratio. */
  toMikan: number;
}

/** What a small service has: a bucket, a role that may use it, a log, and two parameters that tell where they are. */
function unit(index: number): Record<string, object> {
  const name = (what: string) => `${what}${index}`;
  const trust = { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" };
  const use = { Effect: "Allow", Action: "s3:*", Resource: { "Fn::GetAtt": [name("Bucket"), "Arn"] } };
  const Version = "2012-10-17";
  return {
    [name("Bucket")]: { Type: "AWS::S3::Bucket" },
    [name("Role")]: {
      Type: "AWS::IAM::Role",
      Properties: {
        AssumeRolePolicyDocument: { Version, Statement: [trust] },
        Policies: [{ PolicyName: "use", PolicyDocument: { Version, Statement: [use] } }],
      },
    },
    [name("Log")]: { Type: "AWS::Logs::LogGroup", Properties: { RetentionInDays: 7 } },
    [name("Place")]: {
      Type: "AWS::SSM::Parameter",
      // Moto makes no names for parameters.
      Properties: {
        Name: `/bench/place-${index}`,
        Type: "String",
        Value: { "Fn::Sub": `\${Bucket${index}} \${Log${index}}` },
      },
    },
    [name("Who")]: {
      Type: "AWS::SSM::Parameter",
      Properties: {
        Name: `/bench/who-${index}`,
        Type: "String",
        Value: index === 0 ? { Ref: "Said" } : { "Fn::GetAtt": [name("Role"), "Arn"] },
      },
    },
  };
}

const template = JSON.stringify({
  Parameters: { Said: { Type: "String", Default: "first" } },
  Resources: Object.assign({}, ...Array.from({ length: units }, (_, index) => unit(index))) as object,
  Outputs: Object.fromEntries(
    Array.from({ length: units }, (_, index) => [`Bucket${index}`, { Value: { Ref: `Bucket${index}` } }]),
  ),
});

const python = join(import.meta.dirname, ".build/python/bin");
export const peersSkipped =
  "SKIPPED: stacks beside Moto and MiniStack; `python3 -m venv bench/.build/python && bench/.build/python/bin/pip install -r bench/peers/stacks/requirements.txt` brings them.";

export async function arePeersInstalled(): Promise<boolean> {
  const tries = await Promise.allSettled(["moto_server", "ministack"].map((name) => access(join(python, name))));
  return tries.every(({ status }) => status === "fulfilled");
}

function subjectAt(name: string, endpoint: string): Subject {
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = new CloudFormationClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
  return { name, client, rounds: [] };
}

async function startMikan(stack: AsyncDisposableStack, built: Built, name: string): Promise<Subject> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-stacks-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const node = stack.use(await startBuilt(built, "", ["--data", directory]));
  return subjectAt(name, node.url);
}

async function startPeer(
  stack: AsyncDisposableStack,
  name: string,
  command: string,
  argumentsFor: (port: number) => string[],
): Promise<Subject> {
  const port = await freePort();
  const child = spawn(join(python, command), argumentsFor(port), {
    stdio: "ignore",
    env: { ...process.env, GATEWAY_PORT: String(port) },
  });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const subject = subjectAt(name, `http://127.0.0.1:${port}`);
  const untilMs = performance.now() + readyMsMax;
  for (;;) {
    // Not there yet is what is waited for.
    const answer = await subject.client.send(new DescribeStacksCommand({})).catch(() => undefined);
    if (answer !== undefined) return subject;
    if (performance.now() > untilMs) throw new Error(`${name} is not ready after ${readyMsMax} ms`);
    await sleep(200);
  }
}

const isMissing = (error: unknown) => error instanceof Error && error.message.includes("does not exist");

/** Waits until the stack rests as it should. */
async function untilAt({ name, client }: Subject, StackName: string, wanted: string): Promise<void> {
  const untilMs = performance.now() + restMsMax;
  for (;;) {
    const answer = await client.send(new DescribeStacksCommand({ StackName })).catch((error: unknown) => {
      if (wanted === "DELETE_COMPLETE" && isMissing(error)) return undefined;
      throw error;
    });
    if (answer === undefined) return;
    const status = answer.Stacks?.[0]?.StackStatus ?? "missing";
    if (status === wanted) return;
    if (!status.endsWith("_IN_PROGRESS")) throw new Error(`${name}: ${StackName} is ${status}, not ${wanted}`);
    if (performance.now() > untilMs) throw new Error(`${name}: ${StackName} is still ${status}`);
    await sleep(pollMs);
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function update(subject: Subject, StackName: string, said: string): Promise<void> {
  const Parameters = [{ ParameterKey: "Said", ParameterValue: said }];
  const Capabilities = ["CAPABILITY_IAM" as const];
  try {
    await subject.client.send(new UpdateStackCommand({ StackName, TemplateBody: template, Parameters, Capabilities }));
  } catch (error) {
    // As AWS answers a template that changes nothing. Not every peer looks.
    if (error instanceof Error && error.message.includes("No updates are to be performed")) return;
    throw error;
  }
  await untilAt(subject, StackName, "UPDATE_COMPLETE");
}

async function round(subject: Subject, index: number): Promise<Times> {
  const { client, name } = subject;
  const StackName = `bench-${index}`;
  let id = StackName;
  const create = await timed(async () => {
    const input = { StackName, TemplateBody: template, Capabilities: ["CAPABILITY_IAM" as const] };
    id = (await client.send(new CreateStackCommand(input))).StackId ?? StackName;
    await untilAt(subject, StackName, "CREATE_COMPLETE");
  });
  let made = 0;
  for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName })) {
    made += StackResourceSummaries.filter(({ ResourceStatus }) => ResourceStatus === "CREATE_COMPLETE").length;
  }
  if (made !== units * resourcesInUnit) throw new Error(`${name} has made ${made} resources`);
  return {
    create,
    "update of one": await timed(() => update(subject, StackName, "second")),
    "no-op update": await timed(() => update(subject, StackName, "second")),
    delete: await timed(async () => {
      await client.send(new DeleteStackCommand({ StackName }));
      await untilAt(subject, id, "DELETE_COMPLETE");
    }),
  };
}

function figuresOf(subjects: readonly Subject[]): StackFigures[] {
  const [mikan] = subjects;
  return measures.flatMap((measure) =>
    subjects.map((subject) => ({
      measure,
      subject: subject.name,
      ms: median(subject.rounds.map((times) => times[measure])),
      toMikan: median(subject.rounds.map((times, i) => times[measure] / (mikan?.rounds[i]?.[measure] ?? Number.NaN))),
    })),
  );
}

export async function run(): Promise<StackFigures[]> {
  await using stack = new AsyncDisposableStack();
  const built = stack.use(await buildMikan());
  const subjects = [await startMikan(stack, built, "Mikan"), await startMikan(stack, built, "Mikan again")];
  if (await arePeersInstalled()) {
    const moto = (port: number) => ["-H", "127.0.0.1", "-p", String(port)];
    subjects.push(await startPeer(stack, "Moto", "moto_server", moto));
    subjects.push(await startPeer(stack, "MiniStack", "ministack", () => []));
  }
  // The first round of each is not counted: code is compiled and loaded in it.
  for (let index = 0; index <= rounds; index += 1) {
    for (let at = 0; at < subjects.length; at += 1) {
      const subject = subjects[(at + index) % subjects.length];
      const times = subject && (await round(subject, index));
      if (times !== undefined && index > 0) subject?.rounds.push(times);
    }
  }
  for (const { client } of subjects) client.destroy();
  const figures = figuresOf(subjects);
  process.stdout.write(`A stack of ${units * resourcesInUnit} resources, medians of ${rounds} interleaved rounds:\n`);
  printTable(
    ["", ...subjects.flatMap(({ name }) => [`${name}, ms`, "to Mikan"])],
    measures.map((measure) => [
      measure,
      ...figures
        .filter((figure) => figure.measure === measure)
        .flatMap(({ ms, toMikan }) => [ms.toFixed(ms < 10 ? 1 : 0), `${toMikan.toFixed(2)}x`]),
    ]),
  );
  return figures;
}

/** The thresholds. */
export function promises(figures: readonly StackFigures[]): Kept[] {
  return figures
    .filter(({ subject }) => !subject.startsWith("Mikan"))
    .map(({ measure, subject, toMikan }) => ({
      what: `a stack of 200: ${measure}, ${subject} to Mikan`,
      value: toMikan,
      unit: "x",
      atLeast: 5,
    }));
}

if (import.meta.main) {
  const kept = promises(await run());
  if (kept.length === 0) process.stdout.write(`${peersSkipped}\n`);
  process.exitCode = kept.every(isKept) ? 0 : 1;
}
