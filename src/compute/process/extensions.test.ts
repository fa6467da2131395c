import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

let layers = 0;

/** A function in Node.js with a layer of these files, all of them programs. */
async function functionOf(
  files: Record<string, string>,
  layer: Record<string, string>,
  settings: Partial<FunctionSpec> = {},
) {
  const optDir = join(harness.directory, `layer-${(layers += 1)}`);
  for (const [name, text] of Object.entries(layer)) {
    await mkdir(dirname(join(optDir, name)), { recursive: true });
    await writeFile(join(optDir, name), text);
    await chmod(join(optDir, name), 0o755);
  }
  return harness.functionOf(files, { optDir, ...settings });
}

/** A program of Node.js with helpers for the Extensions API; `body` runs with `next` at hand. */
const extensionOf = (body: string, events: readonly string[] = ["INVOKE", "SHUTDOWN"]) => `#!${process.execPath}
const base = "http://" + process.env.AWS_LAMBDA_RUNTIME_API;
const name = require("node:path").basename(__filename);
const say = (text) => require("node:fs").writeSync(1, text + "\\n");
let id;
const call = (method, path, body, headers = {}) => fetch(base + path, { method, body, headers: { "Lambda-Extension-Identifier": id ?? "", ...headers } });
const next = async () => (await call("GET", "/2020-01-01/extension/event/next")).json();
(async () => {
  const registered = await call("POST", "/2020-01-01/extension/register", JSON.stringify({ events: ${JSON.stringify(events)} }), { "Lambda-Extension-Name": name, "Lambda-Extension-Accept-Feature": "accountId" });
  id = registered.headers.get("lambda-extension-identifier");
  const facts = await registered.json();
  ${body}
})();`;

const echo = { "index.js": "exports.handler = async (event) => event;" };
const texts = () => harness.lines.map(({ text }) => text);
const requestId = "55555555-0000-4000-8000-000000000005";

describe("an extension in a layer", () => {
  it("is told of invocations and of the end, and is waited for", async () => {
    const agent = extensionOf(`
      say("facts " + JSON.stringify(facts));
      for (;;) {
        const event = await next();
        await new Promise((resolve) => setTimeout(resolve, 50));
        say("told " + JSON.stringify(event));
        if (event.eventType === "SHUTDOWN") process.exit(0);
      }`);
    const spec = await functionOf(echo, { "extensions/agent": agent });
    expect(answerOf(await harness.invoke(spec, { n: 1 }, { requestId }))).toEqual({ n: 1 });
    // Its word came before the answer.
    const told = JSON.parse(
      texts()
        .find((text) => text.startsWith("told "))
        ?.slice(5) ?? "null",
    );
    expect(told).toMatchObject({
      eventType: "INVOKE",
      requestId,
      invokedFunctionArn: "arn:aws:lambda:eu-west-1:123456789012:function:tiles",
      tracing: { type: "X-Amzn-Trace-Id", value: expect.stringContaining("Root=") },
    });
    expect(texts()).toContain("EXTENSION\tName: agent\tState: Registered\tEvents: [INVOKE, SHUTDOWN]");
    const facts = {
      functionName: "tiles",
      functionVersion: "$LATEST",
      handler: "index.handler",
      accountId: "123456789012",
    };
    expect(texts()).toContain(`facts ${JSON.stringify(facts)}`);
    expect(answerOf(await harness.invoke(spec, 2))).toBe(2);
    await harness.compute.retire(spec.id);
    expect(texts().find((text) => text.includes("SHUTDOWN") && text.startsWith("told "))).toContain(
      '"shutdownReason":"spindown"',
    );
  });

  it("beside a function over the Runtime API", async () => {
    const bootstrap = `#!${process.execPath}
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation/";
(async () => { for (;;) {
  const next = await fetch(api + "next");
  await fetch(api + next.headers.get("lambda-runtime-aws-request-id") + "/response", { method: "POST", body: "7" });
} })();`;
    const agent = extensionOf(`for (;;) say("seen " + (await next()).eventType);`, ["INVOKE"]);
    const spec = await functionOf({ bootstrap }, { "extensions/second": agent }, { runtime: "provided.al2023" });
    expect(answerOf(await harness.invoke(spec))).toBe(7);
    expect(texts()).toContain("seen INVOKE");
  });

  it("that fails at its start, or is gone, takes the environment with it", async () => {
    const refuses = extensionOf(
      `await call("POST", "/2020-01-01/extension/init/error", "no key", { "Lambda-Extension-Function-Error-Type": "Agent.NoKey" }); process.exit(1);`,
    );
    const failed = await harness.invoke(await functionOf(echo, { "extensions/agent": refuses }));
    expect(answerOf(failed)).toEqual({ errorType: "Agent.NoKey", errorMessage: "no key" });
    expect(failed.cause).toBe("init");
    const dies = extensionOf(`await next(); process.exit(3);`);
    const died = await harness.invoke(
      await functionOf(
        { "index.js": "exports.handler = () => new Promise((resolve) => setTimeout(resolve, 5000));" },
        { "extensions/agent": dies },
      ),
    );
    expect([died.error, died.cause]).toEqual(["unhandled", "crash"]);
    expect(texts()).toContain("EXTENSION\tName: agent\tState: Crashed\tExit Status: 3");
  });

  it("that is no program is not left out", async () => {
    const spec = await functionOf(echo, { "extensions/agent": "" });
    await chmod(join(spec.optDir ?? "", "extensions/agent"), 0o644);
    const result = await harness.invoke(spec);
    expect([result.error, result.cause]).toEqual(["unhandled", "init"]);
    expect(texts()).toContain("EXTENSION\tName: agent\tState: Crashed\tExit Status: 126");
  });

  it("is refused what its protocol forbids", async () => {
    const agent = extensionOf(`
      const seen = [];
      const note = async (response) => seen.push([response.status, (await response.json()).errorType]);
      const register = (headers, body) => fetch(base + "/2020-01-01/extension/register", { method: "POST", headers, body });
      await note(await register({}, "{}"));
      await note(await register({ "Lambda-Extension-Name": "other" }, "{"));
      await note(await register({ "Lambda-Extension-Name": "other" }, '{"events":["SOMETHING"]}'));
      await note(await register({ "Lambda-Extension-Name": "other" }, '{"events":["SHUTDOWN"]}'));
      await note(await register({ "Lambda-Extension-Name": name }, '{"events":[]}'));
      await note(await fetch(base + "/2020-01-01/extension/event/next"));
      await note(await call("PUT", "/2022-07-01/telemetry", "{}"));
      await note(await call("PUT", "/2022-07-01/telemetry", JSON.stringify({ types: ["function"], destination: { protocol: "HTTP", URI: "http://elsewhere.example:80" } })));
      await note(await call("PUT", "/2022-07-01/telemetry", JSON.stringify({ types: ["function"], destination: { protocol: "HTTP", URI: "http://sandbox.localdomain:80" }, buffering: { maxItems: 5 } })));
      say("seen " + JSON.stringify(seen));
      for (;;) await next();`);
    await harness.invoke(await functionOf(echo, { "extensions/agent": agent }));
    const seen = texts().findLast((text) => text.startsWith("seen ["));
    expect(JSON.parse(seen?.slice(5) ?? "null")).toEqual([
      [403, "Extension.InvalidExtensionName"],
      [400, "InvalidRequestFormat"],
      [403, "InvalidEventType"],
      [403, "ShutdownEventNotSupportedForInternalExtension"],
      [403, "Extension.InvalidExtensionState"],
      [403, "Extension.UnknownExtensionIdentifier"],
      [400, "ValidationError"],
      [400, "ValidationError"],
      [400, "ValidationError"],
    ]);
  });
});

