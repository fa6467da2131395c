/** The AWS CLI, boto3 and curl, unmodified, on a node that verifies signatures. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../../mikan.ts";
import { role, zipOf } from "./node.suite.ts";

const run = promisify(execFile);
const timeoutMs = 120_000;
const rootKey = { accessKeyId: "AKIAROOTROOTROOTROOT", secretAccessKey: "secret" };

let mikan: Mikan;
let work: string;
beforeAll(async () => {
  mikan = await startMikan({ rootKey });
  work = await mkdtemp(join(tmpdir(), "mikan-lambda-tools-"));
  await writeFile(
    join(work, "layer.zip"),
    await zipOf({ "nodejs/node_modules/words/index.js": 'module.exports = "hi";' }),
  );
  const source = 'const words = require("words"); exports.handler = async (event) => ({ words, path: event.rawPath });';
  await writeFile(join(work, "code.zip"), await zipOf({ "index.js": source }));
});
afterAll(async () => {
  await mikan.close(0);
  await rm(work, { recursive: true, force: true });
});

const environment = () => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: rootKey.accessKeyId,
  AWS_SECRET_ACCESS_KEY: rootKey.secretAccessKey,
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_ENDPOINT_URL: mikan.url,
  AWS_PAGER: "",
});

/** A tool that is missing is said so, not passed over. */
const has = (command: string, ...words: string[]) =>
  run(command, words).then(
    () => true,
    () => false,
  );

const hasCli = (await has("aws", "--version")) && (await has("curl", "--version"));
describe.skipIf(!hasCli)(hasCli ? "aws lambda and curl" : "AWS CLI OR CURL IS NOT INSTALLED: not tested", () => {
  const aws = async (...words: string[]) => {
    const { stdout } = await run("aws", ["lambda", ...words, "--output", "json"], { env: environment(), cwd: work });
    return (stdout.trim() === "" ? {} : JSON.parse(stdout)) as Record<string, unknown>;
  };
  const curl = async (...words: string[]) => (await run("curl", ["--silent", ...words])).stdout;
  const called = ["--function-name", "tiles"];

  it(
    "publish a layer, use it by a function's URL, and read the packages back",
    async () => {
      const layer = ["--layer-name", "words", "--zip-file", "fileb://layer.zip"];
      const made = await aws("publish-layer-version", ...layer, "--compatible-runtimes", "nodejs24.x");
      const settings = ["--runtime", "nodejs24.x", "--handler", "index.handler", "--role", role];
      const code = ["--zip-file", "fileb://code.zip", "--layers", String(made["LayerVersionArn"])];
      await aws("create-function", ...called, ...settings, ...code);
      const { Code } = (await aws("get-function", ...called)) as { Code?: { Location: string } };
      await curl("--output", join(work, "read.zip"), Code?.Location ?? "");
      expect(await readFile(join(work, "read.zip"))).toEqual(await readFile(join(work, "code.zip")));

      const { FunctionUrl: url } = await aws("create-function-url-config", ...called, "--auth-type", "AWS_IAM");
      const signing = ["--aws-sigv4", "aws:amz:us-east-1:lambda"];
      const signed = [...signing, "--user", `${rootKey.accessKeyId}:${rootKey.secretAccessKey}`];
      expect(JSON.parse(await curl(...signed, `${String(url)}a`))).toEqual({ words: "hi", path: "/a" });
      expect(await curl(...signing, "--user", `${rootKey.accessKeyId}:wrong`, `${String(url)}a`)).toContain(
        "signature",
      );

      const version = ["--layer-name", "words", "--version-number", "1"];
      await aws("delete-layer-version", ...version);
      await expect(aws("get-layer-version", ...version)).rejects.toThrow("ResourceNotFoundException");
    },
    timeoutMs,
  );
});

const script = `
import boto3, io, json, sys, urllib.request, zipfile
def packed(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return out.getvalue()
client = boto3.client("lambda")
layer = client.publish_layer_version(LayerName="py", Content={"ZipFile": packed({"python/words.py": "WORDS = 'hi'"})})
client.add_layer_version_permission(LayerName="py", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="*")
source = "from words import WORDS\\ndef handler(event, context):\\n    return WORDS"
client.create_function(FunctionName="boto", Runtime="python3.12", Handler="index.handler", Role=sys.argv[1],
    Code={"ZipFile": packed({"index.py": source})}, Layers=[layer["LayerVersionArn"]])
got = client.get_layer_version(LayerName="py", VersionNumber=1)
package = urllib.request.urlopen(got["Content"]["Location"]).read()
client.put_function_event_invoke_config(FunctionName="boto", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)
url = client.create_function_url_config(FunctionName="boto", AuthType="NONE", Cors={"AllowOrigins": ["*"]})
print(json.dumps({
    "size": len(package) == got["Content"]["CodeSize"],
    "answer": json.loads(client.invoke(FunctionName="boto")["Payload"].read()),
    "layers": [one["LayerName"] for one in client.list_layers(CompatibleRuntime="python3.12")["Layers"]],
    "cors": url["Cors"],
    "retries": client.get_function_event_invoke_config(FunctionName="boto")["MaximumRetryAttempts"],
}))
`;

const hasBoto = await has("python3", "-c", "import boto3");
describe.skipIf(!hasBoto)(hasBoto ? "boto3" : "BOTO3 IS NOT INSTALLED: not tested", () => {
  it(
    "does the same",
    async () => {
      const { stdout } = await run("python3", ["-c", script, role], { env: environment() });
      expect(JSON.parse(stdout)).toEqual({
        size: true,
        answer: "hi",
        layers: [],
        cors: { AllowOrigins: ["*"] },
        retries: 0,
      });
    },
    timeoutMs,
  );
});
