import { array, assert, boolean, constantFrom, property, record } from "fast-check";
import { expect, it } from "vitest";
import { createSlots, type Demand, type Slot } from "./slots.ts";

const demand = (name: string, reserved: number | null, accountReserved = 0): Demand => ({
  account: "000000000000",
  region: "us-east-1",
  name,
  reserved,
  accountReserved,
});

function take(slots: ReturnType<typeof createSlots>, of: Demand): Slot {
  const slot = slots.take(of);
  if (typeof slot === "string") throw new Error(slot);
  return slot;
}

it("lets as many run as are reserved, and the next as soon as one has ended", () => {
  const slots = createSlots();
  const held = [1, 2, 3].map(() => take(slots, demand("map", 3, 3)));
  expect(slots.take(demand("map", 3, 3))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
  held[0]?.release();
  take(slots, demand("map", 3, 3));
  expect(slots.running(demand("map", 3))).toBe(3);
});

it("throttles always at a reservation of 0", () => {
  expect(createSlots().take(demand("map", 0))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
});

it("gives functions without a reservation what reservations leave of 1,000", () => {
  const slots = createSlots();
  const held = Array.from({ length: 600 }, (_, i) => take(slots, demand(`f${i % 5}`, null, 400)));
  expect(slots.take(demand("f9", null, 400))).toBe("ConcurrentInvocationLimitExceeded");
  take(slots, demand("map", 400, 400));
  take(slots, { ...demand("f1", null), region: "eu-west-1" });
  held.forEach((slot) => slot.release());
  take(slots, demand("f9", null, 400));
});

it("gives a slot back to where it came from when the reservation changed meanwhile", () => {
  const slots = createSlots();
  const before = take(slots, demand("map", null));
  expect(slots.take(demand("map", 1, 1))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
  before.release();
  const after = take(slots, demand("map", 1, 1));
  const pool = Array.from({ length: 999 }, () => take(slots, demand("other", null, 1)));
  expect(slots.take(demand("other", null, 1))).toBe("ConcurrentInvocationLimitExceeded");
  [after, ...pool].forEach((slot) => slot.release());
  expect(slots.running(demand("map", 1))).toBe(0);
});

it("bounds the node over all accounts", () => {
  const slots = createSlots(2);
  take(slots, demand("map", 10));
  take(slots, { ...demand("map", 10), account: "111111111111" });
  expect(slots.take(demand("other", 10))).toBe("ConcurrentInvocationLimitExceeded");
});

it("is never over a cap, whatever comes and ends in whatever order", () => {
  const step = record({ name: constantFrom("a", "b", "c"), enter: boolean(), cap: constantFrom(0, 1, 3) });
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const slots = createSlots();
      const held: { name: string; slot: Slot }[] = [];
      for (const { name, enter, cap } of steps) {
        const before = held.filter((one) => one.name === name).length;
        if (enter) {
          const slot = slots.take(demand(name, cap));
          expect(typeof slot === "string").toBe(before >= cap);
          if (typeof slot !== "string") held.push({ name, slot });
        } else {
          held.splice(0, 1)[0]?.slot.release();
        }
        expect(slots.running(demand(name, cap))).toBe(held.filter((one) => one.name === name).length);
      }
    }),
  );
});
