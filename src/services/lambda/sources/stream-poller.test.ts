/** Records of a stream on their way to a function: places, batches, order, failures and windows, and what a restart keeps. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CreateEventSourceMappingRequest } from "@aws-sdk/client-lambda";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import type { Operation } from "../../../kit/service.ts";
import {
  account,
  arn,
  createFunction,
  FakeCompute,
  region,
  role,
  startTestNode,
  withNode,
  type TestNode,
} from "../node.suite.ts";
import { fakeStream, type FakeStream } from "./stream.suite.ts";

interface GivenEvent {
  Records: { kinesis: { data: string; sequenceNumber: string } }[];
  window?: { start: string; end: string };
  state?: unknown;
  isFinalInvokeForWindow?: boolean;
  isWindowTerminatedEarly?: boolean;
}

type Settings = Partial<CreateEventSourceMappingRequest>;

const eventOf = (payload: Uint8Array) => JSON.parse(Buffer.from(payload).toString()) as GivenEvent;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const dataOf = ({ Records }: GivenEvent) =>
  Records.map(({ kinesis }) => Buffer.from(kinesis.data, "base64").toString());

interface Fed {
  node: TestNode;
  stream: FakeStream;
  uuid: string;
  events(): GivenEvent[];
  /** Data of each batch. */
  batches(): string[][];
  pass(forMs: number): Promise<void>;
  sent: string[];
}

async function passOn(clock: FakeClock, forMs: number) {
  for (let leftMs = forMs; leftMs > 0; leftMs -= 250) {
    await clock.advance(Math.min(250, leftMs));
    // The store's own work is not the clock's.
    for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
  }
}

/** A node whose function is fed from the stream that `prepare` makes. */
async function fed(
  settings: Settings,
  prepare: (stream: FakeStream, clock: FakeClock) => Promise<void>,
  body: (fed: Fed) => Promise<void>,
) {
  const clock = new FakeClock();
  const stream = fakeStream(clock);
  await prepare(stream, clock);
  const sent: string[] = [];
  const queue: Readonly<Record<string, Operation>> = {
    GetQueueUrl: async () => ({ QueueUrl: "http://queue" }),
    SendMessage: async ({ MessageBody }: { MessageBody: string }) => {
      sent.push(MessageBody);
      return {};
    },
  };
  await withNode(
    async (node) => {
      await createFunction(node, "tiles");
      const mapping = {
        FunctionName: "tiles",
        EventSourceArn: stream.arn,
        StartingPosition: "TRIM_HORIZON",
        ...settings,
      } as const;
      const { UUID: uuid = "" } = await node.lambda.CreateEventSourceMapping(mapping, node.call());
      const events = () => node.compute.invoked.map(({ invocation }) => eventOf(invocation.payload));
      const pass = (forMs: number) => passOn(clock, forMs);
      await body({ node, stream, uuid, events, batches: () => events().map(dataOf), pass, sent });
    },
    { clock, standIns: { kinesis: stream.operations, sqs: queue } },
  );
}

const oneShard =
  (...data: (string | { key: string; data: string })[]) =>
  async (stream: FakeStream) => {
    stream.open("s1");
    stream.put("s1", ...data);
  };

const failing =
  (isBad: (data: readonly string[]) => boolean) =>
  (_: unknown, { payload }: { payload: Uint8Array }) =>
    isBad(dataOf(eventOf(payload))) ? { error: "unhandled" as const, payload: json({ errorMessage: "broken" }) } : {};

describe("a starting position", () => {
  const around = async (stream: FakeStream, clock: FakeClock) => {
    stream.open("s1");
    stream.put("s1", "old");
    await clock.advance(10_000);
    stream.put("s1", "mid");
    await clock.advance(10_000);
  };
  const middle = () => new Date(Date.UTC(2026, 0, 1) + 5_000);
  it.each<[string, Settings, string[]]>([
    ["TRIM_HORIZON", {}, ["old", "mid", "new"]],
    ["LATEST", { StartingPosition: "LATEST" }, ["new"]],
    ["AT_TIMESTAMP", { StartingPosition: "AT_TIMESTAMP", StartingPositionTimestamp: middle() }, ["mid", "new"]],
  ])("%s", (_, settings, expected) =>
    fed(settings, around, async ({ stream, batches, pass }) => {
      await pass(2_000);
      stream.put("s1", "new");
      await pass(3_000);
      await expect.poll(() => batches().flat()).toEqual(expected);
    }),
  );
});

