/** Who is measured: Mikan's functions, those of its peers, and the floors. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { CreateFunctionCommand, LambdaClient, waitUntilFunctionActiveV2 } from "@aws-sdk/client-lambda";
import { functionGroup, onPath, openFrontDoor, toGroup } from "../../test/front-door.ts";
import { clientsOf, type Clients } from "../../test/clients.ts";
import { freePort } from "../../test/upstream.ts";
import { zipOf } from "../../test/zip.ts";
import { startBuilt, type Built } from "../built.ts";

/** Node.js, Python and a bootstrap with aws-lambda-go. */
export const languages = ["node", "python", "go"] as const;
export type Language = (typeof languages)[number];

export interface Subject {
  name: string;
  url: string;
  /** Asked with `POST` and an event, as the Lambda API is; else with `GET`. */
  invokes: boolean;
  /** The first of its processes. */
  pid: number;
}

const here = import.meta.dirname;
const offline = join(here, "../peers/serverless-offline");
const offlineProgram = join(offline, "node_modules/serverless/bin/serverless.js");
const ministackProgram = join(here, "../.build/python/bin/ministack");
const readyMsMax = 60_000;

export const peers = [
  {
    program: offlineProgram,
    skipped: "SKIPPED: lambda beside serverless-offline; `npm ci --prefix bench/peers/serverless-offline` brings it.",
  },
  {
    program: ministackProgram,
    skipped:
      "SKIPPED: lambda beside MiniStack; `python3 -m venv bench/.build/python && bench/.build/python/bin/pip install -r bench/peers/stacks/requirements.txt` brings it.",
  },
] as const;

export const isThere = (program: string) =>
  access(program).then(
    () => true,
    () => false,
  );

const invokePath = (name: string) => `/2015-03-31/functions/${name}/invocations`;

export const handlerSource = () => readFile(join(offline, "handler.mjs"), "utf8");

async function goBinary(): Promise<Uint8Array> {
  const directory = join(here, "../.build");
  await mkdir(directory, { recursive: true });
  const binary = join(directory, "lambda-go");
  const env = { ...process.env, CGO_ENABLED: "0" };
  await promisify(execFile)("go", ["build", "-trimpath", "-ldflags=-s -w", "-o", binary, "."], {
    cwd: join(here, "go"),
    env,
  });
  return readFile(binary);
}

interface Code {
  Runtime: "nodejs24.x" | "python3.13" | "provided.al2023";
  Handler: string;
  zip: Uint8Array;
}

async function codeOf(language: Language): Promise<Code> {
  if (language === "node") {
    return {
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      zip: await zipOf({ "index.mjs": await handlerSource() }),
    };
  }
  if (language === "python") {
    const source = await readFile(join(here, "handler.py"), "utf8");
    return { Runtime: "python3.13", Handler: "index.handler", zip: await zipOf({ "index.py": source }) };
  }
  return { Runtime: "provided.al2023", Handler: "none", zip: await zipOf({ bootstrap: await goBinary() }) };
}

/** Makes the bench's function, and waits until it may be invoked. Gives its ARN. */
export async function deploy(lambda: LambdaClient, name: string, language: Language): Promise<string> {
  const { zip, ...how } = await codeOf(language);
  const { FunctionArn = "" } = await lambda.send(
    new CreateFunctionCommand({
      FunctionName: name,
      ...how,
      Role: "arn:aws:iam::000000000000:role/functions",
      Timeout: 10,
      MemorySize: 256,
      Code: { ZipFile: zip },
    }),
  );
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 1 }, { FunctionName: name });
  return FunctionArn;
}

/** Functions behind the API and behind one load balancer. */
export async function startMikan(
  stack: AsyncDisposableStack,
  built: Built,
  name: string,
  of: readonly Language[] = languages,
): Promise<Subject[]> {
  const node = stack.use(await startBuilt(built, process.env["BENCH_NODE_OPTIONS"]));
  using clients: Clients = clientsOf(node.url);
  const otherwise = { Type: "fixed-response" as const, FixedResponseConfig: { StatusCode: "404" } };
  const front = await openFrontDoor(clients, "bench", otherwise);
  const subjects: Subject[] = [];
  for (const language of of) {
    const arn = await deploy(clients.lambda, language, language);
    await front.rule(onPath(`/${language}`), toGroup(await functionGroup(clients, arn)));
    const common = { pid: node.pid, invokes: false };
    subjects.push({
      ...common,
      name: `${name}, load balancer, ${language}`,
      url: `http://127.0.0.1:${front.port}/${language}`,
    });
    subjects.push({
      ...common,
      name: `${name}, API, ${language}`,
      url: node.url + invokePath(language),
      invokes: true,
    });
  }
  return subjects;
}

