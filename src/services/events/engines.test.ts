/** Buses on both store engines. */
import { afterAll, describe } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { busSuite } from "./buses.suite.ts";
import { laterSuite } from "./later.suite.ts";
import { withBuses, type WithBuses } from "./node.suite.ts";

const server = await startPostgresOrSkip("EventBridge on PostgreSQL");
afterAll(() => server?.stop());

function suite(withNode: WithBuses): void {
  busSuite(withNode);
  laterSuite(withNode);
}

describe("SQLite", () => suite(withBuses));
describe.skipIf(server === undefined)("PostgreSQL", { timeout: 30_000 }, () => {
  suite(async (body) => withBuses(body, await server?.createDatabase()));
});
