import { describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { createFunctionLog, logStreamName } from "./function-log.ts";
import { specOf } from "./harness.suite.ts";
import { logBytesPerSecondMax, logTailBytesMax } from "./limits.ts";
import type { FunctionSpec, InitializationType } from "./ports.ts";

const id = "0123456789abcdef0123456789abcdef";
const report = { durationMs: 12.345, memoryUsedMiB: 64 };

const one = {
  requestId: "r1",
  traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
};

function open(settings: Partial<FunctionSpec> = {}, initialization: InitializationType = "on-demand") {
  const clock = new FakeClock(Date.UTC(2026, 10, 2, 3, 4, 5));
  const texts: string[] = [];
  const spec = specOf("/code", { version: "7", memoryMiB: 128, timeoutMs: 3_000, ...settings });
  const log = createFunctionLog({ clock, onLogLine: ({ text }) => texts.push(text) }, spec, id, initialization);
  return { clock, texts, log };
}

describe("the log of an environment", () => {
  it("has a stream named by day, version and environment", () => {
    expect(open().log.stream).toBe(`2026/11/02/[7]${id}`);
    expect(logStreamName(Date.UTC(2026, 0, 1, 23, 59), "$LATEST", id)).toBe(`2026/01/01/[$LATEST]${id}`);
  });

  it.each([
    [report, "Duration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t"],
    [
      { ...report, initMs: 100.5 },
      "Duration: 12.35 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 100.50 ms\t",
    ],
    [
      { ...report, durationMs: 3_004.9, status: "timeout" as const },
      "Duration: 3004.90 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tStatus: timeout",
    ],
    [
      { ...report, status: { errorType: "Runtime.ExitError" } },
      "Duration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tStatus: error\tError Type: Runtime.ExitError",
    ],
  ])("reports as Lambda does", (figures, expected) => {
    const { log } = open();
    log.begin(one);
    expect(log.end(one, figures)).toBe(
      `START RequestId: r1 Version: 7\nEND RequestId: r1\nREPORT RequestId: r1\t${expected}\n`,
    );
  });

  it("has a tail of the last 4 KiB of one invocation, in whole characters", () => {
    const { log } = open();
    log.begin(one);
    log.write("forgotten");
    log.end(one, report);
    log.begin({ ...one, requestId: "r2" });
    for (let i = 0; i < 1_000; i += 1) log.write("語".repeat(50));
    const tail = log.end({ ...one, requestId: "r2" }, report);
    const bytes = Buffer.byteLength(tail);
    expect(bytes).toBeLessThanOrEqual(logTailBytesMax);
    expect(bytes).toBeGreaterThan(logTailBytesMax - 3);
    expect(tail).toMatch(/^語+\n.*MB\t\n$/s);
  });

  it("drops what is too much in a second, says how much, and goes on in the next", async () => {
    const { log, texts, clock } = open();
    const text = "x".repeat(100_000);
    const fitting = Math.floor(logBytesPerSecondMax / text.length);
    for (let i = 0; i < fitting + 3; i += 1) log.write(text);
    expect(texts).toHaveLength(fitting);
    await clock.advance(1_000);
    log.write("after");
    expect(texts.slice(fitting)).toEqual([
      `300000 bytes of output were dropped: an environment may log ${logBytesPerSecondMax} bytes a second.`,
      "after",
    ]);
  });

  it("names the trace of an invocation that is sampled", () => {
    const { log } = open();
    const sampled = { ...one, traceHeader: one.traceHeader.replace("Sampled=0", "Sampled=1") };
    log.begin(sampled);
    expect(log.end(sampled, report)).toMatch(
      /MB\t\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n$/,
    );
  });

  it("says how a provisioned environment started, which is not billed", () => {
    const { log, texts } = open({}, "provisioned-concurrency");
    log.initEnd({ phase: "init", durationMs: 100.5 });
    log.begin(one);
    expect(log.end(one, { ...report, initMs: 100.5 })).toContain("Billed Duration: 13 ms");
    expect(texts[0]).toBe("INIT_REPORT Init Duration: 100.50 ms\tPhase: init\t");
  });
});

describe("the log of an environment as JSON", () => {
  const lived = (settings: Partial<FunctionSpec>, failed: boolean) => {
    const { log, texts } = open({ logFormat: "JSON", ...settings });
    const status = failed ? ("timeout" as const) : undefined;
    log.initBegin("init");
    log.initEnd({ phase: "init", durationMs: 100.5 });
    log.begin(one);
    log.fault("Task timed out");
    log.write('{"level":"INFO"}');
    log.end(one, { ...report, initMs: 100.5, ...(status === undefined ? {} : { status }) });
    return texts;
  };
  const typesOf = (texts: readonly string[]) =>
    texts.map((text) => (JSON.parse(text) as { type?: string }).type ?? "function");

  it("has events with a record each", () => {
    const events = lived({}, false).map((text) => JSON.parse(text) as object);
    expect(events).toEqual([
      {
        time: "2026-11-02T03:04:05.000Z",
        type: "platform.initStart",
        record: {
          initializationType: "on-demand",
          phase: "init",
          runtimeVersion: "nodejs:24.mikan",
          runtimeVersionArn: expect.stringMatching(/^arn:aws:lambda:eu-west-1::runtime:[0-9a-f]{64}$/),
          functionName: "tiles",
          functionVersion: "7",
        },
      },
      { time: "2026-11-02T03:04:05.000Z", type: "platform.start", record: { requestId: "r1", version: "7" } },
      { level: "INFO" },
      {
        time: "2026-11-02T03:04:05.000Z",
        type: "platform.report",
        record: {
          requestId: "r1",
          status: "success",
          metrics: {
            durationMs: 12.345,
            billedDurationMs: 113,
            memorySizeMB: 128,
            maxMemoryUsedMB: 64,
            initDurationMs: 100.5,
          },
        },
      },
    ]);
  });

  it("has as many as its level lets through", () => {
    const all = ["initStart", "initRuntimeDone", "initReport", "start", "function", "runtimeDone", "report"];
    const named = (names: readonly string[]) => names.map((name) => (name === "function" ? name : `platform.${name}`));
    expect(typesOf(lived({ systemLogLevel: "DEBUG" }, false))).toEqual(named(all));
    expect(typesOf(lived({ systemLogLevel: "WARN" }, false))).toEqual(["function"]);
    expect(typesOf(lived({ systemLogLevel: "WARN" }, true))).toEqual(named(["function", "runtimeDone", "report"]));
  });
});
