import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { openStore } from "./open.ts";

const deps = { clock: systemClock, log: silentLog, metrics: createMetrics() };

it("opens a directory, which it makes, with the embedded engine", async () => {
  const parent = await mkdtemp(join(tmpdir(), "mikan-test-"));
  const store = await openStore({ data: join(parent, "a", "b"), ...deps });
  expect(store.engine).toBe("sqlite");
  await store.close();
  await rm(parent, { recursive: true });
});

it("opens nothing that stays with ephemeral, and refuses to keep data nowhere", async () => {
  const store = await openStore({ ephemeral: true, ...deps });
  expect(store.engine).toBe("sqlite");
  await store.close();
  await expect(openStore(deps)).rejects.toThrow("needs a directory");
});

it.each(["postgres://user@127.0.0.1:1/none", "postgresql://user@127.0.0.1:1/none"])(
  "takes %s to PostgreSQL",
  async (data) => {
    await expect(openStore({ data, ...deps })).rejects.toThrow(/ECONNREFUSED/);
    await expect(openStore({ data, ephemeral: true, ...deps })).rejects.toThrow("not ephemeral");
  },
);
