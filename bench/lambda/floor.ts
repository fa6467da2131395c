/**
 * What the machine gives at least: a `node:http` server that answers by itself, one that asks child processes over the
 * framed channel, and one that asks them over a Runtime API of `node:http` on both sides. No Lambda in any of them.
 *
 *     node bench/lambda/floor.ts http|frames|runtime-api PORT
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable, Writable } from "node:stream";
import { bytesFrame, createFrameReader, frameKind, type Frame } from "../../src/compute/process/frames.ts";
import { receive, sendText } from "../../src/compute/process/runtime-node/channel.ts";

/** As many as there are connections: none waits for a child. */
const children = 16;
const frameBytesMax = 1024 * 1024;

const quoteOf = (path: string) => JSON.stringify({ path, price: 12.5, currency: "JPY" });
const answerOf = (path: string) => JSON.stringify({ statusCode: 200, body: quoteOf(path) });
const meta = JSON.stringify({ requestId: "00000000-0000-4000-8000-000000000000", deadlineAt: 0 });

function answer(response: ServerResponse, body: string): void {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
}

function answerLambda(response: ServerResponse, payload: Buffer): void {
  const { body } = JSON.parse(payload.toString()) as { body: string };
  answer(response, body);
}

/** Takes the child that has been free for the shortest time, as Mikan does. */
function serveFrames(): (incoming: IncomingMessage, response: ServerResponse) => void {
  const free: { input: Writable; settle: (frame: Frame) => void }[] = [];
  for (let i = 0; i < children; i += 1) {
    const child = spawn(process.execPath, [import.meta.filename, "frames-child"], {
      stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"],
    });
    const [, , , input, output] = child.stdio;
    if (!(input instanceof Writable) || !(output instanceof Readable)) throw new Error("a child without its channel");
    const member = { input, settle: (_frame: Frame): void => undefined };
    const read = createFrameReader(frameBytesMax, (frame) => {
      free.push(member);
      member.settle(frame);
    });
    output.on("data", read);
    free.push(member);
  }
  return (incoming, response) => {
    const member = free.pop();
    if (member === undefined) {
      response.writeHead(503).end();
      return;
    }
    member.settle = ({ payload }) => answerLambda(response, payload);
    const event = Buffer.from(JSON.stringify({ path: incoming.url }));
    for (const part of bytesFrame(frameKind.invoke, 0, meta, event)) member.input.write(part);
  };
}

function serveRuntimeApi(): (incoming: IncomingMessage, response: ServerResponse) => void {
  const waiting: ServerResponse[] = [];
  const running = new Map<string, ServerResponse>();
  const queued: { path: string; response: ServerResponse }[] = [];
  let last = 0;
  const give = (child: ServerResponse, { path, response }: { path: string; response: ServerResponse }) => {
    last += 1;
    running.set(String(last), response);
    child.writeHead(200, { "lambda-runtime-aws-request-id": String(last) }).end(JSON.stringify({ path }));
  };
  const api = createServer((incoming, response) => {
    if (incoming.method === "GET") {
      const next = queued.shift();
      if (next === undefined) waiting.push(response);
      else give(response, next);
      return;
    }
    const id = incoming.url?.split("/").at(-2) ?? "";
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      response.writeHead(202).end();
      const caller = running.get(id);
      running.delete(id);
      if (caller !== undefined) answerLambda(caller, Buffer.concat(chunks));
    });
  });
  api.listen(0, "127.0.0.1", () => {
    const { port } = api.address() as AddressInfo;
    for (let i = 0; i < children; i += 1) {
      spawn(process.execPath, [import.meta.filename, "runtime-api-child", String(port)], { stdio: "inherit" });
    }
  });
  return (incoming, response) => {
    const what = { path: incoming.url ?? "/", response };
    const child = waiting.pop();
    if (child === undefined) queued.push(what);
    else give(child, what);
  };
}

async function runApiChild(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (method: string, path: string, body?: string) => {
    const asked = request({ host: "127.0.0.1", port, method, path: `/2018-06-01/runtime/invocation/${path}`, agent });
    asked.end(body);
    const [incoming] = (await once(asked, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return { id: String(incoming.headers["lambda-runtime-aws-request-id"]), body: Buffer.concat(chunks).toString() };
  };
  for (;;) {
    const next = await ask("GET", "next");
    await ask("POST", `${next.id}/response`, answerOf((JSON.parse(next.body) as { path: string }).path));
  }
}

const [, , role, port = "0"] = process.argv;
const roles: Readonly<Record<string, () => void>> = {
  http: () =>
    createServer(({ url = "/" }, response) => answer(response, quoteOf(url))).listen(Number(port), "127.0.0.1"),
  frames: () => createServer(serveFrames()).listen(Number(port), "127.0.0.1"),
  "runtime-api": () => createServer(serveRuntimeApi()).listen(Number(port), "127.0.0.1"),
  "frames-child": () =>
    receive(({ payload }) => {
      sendText(frameKind.answer, 0, answerOf((JSON.parse(payload.toString()) as { path: string }).path));
    }),
  "runtime-api-child": () => void runApiChild(Number(port)),
};
const play = roles[role ?? ""];
if (play === undefined) throw new Error(`no floor ${role}`);
play();
