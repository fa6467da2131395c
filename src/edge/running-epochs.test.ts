import { expect, it } from "vitest";
import { RunningEpochs } from "./running-epochs.ts";

it("an epoch is done with when every worker that ran it has retired it, or is gone", () => {
  const epochs = new RunningEpochs();
  for (const worker of [0, 1]) epochs.runs(worker, 1);
  epochs.supersede(2);
  for (const worker of [0, 1]) epochs.runs(worker, 2);
  epochs.supersede(3);
  expect(epochs.oldest(3)).toBe(1);
  epochs.retired(0, 1);
  expect(epochs.oldest(3)).toBe(1);
  epochs.retired(1, 1);
  expect(epochs.oldest(3)).toBe(2);
  epochs.retired(0, 2);
  epochs.workerGone(1);
  expect(epochs.oldest(3)).toBe(3);
  // The same again is nothing new.
  epochs.runs(0, 3);
  epochs.supersede(3);
  expect(epochs.oldest(3)).toBe(3);
});