describe("the Telemetry API", () => {
  it.each(["/2022-07-01/telemetry", "/2020-08-15/logs"])(
    "%s sends what the platform and the function log",
    async (path) => {
      // What it says is a line of the function's log here, and would come back to it for ever.
      const agent = extensionOf(`
      require("node:http").createServer(async (request, response) => {
        let text = "";
        for await (const chunk of request) text += chunk;
        const events = JSON.parse(text).filter(({ record }) => !String(record).startsWith("got "));
        for (const event of events) say("got " + JSON.stringify([event.type, event.record]));
        response.end();
      }).listen(0, "127.0.0.1", async function () {
        const destination = { protocol: "HTTP", URI: "http://sandbox.localdomain:" + this.address().port };
        const wanted = { schemaVersion: "2022-12-13", types: ["platform", "function"], destination, buffering: { timeoutMs: 25 } };
        const answer = await call("PUT", "${path}", JSON.stringify(wanted));
        say("subscribed " + answer.status + " " + await answer.text());
        for (;;) await next();
      });`);
      harness.lines.length = 0;
      const source = { "index.js": "exports.handler = async () => { console.log('hello'); };" };
      const spec = await functionOf(source, { "extensions/agent": agent });
      await harness.invoke(spec, {}, { requestId });
      await harness.invoke(spec, {}, { requestId });
      const got = () =>
        texts()
          .filter((text) => text.startsWith("got "))
          .map((text) => (JSON.parse(text.slice(4)) as [string])[0]);
      await expect.poll(got, { timeout: 5_000 }).toContain("platform.report");
      expect(texts()).toContain("subscribed 200 OK");
      expect(got()).toEqual(expect.arrayContaining(["platform.start", "function", "platform.runtimeDone"]));
      expect(texts().some((text) => text.startsWith("got ") && text.includes("hello"))).toBe(true);
    },
  );
});

describe("AWS_LAMBDA_EXEC_WRAPPER", () => {
  const wrapper = `#!/bin/sh\nexport WRAPPED="by $0"\nexec "$@"\n`;
  it.each([
    ["nodejs24.x", "index.handler", { "index.js": "exports.handler = async () => process.env.WRAPPED;" }],
    [
      "python3.12",
      "app.handler",
      { "app.py": "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n" },
    ],
  ])("starts %s", async (runtime, handler, files) => {
    const environment = { AWS_LAMBDA_EXEC_WRAPPER: "/opt/bin/wrap" };
    const spec = await functionOf(files, { "bin/wrap": wrapper }, { runtime, handler, environment });
    expect(answerOf(await harness.invoke(spec))).toMatch(/^by .*\/bin\/wrap$/);
  });

  it("that is not there is said to be", async () => {
    const spec = await harness.functionOf(echo, { environment: { AWS_LAMBDA_EXEC_WRAPPER: "/opt/none" } });
    const result = await harness.invoke(spec);
    expect([result.error, result.cause]).toEqual(["unhandled", "init"]);
  });
});