/** A program that is ended with the bench, whatever it has started. */
function start(
  stack: AsyncDisposableStack,
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): number {
  const env = { ...process.env, ...options.env };
  // Logs go nowhere: that is where they cost a peer least.
  const child = spawn(command, args, { ...options, env, stdio: "ignore", detached: true });
  const gone = once(child, "exit");
  const pid = child.pid ?? 0;
  stack.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, "SIGKILL");
    await gone;
  });
  return pid;
}

/** Its load balancer, its HTTP API, and its Lambda API. */
export async function startOffline(stack: AsyncDisposableStack): Promise<Subject[]> {
  const [alb, http, lambda] = [await freePort(), await freePort(), await freePort()];
  const args = [offlineProgram, "offline", "start", "--host", "127.0.0.1", "--noPrependStageInUrl"];
  const ports = ["--albPort", String(alb), "--httpPort", String(http), "--lambdaPort", String(lambda)];
  const env = { SLS_TELEMETRY_DISABLED: "1", SLS_NOTIFICATIONS_MODE: "off" };
  const pid = start(stack, process.execPath, [...args, ...ports], { cwd: offline, env });
  const name = "serverless-offline";
  return [
    { name: `${name}, load balancer`, url: `http://127.0.0.1:${alb}/map/quote`, invokes: false, pid },
    { name: `${name}, HTTP API`, url: `http://127.0.0.1:${http}/map/quote`, invokes: false, pid },
    {
      name: `${name}, Lambda API`,
      url: `http://127.0.0.1:${lambda}${invokePath("bench-dev-quote")}`,
      invokes: true,
      pid,
    },
  ];
}

/** Its Lambda API; functions run in processes of its own, without Docker. */
export async function startMinistack(stack: AsyncDisposableStack): Promise<Subject[]> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const pid = start(stack, ministackProgram, [], { env: { GATEWAY_PORT: String(port), LAMBDA_EXECUTOR: "local" } });
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const lambda = new LambdaClient({ endpoint: url, region: "us-east-1", credentials, maxAttempts: 1 });
  stack.defer(() => lambda.destroy());
  const untilMs = performance.now() + readyMsMax;
  while (
    !(await fetch(url).then(
      () => true,
      () => false,
    ))
  ) {
    if (performance.now() > untilMs) throw new Error("MiniStack is not ready");
    await sleep(200);
  }
  const subjects: Subject[] = [];
  for (const language of ["node", "python"] as const) {
    await deploy(lambda, language, language);
    subjects.push({ name: `MiniStack, API, ${language}`, url: url + invokePath(language), invokes: true, pid });
  }
  return subjects;
}

export const floors = ["http", "frames", "runtime-api"] as const;

export async function startFloors(stack: AsyncDisposableStack): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const floor of floors) {
    const port = await freePort();
    const pid = start(stack, process.execPath, [join(here, "floor.ts"), floor, String(port)]);
    subjects.push({ name: `bare ${floor}`, url: `http://127.0.0.1:${port}/map/quote`, invokes: false, pid });
  }
  return subjects;
}

/** As invoke.lua sends it. */
export const invokeHeaders = {
  "content-type": "application/json",
  "x-amz-date": "20260101T000000Z",
  authorization:
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000",
};

/** Resolves when the function answers; rejects with what came instead. */
export async function answers({ url, name, invokes }: Subject): Promise<void> {
  const untilMs = performance.now() + readyMsMax;
  const how = invokes ? { method: "POST", headers: invokeHeaders, body: '{"path":"/map/quote"}' } : {};
  for (;;) {
    const outcome = await fetch(url, how).then(
      async (response) => `${response.status} ${await response.text()}`,
      (error: unknown) => String(error),
    );
    if (/^200 .*price\\?":\s?12.5/.test(outcome)) return;
    if (performance.now() > untilMs) throw new Error(`${name} does not answer: ${outcome}`);
    await sleep(100);
  }
}
