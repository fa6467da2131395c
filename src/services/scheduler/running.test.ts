/** Schedules on both store engines. */
import { afterAll, describe } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { withSchedules } from "./node.suite.ts";
import { changingClocksSuite, runningSuite } from "./running.suite.ts";

const server = await startPostgresOrSkip("Scheduler on PostgreSQL");
afterAll(() => server?.stop());

describe("SQLite", () => runningSuite(withSchedules));
describe("clocks that are put forward and back", () => changingClocksSuite(withSchedules));
describe.skipIf(server === undefined)("PostgreSQL", { timeout: 30_000 }, () => {
  runningSuite(async (body) => withSchedules(body, await server?.createDatabase()));
});
