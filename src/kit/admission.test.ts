import { expect, it } from "vitest";
import { createAdmission } from "./admission.ts";

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

it("lets some in, lets some wait, refuses the rest at once, and hands places on", async () => {
  const admission = createAdmission({ runningMax: 2, waitingMax: 1 }, () => new Error("full"));
  const gates = [gate(), gate(), gate()];
  const runs = gates.map(({ opened }) => admission.run(() => opened));
  expect([admission.running, admission.waiting]).toEqual([2, 1]);
  await expect(admission.run(async () => {})).rejects.toThrow("full");
  gates[0]?.open();
  await runs[0];
  expect([admission.running, admission.waiting]).toEqual([2, 0]);
  gates.forEach(({ open }) => open());
  await Promise.all(runs);
  expect(admission.running).toBe(0);
});

it("frees the place of a body that throws", async () => {
  const admission = createAdmission({ runningMax: 1, waitingMax: 0 }, () => new Error("full"));
  await expect(
    admission.run(async () => {
      throw new Error("broken");
    }),
  ).rejects.toThrow("broken");
  await expect(admission.run(async () => "fine")).resolves.toBe("fine");
});
