import { describe, expect, it } from "vitest";
import { Census, censusMemory, emptyCensus, householdOf, refused, uncounted } from "./census.ts";

describe("a census", () => {
  it("counts the connections of an address over all workers, and never more than may be", () => {
    const memory = censusMemory(3);
    const workers = [0, 1, 2].map((worker) => new Census(memory, worker));
    const places = Array.from({ length: 10 }, (_, i) => workers[i % 3]?.enter("10.0.0.1", 10) ?? refused);
    expect(places.every((place) => place >= 0)).toBe(true);
    for (const worker of workers)
      expect([worker.enter("10.0.0.1", 10), worker.count("10.0.0.1")]).toEqual([refused, 10]);
    expect(workers[0]?.enter("10.0.0.2", 10)).toBeGreaterThanOrEqual(0);
    workers[1]?.leave(places[1] ?? refused);
    expect(workers[2]?.enter("10.0.0.1", 10)).toBeGreaterThanOrEqual(0);
    expect(workers[0]?.enter("10.0.0.1", 10)).toBe(refused);
  });

  it("forgets what a worker had that is gone", () => {
    const memory = censusMemory(2);
    const [first, second] = [new Census(memory, 0), new Census(memory, 1)];
    for (let i = 0; i < 3; i += 1) first.enter("10.0.0.1", 5);
    second.enter("10.0.0.1", 5);
    emptyCensus(memory, 0);
    expect(second.count("10.0.0.1")).toBe(1);
  });

  it("has room for those who are there; who finds none is let in uncounted", () => {
    const memory = censusMemory(1, 16);
    const census = new Census(memory, 0);
    const places = Array.from({ length: 17 }, (_, i) => census.enter(`10.0.0.${i}`, 1));
    expect(places.slice(0, 16).every((place) => place >= 0)).toBe(true);
    expect(new Set(places).size).toBe(17);
    expect(places[16]).toBe(uncounted);
    census.leave(uncounted);
    census.leave(places[3] ?? refused);
    expect(census.enter("10.0.1.1", 1)).toBe(places[3]);
    expect(census.enter("10.0.0.0", 1)).toBe(refused);
  });

  it("keeps its counts through any run of comings and goings", () => {
    const memory = censusMemory(2, 64, 7);
    const workers = [new Census(memory, 0), new Census(memory, 1)];
    const open: { worker: Census; place: number; address: string }[] = [];
    let seed = 1;
    const random = (max: number) => (seed = (seed * 48_271) % 2_147_483_647) % max;
    for (let i = 0; i < 20_000; i += 1) {
      const address = `10.0.0.${random(20)}`;
      const worker = workers[random(2)] as Census;
      const here = open.filter((other) => other.address === address).length;
      if (random(2) === 0) {
        const place = worker.enter(address, 4);
        expect(place === refused).toBe(here >= 4);
        if (place !== refused) open.push({ worker, place, address });
      } else {
        const [gone] = open.splice(random(Math.max(1, open.length)), 1);
        gone?.worker.leave(gone.place);
      }
    }
  });
});

it.each([
  ["10.1.2.3", "10.1.2.3"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["2001:db8:0:7::1", "2001:db8:0:7"],
  ["::1", "0:0:0:0"],
  ["fe80::", "fe80:0:0:0"],
])("the household of %s is %s", (address, household) => {
  expect(householdOf(address)).toBe(household);
});
