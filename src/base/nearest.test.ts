import { describe, expect, it } from "vitest";
import { nearestOf } from "./nearest.ts";

describe("the nearest name", () => {
  it.each([
    ["Runtyme", ["Role", "Runtime", "Timeout"], "Runtime"],
    ["runtime", ["Timeout", "Runtime"], "Runtime"],
    ["Runtmie", ["Runtime"], "Runtime"],
    ["Timout", ["Timeout", "Timeouts"], "Timeout"],
    ["Key", ["Value"], undefined],
    ["A", ["B"], "B"],
    ["Runtime", ["Runtime"], undefined],
    ["x".repeat(200), ["x".repeat(199)], undefined],
    ["", ["A"], "A"],
  ])("of %s among %s is %s", (name, among, nearest) => {
    expect(nearestOf(name, among)).toBe(nearest);
  });
});
