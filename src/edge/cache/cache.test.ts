/** The response cache of a route, over real sockets; answers are made old by the `Age` that they come with. */
import type { RequestListener } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { all, cluster, eventually, freePort, listener, Stage } from "../edge.suite.ts";
import type { Edge } from "../ports.ts";
import { CacheBench, fresh, policy, says } from "./cache.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const house = new Stage();
let edge: Edge;
beforeAll(() => {
  edge = house.edge();
});
afterAll(() => house.strike());

const bench = new CacheBench(stage, () => edge);
const front: CacheBench["front"] = (...given) => bench.front(...given);

const stale = { "Cache-Control": "max-age=60", Age: "100" };
const unchanged = says("", { "Cache-Control": "max-age=60", ETag: '"1"', "X-New": "yes" }, 304);

describe("what is kept", () => {
  it("answers while it is fresh, with its age, and HEAD too", async () => {
    const { ask, seen, counts } = await front([says("one", { ...fresh, Age: "7", "X-Of": "it" }), says("two", fresh)]);
    expect((await ask()).text).toBe("one");
    const again = await ask();
    expect(again).toMatchObject({ status: 200, text: "one", headers: { "x-of": "it", "content-length": "3" } });
    expect(Number(again.headers.age)).toBeGreaterThanOrEqual(7);
    expect(await ask({ method: "HEAD" })).toMatchObject({ status: 200, text: "", headers: { "content-length": "3" } });
    expect(seen).toHaveLength(1);
    expect(counts()).toEqual({ hits: 2, stale: 0, misses: 1, revalidated: 0 });
  });

  it("is kept when it came in chunks, and given with its length", async () => {
    const chunks: RequestListener = (_, response) => {
      response.writeHead(200, fresh).write("one ");
      setImmediate(() => response.end("piece"));
    };
    const { ask, seen } = await front([chunks]);
    await ask();
    expect(await ask()).toMatchObject({ text: "one piece", headers: { "content-length": "9" } });
    expect(seen).toHaveLength(1);
  });

  it("goes with the configuration", async () => {
    const { texts, apply } = await front([says("one", fresh), says("two", fresh)]);
    expect(await texts({}, {})).toEqual(["one", "one"]);
    await apply();
    expect(await texts({})).toEqual(["two"]);
  });

  it("is bounded: a longer answer is not kept, and the longest unused goes first", async () => {
    const long: RequestListener = ({ url }, response) =>
      response.writeHead(200, fresh).end("x".repeat(url === "/long" ? 5_000 : 3_000));
    const { texts, seen } = await front([long], { bytesMax: 8_192, entryBytesMax: 4_096 });
    await texts({ path: "/long" }, { path: "/long" });
    expect(seen).toHaveLength(2);
    await texts({ path: "/1" }, { path: "/2" }, { path: "/1" }, { path: "/3" });
    expect(seen.map(({ url }) => url).slice(2)).toEqual(["/1", "/2", "/3"]);
    await texts({ path: "/1" }, { path: "/3" }, { path: "/2" });
    expect(seen.map(({ url }) => url).slice(5)).toEqual(["/2"]);
  });

  it("is not what was cut off", async () => {
    const cut: RequestListener = ({ socket }, response) => {
      response.writeHead(200, { ...fresh, "Content-Length": "100" }).write("half");
      setImmediate(() => socket.destroy());
    };
    const { ask } = await front([cut, says("whole", fresh)]);
    await expect(ask()).rejects.toThrow();
    expect((await ask()).text).toBe("whole");
  });

  it.each<[string, Record<string, string | string[]>, number?]>([
    ["nothing said", {}],
    ["nothing said but when it was changed", { "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT" }],
    ["no-store", { "Cache-Control": "max-age=60, no-store" }],
    ["private", { "Cache-Control": "private, max-age=60" }],
    ["private fields", { "Cache-Control": 'max-age=60, private="X-A"' }],
    ["s-maxage=0", { "Cache-Control": "max-age=60, s-maxage=0" }],
    ["an age that cannot be read", { "Cache-Control": "max-age=soon" }],
    ["two ages", { "Cache-Control": ["max-age=60", "max-age=70"] }],
    ["an Expires that is none", { Expires: "0" }],
    ["a cookie", { ...fresh, "Set-Cookie": "a=b" }],
    ["Vary: *", { ...fresh, Vary: "*" }],
    ["a field of the edge's", { ...fresh, Vary: "X-Forwarded-For" }],
    ["an error", fresh, 500],
  ])("is not an answer with %s", async (_, headers, status) => {
    const { texts } = await front([says("one", headers, status), says("two", headers, status)]);
    expect(await texts({}, {})).toEqual(["one", "two"]);
  });

  it.each<[string, Record<string, string>, number?]>([
    ["s-maxage before max-age", { "Cache-Control": "max-age=0, s-maxage=60" }],
    ["max-age before Expires", { "Cache-Control": "MAX-AGE=60", Expires: "0" }],
    ["a quoted age", { "Cache-Control": 'max-age="60"' }],
    ["Expires", { Date: new Date().toUTCString(), Expires: new Date(Date.now() + 600_000).toUTCString() }],
    ["a 404", fresh, 404],
    ["a redirect", { ...fresh, Location: "/b" }, 302],
  ])("is an answer with %s", async (_, headers, status) => {
    const { texts, seen } = await front([says("one", headers, status)]);
    expect(await texts({}, {})).toEqual(["one", "one"]);
    expect(seen).toHaveLength(1);
  });

  it("depends on the URL, on chosen parameters, and on what Vary names", async () => {
    const echo: RequestListener = ({ url, headers }, response) =>
      response.writeHead(200, { ...fresh, Vary: "X-Lang" }).end(`${url} ${String(headers["x-lang"] ?? "-")}`);
    const { texts, seen } = await front([echo], { queryParameters: ["q", "p"] });
    const german = { "X-Lang": "de" };
    expect(
      await texts(
        { path: "/a?q=1&utm=1" },
        { path: "/a?utm=2&q=1" },
        { path: "/a?q=2" },
        { path: "/a?p=1&q=1" },
        { path: "/a?q=1&p=1" },
        { path: "/a?q=1", headers: german },
        { path: "/a?q=1&x", headers: german },
        { path: "/a?q=1" },
        { path: "/b?q=1" },
        { path: "/b?q=1", headers: { Host: "other" } },
      ),
    ).toEqual([
      "/a?q=1&utm=1 -",
      "/a?q=1&utm=1 -",
      "/a?q=2 -",
      "/a?p=1&q=1 -",
      "/a?p=1&q=1 -",
      "/a?q=1 de",
      "/a?q=1 de",
      "/a?q=1&utm=1 -",
      "/b?q=1 -",
      "/b?q=1 -",
    ]);
    // Those of /b are of two hosts.
    expect(seen).toHaveLength(6);
  });

  it("is shared by those with Authorization only where the answer allows it", async () => {
    const headers = { Authorization: "Bearer x" };
    const closed = await front([says("one", fresh), says("two", fresh), says("three", fresh)]);
    expect(await closed.texts({ headers }, {}, { headers }, {})).toEqual(["one", "two", "three", "two"]);
    const open = await front([says("one", { "Cache-Control": "public, max-age=60" })]);
    expect(await open.texts({ headers }, {}, { headers })).toEqual(["one", "one", "one"]);
    expect(open.seen).toHaveLength(1);
  });

  it("is forgotten when an unsafe method had an answer that is no error", async () => {
    const turns = ["one", "failed", "done", "two"].map((text) => says(text, fresh, text === "failed" ? 500 : 200));
    const { texts } = await front(turns);
    const post = { method: "POST" };
    expect(await texts({}, post, {}, post, {})).toEqual(["one", "failed", "one", "done", "two"]);
  });
});

