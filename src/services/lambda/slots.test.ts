import { array, assert, boolean, constantFrom, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { createSlots, type Demand, type Slot } from "./slots.ts";

const clock = new FakeClock();

const demand = (name: string, reserved: number | null, accountReserved = 0): Demand => ({
  account: "000000000000",
  region: "us-east-1",
  name,
  version: "$LATEST",
  reserved,
  accountReserved,
});

function take(slots: ReturnType<typeof createSlots>, of: Demand): Slot {
  const slot = slots.take(of);
  if (typeof slot === "string") throw new Error(slot);
  return slot;
}

it("lets as many run as are reserved, and the next as soon as one has ended", () => {
  const slots = createSlots({ clock });
  const held = [1, 2, 3].map(() => take(slots, demand("map", 3, 3)));
  expect(slots.take(demand("map", 3, 3))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
  held[0]?.release();
  take(slots, demand("map", 3, 3));
  expect(slots.running(demand("map", 3))).toBe(3);
});

it("throttles always at a reservation of 0", () => {
  expect(createSlots({ clock }).take(demand("map", 0))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
});

it("gives functions without a reservation what reservations leave of 1,000", () => {
  const slots = createSlots({ clock });
  const held = Array.from({ length: 600 }, (_, i) => take(slots, demand(`f${i % 5}`, null, 400)));
  expect(slots.take(demand("f9", null, 400))).toBe("ConcurrentInvocationLimitExceeded");
  take(slots, demand("map", 400, 400));
  take(slots, { ...demand("f1", null), region: "eu-west-1" });
  held.forEach((slot) => slot.release());
  take(slots, demand("f9", null, 400));
});

it("gives a slot back to where it came from when the reservation changed meanwhile", () => {
  const slots = createSlots({ clock });
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
  const slots = createSlots({ clock, nodeMax: 2 });
  take(slots, demand("map", 10));
  take(slots, { ...demand("map", 10), account: "111111111111" });
  expect(slots.take(demand("other", 10))).toBe("ConcurrentInvocationLimitExceeded");
});

describe("provisioned concurrency", () => {
  const one = (name: string, reserved: number | null) => ({ ...demand(name, reserved, reserved ?? 0), version: "1" });
  const allotted = (name: string, count: number, reserved: boolean) => ({ ...one(name, null), count, reserved });

  it("is a version's own: others have what it leaves of the reservation", () => {
    const slots = createSlots({ clock });
    slots.allot([allotted("map", 2, true)]);
    const other = take(slots, demand("map", 3));
    expect(slots.take(demand("map", 3))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
    take(slots, one("map", 3));
    take(slots, one("map", 3));
    expect(slots.take(one("map", 3))).toBe("ReservedFunctionConcurrentInvocationLimitExceeded");
    other.release();
    take(slots, one("map", 3));
  });

  it("spills over into the account's pool, which has as much less", () => {
    const slots = createSlots({ clock, accountMax: 5 });
    slots.allot([allotted("map", 2, false)]);
    const spilled = [1, 2, 3, 4, 5].map(() => take(slots, one("map", null)))[4];
    expect(slots.take(one("map", null))).toBe("ConcurrentInvocationLimitExceeded");
    spilled?.release();
    take(slots, demand("other", null));
    expect(slots.take(demand("other", null))).toBe("ConcurrentInvocationLimitExceeded");
  });

  it("that comes while the pool is in use never lets more run than the account may", () => {
    const slots = createSlots({ clock, accountMax: 3 });
    [1, 2, 3].forEach(() => take(slots, demand("other", null)));
    slots.allot([allotted("map", 2, false)]);
    expect(slots.take(one("map", null))).toBe("ConcurrentInvocationLimitExceeded");
  });
});

it("lets a function grow by 1,000 at once and by 100 more each second", async () => {
  const slots = createSlots({ clock, accountMax: 3_000 });
  const held = Array.from({ length: 1_000 }, () => take(slots, demand("map", null)));
  expect(slots.take(demand("map", null))).toBe("FunctionInvocationRateLimitExceeded");
  take(slots, demand("other", null));
  await clock.advance(1_000);
  Array.from({ length: 100 }, () => take(slots, demand("map", null)));
  expect(slots.take(demand("map", null))).toBe("FunctionInvocationRateLimitExceeded");
  // What has its environments already is not growth.
  held.slice(0, 500).forEach((slot) => slot.release());
  Array.from({ length: 500 }, () => take(slots, demand("map", null)));
  expect(slots.take(demand("map", null))).toBe("FunctionInvocationRateLimitExceeded");
});

it("is never over a cap, whatever is allotted, comes and ends in whatever order", () => {
  const step = record({
    name: constantFrom("a", "b", "c"),
    enter: boolean(),
    cap: constantFrom(0, 1, 3),
    ahead: constantFrom(0, 1),
  });
  assert(
    property(array(step, { maxLength: 200 }), (steps) => {
      const slots = createSlots({ clock });
      const held: { name: string; slot: Slot }[] = [];
      for (const { name, enter, cap, ahead } of steps) {
        slots.allot([{ ...demand(name, cap), count: Math.min(ahead, cap), reserved: true }]);
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
