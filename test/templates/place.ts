/** Where one template is tried: a node of its own, clients, and what stands around the stack. */
import { request } from "node:http";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect } from "vitest";
import { startMikan, type Mikan } from "../../src/mikan.ts";
import { clientsOf, type Clients } from "../clients.ts";
import { freePort, startUpstream, type Upstream } from "../upstream.ts";

/** The first run of a function starts a process, on a machine that may be busy. */
const logMsMax = 30_000;

export interface Place extends AsyncDisposable {
  node: Mikan;
  clients: Clients;
  /** Of the stack as it is now. */
  outputs: Record<string, string>;
  /** An output that must be there. */
  output(name: string): string;
  /** A free port, the same for the same name. */
  port(name: string): Promise<number>;
  /** The port of an app that answers with its name, and 200 for its health. */
  app(name: string): Promise<number>;
  /** Asks a port of this machine. */
  get(port: number, path: string, host?: string): Promise<{ status: number; body: string }>;
  invoke(functionName: string, input?: object): Promise<unknown>;
  /** Waits until the function's log has a line with these words. */
  untilLogged(functionName: string, words: string): Promise<void>;
  /** Puts an object, waits until the stack's function has told of it in these words, and takes it away again. */
  upload(key: string, words: string): Promise<void>;
}

function get(port: number, path: string, host?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    const outgoing = request({ host: "127.0.0.1", port, path, headers, agent: false }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => (body += text));
      answer.on("error", reject).on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    outgoing.on("error", reject).end();
  });
}

export async function openPlace(): Promise<Place> {
  const node = await startMikan();
  const clients = clientsOf(node.url);
  const ports = new Map<string, number>();
  const apps = new Map<string, Upstream>();
  const place: Place = {
    node,
    clients,
    outputs: {},
    output(name) {
      const value = place.outputs[name];
      if (value === undefined) throw new Error(`no output ${name} in ${Object.keys(place.outputs).join()}`);
      return value;
    },
    async port(name) {
      const port = ports.get(name) ?? (await freePort());
      ports.set(name, port);
      return port;
    },
    async app(name) {
      const app = apps.get(name) ?? (await startUpstream((_, response) => response.end(name)));
      apps.set(name, app);
      return app.port;
    },
    get,
    async invoke(functionName, input = {}) {
      const Payload = Buffer.from(JSON.stringify(input));
      const answer = await clients.lambda.send(new InvokeCommand({ FunctionName: functionName, Payload }));
      const text = Buffer.from(answer.Payload ?? []).toString();
      if (answer.FunctionError !== undefined) throw new Error(`${functionName}: ${text}`);
      return JSON.parse(text) as unknown;
    },
    async untilLogged(functionName, words) {
      const input = { logGroupName: `/aws/lambda/${functionName}`, filterPattern: JSON.stringify(words) };
      const lines = async () => (await clients.logs.send(new FilterLogEventsCommand(input))).events?.length;
      await expect.poll(() => lines().catch(() => 0), { timeout: logMsMax }).toBeGreaterThan(0);
    },
    async upload(Key, words) {
      const at = { Bucket: place.output("Bucket"), Key };
      await clients.s3.send(new PutObjectCommand({ ...at, Body: "twelve bytes" }));
      await place.untilLogged(place.output("Function"), words);
      await clients.s3.send(new DeleteObjectCommand(at));
    },
    async [Symbol.asyncDispose]() {
      clients.destroy();
      for (const app of apps.values()) await app[Symbol.asyncDispose]();
      await node.close(0);
    },
  };
  return place;
}
