import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, isRunning, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

let harness: Harness;
/** Gives a function less time to start than the others need on a busy machine. */
let hasty: Harness;
beforeAll(async () => {
  harness = await openHarness();
  hasty = await openHarness({ initMsMax: 400 });
});
afterAll(() => Promise.all([harness.close(), hasty.close()]));

interface Failure {
  errorType: string;
  errorMessage: string;
  trace?: string[];
}

async function fail(code: string, settings: Partial<FunctionSpec> = {}, inside = harness) {
  const spec = await inside.functionOf({ "index.mjs": code }, settings);
  const requestId = crypto.randomUUID();
  const result = await inside.invoke(spec, {}, { requestId });
  return { ...result, json: answerOf<Failure>(result), requestId, spec };
}

describe("an error of the handler", () => {
  it("is reported with its type, message and trace, and logged", async () => {
    const { json, error, cause, logTail, requestId } = await fail(
      "export const handler = async () => { throw Object.assign(new TypeError('no tile'), { zoom: 30, code: 'E_ZOOM' }); };",
    );
    expect(json).toMatchObject({ errorType: "TypeError", errorMessage: "no tile" });
    expect(json.trace?.[0]).toBe("TypeError: no tile");
    expect(json.trace?.[1]).toContain("index.mjs:1:");
    expect([error, cause]).toEqual(["handled", undefined]);
    const [line] = logTail.split("\n").filter((text) => text.includes("Invoke Error"));
    expect(line).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\t${requestId}\tERROR\tInvoke Error \t{`));
    expect(line).toContain('"errorType":"TypeError","errorMessage":"no tile","code":"E_ZOOM","zoom":30,"stack":[');
  });

  it.each([
    ["a string", "'plain'", { errorType: "string", errorMessage: "plain", trace: [] }],
    ["nothing", "undefined", { errorType: "undefined", errorMessage: "undefined", trace: [] }],
    [
      "an error that cannot be read",
      "Object.defineProperty(new Error('x'), 'stack', { get() { throw new Error('hostile'); } })",
      { errorType: "handled" },
    ],
  ])("may be %s", async (_name, thrown, expected) => {
    const { json, error } = await fail(`export const handler = async () => { throw ${thrown}; };`);
    expect(json).toMatchObject(expected);
    expect(error).toBe("handled");
  });

  it("leaves the environment in use", async () => {
    const { spec } = await fail(
      "let n = 0; export const handler = async () => { n += 1; if (n === 1) throw new Error('once'); return n; };",
    );
    expect(answerOf(await harness.invoke(spec))).toBe(2);
  });

  it.each([
    ["circular", "const a = {}; a.a = a; return a;"],
    ["a BigInt", "return 1n;"],
    ["a toJSON that throws", "return { toJSON() { throw new Error('x'); } };"],
  ])("is a result without JSON: %s", async (_name, body) => {
    const { json, error } = await fail(`export const handler = async () => { ${body} };`);
    expect(json).toMatchObject({
      errorType: "Runtime.JSONStringifyError",
      errorMessage: "Unable to stringify response body",
    });
    expect(error).toBe("handled");
  });

  it("is a result of more than 6 MB, and the next is served", async () => {
    const code = "let n = 0; export const handler = async () => 'x'.repeat((n += 1) === 1 ? 6_291_555 : 6_291_554);";
    const { json, error, cause, spec } = await fail(code);
    expect(json).toEqual({
      errorType: "Function.ResponseSizeTooLarge",
      errorMessage: "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    });
    expect([error, cause]).toEqual(["unhandled", "too-large"]);
    expect((await harness.invoke(spec)).payload.byteLength).toBe(6_291_556);
  });

  it("is a promise that nothing will settle", async () => {
    const { json, error } = await fail("export const handler = () => new Promise(() => {});");
    expect(json.errorType).toBe("Runtime.NodeJsExit");
    expect(error).toBe("handled");
  });
});

describe("an environment that cannot start", () => {
  it.each([
    ["nowhere.handler", "Runtime.ImportModuleError", /^Error: Cannot find module 'nowhere'/],
    ["index.missing", "Runtime.HandlerNotFound", /^index.missing is undefined or not exported$/],
    ["index.constant", "Runtime.HandlerNotFound", /^index.constant is not a function$/],
    ["index", "Runtime.MalformedHandlerName", /^Bad handler$/],
    ["../index.handler", "Runtime.MalformedHandlerName", /^'..\/index.handler' is not a valid handler name/],
    ["broken.handler", "Runtime.UserCodeSyntaxError", /^SyntaxError: /],
    ["needs.handler", "Runtime.ImportModuleError", /^Error: Cannot find module 'left-pad'/],
    ["callbacks.handler", "Runtime.CallbackHandlerDeprecated", /^ERROR: AWS Lambda has removed support for callback/],
    ["throws.handler", "RangeError", /^at load$/],
  ])("names the reason: %s is %s", async (handler, errorType, message) => {
    const spec = await harness.functionOf(
      {
        "index.mjs": "export const constant = 1;",
        "broken.js": "exports.handler = async ( => 1;",
        "needs.js": "require('left-pad'); exports.handler = async () => 1;",
        "callbacks.mjs": "export const handler = (event, context, callback) => callback(null, 1);",
        "throws.mjs": "throw new RangeError('at load');",
      },
      { handler },
    );
    const result = await harness.invoke(spec);
    const json = answerOf<Failure>(result);
    expect(json.errorType).toBe(errorType);
    expect(json.errorMessage).toMatch(message);
    expect([result.error, result.cause]).toEqual(["unhandled", "init"]);
    expect(result.logTail).toMatch(/^START .*\nEND .*\nREPORT .*Status: error\tError Type: /);
    // What its own code threw may not be thrown again: that start had its second try, within the invocation.
    const phase = errorType === "RangeError" ? "invoke" : "init";
    expect(harness.lines.at(-4)?.text).toContain(`Phase: ${phase}\tStatus: error\tError Type: ${errorType}`);
  });

  it("starts twice when its code threw, once when its handler is missing", async () => {
    const attempts = (text: string) => harness.lines.filter((line) => line.text.includes(text)).length;
    await fail("console.log('first kind'); throw new Error('flaky');");
    await fail("console.log('second kind'); export const other = 1;");
    expect([attempts("first kind"), attempts("second kind")]).toEqual([2, 1]);
  });

  it("is given up after the init limit, and once more after the function's own", async () => {
    const { json, error, cause, requestId } = await fail(
      "await new Promise(() => setInterval(() => {}, 1000));",
      {
        timeoutMs: 300,
      },
      hasty,
    );
    expect(json).toEqual({
      errorType: "Sandbox.Timedout",
      errorMessage: `RequestId: ${requestId} Error: Task timed out after 0.30 seconds`,
    });
    expect([error, cause]).toEqual(["unhandled", "init"]);
  });

  it("may get ready in its second try, which has the function's own time", async () => {
    const code = "await new Promise((done) => setTimeout(done, 600)); export const handler = async () => 'slow start';";
    const { json, error, initMs, durationMs, logTail } = await fail(code, { timeoutMs: 5_000 }, hasty);
    expect(json).toBe("slow start");
    expect(error).toBeUndefined();
    // Its time counts as the invocation's.
    expect(initMs).toBeUndefined();
    expect(durationMs).toBeGreaterThan(600);
    expect(logTail).not.toContain("Init Duration");
  });

  it("shares the function's time with the invocation in its second try", async () => {
    const code =
      "await new Promise((done) => setTimeout(done, 600)); export const handler = () => new Promise(() => setInterval(() => {}, 1000));";
    const { json, durationMs, cause } = await fail(code, { timeoutMs: 1_500 }, hasty);
    expect(json.errorMessage).toContain("Task timed out after 1.50 seconds");
    expect(cause).toBe("timeout");
    expect(durationMs).toBeLessThan(2_000);
  });

  it("leaves the lines that Lambda leaves", async () => {
    hasty.lines.length = 0;
    const { requestId } = await fail("process.exit(3);", {}, hasty);
    expect(hasty.lines.map(({ text }) => text.replace(/\d+\.\d+ ms/g, "N ms"))).toEqual([
      expect.stringContaining("INIT_START Runtime Version: nodejs:24.mikan"),
      "INIT_REPORT Init Duration: N ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
      expect.stringContaining("INIT_START Runtime Version: nodejs:24.mikan"),
      "INIT_REPORT Init Duration: N ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError",
      `START RequestId: ${requestId} Version: $LATEST`,
      `RequestId: ${requestId} Error: Runtime exited with error: exit status 3\nRuntime.ExitError`,
      `END RequestId: ${requestId}`,
      expect.stringMatching(/^REPORT .*Status: error\tError Type: Runtime.ExitError$/),
    ]);
  });

  it("exits while it loads", async () => {
    const { json, cause, requestId } = await fail("process.exit(3);");
    expect(json).toEqual({
      errorType: "Runtime.ExitError",
      errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: exit status 3`,
    });
    expect(cause).toBe("init");
  });

  it.each(["dotnet8", "cobol85"])("has the runtime %s, which is not here, and says what is", async (runtime) => {
    const { json, error, cause } = await fail("", { runtime });
    expect(json.errorType).toBe("Runtime.NotSupported");
    expect(json.errorMessage).toContain(`The runtime ${runtime} is not available on this node.`);
    expect(json.errorMessage).toContain("use nodejs24.x, or provided.al2023");
    expect([error, cause]).toEqual(["unhandled", "init"]);
  });
});

