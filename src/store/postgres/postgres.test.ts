/** The store for many nodes, on a real server: the conformance of all stores, and what only a server can do. */
import { Client } from "pg";
import { afterAll, describe } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { storeConformance } from "../conformance.suite.ts";
import type { Home } from "../fixture.suite.ts";
import { createPostgresStore } from "./postgres.ts";

const server = await startPostgresOrSkip("the store on PostgreSQL");
const url = (await server?.createDatabase()) ?? "";
afterAll(() => server?.stop());

/** Far quicker than a new database. */
async function emptyDatabase(): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("drop schema public cascade; create schema public");
  await client.end();
}

async function createHome(): Promise<Home> {
  await emptyDatabase();
  return {
    open: (clock) => createPostgresStore({ url, clock, log: silentLog, metrics: createMetrics() }),
    remove: async () => {},
  };
}

describe.skipIf(server === undefined)("PostgreSQL", () => {
  storeConformance(createHome);
});
