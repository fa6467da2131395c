/** A queue's messages on their way to a function: batches, filters, failures, room, order, and the end of the node. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CreateEventSourceMappingRequest } from "@aws-sdk/client-lambda";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { must } from "../../../base/errors.ts";
import { createFunction, FakeCompute, region, startTestNode, withNode, type TestNode } from "../node.suite.ts";
import { failuresOf } from "./batch-responses.ts";
import { fakeQueue, type FakeQueue } from "./queue.suite.ts";
import { createScaling } from "./scaling.ts";

interface Fed {
  node: TestNode;
  queue: FakeQueue;
  /** Bodies of each batch that the function was given. */
  batches(): string[][];
  /** Lets what is due until `forMs` from now happen. */
  pass(forMs: number): Promise<void>;
}

interface GivenEvent {
  Records: { body: string; messageId: string }[];
}

const eventOf = (payload: Uint8Array) => JSON.parse(Buffer.from(payload).toString()) as GivenEvent;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

async function passOn(clock: FakeClock, forMs: number) {
  for (let leftMs = forMs; leftMs > 0; leftMs -= 500) {
    await clock.advance(Math.min(500, leftMs));
    // The store's own work is not the clock's.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  }
}

async function fed(
  settings: Partial<CreateEventSourceMappingRequest>,
  body: (fed: Fed) => Promise<void>,
  { name = "orders", reserved }: { name?: string; reserved?: number } = {},
) {
  const clock = new FakeClock();
  const queue = fakeQueue(clock, name);
  await withNode(
    async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles", { Timeout: 5 });
      if (reserved !== undefined) {
        await lambda.PutFunctionConcurrency({ FunctionName: "tiles", ReservedConcurrentExecutions: reserved }, call());
      }
      const mapping = { FunctionName: "tiles", EventSourceArn: queue.arn, ...settings };
      const { UUID = "" } = await lambda.CreateEventSourceMapping(mapping, call());
      await expect
        .poll(async () => {
          await clock.advance(0);
          return [(await lambda.GetEventSourceMapping({ UUID }, call())).State, queue.receives];
        })
        .toEqual(["Enabled", 1]);
      await body({
        node,
        queue,
        batches: () =>
          compute.invoked.map(({ invocation }) => eventOf(invocation.payload).Records.map((one) => one.body)),
        pass: (forMs) => passOn(clock, forMs),
      });
    },
    { clock, standIns: { sqs: queue.operations } },
  );
}

