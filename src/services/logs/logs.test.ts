import { describe, expect, it } from "vitest";
import { sql } from "../../store/sql.ts";
import { faultOf, withNode, type TestNode } from "./node.suite.ts";

const logGroupName = "/aws/lambda/tiles";
const logStreamName = "2026/01/01/[$LATEST]0";
const dayMs = 24 * 3600_000;

async function withStream<T>(body: (node: TestNode) => Promise<T>): Promise<T> {
  return withNode(async (node) => {
    await node.logs.CreateLogGroup({ logGroupName }, node.call);
    await node.logs.CreateLogStream({ logGroupName, logStreamName }, node.call);
    return body(node);
  });
}

const put = ({ logs, call }: TestNode, events: readonly (readonly [timeMs: number, message: string])[]) =>
  logs.PutLogEvents(
    { logGroupName, logStreamName, logEvents: events.map(([timestamp, message]) => ({ timestamp, message })) },
    call,
  );

async function messages(
  { logs, call }: TestNode,
  input: Omit<Parameters<TestNode["logs"]["GetLogEvents"]>[0], "logStreamName"> = {},
) {
  const page = await logs.GetLogEvents({ logGroupName, logStreamName, ...input }, call);
  return { ...page, texts: (page.events ?? []).map(({ message }) => message) };
}

describe("filters", () => {
  it("are tried on messages, and say which fields they found", () =>
    withNode(async ({ logs, call }) => {
      const logEventMessages = ["GET 200 12", "GET 404 1", '{"status":404}'];
      const tried = (filterPattern: string) => logs.TestMetricFilter({ filterPattern, logEventMessages }, call);
      expect(await tried("[method, status=4*, bytes]")).toEqual({
        matches: [
          {
            eventNumber: 2,
            eventMessage: "GET 404 1",
            extractedValues: { $method: "GET", $status: "404", $bytes: "1" },
          },
        ],
      });
      expect(await tried("{ $.status = 404 }")).toEqual({
        matches: [{ eventNumber: 3, eventMessage: '{"status":404}', extractedValues: {} }],
      });
      expect(await faultOf(tried("{ $.status }"))).toEqual({
        code: "InvalidParameterException",
        message: "Invalid filter pattern",
      });
    }));

  it("choose events", () =>
    withStream(async (node) => {
      const now = node.clock.now();
      await put(node, [
        [now, '{"level":"info"}'],
        [now, '{"level":"error","ms":12}\n'],
        [now, "error"],
      ]);
      const found = async (filterPattern: string) => {
        const { events = [] } = await node.logs.FilterLogEvents({ logGroupName, filterPattern }, node.call);
        return events.map(({ message }) => message);
      };
      expect(await found('{ $.level = "error" && $.ms > 10 }')).toEqual(['{"level":"error","ms":12}\n']);
      expect(await found("%^err.r$%")).toEqual(["error"]);
      expect(await found("[w1=error]")).toEqual(["error"]);
    }));
});

