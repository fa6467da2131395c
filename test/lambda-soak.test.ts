/** A short soak; `node bench/soak-lambda.ts` is the long one. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { complaints, fateOf, soak } from "./lambda-soak.ts";
import { functionsOf, startNodeProcess } from "./node-process.ts";

const hasSandbox = spawnSync("bwrap", ["--ro-bind", "/", "/", "true"]).status === 0;
if (!hasSandbox) console.warn("SKIPPED: a soak in the sandbox: BUBBLEWRAP IS NOT INSTALLED, or may not run");
const isolations = ["process", ...(hasSandbox ? ["sandbox"] : [])];

describe.each(isolations)("functions that fail in every way, isolated by %s", (isolation) => {
  it("are all accounted for, and leave nothing behind", { timeout: 240_000 }, async () => {
    const node = await startNodeProcess("--ephemeral", "--port", "0", "--isolation", isolation);
    try {
      const report = await soak({ node, invocations: 2_000, atOnce: 8, seed: 5 });
      expect(complaints(report)).toEqual([]);
      expect(Math.min(...Object.values(report.asked))).toBeGreaterThan(0);
    } finally {
      await node.end();
    }
    expect(await functionsOf(node.url)).toEqual([]);
  });
});

describe("the fate of an invocation", () => {
  it("is known by its answer, and its own alone", () => {
    expect(fateOf(200, null, '{"number":3}', 3)).toBe("answered");
    expect(fateOf(200, null, '{"number":4}', 3)).toBeUndefined();
    expect(fateOf(502, null, '{"number":3}', 3)).toBeUndefined();
  });
});
