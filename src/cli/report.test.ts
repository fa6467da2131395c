import { expect, it } from "vitest";
import { inWords, reportIn } from "./report.ts";

it("says a report of text in words", () => {
  const tail =
    "START RequestId: r\nEND RequestId: r\nREPORT RequestId: r\tDuration: 1.26 ms\tBilled Duration: 40 ms\tMemory Size: 128 MB\tMax Memory Used: 61 MB\tInit Duration: 37.96 ms\t\n";
  const report = reportIn(tail);
  expect(report).toEqual({ durationMs: 1.26, billedMs: 40, memoryMiB: 128, memoryUsedMiB: 61, initMs: 37.96 });
  expect(report && inWords(report)).toBe("Cold start: 38.0 ms to be ready. 1.3 ms, billed 40 ms; 61 of 128 MB used.");
});

it("says a report of JSON in words, and takes no line of the function for one", () => {
  const metrics = { durationMs: 2, billedDurationMs: 2, memorySizeMB: 256, maxMemoryUsedMB: 70 };
  const platform = JSON.stringify({ time: "t", type: "platform.report", record: { requestId: "r", metrics } });
  const report = reportIn(`${platform}\nthe function says "platform.report"\n`);
  expect(report && inWords(report)).toBe("Warm start. 2.0 ms, billed 2 ms; 70 of 256 MB used.");
});

it("has nothing to say where there is no report", () => {
  expect(reportIn("a line\n")).toBeUndefined();
});
