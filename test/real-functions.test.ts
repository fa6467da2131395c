/** Functions as people write them: with Powertools, middy, Express; their libraries unmodified, bundled as their authors do. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  InvokeCommand,
} from "@aws-sdk/client-lambda";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { zipOf } from "./zip.ts";

const home = new URL("./clients/functions/", import.meta.url);
const installed = existsSync(new URL("node_modules", home));
const powertools = spawnSync("python3", ["-c", "import aws_lambda_powertools"]).status === 0;

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients[Symbol.dispose]();
  await mikan[Symbol.asyncDispose]();
});

async function bundled(file: string): Promise<Record<string, string>> {
  const build = await rolldown({ input: fileURLToPath(new URL(file, home)), platform: "node", logLevel: "silent" });
  try {
    const { output } = await build.generate({ format: "esm", codeSplitting: false });
    return { "index.mjs": output[0].code };
  } finally {
    await build.close();
  }
}

interface Made {
  runtime: string;
  files: Record<string, string>;
  environment?: Record<string, string>;
}

async function createFunction(name: string, { runtime, files, environment = {} }: Made): Promise<void> {
  await clients.lambda.send(
    new CreateFunctionCommand({
      FunctionName: name,
      Runtime: runtime as "nodejs24.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/any",
      Timeout: 60,
      MemorySize: 512,
      Environment: { Variables: environment },
      Code: { ZipFile: await zipOf(files) },
    }),
  );
}

const node = async (file: string, environment?: Record<string, string>): Promise<Made> => ({
  runtime: "nodejs24.x",
  files: await bundled(file),
  ...(environment === undefined ? {} : { environment }),
});

/** The URL of a function that everybody may call. */
async function urlOf(name: string): Promise<string> {
  const everybody = { FunctionName: name, Principal: "*" };
  const url = { StatementId: "url", Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" } as const;
  const code = { StatementId: "code", Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true };
  await clients.lambda.send(new AddPermissionCommand({ ...everybody, ...url }));
  await clients.lambda.send(new AddPermissionCommand({ ...everybody, ...code }));
  const made = await clients.lambda.send(new CreateFunctionUrlConfigCommand({ FunctionName: name, AuthType: "NONE" }));
  return made.FunctionUrl ?? "";
}

/** By address, with the URL's own host: not every resolver knows names below localhost. */
async function visit(url: string, path: string, { method = "GET", headers = {}, body = "" } = {}): Promise<Response> {
  const { host, port } = new URL(url);
  const options = { host: "127.0.0.1", port, method, path, headers: { host, ...headers } };
  const [answer] = (await once(request(options).end(body), "response")) as [IncomingMessage];
  const pairs = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  return new Response(await buffer(answer), { status: answer.statusCode ?? 0, headers: pairs });
}

async function invoke(name: string, event: object): Promise<{ answer: unknown; error: string | undefined }> {
  const { Payload, FunctionError } = await clients.lambda.send(
    new InvokeCommand({ FunctionName: name, Payload: Buffer.from(JSON.stringify(event)) }),
  );
  return { answer: JSON.parse(Buffer.from(Payload ?? []).toString()), error: FunctionError };
}

/** What the function wrote that is JSON, oldest first. */
async function jsonLines(name: string): Promise<Record<string, unknown>[]> {
  const { events = [] } = await clients.logs.send(
    new FilterLogEventsCommand({
      logGroupName: `/aws/lambda/${name}`,
      filterPattern: "{ $.service = * || $.namespace = * || $._aws.Timestamp = * }",
    }),
  );
  return events.map(({ message = "" }) => JSON.parse(message) as Record<string, unknown>);
}

describe.skipIf(!installed)(
  "Node functions [SKIPPED where they are not installed: npm ci --prefix test/clients/functions]",
  { timeout: 120_000 },
  () => {
    it("run Powertools: logger, metrics, tracer and parameters through middy", async () => {
      await new SSMClient(mikan.clientConfig()).send(
        new PutParameterCommand({ Name: "/warehouse/depot", Value: "north", Type: "String" }),
      );
      await createFunction("orders", await node("orders.mjs"));
      for (const order of [1, 2]) {
        const event = { order };
        expect(await invoke("orders", event)).toEqual({ answer: { order, depot: "north" }, error: undefined });
      }
      const taken = async () => (await jsonLines("orders")).filter(({ ordersTaken }) => ordersTaken !== undefined);
      await expect.poll(taken, { timeout: 10_000 }).toHaveLength(2);
      const lines = await jsonLines("orders");
      const logged = lines.filter(({ message }) => message === "an order came");
      expect(logged).toMatchObject([
        { order: 1, cold_start: true, function_name: "orders", service: "orders" },
        { order: 2, cold_start: false, function_name: "orders", service: "orders" },
      ]);
      expect(lines.filter(({ ColdStart }) => ColdStart !== undefined)).toHaveLength(1);
    });

    it("run Powertools' batch processor, which gives back the records that failed", async () => {
      await createFunction("batch", await node("batch.mjs"));
      const record = (messageId: string, quantity: number) => ({
        messageId,
        receiptHandle: "handle",
        body: JSON.stringify({ quantity }),
        attributes: {},
        messageAttributes: {},
        eventSource: "aws:sqs",
        eventSourceARN: "arn:aws:sqs:us-east-1:000000000000:orders",
        awsRegion: "us-east-1",
      });
      const event = { Records: [record("a", 1), record("b", -1), record("c", 2)] };
      const { answer } = await invoke("batch", event);
      expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: "b" }] });
    });

    it("run Powertools' router behind a function URL", async () => {
      await createFunction("routes", await node("routes.mjs"));
      const url = await urlOf("routes");
      expect(await (await visit(url, "/spots/7")).json()).toEqual({ id: "7" });
      const post = (body: object) =>
        visit(url, "/spots", {
          method: "POST",
          body: JSON.stringify(body),
          headers: { "content-type": "application/json" },
        });
      const made = await post({ name: "harbour", near: 3 });
      expect([made.status, await made.json()]).toEqual([201, { name: "harbour", near: 3 }]);
      const refused = await post({ name: "harbour", near: "far" });
      expect([refused.status, await refused.json()]).toEqual([422, { wrong: ["near"] }]);
      expect((await visit(url, "/nowhere")).status).toBe(404);
    });

    it("run middy, which parses, checks and answers errors", async () => {
      await createFunction("middy", await node("middy.mjs"));
      const event = (body: object) => ({ headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      expect((await invoke("middy", event({ from: "a", to: "b" }))).answer).toMatchObject({
        statusCode: 200,
        body: '{"via":["a","b"]}',
      });
      expect((await invoke("middy", event({ from: "a" }))).answer).toMatchObject({ statusCode: 400 });
    });

    it("run an application of Express behind a function URL", async () => {
      await createFunction("express", await node("express.mjs"));
      const url = await urlOf("express");
      const got = await visit(url, "/spots/7?near=sea%20side", { headers: { "user-agent": "visitor" } });
      expect(await got.json()).toEqual({ id: "7", near: "sea side", by: "visitor" });
      expect(got.headers.getSetCookie()).toEqual(["seen=7; Path=/; HttpOnly", "twice=yes; Path=/"]);
      const headers = { "content-type": "application/json" };
      const made = await visit(url, "/spots", { method: "POST", body: '{"name":"harbour"}', headers });
      expect([made.status, made.headers.get("location"), await made.json()]).toEqual([
        201,
        "/spots/9",
        { got: { name: "harbour" } },
      ]);
      const pixel = await visit(url, "/pixel");
      expect(pixel.headers.get("content-type")).toBe("image/png");
      expect(Buffer.from(await pixel.arrayBuffer()).toString("hex")).toBe("89504e47ff00");
      const broken = await visit(url, "/broken");
      expect([broken.status, await broken.json()]).toEqual([500, { error: "as a route throws" }]);
    });
  },
);

it.skipIf(!powertools)(
  "Powertools for Python runs [SKIPPED where python3 has no aws_lambda_powertools]",
  { timeout: 120_000 },
  async () => {
    const source = await readFile(new URL("spots.py", home), "utf8");
    await createFunction("spots", { runtime: "python3.12", files: { "index.py": source } });
    const url = await urlOf("spots");
    expect(await (await visit(url, "/spots/7?near=sea")).json()).toEqual({ spot: "7", near: "sea" });
    const missing = await visit(url, "/spots/0");
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { statusCode: 404, message: "there is no such spot" },
    ]);
    await expect.poll(async () => (await jsonLines("spots")).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
    const lines = await jsonLines("spots");
    expect(lines.find(({ message }) => message === "a spot was asked for")).toMatchObject({
      spot: "7",
      cold_start: true,
      function_name: "spots",
    });
    expect(lines.filter(({ spotsShown }) => spotsShown !== undefined)).toHaveLength(1);
  },
);
