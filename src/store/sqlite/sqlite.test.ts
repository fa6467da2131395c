/** The embedded store: the conformance of all stores, and what only a file on this machine can do wrong. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import type { Clock } from "../../base/clock.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { storeConformance } from "../conformance.suite.ts";
import type { Home } from "../fixture.suite.ts";
import { createSqliteStore } from "./sqlite.ts";

async function createHome(): Promise<Home> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-test-"));
  return {
    open: (clock: Clock) => createSqliteStore({ directory, clock, log: silentLog, metrics: createMetrics() }),
    remove: () => rm(directory, { recursive: true }),
  };
}

describe("SQLite", () => {
  storeConformance(createHome);
});
