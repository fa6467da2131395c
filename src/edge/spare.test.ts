import type { Worker } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createCrew, type Member } from "./crew.ts";
import { eventually, Stage } from "./edge.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

/** Longer than anything waits here: for a spare, or before a worker that died early is replaced. */
const whileMs = 1_000;

/** A crew of one, and the threads that were started for it, in their order. */
async function crewOfOne(spare: boolean) {
  const [clock, threads, replaced]: [FakeClock, Worker[], Member[]] = [new FakeClock(), [], []];
  const saw = (thread: Worker) => void threads.push(thread);
  process.on("worker", saw);
  stage.later(() => void process.off("worker", saw));
  const crew = createCrew({
    size: 1,
    spare,
    clock,
    log: silentLog,
    restarts: createMetrics().counter("restarts"),
    startOf: (index) => ({
      index,
      health: new SharedArrayBuffer(1024),
      reusePort: false,
      ticketSecret: new Uint8Array(32),
      swapDelayMs: 0,
    }),
    received() {},
    lost() {},
    replaced: (member) => void replaced.push(member),
  });
  stage.later(() => crew.stop());
  await crew.start();
  await clock.advance(whileMs);
  const end = (nth: number) => threads[nth]?.terminate();
  return { clock, crew, threads, replaced, end };
}

it("takes the place of a worker that dies, and is followed by another", async () => {
  const { clock, crew, threads, replaced, end } = await crewOfOne(true);
  expect(threads).toHaveLength(2);
  await end(0);
  expect(crew.members).toEqual([]);
  await clock.advance(0);
  await eventually(() => replaced.length === 1);
  expect(crew.members).toEqual(replaced);
  expect(threads).toHaveLength(2);
  await clock.advance(whileMs);
  expect(threads).toHaveLength(3);
}, 60_000);

it("is not waited for where it died itself", async () => {
  const { clock, crew, threads, replaced, end } = await crewOfOne(true);
  await end(1);
  expect(crew.members).toHaveLength(1);
  await end(0);
  await clock.advance(0);
  await eventually(() => replaced.length === 1);
  expect(threads).toHaveLength(3);
}, 60_000);

it("is there only where it is wanted", async () => {
  const { threads } = await crewOfOne(false);
  expect(threads).toHaveLength(1);
}, 60_000);
