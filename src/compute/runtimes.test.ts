import { expect, it } from "vitest";
import { checkRuntimes, runtimeKind } from "./runtimes.ts";

it("says of every runtime whether it is here, and if not, what to use", () => {
  const checks = checkRuntimes();
  const available = checks.filter((check) => check.available).map(({ runtime }) => runtime);
  expect(available).toEqual([
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "provided",
    "provided.al2",
    "provided.al2023",
  ]);
  const missing = checks.filter((check) => !check.available);
  expect(missing.map(({ runtime }) => runtime)).toContain("python3.13");
  for (const { hint } of missing) expect(hint).toContain("use nodejs24.x, or provided.al2023");
});

it("takes callbacks up to Node.js 22", () => {
  expect(runtimeKind("nodejs22.x")).toEqual({ kind: "node", callbacks: true });
  expect(runtimeKind("nodejs24.x")).toEqual({ kind: "node", callbacks: false });
  expect(runtimeKind("constructor").kind).toBe("unavailable");
});