describe("what is on its way", () => {
  it("is not kept when an unsafe method ends before it", async () => {
    let release = () => {};
    const held: RequestListener = (_, response) => {
      response.writeHead(200, fresh).write("old");
      release = () => response.end();
    };
    const { ask, texts, seen } = await front([held, says("done", {}), says("new", fresh)]);
    const first = ask();
    await eventually(() => seen.length === 1);
    await ask({ method: "PUT" });
    release();
    expect((await first).text).toBe("old");
    expect(await texts({}, {})).toEqual(["new", "new"]);
  });

  it("ends with its client, and the next one is served", async () => {
    const gone: RequestListener = (_, response) => void response.writeHead(200, fresh).write("half");
    const cap = { id: "gone", max: 1, answer: "native", retryAfterSeconds: 1 } as const;
    const { ask, seen, port } = await front([gone, says("whole", fresh)], {}, { cap });
    const client = stage.client(port);
    client.send("GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    await client.until((text) => text.includes("half"));
    client.destroy();
    // The permit of the first comes back with its end.
    let last = await ask();
    while (last.status === 429) last = await ask();
    expect(last.text).toBe("whole");
    expect(seen).toHaveLength(2);
  });
});

describe("what a client says", () => {
  it.each([
    ["no-cache", { "Cache-Control": "no-cache" }],
    ["Pragma", { Pragma: "no-cache" }],
    ["max-age=0", { "Cache-Control": "max-age=0" }],
    ["max-age", { "Cache-Control": "max-age=5" }],
    ["min-fresh", { "Cache-Control": "min-fresh=59" }],
  ])("%s has it asked about", async (_, headers) => {
    const old = { ...fresh, Age: "7" };
    const { texts, counts } = await front([says("one", old), says("two", old)]);
    expect(await texts({}, { headers }, {})).toEqual(["one", "two", "two"]);
    expect(counts()).toEqual({ hits: 1, stale: 0, misses: 2, revalidated: 0 });
  });

  it("no-store and ranges stay out of it", async () => {
    const { texts, counts } = await front([says("one", fresh), says("two", fresh), says("three", fresh)]);
    const asked = [{ "Cache-Control": "no-store" }, { Range: "bytes=0-1" }, {}, {}].map((headers) => ({ headers }));
    expect(await texts(...asked)).toEqual(["one", "two", "three", "three"]);
    expect(counts()).toEqual({ hits: 1, stale: 0, misses: 1, revalidated: 0 });
  });

  it("only-if-cached is 504 where nothing is kept", async () => {
    const { ask, seen } = await front([says("one", fresh)]);
    const headers = { "Cache-Control": "only-if-cached" };
    expect((await ask({ headers })).status).toBe(504);
    expect(seen).toHaveLength(0);
    await ask();
    expect(await ask({ headers })).toMatchObject({ status: 200, text: "one" });
  });

  it("conditions are answered from what is kept", async () => {
    const modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    const { ask, seen } = await front([says("one", { ...fresh, ETag: 'W/"1"', "Last-Modified": modified })]);
    await ask();
    const status = async (headers: Record<string, string>) => (await ask({ headers })).status;
    expect(await ask({ headers: { "If-None-Match": '"0", "1"' } })).toMatchObject({
      status: 304,
      text: "",
      headers: { etag: 'W/"1"' },
    });
    expect(await status({ "If-None-Match": "*" })).toBe(304);
    expect(await status({ "If-None-Match": '"2"', "If-Modified-Since": modified })).toBe(200);
    expect(await status({ "If-Modified-Since": modified })).toBe(304);
    expect(await status({ "If-Modified-Since": "Sunday, 06-Nov-94 08:49:36 GMT" })).toBe(200);
    expect(seen).toHaveLength(1);
  });
});

describe("what is stale", () => {
  it("is asked about, and as new when it is confirmed", async () => {
    const { ask, seen, counts } = await front([says("one", { ...stale, ETag: '"1"' }), unchanged]);
    await ask();
    expect(await ask()).toMatchObject({ status: 200, text: "one", headers: { "x-new": "yes", age: "0" } });
    expect(await ask({ headers: { "If-None-Match": '"1"' } })).toMatchObject({ status: 304 });
    expect(seen.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"']);
    expect(counts()).toEqual({ hits: 1, stale: 0, misses: 2, revalidated: 1 });
  });

  it("is asked about by our validator, and the client by its own", async () => {
    const { ask, seen } = await front([says("one", { "Cache-Control": "no-cache", ETag: '"1"' }), unchanged]);
    await ask();
    expect(await ask({ headers: { "If-None-Match": '"2"' } })).toMatchObject({ status: 200, text: "one" });
    expect(seen[1]?.headers["if-none-match"]).toBe('"1"');
  });

  it("is replaced by another answer, and gone when that may not be kept", async () => {
    const old = { ...stale, ETag: '"1"' };
    const { texts, seen } = await front([says("one", old), says("two", old), says("three", {}), says("four", {})]);
    expect(await texts({}, {}, {}, {})).toEqual(["one", "two", "three", "four"]);
    expect(seen.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"', '"1"', undefined]);
  });

  it("is given out while one request asks about it", async () => {
    let release = () => {};
    const held: RequestListener = (request, response) => {
      release = () => unchanged(request, response);
    };
    const lax = { "Cache-Control": "max-age=60, stale-while-revalidate=60", Age: "100", ETag: '"1"' };
    const { texts, seen, counts } = await front([says("one", lax), held]);
    expect(await texts({}, {}, {}, { method: "HEAD" })).toEqual(["one", "one", "one", ""]);
    await eventually(() => seen.length === 2);
    release();
    await eventually(() => counts().revalidated === 1);
    expect(await texts({})).toEqual(["one"]);
    expect(seen).toHaveLength(2);
    expect(counts()).toEqual({ hits: 1, stale: 3, misses: 1, revalidated: 1 });
  });

  it("is replaced in the background by what came", async () => {
    const { texts, seen } = await front([says("one", stale), says("two", fresh)], { staleWhileRevalidateSeconds: 60 });
    expect(await texts({}, {})).toEqual(["one", "one"]);
    await eventually(() => seen.length === 2);
    let text = "one";
    while (text === "one") [text = ""] = await texts({});
    expect(text).toBe("two");
    expect(seen).toHaveLength(2);
  });

  it.each([
    ["must-revalidate", "max-age=60, must-revalidate"],
    ["proxy-revalidate", "max-age=60, proxy-revalidate"],
    ["s-maxage", "s-maxage=60"],
  ])("is not given out under %s", async (_, control) => {
    const headers = { "Cache-Control": control, Age: "70", ETag: '"1"' };
    const turns = [says("one", headers), says("two", headers), says("failed", {}, 503)];
    const { texts } = await front(turns, { staleWhileRevalidateSeconds: 60, staleIfErrorSeconds: 60 });
    expect(await texts({}, {}, {})).toEqual(["one", "two", "failed"]);
  });

  const reset: RequestListener = ({ socket }) => socket.destroy();
  it.each<[string, RequestListener]>([
    ["an endpoint's error", says("failed", {}, 503)],
    ["a broken connection", reset],
  ])("stands in for %s", async (_, error) => {
    const { ask, seen, counts } = await front([says("one", stale), error], { staleIfErrorSeconds: 60 });
    await ask();
    expect(await ask()).toMatchObject({ status: 200, text: "one" });
    expect((await ask({ headers: { "Cache-Control": "no-cache" } })).status).toBeGreaterThanOrEqual(502);
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(counts()).toEqual({ hits: 0, stale: 1, misses: 3, revalidated: 0 });
  });

  it("stands in for no error past its time", async () => {
    const { ask } = await front([says("one", stale), says("failed", {}, 503)], { staleIfErrorSeconds: 30 });
    await ask();
    expect((await ask()).status).toBe(503);
  });
});

describe("with the other policies", () => {
  it("is asked first, and leaves the cap as it was", async () => {
    const cap = { id: "one", max: 1, answer: "native", retryAfterSeconds: 1 } as const;
    const retry = {
      on: ["5xx"] as const,
      statuses: [],
      retriesMax: 1,
      backoff: { kind: "exponential", baseMs: 1, maxMs: 1 } as const,
      bodyBytesMax: 0,
    };
    const turns = [says("failed", {}, 503), says("one", { ...stale, ETag: '"1"' }), unchanged];
    const { ask, seen } = await front(turns, {}, { cap, retry, requestTimeoutMs: 20_000 });
    for (let i = 0; i < 5; i += 1) expect(await ask()).toMatchObject({ status: 200, text: "one" });
    expect(seen).toHaveLength(3);
  });

  it("does not keep the cookies that the edge sets", async () => {
    const stickiness = { kind: "lb-cookie", durationMs: 60_000 } as const;
    const { ask, seen } = await front([says("one", fresh)], {}, {}, { stickiness });
    expect((await ask()).headers["set-cookie"]).not.toBeUndefined();
    const again = await ask();
    expect(again).toMatchObject({ status: 200, text: "one" });
    expect(again.headers["set-cookie"]).toBeUndefined();
    expect(seen).toHaveLength(1);
  });

  it("lets the answers of functions pass", async () => {
    const port = await freePort();
    let calls = 0;
    edge.register("f", async () => ({
      status: 200,
      headers: ["Cache-Control", "max-age=60"],
      body: Buffer.from(`${(calls += 1)}`),
    }));
    await edge.apply({
      epoch: bench.nextEpoch(),
      listeners: [listener(port, [{ ...all("c"), policy: { cache: policy() } }])],
      clusters: [cluster("c", [{ kind: "function", id: "f", requestBytesMax: 1_000 }])],
    });
    const texts = async () => (await fetch(`http://127.0.0.1:${port}/`)).text();
    expect([await texts(), await texts()]).toEqual(["1", "2"]);
    edge.unregister("f");
  });
});
