import { describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { createFunctionLog, logStreamName } from "./function-log.ts";
import { specOf } from "./harness.suite.ts";
import { logBytesPerSecondMax, logTailBytesMax } from "./limits.ts";

const id = "0123456789abcdef0123456789abcdef";
const report = { durationMs: 12.345, memoryUsedMiB: 64 };

function open() {
  const clock = new FakeClock(Date.UTC(2026, 10, 2, 3, 4, 5));
  const texts: string[] = [];
  const spec = specOf("/code", { version: "7", memoryMiB: 128, timeoutMs: 3_000 });
  const log = createFunctionLog({ clock, onLogLine: ({ text }) => texts.push(text) }, spec, id);
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
    log.begin("r1");
    expect(log.end("r1", figures)).toBe(
      `START RequestId: r1 Version: 7\nEND RequestId: r1\nREPORT RequestId: r1\t${expected}\n`,
    );
  });

  it("has a tail of the last 4 KiB of one invocation, in whole characters", () => {
    const { log } = open();
    log.begin("r1");
    log.write("forgotten");
    log.end("r1", report);
    log.begin("r2");
    for (let i = 0; i < 1_000; i += 1) log.write("語".repeat(50));
    const tail = log.end("r2", report);
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
});
