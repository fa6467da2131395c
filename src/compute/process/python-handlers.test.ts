import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

/** The version that the machine's `python3` is, so that the function's runtime is exact. */
const found = spawnSync("python3", ["-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]);
const runtime = found.status === 0 ? found.stdout.toString().trim() : undefined;
if (runtime === undefined) console.warn("SKIPPED: functions in Python, because there is no python3 here");

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function answer(
  code: string | Record<string, string>,
  settings: Partial<FunctionSpec> = {},
  event: unknown = {},
) {
  const files = typeof code === "string" ? { "index.py": code } : code;
  const spec = await harness.functionOf(files, { runtime: runtime ?? "", ...settings });
  const result = await harness.invoke(spec, event);
  return { ...result, json: answerOf(result), spec };
}

describe.skipIf(runtime === undefined)("a handler in Python", () => {
  it.each([
    ["app.handler", "app.py"],
    ["pkg/mod.handler", "pkg/mod.py"],
    ["pkg.mod.handler", "pkg/mod.py"],
    ["src/api/get.handler", "src/api/get.py"],
  ])("is found as %s", async (handler, path) => {
    const { json } = await answer(
      { [path]: "def handler(event, context): return {'twice': event['n'] * 2}" },
      { handler },
      { n: 2 },
    );
    expect(json).toEqual({ twice: 4 });
  });

  it("sees the whole context", async () => {
    const code = `
import os

def handler(event, context):
    names = ["function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb", "aws_request_id", "log_group_name", "log_stream_name"]
    client = context.client_context
    return {
        **{name: getattr(context, name) for name in names},
        "left": context.get_remaining_time_in_millis(),
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "client": [client.client.app_title, client.client.installation_id, client.custom, client.env],
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }`;
    const clientContext = Buffer.from('{"client":{"app_title":"Ｍikan"},"custom":{"a":1}}').toString("base64");
    const settings = { runtime: runtime ?? "", version: "7", memoryMiB: 192 };
    const spec = await harness.functionOf({ "index.py": code }, settings);
    const result = await harness.invoke(spec, {}, { clientContext, requestId: "d2f1a9c4-0000-4000-8000-000000000001" });
    const { left, ...context } = answerOf<Record<string, unknown> & { left: number }>(result);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(spec.timeoutMs);
    expect(context).toEqual({
      function_name: "tiles",
      function_version: "7",
      invoked_function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:tiles",
      memory_limit_in_mb: "192",
      aws_request_id: "d2f1a9c4-0000-4000-8000-000000000001",
      log_group_name: "/aws/lambda/tiles",
      log_stream_name: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[7\][0-9a-f]{32}$/),
      identity: [null, null],
      client: ["Ｍikan", null, { a: 1 }, null],
      trace: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
    });
    expect(result.memoryUsedMiB).toBeGreaterThan(3);
    expect(result.initMs).toBeGreaterThan(0);
  });

  it("has AWS's variables and search path, and a file system in UTF-8", async () => {
    const code = `
import locale, os, sys

def handler(event, context):
    return [os.environ["LAMBDA_TASK_ROOT"] == os.getcwd() == sys.path[0], os.environ["_HANDLER"], os.environ["AWS_EXECUTION_ENV"],
            os.environ["AWS_ENDPOINT_URL"], os.environ["PYTHONPATH"], locale.getpreferredencoding(False).lower(), os.environ.get("NODE_ENV")]`;
    const { json } = await answer(code, { environment: { PYTHONPATH: "/elsewhere" } });
    const endpoint = "http://127.0.0.1:4566";
    expect(json).toEqual([true, "index.handler", `AWS_Lambda_${runtime}`, endpoint, "/elsewhere", "utf-8", null]);
  });

  it("is found where PYTHONSAFEPATH keeps Python from looking beside a program", async () => {
    const code = "import json, sys\ndef handler(event, context): return sys.path.count(sys.path[0])";
    expect((await answer(code, { environment: { PYTHONSAFEPATH: "1" } })).json).toBe(1);
  });

  it.each([
    ["None", "null"],
    ["'Zoë 地図'", '"Zoë 地図"', "python3.12"],
    ["'Zoë'", String.raw`"Zo\u00eb"`, "python3.11"],
    ["{'a': (1, 2.5), 3: True}", '{"a": [1, 2.5], "3": true}'],
    ["float('nan')", "NaN"],
    ["b'\\x00raw'", "\u0000raw"],
    ["__import__('decimal').Decimal('12345678901234567890.10')", "12345678901234567890.10"],
  ])("answers %s as AWS's encoder writes it", async (value, text, named = runtime ?? "") => {
    const spec = await harness.functionOf(
      { "index.py": `def handler(event, context): return ${value}` },
      { runtime: named },
    );
    expect(Buffer.from((await harness.invoke(spec)).payload).toString()).toBe(text);
  });

  it("carries payloads of megabytes both ways, whole", async () => {
    const spec = await harness.functionOf(
      { "index.py": "def handler(event, context): return event" },
      { runtime: "python3.12" },
    );
    const event = { text: "é".repeat(2_000_000) };
    expect(answerOf(await harness.invoke(spec, event))).toEqual(event);
  });

  it("keeps its state from one invocation to the next, and writes nothing beside its code", async () => {
    const files = {
      "index.py": "import other\nn = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n",
      "other.py": "",
    };
    const { json, spec } = await answer(files);
    expect([json, answerOf(await harness.invoke(spec)), answerOf(await harness.invoke(spec))]).toEqual([1, 2, 3]);
    expect((await readdir(spec.codeDir)).toSorted()).toEqual(["index.py", "other.py"]);
  });

  it("logs what it prints and what it logs, in order, each invocation its own", async () => {
    const code = `
import logging, os, subprocess, sys
logging.getLogger().setLevel("INFO")

def handler(event, context):
    print("printed", 1)
    logging.info("two\\nlines of %s", "Zoë")
    logging.debug("not shown")
    sys.stderr.write("to stderr\\n")
    sys.stdout.buffer.write(b"bytes\\n")
    logging.getLogger("mine").warning("warned")
    context.log("by the context")`;
    const spec = await harness.functionOf({ "index.py": code }, { runtime: runtime ?? "" });
    for (const requestId of ["44444444-0000-4000-8000-000000000001", "44444444-0000-4000-8000-000000000002"]) {
      const { logTail } = await harness.invoke(spec, {}, { requestId });
      const lines = logTail.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "ISO").split("\n");
      expect(lines.slice(1, -3)).toEqual([
        "printed 1",
        `[INFO]\tISO\t${requestId}\ttwo`,
        "lines of Zoë",
        "to stderr",
        "bytes",
        `[WARNING]\tISO\t${requestId}\twarned`,
        "by the context",
      ]);
    }
  });

  it("may start programs and forks, which do not disturb it", async () => {
    const code = `
import os, subprocess

def handler(event, context):
    pid = os.fork()
    if pid == 0:
        print("from the fork", flush=True)
        return "not the answer"
    os.waitpid(pid, 0)
    subprocess.run(["/bin/sh", "-c", "echo from the shell"], check=True)
    return "the answer"`;
    const { json, spec } = await answer(code);
    expect(json).toBe("the answer");
    expect(answerOf(await harness.invoke(spec))).toBe("the answer");
    const texts = () => harness.lines.map(({ text }) => text);
    await expect.poll(texts).toContain("from the fork");
    await expect.poll(texts).toContain("from the shell");
  });
});

const boto = runtime !== undefined && spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!boto) console.warn("SKIPPED: boto3 in a function, because python3 has no boto3 here (pip install boto3)");

describe.skipIf(!boto)("boto3 in a function", () => {
  it("has the endpoint, the region and the credentials of the function", async () => {
    const code = `
import boto3

def handler(event, context):
    client = boto3.client("sqs")
    credentials = boto3.Session().get_credentials()
    return [client.meta.endpoint_url, client.meta.region_name, credentials.access_key, credentials.token]`;
    const { json } = await answer(code, { memoryMiB: 512, endpointUrl: "http://127.0.0.1:4567" });
    expect(json).toEqual(["http://127.0.0.1:4567", "eu-west-1", "ASIAEXAMPLE", "very-secret-token"]);
  });
});
