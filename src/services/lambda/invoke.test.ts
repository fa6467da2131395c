import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { countingIds } from "../../base/ids.ts";
import {
  account,
  arn,
  createFunction,
  type FakeCompute,
  faultOf,
  role,
  sessions,
  startTestNode,
  type TestNode,
  withNode,
} from "./node.suite.ts";

const key = { FunctionName: "tiles" };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

const reserve = ({ lambda, call }: TestNode, ReservedConcurrentExecutions: number) =>
  lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions }, call());

describe("a request", () => {
  it("runs the function, and is answered with what it returned", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles", { Environment: { Variables: { STAGE: "test" } }, Timeout: 7 });
      const call = node.call();
      const answer = await node.lambda.Invoke({ ...key, Payload: json({ z: 1 }), ClientContext: "e30=" }, call);
      expect(answer).toEqual({ StatusCode: 200, ExecutedVersion: "$LATEST", Payload: json({ z: 1 }) });
      const [{ spec, invocation }] = node.compute.invoked as [FakeCompute["invoked"][number]];
      expect(spec).toEqual({
        id: spec.id,
        functionName: "tiles",
        version: "$LATEST",
        runtime: "nodejs24.x",
        handler: "index.handler",
        codeDir: spec.codeDir,
        environment: { STAGE: "test" },
        region: "us-east-1",
        account,
        endpointUrl: "http://127.0.0.1:4566",
        credentials: sessions.issue({ kind: "role", account, roleArn: role, session: "tiles" }),
        memoryMiB: 128,
        timeoutMs: 7_000,
        logGroup: "/aws/lambda/tiles",
        ephemeralStorageMiB: 512,
      });
      expect(invocation).toMatchObject({ requestId: call.requestId, invokedArn: arn("tiles"), clientContext: "e30=" });
      expect(invocation.traceHeader).toContain(`Root=${call.trace.root}`);
    }));

  it("shows a function's error, and its log where asked for", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      node.compute.answer = () => ({
        error: "handled",
        payload: json({ errorMessage: "no" }),
        logTail: "START\nEND\n",
      });
      const answer = await node.lambda.Invoke({ ...key, LogType: "Tail" }, node.call());
      expect(answer).toMatchObject({ StatusCode: 200, FunctionError: "Unhandled", ExecutedVersion: "$LATEST" });
      expect(text(answer.Payload)).toBe('{"errorMessage":"no"}');
      expect(Buffer.from(answer.LogResult ?? "", "base64").toString()).toBe("START\nEND\n");
    }));

  it("without a payload has an empty object", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect(text((await node.lambda.Invoke(key, node.call())).Payload)).toBe("{}");
    }));

  it.each([
    ["no JSON", Buffer.from("{tiles"), undefined, "InvalidRequestContentException"],
    ["no UTF-8", Buffer.from([0x22, 0x87, 0x22]), undefined, "InvalidRequestContentException"],
    ["too long", Buffer.alloc(6 * 1024 * 1024 + 1, 0x20), undefined, "RequestTooLargeException"],
    ["too long for an event", Buffer.alloc(1024 * 1024 + 1, 0x20), "Event" as const, "RequestTooLargeException"],
  ])("is refused when its payload is %s", (_what, Payload, InvocationType, code) =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect((await faultOf(node.lambda.Invoke({ ...key, Payload, InvocationType }, node.call()))).code).toBe(code);
      expect(node.compute.invoked).toEqual([]);
    }),
  );

  it("may be as long as AWS allows", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const Payload = json("x".repeat(6 * 1024 * 1024 - 2));
      expect((await node.lambda.Invoke({ ...key, Payload }, node.call())).StatusCode).toBe(200);
    }));

  it("that is a dry run checks, and runs nothing", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect(await node.lambda.Invoke({ ...key, InvocationType: "DryRun" }, node.call())).toEqual({ StatusCode: 204 });
      const missing = node.lambda.Invoke({ FunctionName: "none", InvocationType: "DryRun" }, node.call());
      expect((await faultOf(missing)).message).toBe(`Function not found: ${arn("none")}`);
      expect(node.compute.invoked).toEqual([]);
    }));

  it.each(["7", "live"])("for the missing qualifier %s is not found", (Qualifier) =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect((await faultOf(node.lambda.Invoke({ ...key, Qualifier }, node.call()))).message).toBe(
        `Function not found: ${arn(`tiles:${Qualifier}`)}`,
      );
    }),
  );
});

