/** Requests for what is not kept, at once: one is asked, the others wait for what it brings, and never for long. */
import type { RequestListener, ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually, Stage } from "../edge.suite.ts";
import type { Edge } from "../ports.ts";
import { CacheBench, fresh } from "./cache.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());
const house = new Stage();
let edge: Edge;
beforeAll(() => {
  edge = house.edge();
});
afterAll(() => house.strike());
const bench = new CacheBench(stage, () => edge);

/** An endpoint that holds every request until it is let go. */
function holding() {
  const held: ServerResponse[] = [];
  const turn: RequestListener = (_, response) => void held.push(response);
  return { held, turn };
}

const coalesceMs = 60_000;
const texts = (answers: readonly { text: string }[]) => answers.map(({ text }) => text);

describe("requests for what is not kept", () => {
  it("wait for the one that fetches it, and have what it brings", async () => {
    const { held, turn } = holding();
    const { ask, seen, counts, waits } = await bench.front([turn], { coalesceMs });
    const all = Array.from({ length: 20 }, () => ask());
    await eventually(() => held.length === 1 && waits() === 19);
    held[0]?.writeHead(200, fresh).end("one");
    expect(texts(await Promise.all(all))).toEqual(all.map(() => "one"));
    expect(seen).toHaveLength(1);
    expect(counts()).toEqual({ hits: 19, stale: 0, misses: 1, revalidated: 0 });
  });

  it("all ask where nobody wants them to wait", async () => {
    const { held, turn } = holding();
    const { ask } = await bench.front([turn]);
    const all = Array.from({ length: 5 }, () => ask());
    await eventually(() => held.length === 5);
    for (const response of held) response.writeHead(200, fresh).end("each");
    expect(texts(await Promise.all(all))).toEqual(all.map(() => "each"));
  });

  it("go on at once, and together, when the head says that it cannot be kept", async () => {
    const { held, turn } = holding();
    const { ask, waits } = await bench.front([turn], { coalesceMs });
    const first = ask();
    await eventually(() => held.length === 1);
    const others = Array.from({ length: 5 }, () => ask());
    await eventually(() => waits() === 5);
    held[0]?.writeHead(200, { "Cache-Control": "private" }).write("begun ");
    await eventually(() => held.length === 6);
    for (const response of held) response.end("own");
    expect((await first).text).toBe("begun own");
    expect(texts(await Promise.all(others))).toEqual(others.map(() => "own"));
  });

  it("go on together when the one that fetches it fails", async () => {
    const { held, turn } = holding();
    const { ask, waits } = await bench.front([turn], { coalesceMs });
    const first = ask();
    await eventually(() => held.length === 1);
    const others = Array.from({ length: 3 }, () => ask());
    await eventually(() => waits() === 3);
    held[0]?.destroy();
    // Its connection was new: it is not asked again.
    expect((await first).status).toBe(502);
    await eventually(() => held.length === 4);
    for (const response of held.slice(1)) response.writeHead(200, fresh).end("well");
    expect(texts(await Promise.all(others))).toEqual(["well", "well", "well"]);
  });

  it("have the next one ask when the client of the first leaves", async () => {
    const { held, turn } = holding();
    const { ask, seen, waits } = await bench.front([turn], { coalesceMs });
    const leaves = new AbortController();
    const first = ask({ signal: leaves.signal });
    await eventually(() => held.length === 1);
    const others = Array.from({ length: 4 }, () => ask());
    await eventually(() => waits() === 4);
    leaves.abort();
    await expect(first).rejects.toThrow("abort");
    await eventually(() => held.length === 2);
    held[1]?.writeHead(200, fresh).end("second");
    expect(texts(await Promise.all(others))).toEqual(others.map(() => "second"));
    expect(seen).toHaveLength(2);
  });

  it("ask by themselves when they have waited long enough", async () => {
    const { held, turn } = holding();
    const { ask } = await bench.front([turn], { coalesceMs: 200 });
    const all = Array.from({ length: 3 }, () => ask());
    await eventually(() => held.length === 3);
    for (const response of held) response.writeHead(200, fresh).end("late");
    expect(texts(await Promise.all(all))).toEqual(["late", "late", "late"]);
  });

  it("do not wait for an answer that another variant, or credentials, would need", async () => {
    const { held, turn } = holding();
    const { ask, seen, waits } = await bench.front([turn], { coalesceMs });
    const german = ask({ headers: { "accept-language": "de" } });
    await eventually(() => held.length === 1);
    const credentials = ask({ headers: { authorization: "Basic eA==" } });
    const validated = ask({ headers: { "cache-control": "no-cache" } });
    await eventually(() => held.length === 3);
    const english = ask({ headers: { "accept-language": "en" } });
    await eventually(() => waits() === 1);
    held[0]?.writeHead(200, { ...fresh, Vary: "Accept-Language" }).end("de");
    // What came is not for it: it asks.
    await eventually(() => held.length === 4);
    for (const response of held.slice(1)) response.writeHead(200, fresh).end("other");
    expect(texts(await Promise.all([german, credentials, validated, english]))).toEqual([
      "de",
      "other",
      "other",
      "other",
    ]);
    expect(seen).toHaveLength(4);
  });

  it("are forgotten when they leave", async () => {
    const { held, turn } = holding();
    const { ask, seen, waits } = await bench.front([turn], { coalesceMs });
    const first = ask();
    await eventually(() => held.length === 1);
    const leaves = new AbortController();
    const gone = ask({ signal: leaves.signal });
    const stays = ask();
    await eventually(() => waits() === 2);
    leaves.abort();
    await expect(gone).rejects.toThrow("abort");
    held[0]?.writeHead(200, fresh).end("one");
    expect(texts(await Promise.all([first, stays]))).toEqual(["one", "one"]);
    expect(seen).toHaveLength(1);
  });
});