describe("groups", () => {
  it("are made once, described in pages, and deleted", () =>
    withNode(async ({ logs, call }) => {
      for (const name of ["/a/2", "/a/1", "/b/1"]) await logs.CreateLogGroup({ logGroupName: name }, call);
      expect(await faultOf(logs.CreateLogGroup({ logGroupName: "/a/1" }, call))).toEqual({
        code: "ResourceAlreadyExistsException",
        message: "The specified log group already exists",
      });
      const all = await logs.DescribeLogGroups({ limit: 2 }, call);
      expect(all.logGroups?.[0]).toEqual({
        logGroupName: "/a/1",
        creationTime: Date.UTC(2026, 0, 1),
        metricFilterCount: 0,
        arn: "arn:aws:logs:us-east-1:000000000000:log-group:/a/1:*",
        logGroupArn: "arn:aws:logs:us-east-1:000000000000:log-group:/a/1",
        logGroupClass: "STANDARD",
      });
      const names = (page: { logGroups?: { logGroupName?: string | undefined }[] | undefined }) =>
        page.logGroups?.map(({ logGroupName: name }) => name);
      expect(names(all)).toEqual(["/a/1", "/a/2"]);
      expect(names(await logs.DescribeLogGroups({ limit: 2, nextToken: all.nextToken }, call))).toEqual(["/b/1"]);
      expect(names(await logs.DescribeLogGroups({ logGroupNamePrefix: "/b" }, call))).toEqual(["/b/1"]);
      expect(names(await logs.DescribeLogGroups({ logGroupNamePattern: "/1" }, call))).toEqual(["/a/1", "/b/1"]);
      await logs.DeleteLogGroup({ logGroupName: "/a/1" }, call);
      expect(names(await logs.DescribeLogGroups({}, call))).toEqual(["/a/2", "/b/1"]);
      expect(await faultOf(logs.DeleteLogGroup({ logGroupName: "/a/1" }, call))).toEqual({
        code: "ResourceNotFoundException",
        message: "The specified log group does not exist.",
      });
    }));

  it("carry tags", () =>
    withStream(async ({ logs, call }) => {
      const resourceArn = `arn:aws:logs:us-east-1:000000000000:log-group:${logGroupName}`;
      await logs.TagResource({ resourceArn, tags: { a: "1", b: "2" } }, call);
      await logs.UntagResource({ resourceArn, tagKeys: ["a"] }, call);
      expect(await logs.ListTagsForResource({ resourceArn: `${resourceArn}:*` }, call)).toEqual({ tags: { b: "2" } });
      const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, ""]));
      expect((await faultOf(logs.TagResource({ resourceArn, tags: many }, call))).code).toBe("TooManyTagsException");
    }));

  it("keep events for as many days as AWS knows", () =>
    withStream(async ({ logs, call }) => {
      expect((await faultOf(logs.PutRetentionPolicy({ logGroupName, retentionInDays: 2 }, call))).code).toBe(
        "InvalidParameterException",
      );
      await logs.PutRetentionPolicy({ logGroupName, retentionInDays: 3 }, call);
      expect((await logs.DescribeLogGroups({}, call)).logGroups?.[0]?.retentionInDays).toBe(3);
      await logs.DeleteRetentionPolicy({ logGroupName }, call);
      expect((await logs.DescribeLogGroups({}, call)).logGroups?.[0]).not.toHaveProperty("retentionInDays");
    }));
});

describe("streams", () => {
  it("are listed by name and by their last event", () =>
    withStream(async (node) => {
      const { logs, call, clock } = node;
      const now = clock.now();
      await logs.CreateLogStream({ logGroupName, logStreamName: "empty" }, call);
      await put(node, [[now, "one"]]);
      await node.ingest([{ group: logGroupName, stream: "newer", timeMs: now + 5, text: "two" }]);
      const list = async (input: object) =>
        (await logs.DescribeLogStreams({ logGroupName, ...input }, call)).logStreams?.map((one) => one.logStreamName);
      expect(await list({})).toEqual([logStreamName, "empty", "newer"]);
      expect(await list({ orderBy: "LastEventTime", descending: true })).toEqual(["newer", logStreamName, "empty"]);
      expect(await list({ logStreamNamePrefix: "e" })).toEqual(["empty"]);
      const first = await logs.DescribeLogStreams({ logGroupName, orderBy: "LastEventTime", limit: 1 }, call);
      const { nextToken } = first;
      expect(await list({ orderBy: "LastEventTime", limit: 1, nextToken })).toEqual([logStreamName]);
      const [newer] =
        (await logs.DescribeLogStreams({ logGroupName, logStreamNamePrefix: "new" }, call)).logStreams ?? [];
      expect(newer).toMatchObject({
        firstEventTimestamp: now + 5,
        lastEventTimestamp: now + 5,
        lastIngestionTime: now,
      });
      expect((await faultOf(logs.CreateLogStream({ logGroupName, logStreamName: "empty" }, call))).code).toBe(
        "ResourceAlreadyExistsException",
      );
    }));

  it("begin anew when they are deleted and made again", () =>
    withStream(async (node) => {
      await put(node, [[node.clock.now(), "old"]]);
      await node.logs.DeleteLogStream({ logGroupName, logStreamName }, node.call);
      expect((await faultOf(messages(node))).message).toBe("The specified log stream does not exist.");
      await node.logs.CreateLogStream({ logGroupName, logStreamName }, node.call);
      expect((await messages(node)).texts).toEqual([]);
    }));
});

