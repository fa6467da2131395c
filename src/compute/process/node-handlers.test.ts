import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";
import type { FunctionSpec } from "../ports.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function answer(files: Record<string, string>, settings: Partial<FunctionSpec> = {}, event: unknown = { n: 2 }) {
  const result = await harness.invoke(await harness.functionOf(files, settings), event);
  return { ...result, json: answerOf(result) };
}

describe("a handler of Node.js 24", () => {
  it.each([
    ["async in an ES module", { "index.mjs": "export const handler = async ({ n }) => ({ twice: n * 2 });" }],
    ["of CommonJS", { "index.js": "exports.handler = async ({ n }) => ({ twice: n * 2 });" }],
    ["of CommonJS by extension", { "index.cjs": "module.exports = { handler: async ({ n }) => ({ twice: n * 2 }) };" }],
    ["with a plain value", { "index.mjs": "export const handler = ({ n }) => ({ twice: n * 2 });" }],
    [
      "behind top-level await",
      {
        "index.mjs":
          "const two = await Promise.resolve(2); export const handler = async ({ n }) => ({ twice: n * two });",
      },
    ],
    [
      "of a package that is a module by its package.json",
      {
        "package.json": '{ "type": "module" }',
        "double.js": "export const double = (n) => n * 2;",
        "index.js":
          'import { double } from "./double.js"; export const handler = async ({ n }) => ({ twice: double(n) });',
      },
    ],
    ["in a thenable", { "index.mjs": "export const handler = ({ n }) => ({ then: (ok) => ok({ twice: n * 2 }) });" }],
  ])("answers: %s", async (_name, files) => {
    expect((await answer(files)).json).toEqual({ twice: 4 });
  });

  it.each(["src/app.handler", "src/app.api.get", "lib.handler"])("is found as %s", async (handler) => {
    const files = {
      "src/app.mjs": "export const handler = async () => 'found'; export const api = { get: handler };",
      "lib/index.js": "exports.handler = async () => 'found';",
    };
    expect((await answer(files, { handler })).json).toBe("found");
  });

  it("answers null for undefined", async () => {
    expect((await answer({ "index.mjs": "export const handler = async () => {};" })).json).toBeNull();
  });

  it("sees the whole context", async () => {
    const files = {
      "index.mjs": `export const handler = async (event, context) => ({
        ...context, left: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID });`,
    };
    const clientContext = Buffer.from('{"client":{"app_title":"Ｍikan"}}').toString("base64");
    const spec = await harness.functionOf(files, { version: "7", memoryMiB: 192 });
    const result = await harness.invoke(spec, {}, { clientContext, requestId: "d2f1a9c4-0000-4000-8000-000000000001" });
    const { left, ...context } = answerOf<Record<string, unknown> & { left: number }>(result);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(spec.timeoutMs);
    expect(context).toEqual({
      functionName: "tiles",
      functionVersion: "7",
      invokedFunctionArn: "arn:aws:lambda:eu-west-1:123456789012:function:tiles",
      memoryLimitInMB: "192",
      awsRequestId: "d2f1a9c4-0000-4000-8000-000000000001",
      logGroupName: "/aws/lambda/tiles",
      logStreamName: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[7\][0-9a-f]{32}$/),
      clientContext: { client: { app_title: "Ｍikan" } },
      trace: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
    });
  });

  it("carries payloads of megabytes both ways, whole", async () => {
    const spec = await harness.functionOf({ "index.mjs": "export const handler = async (event) => event;" });
    const event = { text: "é".repeat(2_000_000) };
    expect(answerOf(await harness.invoke(spec, event))).toEqual(event);
  });

  it("keeps its state from one invocation to the next", async () => {
    const spec = await harness.functionOf({ "index.mjs": "let n = 0; export const handler = async () => (n += 1);" });
    const answers: unknown[] = [];
    for (let i = 0; i < 3; i += 1) answers.push(answerOf(await harness.invoke(spec)));
    expect(answers).toEqual([1, 2, 3]);
  });
});

describe("a handler of Node.js 22", () => {
  const legacy = (body: string) => answer({ "index.js": `exports.handler = ${body};` }, { runtime: "nodejs22.x" });

  it.each([
    ["a callback", "(event, context, callback) => callback(null, { n: event.n })"],
    ["a late callback", "(event, context, callback) => { setTimeout(() => callback(null, { n: event.n }), 5); }"],
    ["a promise", "async (event) => ({ n: event.n })"],
    ["context.succeed", "(event, context) => context.succeed({ n: event.n })"],
    ["context.done", "(event, context) => context.done(null, { n: event.n })"],
  ])("answers by %s", async (_name, body) => {
    expect((await legacy(body)).json).toEqual({ n: 2 });
  });

  it.each([
    ["a callback", "(event, context, callback) => callback(new RangeError('no'))"],
    ["context.fail", "(event, context) => context.fail(new RangeError('no'))"],
    ["throwing", "() => { throw new RangeError('no'); }"],
  ])("fails by %s", async (_name, body) => {
    const { json, error } = await legacy(body);
    expect(json).toMatchObject({ errorType: "RangeError", errorMessage: "no" });
    expect(error).toBe("handled");
  });

  it("waits for the event loop to empty after its callback, unless told not to", async () => {
    const body = (waits: boolean) => `(event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = ${waits};
      const answer = { late: false };
      setTimeout(() => { answer.late = true; }, 20);
      callback(null, answer);
    }`;
    expect((await legacy(body(true))).json).toEqual({ late: true });
    expect((await legacy(body(false))).json).toEqual({ late: false });
  });

  it("answers null for a plain value, as its callback was never called", async () => {
    expect((await legacy("() => 42")).json).toBeNull();
  });

  it("can be invoked again after each of these ends", async () => {
    const spec = await harness.functionOf(
      {
        "index.js":
          "let n = 0; exports.handler = (event, context, callback) => { n += 1; if (n > 1) callback(null, n); };",
      },
      { runtime: "nodejs20.x" },
    );
    expect(answerOf(await harness.invoke(spec))).toBeNull();
    expect(answerOf(await harness.invoke(spec))).toBe(2);
    expect(answerOf(await harness.invoke(spec))).toBe(3);
  });
});
