/** Both kinds of queue on both store engines. */
import { afterAll, describe } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { fifoSuite } from "./fifo.suite.ts";
import { withQueues, type WithQueues } from "./node.suite.ts";
import { standardSuite } from "./standard.suite.ts";
import { upkeepSuite } from "./upkeep.suite.ts";

const server = await startPostgresOrSkip("SQS on PostgreSQL");
afterAll(() => server?.stop());

function suite(withNode: WithQueues): void {
  standardSuite(withNode);
  fifoSuite(withNode);
  upkeepSuite(withNode);
}

describe("SQLite", () => suite(withQueues));
describe.skipIf(server === undefined)("PostgreSQL", { timeout: 30_000 }, () => {
  suite(async (body) => withQueues(body, await server?.createDatabase()));
});
