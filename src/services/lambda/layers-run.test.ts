/** Layers in real processes, links to packages, and what is left after a restart: the whole node by its clients. */
import {
  CreateFunctionCommand,
  GetFunctionCommand,
  GetLayerVersionCommand,
  InvokeCommand,
  LambdaClient,
  PublishLayerVersionCommand,
} from "@aws-sdk/client-lambda";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import yazl from "yazl";
import { startMikan, type Mikan } from "../../mikan.ts";
import { role, zipOf } from "./node.suite.ts";

const rootKey = { accessKeyId: "AKIAROOTROOTROOTROOT", secretAccessKey: "secret" };
let directory: string;
let mikan: Mikan;
let lambda: LambdaClient;

async function open() {
  mikan = await startMikan({ data: directory, rootKey });
  lambda = new LambdaClient({ endpoint: mikan.url, region: "us-east-1", credentials: rootKey, maxAttempts: 1 });
}
async function shut() {
  lambda.destroy();
  await mikan.close(0);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-layers-"));
  await open();
});
afterAll(async () => {
  await shut();
  await rm(directory, { recursive: true, force: true });
});

async function publish(LayerName: string, files: Record<string, string>): Promise<string> {
  const Content = { ZipFile: await zipOf(files) };
  const { LayerVersionArn = "" } = await lambda.send(new PublishLayerVersionCommand({ LayerName, Content }));
  return LayerVersionArn;
}

async function create(FunctionName: string, Runtime: "nodejs24.x" | "python3.12", source: string, Layers: string[]) {
  const file = Runtime === "nodejs24.x" ? "index.js" : "index.py";
  const Code = { ZipFile: await zipOf({ [file]: source }) };
  const settings = { FunctionName, Runtime, Layers, Role: role, Handler: "index.handler", Timeout: 20 };
  await lambda.send(new CreateFunctionCommand({ ...settings, Code }));
}

async function result(FunctionName: string): Promise<unknown> {
  const { Payload } = await lambda.send(new InvokeCommand({ FunctionName }));
  return JSON.parse(Payload?.transformToString() ?? "");
}

const nodeSource = `
const words = require("words");
const { existsSync } = require("node:fs");
exports.handler = async () => ({ words, opt: existsSync(process.env.MIKAN_OPT + "/nodejs"), own: process.env.PATH.includes(process.env.MIKAN_OPT + "/bin") });`;
const pythonSource = `
import json, os, subprocess
from words import WORDS
from deep import DEEP
def handler(event, context):
    return {"words": WORDS, "deep": DEEP, "told": subprocess.check_output(["told"]).decode().strip()}`;

describe("layers", () => {
  it("are found by functions in Node, also after a restart", async () => {
    const words = await publish("words", {
      "nodejs/node_modules/words/index.js": 'module.exports = "from a layer";',
    });
    const newer = await publish("newer", {
      "nodejs/node_modules/words/index.js": 'module.exports = "from a later layer";',
    });
    await create("node", "nodejs24.x", nodeSource, [words, newer]);
    const expected = { words: "from a later layer", opt: true, own: true };
    expect(await result("node")).toEqual(expected);
    await shut();
    await open();
    expect(await result("node")).toEqual(expected);
  }, 60_000);

  it("bring extensions, which are told of every invocation", async () => {
    const agent = `#!/usr/bin/env node
const base = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2020-01-01/extension/";
(async () => {
  const headers = { "Lambda-Extension-Name": "agent" };
  const { headers: given } = await fetch(base + "register", { method: "POST", headers, body: '{"events":["INVOKE"]}' });
  const id = given.get("lambda-extension-identifier");
  for (let count = 1; ; count += 1) {
    const next = await fetch(base + "event/next", { headers: { "Lambda-Extension-Identifier": id } });
    require("node:fs").writeFileSync(process.env.TMPDIR + "/told", count + " " + (await next.json()).eventType);
  }
})();`;
    const zip = new yazl.ZipFile();
    zip.addBuffer(Buffer.from(agent), "extensions/agent", { mode: 0o100755 });
    zip.end();
    const Content = { ZipFile: await buffer(zip.outputStream) };
    const published = await lambda.send(new PublishLayerVersionCommand({ LayerName: "agent", Content }));
    const layer = published.LayerVersionArn ?? "";
    const source = `exports.handler = async () => {
      const file = process.env.TMPDIR + "/told";
      return require("node:fs").existsSync(file) ? require("node:fs").readFileSync(file, "utf8") : "nothing";
    };`;
    await create("watched", "nodejs24.x", source, [layer]);
    await result("watched");
    // The second was told of the first, at least; each ends when the extension is done with it.
    expect(await result("watched")).toMatch(/^[12] INVOKE$/);
  }, 60_000);

  it("are found by functions in Python, programs included", async () => {
    const layer = await publish("py", {
      "python/words.py": 'WORDS = "plain"',
      "python/lib/python3.12/site-packages/deep.py": 'DEEP = "deep"',
      "bin/told": "#!/bin/sh\necho told\n",
    });
    await create(
      "python",
      "python3.12",
      pythonSource.replace('["told"]', '["sh", os.environ["MIKAN_OPT"] + "/bin/told"]'),
      [layer],
    );
    expect(await result("python")).toEqual({ words: "plain", deep: "deep", told: "told" });
  }, 60_000);
});

describe("Location", () => {
  const sha256 = async (response: Response) =>
    createHash("sha256")
      .update(Buffer.from(await response.arrayBuffer()))
      .digest("base64");

  it("is where the package is read, without a key, on a node that verifies", async () => {
    const { Configuration, Code } = await lambda.send(new GetFunctionCommand({ FunctionName: "node" }));
    expect(await sha256(await fetch(Code?.Location ?? ""))).toBe(Configuration?.CodeSha256);
    const layer = await lambda.send(new GetLayerVersionCommand({ LayerName: "words", VersionNumber: 1 }));
    const response = await fetch(layer.Content?.Location ?? "");
    expect(response.headers.get("content-type")).toBe("application/zip");
    expect(await sha256(response)).toBe(layer.Content?.CodeSha256);
  });

  it("opens nothing else, and nothing later", async () => {
    const { Code } = await lambda.send(new GetFunctionCommand({ FunctionName: "node" }));
    const location = Code?.Location ?? "";
    expect((await fetch(location.replace(/code\/.{4}/, "code/0000"))).status).toBe(403);
    expect((await fetch(location.replace(/expires=\d/, "expires=9"))).status).toBe(403);
    expect((await fetch(location, { method: "POST" })).status).toBe(405);
  });
});
