/** `mikan debug` with a debugger that speaks the inspector's protocol, and `mikan functions`, which tells of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { InvokeCommand, UpdateFunctionCodeCommand } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { mikan as command } from "./command.ts";
import { createFunction } from "./front-door.ts";
import { freePort } from "./upstream.ts";
import { zipOf } from "./zip.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const entry = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const timeoutMs = 1_000;

const source = (answer: string) => `
export const handler = async () => {
  const answer = { answer: "${answer}", debugged: process.execArgv.some((flag) => flag.startsWith("--inspect")) };
  return answer;
};
`;
/** Of \`return\`, counted from 0. */
const breakLine = 3;

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
});

const env = () => ({
  AWS_ENDPOINT_URL: mikan.url,
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_REGION: "us-east-1",
});

async function invoke(FunctionName: string): Promise<unknown> {
  const { Payload } = await clients.lambda.send(new InvokeCommand({ FunctionName }));
  return JSON.parse(Buffer.from(Payload ?? []).toString());
}

function debugging(...args: string[]) {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry, "debug", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env() },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  }
  const gone = once(child, "exit");
  return {
    says: (what: RegExp) => expect.poll(() => printed, { timeout: 30_000, interval: 50 }).toMatch(what),
    /** Of the last inspector that listens. */
    url: () => /.*Listening: (ws:\S+)/s.exec(printed)?.[1] ?? "",
    async end() {
      child.kill("SIGINT");
      await gone;
      return { code: child.exitCode, printed };
    },
  };
}

/** The little of a debugger that stops and goes on. */
async function attach(url: string) {
  const socket = new WebSocket(url);
  const events: string[] = [];
  const answers = new Map<number, (result: unknown) => void>();
  socket.addEventListener("message", ({ data }) => {
    const { id, method, result } = JSON.parse(String(data)) as { id?: number; method?: string; result?: unknown };
    if (method !== undefined) events.push(method);
    if (id !== undefined) answers.get(id)?.(result);
  });
  await once(socket, "open");
  let sent = 0;
  const send = (method: string, params: object = {}) =>
    new Promise((resolve) => {
      sent += 1;
      answers.set(sent, resolve);
      socket.send(JSON.stringify({ id: sent, method, params }));
    });
  return {
    send,
    paused: () => expect.poll(() => events, { timeout: 20_000, interval: 20 }).toContain("Debugger.paused"),
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

it("stops at a breakpoint longer than the timeout, goes on, follows new code, and leaves nothing behind", async () => {
  await createFunction(clients, "stops", source("first"), { timeoutSeconds: timeoutMs / 1000 });
  const port = await freePort();
  const session = debugging("stops", "--port", String(port));
  try {
    await session.says(/Listening: ws:/);
    const inspector = await attach(session.url());
    await inspector.send("Debugger.enable");
    await inspector.send("Debugger.setBreakpointByUrl", { urlRegex: "index\\.mjs$", lineNumber: breakLine });
    const first = invoke("stops");
    const second = invoke("stops");
    await inspector.paused();
    await setTimeout(timeoutMs + 200);
    await inspector.send("Debugger.disable");
    expect(await first).toEqual({ answer: "first", debugged: true });
    expect(await second).toEqual({ answer: "first", debugged: true });
    await inspector.close();

    const ZipFile = await zipOf({ "index.mjs": source("other") });
    await clients.lambda.send(new UpdateFunctionCodeCommand({ FunctionName: "stops", ZipFile }));
    expect(await invoke("stops")).toEqual({ answer: "other", debugged: true });
  } finally {
    const { code, printed } = await session.end();
    expect(code).toBe(0);
    expect(printed).toMatch(/"request": "attach",\n +"address": "127.0.0.1",\n +"port": \d+/);
  }
  expect(await invoke("stops")).toEqual({ answer: "other", debugged: false });
  const { out } = await command(["functions", "stops"], { env: env() });
  expect(out).toMatch(
    /^stops +1 idle( \(1 frozen\))?; 1 cold start, \d+ ms in the middle\n +2 {2}for a debugger\n +1 {2}first use/,
  );
});

describe("a debugger is refused", () => {
  const ask = (arn: string, body: object, headers: object = { "x-mikan-intent": "test" }) =>
    fetch(`${mikan.url}/_mikan/functions/${encodeURIComponent(arn)}/debug`, {
      method: "POST",
      headers: { ...headers },
      body: JSON.stringify(body),
    });
  const arnOf = (name: string) => `arn:aws:lambda:us-east-1:000000000000:function:${name}`;

  it("without the intent header, for nobody, on a bad port, and where there is none", async () => {
    await createFunction(clients, "refused", source("x"));
    const message = async (answer: Promise<Response>) => {
      const response = await answer;
      return [response.status, ((await response.json()) as { message: string }).message];
    };
    expect(await message(ask(arnOf("refused"), { port: 9300 }, {}))).toEqual([
      403,
      "A change needs the header x-mikan-intent.",
    ]);
    expect(await message(ask(arnOf("nobody"), { port: 9300 }))).toEqual([
      404,
      `Function not found: ${arnOf("nobody")}`,
    ]);
    expect(await message(ask(arnOf("refused"), { port: 80 }))).toEqual([400, "port must be from 1024 to 65535."]);
    expect(await message(ask(arnOf("refused"), {}))).toEqual([400, "A debugger needs a port."]);
    expect(await message(ask(arnOf("refused"), { port: mikan.port }))).toEqual([409, `Port ${mikan.port} is in use.`]);
    const failed = await command(["debug", "nobody"], { env: env() });
    expect([failed.code, failed.err]).toEqual([1, expect.stringMatching(/^mikan: ResourceNotFoundException: /)]);
  });
});
