/** Turns of those who wait: each goes to somebody who can use it. */
import { expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createWaits } from "./waits.ts";

const never = new AbortController().signal;

it("passes on a turn that came while its receiver was looking, though it leaves with something", async () => {
  const waits = createWaits(new FakeClock(), createMetrics());
  const [first, second] = [waits.enter("queue"), waits.enter("queue")];
  const turn = first.turn(20_000, never);
  const next = second.turn(20_000, never);
  waits.wake("queue", 1);
  await turn;
  // A second message, while the first receiver takes the first message.
  waits.wake("queue", 1);
  first.leave();
  await expect(next).resolves.toBeUndefined();
  second.leave();
});
