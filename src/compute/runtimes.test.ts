import { Runtime } from "@aws-sdk/client-lambda";
import { expect, it } from "vitest";
import { checkRuntimes, runtimeKind } from "./runtimes.ts";

const python = { command: "/usr/bin/python3", version: "3.11.2" };
const java = { command: "/usr/lib/jvm/bin/java", major: 17 };

const check = () =>
  checkRuntimes({
    pythonOf: async (runtime) => (runtime === "python3.9" ? { hint: "Install python3." } : python),
    javaOf: async (runtime) => (runtime === "java25" ? { hint: "Install Java 25." } : java),
  });

it.each(Object.values(Runtime))("has a row for %s, which the SDK names", async (runtime) => {
  expect((await check()).map((row) => row.runtime)).toContain(runtime);
});

it("says of every runtime whether it is here, and if not, what to use", async () => {
  const checks = await check();
  const availableOf = (start: string) =>
    checks.filter(({ runtime, available }) => available && runtime.startsWith(start)).map(({ runtime }) => runtime);
  expect(availableOf("nodejs")).toHaveLength(14);
  expect(availableOf("python")).toEqual(["15", "14", "13", "12", "11", "10", "8"].map((minor) => `python3.${minor}`));
  expect(availableOf("java")).toHaveLength(8);
  expect(availableOf("provided")).toEqual(["provided.al2023", "provided.al2", "provided"]);
  const hintOf = (name: string) => checks.find(({ runtime }) => runtime === name)?.hint;
  expect([hintOf("python3.9"), hintOf("java25")]).toEqual(["Install python3.", "Install Java 25."]);
  expect(hintOf("ruby3.4")).toContain("use nodejs24.x, or provided.al2023");
  expect(hintOf("dotnet10")).toContain("Amazon.Lambda.RuntimeSupport");
});

it("takes callbacks up to Node.js 22", () => {
  expect(runtimeKind("nodejs22.x")).toEqual({ kind: "node", callbacks: true });
  expect(runtimeKind("nodejs24.x")).toEqual({ kind: "node", callbacks: false });
  expect(runtimeKind("constructor").kind).toBe("unavailable");
});