describe("records of a stream", () => {
  it("come as AWS writes them, and their result is shown", () =>
    fed({}, oneShard({ key: "k", data: "hello" }), async ({ node, stream, uuid, events, pass }) => {
      await pass(2_000);
      await expect.poll(() => events().length).toBe(1);
      expect(events()[0]).toEqual({
        Records: [
          {
            kinesis: {
              kinesisSchemaVersion: "1.0",
              partitionKey: "k",
              sequenceNumber: "1001",
              data: "aGVsbG8=",
              approximateArrivalTimestamp: Date.UTC(2026, 0, 1) / 1_000,
            },
            eventSource: "aws:kinesis",
            eventVersion: "1.0",
            eventID: "s1:1001",
            eventName: "aws:kinesis:record",
            invokeIdentityArn: role,
            awsRegion: region,
            eventSourceARN: stream.arn,
          },
        ],
      });
      await pass(1_000);
      const read = () => node.lambda.GetEventSourceMapping({ UUID: uuid }, node.call());
      await expect.poll(async () => (await read()).LastProcessingResult).toBe("OK");
    }));

  it("of a table, too", async () => {
    const clock = new FakeClock();
    const stream = fakeStream(clock, "dynamodb");
    await oneShard("k")(stream);
    const filter = {
      Filters: [{ Pattern: '{"dynamodb": {"NewImage": {"data": {"S": ["k"]}}}, "eventName": ["INSERT"]}' }],
    };
    await withNode(
      async (node) => {
        await createFunction(node, "tiles");
        const mapping = {
          FunctionName: "tiles",
          EventSourceArn: stream.arn,
          StartingPosition: "TRIM_HORIZON",
          FilterCriteria: filter,
        } as const;
        await node.lambda.CreateEventSourceMapping(mapping, node.call());
        await passOn(clock, 2_000);
        await expect.poll(() => node.compute.invoked.length).toBe(1);
        const { Records } = JSON.parse(Buffer.from(node.compute.invoked[0]?.invocation.payload ?? []).toString()) as {
          Records: object[];
        };
        expect(Records).toEqual([
          {
            eventID: "e1001",
            eventName: "INSERT",
            eventVersion: "1.1",
            eventSource: "aws:dynamodb",
            awsRegion: region,
            dynamodb: {
              ApproximateCreationDateTime: Date.UTC(2026, 0, 1) / 1_000,
              Keys: { id: { S: "k" } },
              NewImage: { id: { S: "k" }, data: { S: "k" }, raw: { B: "aw==" } },
              SequenceNumber: "1001",
              StreamViewType: "NEW_IMAGE",
            },
            eventSourceARN: stream.arn,
          },
        ]);
      },
      { clock, standIns: { dynamodbstreams: stream.operations } },
    );
  });

  it("come in batches, in order", () =>
    fed({ BatchSize: 2 }, oneShard("a", "b", "c"), async ({ stream, batches, pass }) => {
      await pass(2_000);
      await expect.poll(batches).toEqual([["a", "b"], ["c"]]);
      stream.expire();
      stream.put("s1", "d");
      await pass(4_000);
      await expect.poll(batches).toEqual([["a", "b"], ["c"], ["d"]]);
    }));

  it("gather for their window", () =>
    fed({ BatchSize: 3, MaximumBatchingWindowInSeconds: 10 }, oneShard("a"), async ({ stream, batches, pass }) => {
      await pass(5_000);
      stream.put("s1", "b");
      await pass(4_000);
      expect(batches()).toEqual([]);
      await pass(3_000);
      await expect.poll(batches).toEqual([["a", "b"]]);
      stream.put("s1", "c", "d", "e");
      await pass(2_000);
      await expect.poll(batches).toEqual([
        ["a", "b"],
        ["c", "d", "e"],
      ]);
    }));

  it("that no filter wants are passed over", () =>
    fed(
      { FilterCriteria: { Filters: [{ Pattern: '{"data": {"n": [1]}}' }] } },
      oneShard('{"n": 1}', '{"n": 2}', "x"),
      async (it) => {
        await it.pass(2_000);
        await expect.poll(it.batches).toEqual([['{"n": 1}']]);
      },
    ));

  it("run beside each other by partition key, and in order within one", () => {
    const data = Array.from({ length: 12 }, (_, index) => ({ key: `k${index % 4}`, data: `${index % 4}-${index}` }));
    return fed({ BatchSize: 1, ParallelizationFactor: 4 }, oneShard(...data), async ({ node, batches, pass }) => {
      node.compute.hold = true;
      await pass(2_000);
      await expect.poll(() => node.compute.running).toBeGreaterThan(1);
      node.compute.hold = false;
      for (const { end } of node.compute.held) end();
      await pass(2_000);
      await expect.poll(() => batches().flat().length).toBe(12);
      for (const key of ["0", "1", "2", "3"]) {
        const own = batches()
          .flat()
          .filter((one) => one.startsWith(`${key}-`));
        expect(own).toEqual(data.map((one) => one.data).filter((one) => one.startsWith(`${key}-`)));
      }
    });
  });

  it("of a shard come after all of its parent's", () =>
    fed(
      { BatchSize: 1 },
      async (stream) => {
        stream.open("p");
        stream.open("c", "p");
        stream.put("c", "child");
        stream.put("p", "one", "two");
      },
      async ({ stream, batches, pass }) => {
        await pass(5_000);
        await expect.poll(() => batches().flat()).toEqual(["one", "two"]);
        stream.put("p", "three");
        stream.close("p");
        await pass(5_000);
        await expect.poll(() => batches().flat()).toEqual(["one", "two", "three", "child"]);
      },
    ));
});

