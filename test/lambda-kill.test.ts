/** Functions on a node that is killed under load and started again: events are kept, and caps are never exceeded. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateFunctionCommand,
  InvokeCommand,
  PutFunctionConcurrencyCommand,
  TooManyRequestsException,
} from "@aws-sdk/client-lambda";
import { afterEach, beforeEach, expect, it } from "vitest";
import { clientsOf, type Clients } from "./clients.ts";
import { startNodeProcess, type NodeProcess } from "./node-process.ts";
import { zipOf } from "./zip.ts";

const events = 1_000;
const cap = 3;

let directory: string;
let node: NodeProcess;

const start = async () => {
  // The functions tell of themselves by files and process ids of the machine.
  node = await startNodeProcess("--data", join(directory, "data"), "--port", "0", "--isolation", "process");
  return clientsOf(node.url);
};
const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-lambda-kill-"));
  await mkdir(join(directory, "marks"));
  await writeFile(join(directory, "counts"), "");
});
afterEach(async () => {
  await node.kill();
  await rm(directory, { recursive: true, force: true });
});

async function createFunction({ lambda }: Clients, source: string): Promise<void> {
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "work",
      Role: "arn:aws:iam::000000000000:role/work",
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Timeout: 60,
      Code: { ZipFile: await zipOf({ "index.js": source }) },
      Environment: { Variables: { MARKS: join(directory, "marks") } },
    }),
  );
}

const marks = () => readdir(join(directory, "marks"));

it(
  `delivers each of ${events} events at least once that were accepted before it was killed`,
  { timeout: 120_000 },
  async () => {
    let clients = await start();
    await createFunction(
      clients,
      // Until there is a second life, so slow that nearly all are still to come.
      `const { existsSync } = require("node:fs");
    const { writeFile } = require("node:fs/promises");
    exports.handler = async ({ n }) => {
      await new Promise((resolve) => setTimeout(resolve, existsSync(process.env.MARKS + "/../second") ? 1 : 5_000));
      await writeFile(process.env.MARKS + "/" + n, "");
    };`,
    );
    let next = 0;
    const send = async () => {
      for (let n = next++; n < events; n = next++) {
        const Payload = Buffer.from(JSON.stringify({ n }));
        await clients.lambda.send(new InvokeCommand({ FunctionName: "work", InvocationType: "Event", Payload }));
      }
    };
    await Promise.all(Array.from({ length: 16 }, send));
    await node.kill();
    const before = (await marks()).length;
    clients.destroy();
    expect(before).toBeLessThan(events / 2);
    await writeFile(join(directory, "second"), "");

    clients = await start();
    await expect.poll(async () => (await marks()).length, { timeout: 100_000, interval: 200 }).toBe(events);
    clients.destroy();
  },
);

/** Each environment notes that it runs, and how many others that are alive run beside it; a zombie runs no more. */
const counting = `
const { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync, rmSync } = require("node:fs");
const marks = process.env.MARKS;
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return !existsSync("/proc/self/stat") || !readFileSync("/proc/" + pid + "/stat", "utf8").includes(") Z ");
  } catch {
    return false;
  }
};
exports.handler = async ({ life }) => {
  const mine = marks + "/" + process.pid;
  writeFileSync(mine, "");
  const running = readdirSync(marks).filter((pid) => isAlive(Number(pid))).length;
  appendFileSync(marks + "/../counts", life + " " + running + "\\n");
  await new Promise((resolve) => setTimeout(resolve, 40));
  rmSync(mine);
};`;

async function countsOf(life: number): Promise<number[]> {
  const lines = (await readFile(join(directory, "counts"), "utf8")).trim().split("\n");
  return lines.map((line) => line.split(" ").map(Number)).flatMap(([of, count = 0]) => (of === life ? [count] : []));
}

it(
  `never runs more than ${cap} at once of a function that may have ${cap}, killed under load`,
  { timeout: 90_000 },
  async () => {
    let clients = await start();
    await createFunction(clients, counting);
    const limit = { FunctionName: "work", ReservedConcurrentExecutions: cap };
    await clients.lambda.send(new PutFunctionConcurrencyCommand(limit));
    const refusals = new Set<string>();
    const load = (life: number, stopped: { yes: boolean }) =>
      Array.from({ length: 12 }, async () => {
        while (!stopped.yes) {
          const Payload = Buffer.from(JSON.stringify({ life }));
          await clients.lambda.send(new InvokeCommand({ FunctionName: "work", Payload })).catch((error: unknown) => {
            if (error instanceof TooManyRequestsException) refusals.add(`${error.Reason} ${error.retryAfterSeconds}`);
            else if (!stopped.yes) throw error;
          });
          await pause(5);
        }
      });

    const first = { yes: false };
    const dying = load(1, first);
    await expect.poll(async () => (await countsOf(1)).includes(cap), { timeout: 30_000 }).toBe(true);
    first.yes = true;
    await node.kill();
    await Promise.all(dying);
    clients.destroy();

    clients = await start();
    const second = { yes: false };
    const running = load(2, second);
    await expect
      .poll(async () => (await countsOf(2)).filter((count) => count === cap).length, { timeout: 30_000 })
      .toBeGreaterThan(20);
    second.yes = true;
    await Promise.all(running);
    clients.destroy();

    expect(Math.max(...(await countsOf(1)), ...(await countsOf(2)))).toBe(cap);
    expect([...refusals]).toEqual(["ReservedFunctionConcurrentInvocationLimitExceeded 1"]);
  },
);
