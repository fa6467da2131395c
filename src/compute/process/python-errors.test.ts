import { spawnSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { type Harness, answerOf, isRunning, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";
import { createPythons } from "./python.ts";

const found = spawnSync("python3", ["-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]);
const runtime = found.status === 0 ? found.stdout.toString().trim() : undefined;
if (runtime === undefined) console.warn("SKIPPED: errors of functions in Python, because there is no python3 here");

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

interface Failure {
  errorType: string;
  errorMessage: string;
  requestId?: string;
  stackTrace?: string[];
}

async function fail(code: string | Record<string, string>, settings: Partial<FunctionSpec> = {}) {
  const files = typeof code === "string" ? { "index.py": code } : code;
  const spec = await harness.functionOf(files, { runtime: runtime ?? "", ...settings });
  const requestId = crypto.randomUUID();
  const result = await harness.invoke(spec, {}, { requestId });
  return { ...result, json: answerOf<Failure>(result), requestId, spec };
}

describe.skipIf(runtime === undefined)("an error of a handler in Python", () => {
  it("is reported with its type, message and the function's part of the stack, and logged", async () => {
    const code = `
def tile(zoom):
    raise KeyError(zoom)

def handler(event, context):
    return tile(30)`;
    const { json, error, cause, logTail, requestId, spec } = await fail(code);
    expect(json).toEqual({
      errorMessage: "30",
      errorType: "KeyError",
      requestId,
      stackTrace: [
        `  File "${spec.codeDir}/index.py", line 6, in handler\n    return tile(30)\n`,
        `  File "${spec.codeDir}/index.py", line 3, in tile\n    raise KeyError(zoom)\n`,
      ],
    });
    expect([error, cause]).toEqual(["handled", undefined]);
    const first = `\u00a0\u00a0File "${spec.codeDir}/index.py", line 6, in handler`;
    expect(logTail).toContain(`[ERROR] KeyError: 30\nTraceback (most recent call last):\n${first}\n`);
  });

  it("leaves the environment in use", async () => {
    const code =
      "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    if n == 1: raise ValueError('once')\n    return n";
    const { spec } = await fail(code);
    expect(answerOf(await harness.invoke(spec))).toBe(2);
  });

  it.each([
    ["__import__('datetime').datetime.now()", "Object of type datetime is not JSON serializable"],
    ["[__import__('decimal').Decimal(1), {1}]", "Object of type set is not JSON serializable"],
    ["(lambda a: a.append(a) or a)([])", "Circular reference detected"],
  ])("is a result without JSON: %s", async (value, reason) => {
    const { json, error, requestId } = await fail(`def handler(event, context): return ${value}`);
    const errorMessage = `Unable to marshal response: ${reason}`;
    expect(json).toEqual({ errorMessage, errorType: "Runtime.MarshalError", requestId, stackTrace: [] });
    expect(error).toBe("handled");
  });

  it("is an event or a client context that is no JSON", async () => {
    const spec = await harness.functionOf({ "index.py": "def handler(e, c): return 1" }, { runtime: runtime ?? "" });
    const event = await harness.invoke(spec, {}, { payload: Buffer.from("{") });
    expect(answerOf(event)).toMatchObject({
      errorType: "Runtime.UnmarshalError",
      errorMessage: expect.stringContaining("Unable to unmarshal input: "),
    });
    const context = await harness.invoke(spec, {}, { clientContext: Buffer.from("[").toString("base64") });
    expect(answerOf(context)).toMatchObject({ errorType: "Runtime.LambdaContextUnmarshalError" });
    expect(answerOf(await harness.invoke(spec))).toBe(1);
  });

  it("is one whose message cannot be read, or has megabytes", async () => {
    const hostile = `
class Hostile(Exception):
    def __str__(self): raise ValueError()

def handler(event, context): raise Hostile()`;
    expect((await fail(hostile)).json.errorType).toBe("Hostile");
    const { json, error } = await fail("def handler(event, context): raise ValueError('x' * 3_000_000)");
    expect([json.errorType, json.errorMessage.length, error]).toEqual(["ValueError", 65_536, "handled"]);
  });

  it("is a result of more than 6 MB, and the next is served", async () => {
    const code =
      "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return 'x' * (6_291_555 if n == 1 else 6_291_554)";
    const { json, error, cause, spec } = await fail(code);
    expect(json).toEqual({
      errorType: "Function.ResponseSizeTooLarge",
      errorMessage: "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    });
    expect([error, cause]).toEqual(["unhandled", "too-large"]);
    expect((await harness.invoke(spec)).payload.byteLength).toBe(6_291_556);
  });
});

describe.skipIf(runtime === undefined)("an environment in Python that cannot start", () => {
  it.each([
    ["app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'app'"],
    ["needs.handler", "Runtime.ImportModuleError", "Unable to import module 'needs': No module named 'left_pad'"],
    ["index.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'index'"],
    ["broken.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'broken': "],
    ["index", "Runtime.MalformedHandlerName", "Bad handler 'index': not enough values to unpack (expected 2, got 1)"],
    ["sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"],
    ["throws.handler", "ZeroDivisionError", "division by zero"],
  ])("names the reason: %s is %s", async (handler, errorType, message) => {
    const files = {
      "index.py": "constant = 1",
      "broken.py": "def handler(event, context:\n    return 1",
      "needs.py": "import left_pad",
      "throws.py": "1 / 0",
    };
    const { json, error, cause, logTail } = await fail(files, { handler });
    expect(json.errorType).toBe(errorType);
    expect(json.errorMessage).toContain(message);
    expect(Object.keys(json)).toEqual(["errorMessage", "errorType", "requestId", "stackTrace"]);
    expect([error, cause]).toEqual(["unhandled", "init"]);
    expect(logTail).toMatch(/^START .*\nEND .*\nREPORT .*Status: error\tError Type: /);
    expect(harness.lines.map(({ text }) => text).join("\n")).toContain(`[ERROR] ${errorType}: ${message}`);
  });

  it("shows the line of a syntax error, and the stack of what was thrown", async () => {
    const broken = await fail("def handler(event, context):\n    return 1 +");
    const [place, line] = broken.json.stackTrace?.join("").split("\n") ?? [];
    expect([place, line?.trim()]).toEqual([`  File "${broken.spec.codeDir}/index.py" Line 2`, "return 1 +"]);
    const throws = await fail("raise RuntimeError('at load')");
    expect(throws.json.stackTrace?.at(-1)).toContain(`File "${throws.spec.codeDir}/index.py", line 1, in <module>`);
  });

  it("exits while it loads", async () => {
    const { json, cause, requestId } = await fail("import sys\nsys.exit(3)");
    expect(json).toEqual({
      errorType: "Runtime.ExitError",
      errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: exit status 3`,
    });
    expect(cause).toBe("init");
  });
});

describe.skipIf(runtime === undefined)("an environment in Python that ends during an invocation", () => {
  it.each([
    ["sys.exit(1)", "Runtime exited with error: exit status 1"],
    ["sys.exit(0)", "Runtime exited without providing a reason"],
    ["os._exit(4)", "Runtime exited with error: exit status 4"],
    ["os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"],
  ])("by %s", async (statement, reason) => {
    const code = `import os, sys\ndef handler(event, context):\n    if event.get("again"): return "again"\n    print("last words")\n    ${statement}`;
    const { json, error, cause, requestId, logTail, spec } = await fail(code);
    const errorMessage = `RequestId: ${requestId} Error: ${reason}`;
    expect(json).toEqual({ errorType: "Runtime.ExitError", errorMessage });
    expect([error, cause]).toEqual(["unhandled", "crash"]);
    expect(logTail).toContain("\nlast words\n");
    expect(answerOf(await harness.invoke(spec, { again: true }))).toBe("again");
  });

  it("is killed at the timeout, with everything it started", async () => {
    const code = `
import subprocess
def handler(event, context):
    print("child", subprocess.Popen(["sleep", "1000"]).pid)
    while True: pass`;
    const { json, cause, requestId, logTail } = await fail(code, { timeoutMs: 1_500 });
    const errorMessage = `RequestId: ${requestId} Error: Task timed out after 1.50 seconds`;
    expect(json).toEqual({ errorType: "Sandbox.Timedout", errorMessage });
    expect(cause).toBe("timeout");
    const child = Number(/child (\d+)/.exec(logTail)?.[1]);
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  it("is killed above its memory", async () => {
    const code =
      "import time\nheld = []\ndef handler(event, context):\n    while True:\n        held.append(b'x' * (8 << 20))\n        time.sleep(0.001)";
    const { json, cause, memoryUsedMiB } = await fail(code, { memoryMiB: 128 });
    expect(json.errorType).toBe("Runtime.OutOfMemory");
    expect(cause).toBe("memory");
    expect(memoryUsedMiB).toBeGreaterThanOrEqual(128);
  });
});

describe("the interpreter", () => {
  /** Programs that say what a Python says; those without a version fail. */
  async function withPath<T>(programs: Record<string, string>, use: () => Promise<T>): Promise<T> {
    const directory = join(harness.directory, crypto.randomUUID());
    await mkdir(directory);
    for (const [name, version] of Object.entries(programs)) {
      const body = version === "" ? "exit 127" : `echo ${version}; echo /real/${name}`;
      await writeFile(join(directory, name), `#!/bin/sh\n${body}\n`);
      await chmod(join(directory, name), 0o755);
    }
    const former = process.env["PATH"];
    process.env["PATH"] = directory;
    try {
      return await use();
    } finally {
      process.env["PATH"] = former;
    }
  }
  const ask = (programs: Record<string, string>, log = silentLog) =>
    withPath(programs, () => createPythons(log)("python3.12"));

  it("is the exact version, else any from 3.8 on", async () => {
    const exact = { "python3.12": "3.12.1", python3: "3.13.0" };
    expect(await ask(exact)).toEqual({ command: "/real/python3.12", version: "3.12.1" });
    const other = { "python3.12": "", python3: "3.8.18" };
    expect(await ask(other)).toEqual({ command: "/real/python3", version: "3.8.18" });
  });

  it("that is another version is named in the log, once", async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => warnings.push(message) };
    await withPath({ python3: "3.11.2" }, async () => {
      const pythonOf = createPythons(log);
      await Promise.all([pythonOf("python3.12"), pythonOf("python3.12")]);
      await pythonOf("python3.12");
      await pythonOf("python3.11");
    });
    expect(warnings).toEqual(["there is no python3.12 here: its functions run on Python 3.11.2"]);
  });

  it.each([{}, { python3: "3.7.16" }, { python3: "2.7.18" }, { python3: "" }])(
    "that is missing, too old or broken is said to be: %o",
    async (programs) => {
      const hint = "Install python3.12, or any python3 from 3.8 on, and put it in the PATH of the node.";
      expect(await ask(programs)).toEqual({ hint });
      const other = await openHarness();
      const spec = await other.functionOf({ "index.py": "" }, { runtime: "python3.12" });
      const result = await withPath(programs, () => other.invoke(spec));
      await other.close();
      const json = answerOf<Failure>(result);
      expect([json.errorType, result.cause]).toEqual(["Runtime.NotSupported", "init"]);
      expect(json.errorMessage).toBe(`The runtime python3.12 is not available on this node. ${hint}`);
    },
  );
});