describe("a batch that fails", () => {
  it("is tried again until it succeeds, and holds its shard", () =>
    fed({ BatchSize: 1 }, oneShard("a", "b"), async ({ node, batches, pass }) => {
      node.compute.answer = failing((data) => data.includes("a"));
      await pass(20_000);
      expect(new Set(batches().flat())).toEqual(new Set(["a"]));
      await expect.poll(() => batches().length).toBeGreaterThan(2);
      node.compute.answer = () => ({});
      await pass(70_000);
      await expect.poll(() => batches().flat().at(-1)).toBe("b");
    }));

  it("is given up after its attempts, and told in AWS's words", () => {
    const Destination = `arn:aws:sqs:${region}:${account}:failed`;
    const settings = { MaximumRetryAttempts: 1, DestinationConfig: { OnFailure: { Destination } } };
    return fed(settings, oneShard("a", "b"), async ({ node, stream, batches, pass, sent }) => {
      node.compute.answer = failing((data) => data.includes("a"));
      await pass(10_000);
      await expect.poll(() => sent.length).toBe(1);
      expect(batches()).toEqual([
        ["a", "b"],
        ["a", "b"],
      ]);
      expect(JSON.parse(sent[0] ?? "")).toEqual({
        requestContext: {
          requestId: node.compute.invoked.at(-1)?.invocation.requestId,
          functionArn: arn("tiles"),
          condition: "RetryAttemptsExhausted",
          approximateInvokeCount: 2,
        },
        responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
        version: "1.0",
        timestamp: expect.any(String) as string,
        KinesisBatchInfo: {
          shardId: "s1",
          startSequenceNumber: "1001",
          endSequenceNumber: "1002",
          approximateArrivalOfFirstRecord: "2026-01-01T00:00:00.000Z",
          approximateArrivalOfLastRecord: "2026-01-01T00:00:00.000Z",
          batchSize: 2,
          streamArn: stream.arn,
        },
      });
      stream.put("s1", "c");
      await pass(3_000);
      await expect.poll(() => batches().at(-1)).toEqual(["c"]);
    });
  });

  it("is split until the bad record is alone", () =>
    fed({ BisectBatchOnFunctionError: true, MaximumRetryAttempts: 0 }, oneShard("a", "b", "bad", "d"), async (it) => {
      it.node.compute.answer = failing((data) => data.includes("bad"));
      await it.pass(30_000);
      await expect.poll(it.batches).toEqual([["a", "b", "bad", "d"], ["a", "b"], ["bad", "d"], ["bad"], ["d"]]);
    }));

  it("goes on from the first record that the function names", () =>
    fed({ FunctionResponseTypes: ["ReportBatchItemFailures"] }, oneShard("a", "b", "c"), async (it) => {
      let runs = 0;
      it.node.compute.answer = () => {
        runs += 1;
        const failures = runs === 1 ? [{ itemIdentifier: "1003" }, { itemIdentifier: "1002" }] : [];
        return { payload: json({ batchItemFailures: failures }) };
      };
      await it.pass(10_000);
      await expect.poll(it.batches).toEqual([
        ["a", "b", "c"],
        ["b", "c"],
      ]);
    }));

  it("is given up when its records are too old", () =>
    fed({ MaximumRecordAgeInSeconds: 60, BatchSize: 1 }, oneShard("a"), async ({ node, stream, batches, pass }) => {
      node.compute.answer = failing((data) => data.includes("a"));
      await pass(50_000);
      stream.put("s1", "b");
      await pass(80_000);
      await expect.poll(() => batches().flat().at(-1)).toBe("b");
    }));

  it("waits for its function's room, whatever its attempts are", () =>
    fed({ MaximumRetryAttempts: 0 }, oneShard("a"), async ({ node, batches, pass }) => {
      await node.lambda.PutFunctionConcurrency({ FunctionName: "tiles", ReservedConcurrentExecutions: 0 }, node.call());
      await pass(1_000);
      await node.lambda.DeleteFunctionConcurrency({ FunctionName: "tiles" }, node.call());
      await pass(10_000);
      await expect.poll(batches).toEqual([["a"]]);
    }));
});