describe("reserved concurrency", () => {
  it("is exact: of 200 at once 5 run, and every other is refused at once", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles");
      await reserve(node, 5);
      compute.hold = true;
      const asked = Array.from({ length: 200 }, () => lambda.Invoke(key, call()));
      const settled = Promise.allSettled(asked);
      const refused = asked.map((one) =>
        one.then(
          () => undefined,
          (error: { code: string }) => error.code,
        ),
      );
      // 195 answers come while all that run are held.
      let answered = 0;
      for (const one of refused) void one.then(() => (answered += 1));
      await expect.poll(() => answered).toBe(195);
      expect(compute.running).toBe(5);
      compute.held.forEach(({ end }) => end());
      const codes = await Promise.all(refused);
      expect(codes.filter((code) => code === "TooManyRequestsException")).toHaveLength(195);
      await settled;
      expect(compute.runningMost).toBe(5);
      compute.hold = false;
      expect((await lambda.Invoke(key, call())).StatusCode).toBe(200);
    }));

  it("says why, as AWS does", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      await reserve(node, 0);
      await expect(node.lambda.Invoke(key, node.call())).rejects.toMatchObject({
        code: "TooManyRequestsException",
        message: "Rate Exceeded.",
        members: { Type: "User", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" },
      });
    }));

  it("is kept until the invocation ends, also when its caller has gone", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles");
      await reserve(node, 1);
      compute.hold = true;
      const caller = new AbortController();
      const gone = lambda.Invoke(key, call({ signal: caller.signal }));
      await expect.poll(() => compute.held.length).toBe(1);
      caller.abort(new Error("the client hung up"));
      await expect(gone).rejects.toThrow("the client hung up");
      expect((await faultOf(lambda.Invoke(key, call()))).code).toBe("TooManyRequestsException");
      compute.held[0]?.end();
      compute.hold = false;
      await expect.poll(() => compute.running).toBe(0);
      expect((await lambda.Invoke(key, call())).StatusCode).toBe(200);
    }));

  it("is free again when a run fails before it has begun", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles");
      await reserve(node, 1);
      compute.answer = () => {
        throw new Error("the node is closing");
      };
      await expect(lambda.Invoke(key, call())).rejects.toThrow("the node is closing");
      compute.answer = () => ({});
      expect((await lambda.Invoke(key, call())).StatusCode).toBe(200);
    }));
});

describe("an event", () => {
  const send = ({ lambda, call }: TestNode, value: unknown = {}) =>
    lambda.Invoke({ ...key, InvocationType: "Event", Payload: json(value) }, call());

  it("is answered when it is on disk, and run after that", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      expect(await send(node, { n: 1 })).toEqual({ StatusCode: 202 });
      await node.clock.advance(0);
      await expect.poll(() => node.compute.invoked.length).toBe(1);
      expect(text(node.compute.invoked[0]?.invocation.payload)).toBe('{"n":1}');
    }));

  it("may come the old way", () =>
    withNode(async (node) => {
      const { lambda, call, clock, compute } = node;
      await createFunction(node, "tiles");
      expect(await lambda.InvokeAsync({ ...key, InvokeArgs: json({ n: 1 }) }, call())).toEqual({ Status: 202 });
      await clock.advance(0);
      await expect.poll(() => compute.invoked.map(({ invocation }) => text(invocation.payload))).toEqual(['{"n":1}']);
      const large = lambda.InvokeAsync({ ...key, InvokeArgs: new Uint8Array(1024 * 1024 + 1) }, call());
      expect((await faultOf(large)).code).toBe("RequestTooLargeException");
    }));

  it("is tried again after one and two minutes with the same request id, and then no more", () =>
    withNode(async (node) => {
      const { clock, compute } = node;
      await createFunction(node, "tiles");
      compute.answer = () => ({ error: "unhandled", payload: json({ errorMessage: "broken" }) });
      await send(node);
      for (const [waitMs, attempts] of [
        [0, 1],
        [59_000, 1],
        [1_000, 2],
        [119_000, 2],
        [1_000, 3],
        [3600_000, 3],
      ] as const) {
        await clock.advance(waitMs);
        await clock.advance(0);
        await expect.poll(() => compute.invoked.length).toBe(attempts);
      }
      expect(new Set(compute.invoked.map(({ invocation }) => invocation.requestId)).size).toBe(1);
    }));

  it("that is throttled waits, and is not counted as tried", () =>
    withNode(async (node) => {
      const { clock, compute } = node;
      await createFunction(node, "tiles");
      await reserve(node, 0);
      await send(node);
      for (let i = 0; i < 10; i += 1) await clock.advance(60_000);
      expect(compute.invoked).toEqual([]);
      await reserve(node, 1);
      for (let i = 0; i < 6 && compute.invoked.length === 0; i += 1) await clock.advance(60_000);
      await expect.poll(() => compute.invoked.length).toBe(1);
    }));

  it("whose function is gone is dropped", () =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      await reserve(node, 0);
      await send(node);
      await node.clock.advance(0);
      await node.lambda.DeleteFunction(key, node.call());
      await node.clock.advance(10 * 60_000);
      await createFunction(node, "tiles");
      await node.clock.advance(10 * 60_000);
      expect(node.compute.invoked).toEqual([]);
    }));

  it("outlives the node that took it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-lambda-"));
    try {
      const [clock, ids] = [new FakeClock(), countingIds()];
      const first = await startTestNode({ directory, clock, ids });
      await createFunction(first, "tiles", { Environment: { Variables: { A: "1" } } });
      await reserve(first, 0);
      const call = first.call();
      await first.lambda.Invoke({ ...key, InvocationType: "Event", Payload: json({ n: 1 }) }, call);
      await first.stop();
      expect(first.compute.invoked).toEqual([]);

      const second = await startTestNode({ directory, clock, ids });
      await reserve(second, 1);
      for (let i = 0; i < 6 && second.compute.invoked.length === 0; i += 1) await clock.advance(60_000);
      await expect.poll(() => second.compute.invoked.length).toBe(1);
      const [{ spec, invocation }] = second.compute.invoked as [FakeCompute["invoked"][number]];
      expect(text(invocation.payload)).toBe('{"n":1}');
      expect(invocation.requestId).toBe(call.requestId);
      expect(spec.environment).toEqual({ A: "1" });
      await second.stop();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