describe("PutLogEvents", () => {
  it.each([
    [
      "out of order",
      [
        [5, "a"],
        [4, "b"],
      ],
      "Log events in a single PutLogEvents request must be in chronological order.",
    ],
    [
      "over 24 hours",
      [
        [0, "a"],
        [dayMs + 1, "b"],
      ],
      "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
    ],
    ["too large an event", [[0, "x".repeat(1_048_551)]], "Log event too large: 1048577 bytes exceeds limit of 1048576"],
    [
      "too large a batch",
      [
        [0, "x".repeat(600_000)],
        [0, "x".repeat(600_000)],
      ],
      "Upload too large: 1200052 bytes exceeds limit of 1048576",
    ],
  ] as const)("refuses %s", (_what, events, message) =>
    withStream(async (node) => {
      const now = node.clock.now();
      const batch = events.map(([afterMs, text]) => [now + afterMs, text] as const);
      expect(await faultOf(put(node, batch))).toEqual({ code: "InvalidParameterException", message });
      expect((await messages(node)).texts).toEqual([]);
    }),
  );

  it("takes what is neither too old nor too new, and says where the rest is", () =>
    withStream(async (node) => {
      const now = node.clock.now();
      const old = await put(node, [
        [now - 14 * dayMs - 2, "x"],
        [now - 14 * dayMs - 1, "x"],
        [now - 14 * dayMs, "just"],
      ]);
      expect(old.rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 2 });
      const future = await put(node, [
        [now + 2 * 3600_000, "still"],
        [now + 2 * 3600_000 + 1, "x"],
      ]);
      expect(future.rejectedLogEventsInfo).toEqual({ tooNewLogEventStartIndex: 1 });
      await node.logs.PutRetentionPolicy({ logGroupName, retentionInDays: 1 }, node.call);
      const expired = await put(node, [[now - dayMs - 1, "x"]]);
      expect(expired.rejectedLogEventsInfo).toEqual({ expiredLogEventEndIndex: 1 });
      expect((await messages(node)).texts).toEqual(["just", "still"]);
    }));

  it("gives back exactly what it took", () =>
    withStream(async (node) => {
      const odd = ["nul \0 inside", "tab\tand\nlines", "日本語 🍊", " "];
      await put(
        node,
        odd.map((text) => [node.clock.now(), text] as const),
      );
      expect((await messages(node, { startFromHead: true })).texts).toEqual(odd);
    }));
});

describe("GetLogEvents", () => {
  it("pages forward and backward, and stands still at the ends", () =>
    withStream(async (node) => {
      const now = node.clock.now();
      await put(
        node,
        Array.from({ length: 5 }, (_, i) => [now + Math.floor(i / 2), `m${i}`] as const),
      );
      const first = await messages(node, { startFromHead: true, limit: 2 });
      expect(first.texts).toEqual(["m0", "m1"]);
      const second = await messages(node, { nextToken: first.nextForwardToken, limit: 2 });
      expect(second.texts).toEqual(["m2", "m3"]);
      const third = await messages(node, { nextToken: second.nextForwardToken, limit: 2 });
      expect(third.texts).toEqual(["m4"]);
      const end = await messages(node, { nextToken: third.nextForwardToken, limit: 2 });
      expect([end.texts, end.nextForwardToken]).toEqual([[], third.nextForwardToken]);
      expect((await messages(node, { nextToken: second.nextBackwardToken })).texts).toEqual(["m0", "m1"]);
      expect((await messages(node, { limit: 2 })).texts).toEqual(["m3", "m4"]);
      expect((await messages(node, { nextToken: first.nextBackwardToken })).texts).toEqual([]);
      await put(node, [[now + 10, "m5"]]);
      expect((await messages(node, { nextToken: end.nextForwardToken })).texts).toEqual(["m5"]);
      const foreign = node.logs.GetLogEvents(
        { logGroupName, logStreamName, startTime: 1, nextToken: "f/x" },
        node.call,
      );
      expect((await faultOf(foreign)).message).toBe("The specified nextToken is invalid.");
    }));

  it("heeds the range of time: the start is in it, the end is not", () =>
    withStream(async (node) => {
      const now = node.clock.now();
      await put(node, [
        [now, "a"],
        [now + 1, "b"],
        [now + 2, "c"],
      ]);
      expect((await messages(node, { startTime: now + 1, endTime: now + 2 })).texts).toEqual(["b"]);
    }));

  it("answers at most a megabyte at a time", () =>
    withStream(async (node) => {
      const large = "x".repeat(700_000);
      for (let i = 0; i < 3; i += 1) await put(node, [[node.clock.now() + i, large]]);
      const first = await messages(node, { startFromHead: true });
      expect(first.texts).toHaveLength(1);
      expect((await messages(node, { nextToken: first.nextForwardToken })).texts).toHaveLength(1);
    }));
});