describe("a tumbling window", () => {
  it("hands its state on, and ends with a last run", () =>
    fed({ TumblingWindowInSeconds: 30, BatchSize: 1 }, oneShard("a", "b"), async ({ node, stream, events, pass }) => {
      node.compute.answer = (_, { payload }) => {
        const { Records, state } = eventOf(payload);
        const { count = 0 } = (state ?? {}) as { count?: number };
        return { payload: json({ state: { count: count + Records.length } }) };
      };
      await pass(40_000);
      stream.put("s1", "c");
      await pass(3_000);
      await expect.poll(() => events().length).toBe(4);
      const window = { start: "2026-01-01T00:00:00Z", end: "2026-01-01T00:00:30Z" };
      expect(events()).toMatchObject([
        { window, state: {}, isFinalInvokeForWindow: false, isWindowTerminatedEarly: false },
        { window, state: { count: 1 }, isFinalInvokeForWindow: false },
        { window, state: { count: 2 }, Records: [], isFinalInvokeForWindow: true },
        { window: { start: "2026-01-01T00:00:30Z" }, state: {}, isFinalInvokeForWindow: false },
      ]);
    }));

  it("fails without a state, and ends early when it has grown too large", () =>
    fed(
      { TumblingWindowInSeconds: 600, BatchSize: 1, MaximumRetryAttempts: 0 },
      oneShard("a", "b"),
      async ({ node, events, pass }) => {
        let runs = 0;
        node.compute.answer = () => {
          runs += 1;
          return { payload: json(runs === 1 ? {} : { state: "x".repeat(runs === 2 ? 1_100_000 : 1) }) };
        };
        await pass(5_000);
        await expect.poll(() => events().length).toBe(3);
        expect(events()[2]).toMatchObject({ Records: [], isFinalInvokeForWindow: true, isWindowTerminatedEarly: true });
      },
    ));
});

describe("a restart", () => {
  it("goes on behind the last batch, and misses nothing that came between", async () => {
    const directory = await mkdtemp(join(tmpdir(), "mikan-streams-"));
    const clock = new FakeClock();
    const stream = fakeStream(clock);
    stream.open("s1");
    stream.open("s2");
    stream.put("s2", "before");
    await clock.advance(10_000);
    const options = { directory, clock, standIns: { kinesis: stream.operations } };
    try {
      const first = await startTestNode(options);
      await createFunction(first, "tiles");
      const mapping = { FunctionName: "tiles", EventSourceArn: stream.arn, StartingPosition: "LATEST" } as const;
      await first.lambda.CreateEventSourceMapping(mapping, first.call());
      await passOn(clock, 2_000);
      stream.put("s1", "a");
      await passOn(clock, 3_000);
      await expect.poll(() => first.compute.invoked.length).toBe(1);
      await passOn(clock, 1_000);
      await first.stop();
      stream.put("s1", "b");
      stream.put("s2", "c");
      const compute = new FakeCompute();
      const second = await startTestNode({ ...options, compute });
      await passOn(clock, 3_000);
      const seen = () => compute.invoked.flatMap(({ invocation }) => dataOf(eventOf(invocation.payload))).toSorted();
      await expect.poll(seen).toEqual(["b", "c"]);
      await second.stop();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
