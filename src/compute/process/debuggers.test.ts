/** What can be debugged, and Python as debugpy's own protocol sees it; Node.js is in test/debug.test.ts. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, openHarness, type Harness } from "../harness.suite.ts";

const hasDebugpy = spawnSync("python3", ["-c", "import debugpy"]).status === 0;

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const code = `def handler(event, context):\n    answer = {"answer": 42}\n    return answer\n`;
const python = { runtime: "python3.12", handler: "app.handler" };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describe("a debugger", () => {
  it("is there for Node.js, and for no other runtime but Python", async () => {
    const { compute } = harness;
    expect(await compute.debugHindrance(await harness.functionOf({}))).toBeUndefined();
    const go = await harness.functionOf({}, { runtime: "provided.al2023" });
    expect(await compute.debugHindrance(go)).toMatch(/^There is no debugger for provided\.al2023 here/);
    const ruby = await harness.functionOf({}, { runtime: "ruby3.4" });
    expect(await compute.debugHindrance(ruby)).toMatch(/Ruby/);
  });

  it.skipIf(hasDebugpy)("for Python has to be installed, or packaged", async () => {
    const bare = await harness.functionOf({ "app.py": code }, python);
    expect(await harness.compute.debugHindrance(bare)).toMatch(
      /^debugpy is missing: install it for (\S+) \(\1 -m pip install debugpy\), or package it with the function\.$/,
    );
    const packaged = await harness.functionOf({ "app.py": code, "debugpy/__main__.py": "" }, python);
    expect(await harness.compute.debugHindrance(packaged)).toBeUndefined();
  });
});

interface Message {
  type: string;
  command?: string;
  event?: string;
  body?: { threadId?: number };
}

/** The little of the Debug Adapter Protocol that stops and goes on. */
async function adapter(port: number) {
  const socket = createConnection(port, "127.0.0.1");
  await once(socket, "connect");
  const seen: Message[] = [];
  let waiting = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    for (;;) {
      const head = /^Content-Length: (\d+)\r\n\r\n/.exec(waiting.toString("latin1"));
      const end = head === null ? Infinity : head[0].length + Number(head[1]);
      if (head === null || waiting.length < end) return;
      seen.push(JSON.parse(waiting.subarray(head[0].length, end).toString()) as Message);
      waiting = waiting.subarray(end);
    }
  });
  let sent = 0;
  return {
    send(command: string, args: object) {
      const body = JSON.stringify({ seq: ++sent, type: "request", command, arguments: args });
      socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    },
    async sees(name: string) {
      const find = () => seen.find(({ command, event }) => command === name || event === name);
      await expect.poll(find, { timeout: 20_000, interval: 50 }).toBeDefined();
      return find();
    },
    close: () => socket.destroy(),
  };
}

describe.skipIf(!hasDebugpy)("debugpy (IF SKIPPED: NOT INSTALLED FOR python3)", () => {
  it("stops a function, and goes on", { timeout: 60_000 }, async () => {
    const port = await freePort();
    const debug = { port, wait: false };
    const spec = await harness.functionOf({ "app.py": code }, { ...python, debug, timeoutMs: 60_000 });
    harness.compute.provision(spec, 1);
    const ready = () => harness.compute.provisioned(spec.id).available;
    await expect.poll(ready, { timeout: 30_000, interval: 50 }).toBe(1);
    const debuggerOf = await adapter(port);
    debuggerOf.send("initialize", { adapterID: "test", clientID: "test", pathFormat: "path" });
    await debuggerOf.sees("initialize");
    debuggerOf.send("attach", { justMyCode: true });
    await debuggerOf.sees("initialized");
    debuggerOf.send("setBreakpoints", { source: { path: `${spec.codeDir}/app.py` }, breakpoints: [{ line: 3 }] });
    await debuggerOf.sees("setBreakpoints");
    debuggerOf.send("configurationDone", {});
    const answer = harness.invoke(spec);
    const stopped = await debuggerOf.sees("stopped");
    debuggerOf.send("continue", { threadId: stopped?.body?.threadId });
    expect(answerOf(await answer)).toEqual({ answer: 42 });
    debuggerOf.close();
    await harness.compute.retire(spec.id, 0);
  });
});
