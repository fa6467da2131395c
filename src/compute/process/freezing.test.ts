import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { type Harness, answerOf, openHarness } from "../harness.suite.ts";

/** Counts how often its timer ran, in itself and in a process that it started. */
const ticking = {
  "index.mjs": `import { spawn } from "node:child_process"; import { appendFileSync, readFileSync } from "node:fs"; import { join } from "node:path";
    const file = join(process.env.TMPDIR, "ticks");
    spawn("sh", ["-c", "while :; do echo x >> " + file + "; sleep 0.01; done"], { stdio: "ignore" }).unref();
    let ticks = 0; setInterval(() => { ticks += 1; }, 10);
    export const handler = async () => [ticks, readFileSync(file, "utf8").length, process.hrtime.bigint().toString()];`,
};

describe.each([
  ["by its control group, where there is one", true],
  ["by a signal", false],
])("an environment that nobody uses is frozen %s: it", (_name, controlGroups) => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await openHarness({ freezeMs: 20, controlGroups });
  });
  afterAll(() => harness.close());

  it("stands still, with what it started, and goes on where it was", async () => {
    const spec = await harness.functionOf(ticking);
    await harness.invoke(spec);
    await systemClock.sleep(300);
    const [ticks, lines, at] = answerOf<[number, number, string]>(await harness.invoke(spec));
    await systemClock.sleep(1_000);
    const [ticksAfter, linesAfter, atAfter] = answerOf<[number, number, string]>(await harness.invoke(spec));
    // A second passed for the machine; the timers saw the moments before the freeze and after the thaw.
    expect(Number(BigInt(atAfter) - BigInt(at))).toBeGreaterThan(900e6);
    expect(ticksAfter - ticks).toBeLessThan(40);
    expect((linesAfter - lines) / 2).toBeLessThan(60);
    await harness.compute.retire(spec.id);
  });

  it("ends when it is retired while it is frozen", async () => {
    const spec = await harness.functionOf(ticking);
    await harness.invoke(spec);
    await systemClock.sleep(150);
    await harness.compute.retire(spec.id);
    expect(harness.compute.stats()).toEqual([]);
  });
});
