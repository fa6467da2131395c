import { expect, it } from "vitest";
import { checkRuntimes, runtimeKind } from "./runtimes.ts";

const python = { command: "/usr/bin/python3", version: "3.11.2" };
const noPython = { hint: "Install python3." };

it("says of every runtime whether it is here, and if not, what to use", async () => {
  const checks = await checkRuntimes(async (runtime) => (runtime === "python3.9" ? noPython : python));
  const available = checks.filter((check) => check.available).map(({ runtime }) => runtime);
  expect(available).toEqual([
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "python3.8",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "provided",
    "provided.al2",
    "provided.al2023",
  ]);
  const missing = checks.filter((check) => !check.available);
  expect(missing.find(({ runtime }) => runtime === "python3.9")?.hint).toBe("Install python3.");
  const java = missing.find(({ runtime }) => runtime === "java21");
  expect(java?.hint).toContain("use nodejs24.x, or provided.al2023");
});

it("takes callbacks up to Node.js 22", () => {
  expect(runtimeKind("nodejs22.x")).toEqual({ kind: "node", callbacks: true });
  expect(runtimeKind("nodejs24.x")).toEqual({ kind: "node", callbacks: false });
  expect(runtimeKind("constructor").kind).toBe("unavailable");
});