describe("messages of a queue", () => {
  it("come at once, as AWS writes them, and are deleted when the function is done", () =>
    fed({}, async ({ node, queue }) => {
      queue.put({
        body: "hello",
        attributes: { SentTimestamp: "1", SenderId: "me" },
        messageAttributes: {
          text: { DataType: "String", StringValue: "a" },
          bytes: { DataType: "Binary", BinaryValue: Buffer.from("b") },
        },
      });
      await expect.poll(() => queue.bodies()).toEqual([]);
      const { invocation } = must(node.compute.invoked[0], "the invocation");
      expect(eventOf(invocation.payload)).toEqual({
        Records: [
          {
            messageId: "m1",
            receiptHandle: "m1#1",
            body: "hello",
            attributes: { ApproximateReceiveCount: "1", SentTimestamp: "1", SenderId: "me" },
            messageAttributes: {
              text: { stringValue: "a", stringListValues: [], binaryListValues: [], dataType: "String" },
              bytes: { binaryValue: "Yg==", stringListValues: [], binaryListValues: [], dataType: "Binary" },
            },
            md5OfBody: "md5",
            eventSource: "aws:sqs",
            eventSourceARN: queue.arn,
            awsRegion: region,
          },
        ],
      });
    }));

  it("carry their trace along", () =>
    fed({}, async ({ node, queue }) => {
      const root = "1-00000001-000000000000000000000001";
      queue.put({ body: "a", attributes: { AWSTraceHeader: `Root=${root};Parent=0000000000000001;Sampled=1` } });
      await expect.poll(() => node.compute.invoked.length).toBe(1);
      expect(node.compute.invoked[0]?.invocation.traceHeader).toContain(root);
    }));

  it("come in batches of at most so many", () =>
    fed({ BatchSize: 3 }, async ({ queue, batches }) => {
      queue.send("a", "b", "c", "d");
      await expect.poll(() => batches().flat().length).toBe(4);
      expect(Math.max(...batches().map((batch) => batch.length))).toBeLessThanOrEqual(3);
    }));

  it("gather for their window, or until the batch is full", () =>
    fed({ BatchSize: 15, MaximumBatchingWindowInSeconds: 5 }, async ({ queue, batches, pass }) => {
      queue.send("a");
      await pass(2_000);
      queue.send("b");
      await pass(2_500);
      expect(batches()).toEqual([]);
      await pass(1_000);
      await expect.poll(batches).toEqual([["a", "b"]]);
      const many = Array.from({ length: 15 }, (_, index) => String(index));
      queue.send(...many);
      await pass(1_000);
      await expect.poll(() => batches()[1]?.toSorted()).toEqual(many.toSorted());
    }));

  it("are no more than 6 MB together", () =>
    fed({ MaximumBatchingWindowInSeconds: 1 }, async ({ queue, batches, pass }) => {
      queue.send(...Array.from({ length: 9 }, () => "x".repeat(1_000_000)));
      await pass(3_000);
      await expect.poll(() => batches().map((batch) => batch.length)).toEqual([6, 3]);
    }));

  it("that no filter wants are deleted unseen", () =>
    fed({ FilterCriteria: { Filters: [{ Pattern: '{"body": {"n": [{"numeric": [">", 1]}]}}' }] } }, async (it) => {
      it.queue.send('{"n": 1}', '{"n": 2}', "text", '{"n": 3');
      await expect.poll(() => it.queue.bodies()).toEqual([]);
      expect(it.batches()).toEqual([['{"n": 2}']]);
    }));

  it("come again after their visibility timeout when the function fails", () =>
    fed({}, async ({ node, queue, batches, pass }) => {
      node.compute.answer = () => ({ error: "unhandled", payload: json({ errorMessage: "broken" }) });
      queue.send("a");
      await expect.poll(() => batches().length).toBe(1);
      node.compute.answer = () => ({});
      await pass(28_000);
      expect(batches()).toHaveLength(1);
      expect(queue.bodies()).toEqual(["a"]);
      await pass(4_000);
      await expect.poll(() => queue.bodies()).toEqual([]);
      expect(batches()).toHaveLength(2);
    }));

  it("that the function names as failed come again, the others are done", () =>
    fed({ FunctionResponseTypes: ["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds: 1 }, async (it) => {
      it.node.compute.answer = (_, { payload }) => {
        const failed = eventOf(payload).Records.filter(({ body }) => body === "b");
        return { payload: json({ batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) }) };
      };
      it.queue.send("a", "b", "c");
      await it.pass(2_000);
      await expect.poll(it.batches).toEqual([["a", "b", "c"]]);
      await expect.poll(() => it.queue.bodies()).toEqual(["b"]);
      it.node.compute.answer = () => ({ payload: json({ batchItemFailures: [{ itemIdentifier: "unknown" }] }) });
      await it.pass(32_000);
      expect(it.queue.bodies()).toEqual(["b"]);
    }));

  it("wait while the function has no room, as long as they are its own", () =>
    fed(
      {},
      async ({ node, queue, batches, pass }) => {
        queue.send("a");
        await pass(5_000);
        expect(batches()).toEqual([]);
        expect(queue.bodies()).toEqual(["a"]);
        await node.lambda.DeleteFunctionConcurrency({ FunctionName: "tiles" }, node.call());
        await pass(40_000);
        await expect.poll(() => queue.bodies()).toEqual([]);
        expect(batches()).toEqual([["a"]]);
      },
      { reserved: 0 },
    ));

  it("of a group come one batch after the other", () =>
    fed(
      { BatchSize: 2 },
      async ({ node, queue, batches, pass }) => {
        node.compute.hold = true;
        for (const body of ["a1", "a2", "a3", "a4"]) queue.put({ body, group: "a" });
        await pass(1_000);
        for (const body of ["b1"]) queue.put({ body, group: "b" });
        await pass(2_000);
        const first = batches();
        expect(first.flat().filter((body) => body.startsWith("a"))).toEqual(
          ["a1"].concat(first[0]?.includes("a2") ? ["a2"] : []),
        );
        expect(first.flat()).toContain("b1");
        node.compute.hold = false;
        for (const { end } of node.compute.held) end();
        await pass(3_000);
        await expect.poll(() => queue.bodies()).toEqual([]);
        expect(
          batches()
            .flat()
            .filter((body) => body.startsWith("a")),
        ).toEqual(["a1", "a2", "a3", "a4"]);
      },
      { name: "orders.fifo" },
    ));

  it("run five batches at once at first, and no more than MaximumConcurrency", () =>
    fed({ BatchSize: 1, ScalingConfig: { MaximumConcurrency: 2 } }, async ({ node, queue, pass }) => {
      node.compute.hold = true;
      queue.send("a", "b", "c", "d");
      await pass(3_000);
      await expect.poll(() => node.compute.runningMost).toBe(2);
      node.compute.hold = false;
      for (const { end } of node.compute.held) end();
      await pass(1_000);
      await expect.poll(() => queue.bodies()).toEqual([]);
    }));

  it("are taken up by the node that comes after", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-sources-"));
    const clock = new FakeClock();
    const queue = fakeQueue(clock);
    const options = { directory, clock, standIns: { sqs: queue.operations } };
    try {
      const first = await startTestNode(options);
      await createFunction(first, "tiles");
      await first.lambda.CreateEventSourceMapping({ FunctionName: "tiles", EventSourceArn: queue.arn }, first.call());
      await first.stop();
      queue.send("a");
      const compute = new FakeCompute();
      const second = await startTestNode({ ...options, compute });
      await clock.advance(0);
      await expect.poll(() => queue.bodies()).toEqual([]);
      expect(compute.invoked).toHaveLength(1);
      await second.stop();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe("an answer of ReportBatchItemFailures", () => {
  it.each([
    ["", []],
    ["null", []],
    ["{}", []],
    ['{"batchItemFailures": []}', []],
    ['{"batchItemFailures": null}', []],
    ['"done"', []],
    ['{"batchItemFailures": [{"itemIdentifier": "a"}]}', ["a"]],
    ['{"batchItemFailures": [{"itemIdentifier": ""}]}', "all"],
    ['{"batchItemFailures": [{"itemIdentifier": null}]}', "all"],
    ['{"batchItemFailures": [{"item": "a"}]}', "all"],
    ['{"batchItemFailures": {"itemIdentifier": "a"}}', "all"],
    ["{", "all"],
  ])("%s means %j", (answer, failures) => {
    expect(failuresOf(Buffer.from(answer))).toEqual(failures);
  });
});

describe("scaling", () => {
  it("begins with 5, grows by 300 a minute while all are in use, and halves after a throttle", async () => {
    const clock = new FakeClock();
    const scaling = createScaling(clock);
    const { signal } = new AbortController();
    for (let count = 0; count < 5; count += 1) expect(await scaling.enter(signal)).toBe(true);
    const fill = async () => {
      while (await scaling.enter(signal));
    };
    void fill();
    await clock.advance(60_000);
    expect(scaling.running).toBeGreaterThan(295);
    expect(scaling.running).toBeLessThan(310);
    await clock.advance(600_000);
    expect(scaling.running).toBe(1_250);
    scaling.throttled();
    expect(scaling.allowed).toBe(625);
  });
});
