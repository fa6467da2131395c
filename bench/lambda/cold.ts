/** First invocations: with nothing there, beside a bare `node` that loads the same handler, and with an environment started ahead. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  GetProvisionedConcurrencyConfigCommand,
  PublishVersionCommand,
  PutProvisionedConcurrencyConfigCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdatedV2,
} from "@aws-sdk/client-lambda";
import { clientsOf, type Clients } from "../../test/clients.ts";
import { startBuilt, type Built } from "../built.ts";
import { median } from "../measure.ts";
import { deploy, handlerSource, invokeHeaders } from "./subjects.ts";

const pairs = 15;
const aheadCount = 9;
const readyMsMax = 20_000;
const name = "cold";

export interface ColdFigures {
  bareMs: number;
  firstMs: number;
  /** First over bare: the median of the pairs' ratios. */
  ratio: number;
  aheadMs: number;
}

/** `node -e` from its start to its end, having loaded the handler. */
async function bare(handler: string): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ["-e", "import(process.argv[1])", handler], { stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`a bare node ended with ${code}`);
  return performance.now() - startedMs;
}

async function invoke(url: string, qualifier: string): Promise<number> {
  const target = `${url}/2015-03-31/functions/${name}/invocations?Qualifier=${qualifier}`;
  const startedMs = performance.now();
  const response = await fetch(target, { method: "POST", headers: invokeHeaders, body: '{"path":"/map/quote"}' });
  const text = await response.text();
  const tookMs = performance.now() - startedMs;
  if (!text.includes("12.5")) throw new Error(`the function answered ${response.status} ${text}`);
  return tookMs;
}

/** Another setting: no environment of before may serve what comes now. */
async function change({ lambda }: Clients, turn: number): Promise<void> {
  const Variables = { TURN: String(turn) };
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: name, Environment: { Variables } }));
  await waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 20, minDelay: 1 }, { FunctionName: name });
}

/** A version with one environment that waits for its first invocation. */
async function startAhead({ lambda }: Clients): Promise<string> {
  const { Version = "" } = await lambda.send(new PublishVersionCommand({ FunctionName: name }));
  const of = { FunctionName: name, Qualifier: Version };
  await lambda.send(new PutProvisionedConcurrencyConfigCommand({ ...of, ProvisionedConcurrentExecutions: 1 }));
  const untilMs = performance.now() + readyMsMax;
  for (;;) {
    const { Status } = await lambda.send(new GetProvisionedConcurrencyConfigCommand(of));
    if (Status === "READY") return Version;
    if (performance.now() > untilMs) throw new Error(`an environment started ahead is ${Status}`);
    await sleep(20);
  }
}

export async function measureCold(built: Built): Promise<ColdFigures> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-cold-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const handler = join(directory, "handler.mjs");
  await writeFile(handler, await handlerSource());
  const node = stack.use(await startBuilt(built));
  using clients = clientsOf(node.url);
  await deploy(clients.lambda, name, "node");
  // Unpacks the code, and warms this side's client up; neither is asked about.
  await invoke(node.url, "$LATEST");
  const bareMs: number[] = [];
  const firstMs: number[] = [];
  for (let turn = 0; turn < pairs; turn += 1) {
    await change(clients, turn);
    const both = [
      async () => bareMs.push(await bare(handler)),
      async () => firstMs.push(await invoke(node.url, "$LATEST")),
    ];
    for (const one of turn % 2 === 0 ? both : both.toReversed()) await one();
  }
  const aheadMs: number[] = [];
  for (let turn = 0; turn < aheadCount; turn += 1) {
    await change(clients, pairs + turn);
    aheadMs.push(await invoke(node.url, await startAhead(clients)));
  }
  return {
    bareMs: median(bareMs),
    firstMs: median(firstMs),
    ratio: median(firstMs.map((ms, i) => ms / (bareMs[i] ?? Number.NaN))),
    aheadMs: median(aheadMs),
  };
}
