/** The rules of RFC 9111 through real sockets: a row is an answer, and what becomes of the next request for it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Stage } from "../edge.suite.ts";
import type { Edge } from "../ports.ts";
import { CacheBench, says } from "./cache.suite.ts";
import { cacheRows, type Outcome } from "./rfc9111.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());
const house = new Stage();
let edge: Edge;
beforeAll(() => {
  edge = house.edge();
});
afterAll(() => house.strike());
const bench = new CacheBench(stage, () => edge);

const groups = [...new Set(cacheRows.map(({ group }) => group))];

describe.each(groups)("%s", (group) => {
  const rows = cacheRows.filter((row) => row.group === group);
  it.each(rows.map((row) => [row.what, row.expected, row] as const))("%s: %s", async (_what, expected, row) => {
    const { status = 200, fields, first = {}, second = first, method = "GET" } = row;
    const body = status === 204 ? "" : "one";
    const turns = [says(body, fields, status), says("two", { "Cache-Control": "no-store" })];
    const { ask, seen } = await bench.front(turns);
    expect((await ask({ headers: first })).status).toBe(status);
    const answer = await ask({ headers: second, method });
    const went = seen.slice(1).find((request) => request.method === method && request.url === "/a");
    const conditional = went?.headers["if-none-match"] ?? went?.headers["if-modified-since"];
    // What is given out while it is asked about is given out: the background's request may have come by now.
    const own =
      answer.text === (method === "HEAD" ? "" : body) && answer.status === status && answer.headers.age !== undefined;
    const outcome: Outcome = own ? "reused" : conditional === undefined ? "asked" : "confirmed";
    expect(outcome).toBe(expected);
    if (outcome !== "reused") expect(went).toBeDefined();
  });
});

describe("invalidation", () => {
  it.each([
    ["POST", 200, ["one", "one", "two"]],
    ["PUT", 204, ["one", "one", "two"]],
    ["DELETE", 303, ["one", "one", "two"]],
    ["PATCH", 200, ["one", "one", "two"]],
    // An error has changed nothing.
    ["POST", 500, ["one", "one", "one"]],
    ["DELETE", 404, ["one", "one", "one"]],
    // Safe methods change nothing.
    ["OPTIONS", 200, ["one", "one", "one"]],
  ] as const)("by %s answered %d", async (method, status, expected) => {
    const fresh = { "Cache-Control": "max-age=60" };
    const { ask } = await bench.front([says("one", fresh), says("", {}, status), says("two", fresh)]);
    const got = [(await ask()).text, (await ask()).text];
    await ask({ method });
    got.push((await ask()).text);
    expect(got).toEqual(expected);
  });
});

it("names why, wherever it leaves out a reuse that the RFC allows", () => {
  for (const { allowed, expected } of cacheRows)
    if (allowed !== undefined) expect([expected, allowed]).toEqual(["asked", expect.stringMatching(/\.$/)]);
});
