/**
 * The requests of llhttp's and Node's public tests about smuggling, chunk extensions and separators, at the edge's socket:
 * what its endpoint sees is what llhttp itself reads in the bytes.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import { Llhttp } from "./fuzz.suite.ts";
import { llhttpRequests, readOtherwise } from "./llhttp.suite.ts";

const stage = new Stage();
afterAll(() => stage.strike());

/** What came of some bytes: what the edge answered, and what its endpoint saw. */
interface Outcome {
  answered: string;
  seen: readonly string[];
}

/** An endpoint, and what it has seen since it was asked. */
async function startEndpoint(): Promise<{ port: number; take(): string[] }> {
  const seen: string[] = [];
  const port = await stage.http((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${Buffer.concat(parts).toString("latin1")}`);
      response.end("ok");
    });
  });
  return { port, take: () => seen.splice(0) };
}

/** Tries each of `requests` at the edge, in lanes with an endpoint of their own: to see that nothing comes takes time. */
async function tryAll(requests: readonly string[]): Promise<Map<string, Outcome>> {
  const results = new Map<string, Outcome>();
  const left = [...requests];
  const lanes = await Promise.all(
    Array.from({ length: 8 }, async () => ({ port: await freePort(), endpoint: await startEndpoint() })),
  );
  await stage.edge().apply({
    epoch: 1,
    listeners: lanes.map(({ port }, i) => listener(port, [all(`c${i}`)])),
    clusters: lanes.map(({ endpoint }, i) => cluster(`c${i}`, [address(endpoint.port)])),
  });
  await Promise.all(
    lanes.map(async ({ port, endpoint }) => {
      await stage.client(port).send("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n").response();
      endpoint.take();
      for (let bytes = left.pop(); bytes !== undefined; bytes = left.pop()) {
        const client = stage.client(port).send(bytes);
        await client.quiet();
        results.set(bytes, { answered: client.received.toString("latin1"), seen: endpoint.take() });
      }
    }),
  );
  return results;
}

let outcomes = new Map<string, Outcome>();
beforeAll(async () => {
  outcomes = await tryAll([...Object.values(llhttpRequests).flat(), ...node.map(([, bytes]) => bytes)]);
}, 120_000);

describe.each(Object.entries(llhttpRequests))("%s", (_, requests) => {
  const llhttp = new Llhttp();

  it.each(requests.map((bytes) => [JSON.stringify(bytes.slice(0, 150)), bytes] as const))("%s", async (_, bytes) => {
    const read = await llhttp.read(Buffer.from(bytes, "latin1"), true);
    const meant = read.map(({ method, target, body }) => `${method} ${target} ${body}`);
    expect(outcomes.get(bytes)?.seen).toEqual(readOtherwise.get(bytes) ?? meant);
  });
});

const head = (...lines: string[]) => `${["POST / HTTP/1.1", "Host: a", ...lines].join("\r\n")}\r\n\r\n`;
const chunked = (...lines: string[]) => head("Transfer-Encoding: chunked") + lines.join("\r\n");
const one = "1\r\nA\r\n0\r\n\r\n";
const long = (bytes: number) => "a".repeat(bytes);

/** Node's `test/parallel/test-http-*`, by the name behind that: the bytes, the status, and what the endpoint sees. */
const node: readonly (readonly [file: string, bytes: string, status: number, seen: readonly string[]])[] = [
  ["chunk-extensions-limit", chunked(`2;${long(17_000)}`, "AA", "0", "", ""), 400, []],
  [
    "chunk-extensions-limit",
    chunked(`2;${long(10_000)}=bar`, "AA", `2;${long(10_000)}=bar`, "AA", "0", "", ""),
    400,
    [],
  ],
  [
    "chunk-extensions-limit",
    chunked(`2;${long(5_000)}=bar`, "AA", `2;${long(5_000)}=bar`, "AA", "0", "", ""),
    200,
    ["POST / AAAA"],
  ],
  ["chunked-smuggling", chunked("1\n\n33", "A", "0", "", ""), 400, []],
  ["chunked-smuggling", chunked("2 erfrferferf", "aa", "0", "", ""), 400, []],
  [
    "invalid-te",
    head("Content-Length: 10", "Transfer-Encoding: eee, chunked") + "HELLOWORLDPOST / HTTP/1.1\r\nHost: b\r\n\r\n",
    400,
    [],
  ],
  ["transfer-encoding-smuggling", head("Transfer-Encoding: chunked, x") + one, 400, []],
  ["transfer-encoding-smuggling", head("Transfer-Encoding: chunkedchunked", "Content-Length: 5") + "hello", 400, []],
  ["transfer-encoding-repeated-chunked", head("Transfer-Encoding: chunkedchunked") + one, 400, []],
  ["transfer-encoding-repeated-chunked", head("Transfer-Encoding: chunked", "Transfer-Encoding: x") + one, 400, []],
  [
    "dummy-characters-smuggling",
    "GET / HTTP/1.1\r\nHost: a\r\nDummy: x\rContent-Length: 23\r\n\r\nGET / HTTP/1.1\r\nDummy: GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
    400,
    [],
  ],
  [
    "missing-header-separator-cr",
    "GET / HTTP/1.1\r\nHost: a\r\nDummy: x\nContent-Length: 23\r\n\r\nGET / HTTP/1.1\r\nDummy: GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
    200,
    ["GET / GET / HTTP/1.1\r\nDummy: "],
  ],
  ["missing-header-separator-cr", head("x:x\nTransfer-Encoding: chunked") + one, 200, ["POST / A"]],
  ["missing-header-separator-cr", head("x:\nTransfer-Encoding: chunked") + one, 200, ["POST / A"]],
  ["missing-header-separator-lf", head("x:x\rTransfer-Encoding: chunked") + one, 400, []],
  ["missing-header-separator-lf", head("x:\rTransfer-Encoding: chunked") + one, 400, []],
  ["blank-header", "GET /blah HTTP/1.1\r\nHost: a\r\nUser-Agent:\r\nX-A:\r\n\r\n", 200, ["GET /blah "]],
  ["header-badrequest", "GET / HTTP/1.1\r\nHost: a\r\n:foo\r\n\r\n", 200, ["GET / "]],
  ["multi-line-headers", head("X: a,", " b"), 200, ["POST / "]],
  ["conn-reset-space-before-colon", head("Content-Length : 5") + "hello", 200, ["POST / "]],
];

describe("Node's", () => {
  it.each(node.map((row) => [row[0], JSON.stringify(row[1].slice(0, 150)), row] as const))("%s: %s", (_, __, row) => {
    const [, bytes, status, meant] = row;
    const { answered, seen } = outcomes.get(bytes) ?? { answered: "", seen: [] };
    expect(answered.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(seen).toEqual(meant);
    // Whatever the rest of the bytes was, nobody answered it.
    expect(answered.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  });
});

it("most of them are requests", () => {
  expect(Object.values(llhttpRequests).flat().length).toBeGreaterThan(125);
});