describe("FilterLogEvents", () => {
  const filter = async ({ logs, call }: TestNode, input: object) => {
    const page = await logs.FilterLogEvents({ logGroupName, ...input }, call);
    return { ...page, texts: page.events?.map(({ message }) => message) };
  };

  it("finds over all streams, in order of time, page by page", () =>
    withStream(async (node) => {
      const now = node.clock.now();
      await node.ingest(
        Array.from({ length: 30 }, (_, i) => ({
          group: logGroupName,
          stream: `s${i % 3}`,
          timeMs: now + i,
          text: i % 10 === 0 ? `ERROR number ${i}` : `fine ${i}`,
        })),
      );
      expect((await filter(node, { filterPattern: "ERROR" })).texts).toEqual([
        "ERROR number 0\n",
        "ERROR number 10\n",
        "ERROR number 20\n",
      ]);
      expect((await filter(node, { filterPattern: '"ERROR number 1"' })).texts).toEqual(["ERROR number 10\n"]);
      expect((await filter(node, { logStreamNames: ["s1"], filterPattern: "ERROR" })).texts).toEqual([
        "ERROR number 10\n",
      ]);
      expect((await filter(node, { logStreamNamePrefix: "none" })).texts).toEqual([]);
      const first = await filter(node, { filterPattern: "ERROR", limit: 2 });
      expect(first.texts).toHaveLength(2);
      expect((await filter(node, { filterPattern: "ERROR", limit: 2, nextToken: first.nextToken })).texts).toEqual([
        "ERROR number 20\n",
      ]);
      const [event] = first.events ?? [];
      expect(event).toMatchObject({ logStreamName: "s0", timestamp: now, ingestionTime: now });
      expect(event?.eventId).toMatch(/^\d{56}$/);
      expect((await faultOf(filter(node, { logStreamNames: ["none"] }))).code).toBe("ResourceNotFoundException");
    }));
});

describe("what functions write", () => {
  it("makes group and stream on first use, and keeps the order of lines", () =>
    withNode(async (node) => {
      const lines = Array.from({ length: 1_200 }, (_, i) => ({
        group: logGroupName,
        stream: logStreamName,
        timeMs: node.clock.now(),
        text: `line ${i}`,
      }));
      await Promise.all([node.ingest(lines.slice(0, 600)), node.ingest(lines.slice(600))]);
      const { texts } = await messages(node, { startFromHead: true });
      expect(new Set(texts)).toEqual(new Set(lines.map(({ text }) => `${text}\n`)));
      expect(texts).toHaveLength(1_200);
      const ofFirst = texts.filter((text) => Number(text?.split(" ")[1]) < 600);
      expect(ofFirst).toEqual(lines.slice(0, 600).map(({ text }) => `${text}\n`));
    }));
});

