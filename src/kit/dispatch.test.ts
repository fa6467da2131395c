/** The way to an operation: what waits long stands in nobody's way. */
import { expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { countingIds } from "../base/ids.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createSpans, newTrace } from "../telemetry/trace.ts";
import type { Call } from "./call.ts";
import { createDispatcher } from "./dispatch.ts";

const account = "000000000000";
/** More than run and wait at once. */
const many = 4_096;

it("lets calls through while those that wait have taken all of their own places, and refuses more of these", async () => {
  const clock = new FakeClock();
  const dispatcher = createDispatcher({ clock, log: silentLog, metrics: createMetrics(), spans: createSpans() });
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  dispatcher.add("queues", {
    operations: {
      async Wait() {
        await over;
        return {};
      },
      Look: async () => ({ seen: true }),
    },
    apart: ["Wait"],
  });
  const call: Call = {
    account,
    region: "us-east-1",
    principal: { kind: "user", account, accessKeyId: account },
    requestId: "1",
    trace: newTrace(countingIds(), clock.now()),
    signal: new AbortController().signal,
    deadline: clock.now() + 60_000,
    publicUrl: "http://127.0.0.1:4566",
  };
  const waiting = Array.from({ length: many }, () => dispatcher.outside("queues", "Wait", {}, call));
  const settled = Promise.allSettled(waiting);
  await expect(dispatcher.outside("queues", "Look", {}, call)).resolves.toEqual({ seen: true });
  await expect(dispatcher.outside("queues", "Wait", {}, call)).rejects.toThrow("Rate exceeded");
  end();
  const refused = (await settled).filter(({ status }) => status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(many);
});
