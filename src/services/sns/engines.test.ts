/** Topics on both store engines. */
import { afterAll, describe } from "vitest";
import { startPostgresOrSkip } from "../../../test/postgres.ts";
import { withTopics } from "./node.suite.ts";
import { topicsSuite } from "./topics.suite.ts";

const server = await startPostgresOrSkip("SNS on PostgreSQL");
afterAll(() => server?.stop());

describe("SQLite", () => topicsSuite(withTopics));
describe.skipIf(server === undefined)("PostgreSQL", { timeout: 30_000 }, () => {
  topicsSuite(async (body) => withTopics(body, await server?.createDatabase()));
});