describe("an environment that ends during an invocation", () => {
  it.each([
    ["process.exit(1)", "Runtime.ExitError", "Runtime exited with error: exit status 1"],
    ["process.exit(0)", "Runtime.ExitError", "Runtime exited without providing a reason"],
    [
      "process.kill(process.pid, 'SIGSEGV')",
      "Runtime.ExitError",
      "Runtime exited with error: signal: segmentation fault",
    ],
  ])("by %s", async (statement, errorType, reason) => {
    const code = `export const handler = async (event) => { if (event.again) return 'again'; ${statement}; await new Promise(() => setInterval(() => {}, 1000)); };`;
    const { json, error, cause, requestId, logTail, spec } = await fail(code);
    expect(json).toEqual({ errorType, errorMessage: `RequestId: ${requestId} Error: ${reason}` });
    expect([error, cause]).toEqual(["unhandled", "crash"]);
    expect(logTail).toContain("Status: error\tError Type: Runtime.ExitError");
    expect(answerOf(await harness.invoke(spec, { again: true }))).toBe("again");
  });

  it.each([
    ["an uncaught exception", "setTimeout(() => { throw new TypeError('late'); });", "TypeError", "late"],
    [
      "an unhandled rejection",
      "void Promise.reject(new TypeError('late'));",
      "Runtime.UnhandledPromiseRejection",
      "TypeError: late",
    ],
  ])("by %s, with that as the answer", async (_name, statement, errorType, errorMessage) => {
    const code = `export const handler = async () => { ${statement} await new Promise(() => setInterval(() => {}, 1000)); };`;
    const { json, error, cause } = await fail(code);
    expect(json).toMatchObject({ errorType, errorMessage });
    expect([error, cause]).toEqual(["unhandled", "crash"]);
  });

  it("is killed at the timeout, with everything it started", async () => {
    const code = `
      import { spawn } from "node:child_process";
      export const handler = async () => {
        const child = spawn("sleep", ["1000"], { stdio: "ignore" });
        console.log("child " + child.pid);
        for (;;);
      };`;
    const { json, error, cause, requestId, logTail } = await fail(code, { timeoutMs: 250 });
    expect(json).toEqual({
      errorType: "Sandbox.Timedout",
      errorMessage: `RequestId: ${requestId} Error: Task timed out after 0.25 seconds`,
    });
    expect([error, cause]).toEqual(["unhandled", "timeout"]);
    expect(logTail).toMatch(new RegExp(`\n\\S+Z ${requestId} Task timed out after 0.25 seconds\nEND `));
    expect(logTail).toMatch(/Billed Duration: \d+ ms\t.*Status: timeout\n$/);
    const child = Number(/child (\d+)/.exec(logTail)?.[1]);
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  it("is killed above its memory, which is told apart from a crash", async () => {
    const code = `const held = [];
      export const handler = async () => { for (;;) { held.push(Buffer.alloc(8 * 1024 * 1024, 1)); await new Promise((done) => setTimeout(done, 1)); } };`;
    const { json, error, cause, requestId, memoryUsedMiB } = await fail(code, { memoryMiB: 160 });
    expect(json).toEqual({
      errorType: "Runtime.OutOfMemory",
      errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: signal: killed`,
    });
    expect([error, cause]).toEqual(["unhandled", "memory"]);
    // The kernel keeps it at its limit where it does the killing.
    expect(memoryUsedMiB).toBeGreaterThanOrEqual(159);
  });

  it("gives up its heap, which is its memory too", async () => {
    const code =
      "const held = []; export const handler = async () => { for (;;) held.push({ n: held.length, text: String(held.length) }); };";
    const { json, cause } = await fail(code, {
      memoryMiB: 1024,
      environment: { NODE_OPTIONS: "--max-old-space-size=40" },
    });
    expect(json.errorMessage).toContain("Runtime exited with error: signal: aborted");
    expect(cause).toBe("memory");
  });
});