describe("the times of a stream that functions write to", () => {
  it("are behind by a second at most while lines keep coming", () =>
    withNode(async (node) => {
      const beganMs = node.clock.now();
      const write = () =>
        node.ingest([{ group: logGroupName, stream: logStreamName, timeMs: node.clock.now(), text: "x" }]);
      const times = async () => {
        const { logStreams } = await node.logs.DescribeLogStreams({ logGroupName }, node.call);
        return [logStreams?.[0]?.firstEventTimestamp, logStreams?.[0]?.lastEventTimestamp];
      };
      await write();
      expect(await times()).toEqual([beganMs, beganMs]);
      await node.clock.advance(999);
      await write();
      expect(await times()).toEqual([beganMs, beganMs]);
      await node.clock.advance(1);
      await write();
      expect(await times()).toEqual([beganMs, beganMs + 1_000]);
      expect((await messages(node, { startFromHead: true })).texts).toHaveLength(3);
    }));
});

describe("background work", () => {
  const countEvents = async ({ store }: TestNode) => {
    const rows = await store.read((tx) => tx.all<{ event_count: number }>(sql`select event_count from logs_chunks`));
    return rows.reduce((sum, { event_count }) => sum + event_count, 0);
  };

  it("takes away events and streams that outlived their group's retention", () =>
    withStream(async (node) => {
      const { clock, logs, call } = node;
      await put(node, [[clock.now(), "old"]]);
      await logs.PutRetentionPolicy({ logGroupName, retentionInDays: 1 }, call);
      await clock.advance(dayMs);
      await logs.CreateLogStream({ logGroupName, logStreamName: "new" }, call);
      await node.runJob("logs:retention");
      expect(await countEvents(node)).toBe(1);
      await clock.advance(1);
      await node.runJob("logs:retention");
      expect(await countEvents(node)).toBe(0);
      const { logStreams } = await logs.DescribeLogStreams({ logGroupName }, call);
      expect(logStreams?.map((stream) => stream.logStreamName)).toEqual(["new"]);
    }));

  it("takes away the events of what was deleted, and nothing else", () =>
    withStream(async (node) => {
      const { clock, logs, call } = node;
      const lines = Array.from({ length: 700 }, () => ({ stream: "s", timeMs: clock.now(), text: "x" }));
      await node.ingest(lines.map((line) => ({ ...line, group: "gone" })).slice(0, 600));
      await node.ingest(lines.map((line) => ({ ...line, group: logGroupName })).slice(0, 3));
      await put(node, [[clock.now(), "of a stream"]]);
      await logs.DeleteLogGroup({ logGroupName: "gone" }, call);
      await logs.DeleteLogStream({ logGroupName, logStreamName }, call);
      await node.runJob("logs:purge");
      expect(await countEvents(node)).toBe(3);
      const purges = () => node.store.read((tx) => tx.all(sql`select uid from logs_purges`));
      expect(await purges()).toHaveLength(2);
      await clock.advance(3600_000);
      await node.runJob("logs:purge");
      expect(await purges()).toEqual([]);
    }));
});

describe("AWS::Logs::LogGroup", () => {
  it("is made once for a token, and its deletion may be repeated", () =>
    withNode(async ({ service, logs, call }) => {
      const type = service.resources?.[0];
      const request = {
        token: "t1",
        stackId: "s",
        stackName: "map",
        logicalId: "Logs",
        physicalName: "map-Logs-X",
        properties: { RetentionInDays: "7", Tags: [{ Key: "a", Value: "b" }] },
        metadata: {},
        tags: {},
      };
      const state = await type?.create(request, call);
      expect(await type?.create(request, call)).toEqual(state);
      expect(state).toEqual({
        physicalId: "map-Logs-X",
        attributes: { Arn: "arn:aws:logs:us-east-1:000000000000:log-group:map-Logs-X:*" },
      });
      expect((await logs.DescribeLogGroups({}, call)).logGroups?.[0]?.retentionInDays).toBe(7);
      if (state === undefined) throw new Error("the type is missing");
      await type?.delete({ ...request, ...state }, call);
      await type?.delete({ ...request, ...state }, call);
      expect((await logs.DescribeLogGroups({}, call)).logGroups).toEqual([]);
    }));
});
