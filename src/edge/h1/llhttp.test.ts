/** The parser that most of Node's world runs, as an oracle: what we accept, it must read as we do. */
import { createServer, METHODS, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { bytesOf } from "../../base/http.ts";
import { silentLog } from "../../telemetry/log.ts";
import { RawClient } from "../raw-client.suite.ts";
import { createHttpServer, type HttpServer } from "../server.ts";

interface Seen {
  method: string;
  target: string;
  fields: readonly string[];
  body: string;
}

let ours: HttpServer;
let theirs: Server;
const seen = new Map<number, Seen[]>();

beforeAll(async () => {
  ours = await createHttpServer({
    handler: async (request) => {
      const body = Buffer.from(await bytesOf(request.body, 2 ** 20)).toString("latin1");
      const { method, target, headers } = request;
      seen.get(request.client.port)?.push({ method, target, fields: headers, body });
      return { status: 200, headers: [], body: Buffer.from("ok") };
    },
    class: "api",
    address: "127.0.0.1",
    port: 0,
    clock: systemClock,
    log: silentLog,
  });
  theirs = createServer({ insecureHTTPParser: false }, (request, response) => {
    const pieces: Buffer[] = [];
    const port = request.socket.remotePort ?? 0;
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "", url = "", rawHeaders } = request;
      seen.get(port)?.push({ method, target: url, fields: rawHeaders, body: Buffer.concat(pieces).toString("latin1") });
      response.end("ok");
    });
  });
  await new Promise<void>((resolve) => {
    theirs.listen(0, "127.0.0.1", resolve);
  });
});
afterAll(async () => {
  await ours.close(0);
  theirs.closeAllConnections();
  theirs.close();
});

/** Both must stop here at the latest. */
const last = "GET /last HTTP/1.1\r\nHost: z\r\nConnection: close\r\n\r\n";

async function ask(port: number, bytes: string): Promise<Seen[]> {
  const client = new RawClient(port);
  await new Promise((resolve) => {
    client.socket.once("connect", resolve);
  });
  const from = client.socket.localPort ?? 0;
  const list: Seen[] = [];
  seen.set(from, list);
  // The last request comes often enough to fill a body of some length; one that still waits will wait for ever.
  client.send(bytes + last.repeat(40));
  await client.quiet();
  seen.delete(from);
  return list;
}

const good = [
  "GET /a HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n",
  "POST /b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
  "PUT /d HTTP/1.1\r\nhost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
  "GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
];
const poison = fc.constantFrom(
  ..."\r \n \r\n \r\n\r\n \0 \t : ; , = - + 0 1 5 f x \x0b \x0c \x7f \x85 \xa0 \xff chunked identity 0x".split(" "),
  " ",
  "Content-Length: 3\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: x\r\n",
  "Host: b\r\n",
  "X-B:\r\n",
  "Connection: close\r\n",
  "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
);

interface Edit {
  at: number;
  remove: number;
  put: string;
}

const edit = fc.record({ at: fc.nat(200), remove: fc.nat(2), put: poison });

function apply(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, { at, remove, put }) => {
    const place = at % (before.length + 1);
    return before.slice(0, place) + put + before.slice(place + remove);
  }, text);
}

it("never reads what llhttp reads otherwise", async () => {
  const base = fc.array(fc.constantFrom(...good), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(base, fc.array(edit, { maxLength: 3 }), async (text, edits) => {
      const bytes = apply(text, edits);
      const [we, they] = await Promise.all([ask(ours.port, bytes), ask((theirs.address() as AddressInfo).port, bytes)]);
      // We may stop earlier, being stricter; we may not see another request, nor see one otherwise. llhttp has a list
      // of methods, HTTP has not: past one that it does not know there is nothing to compare.
      const known = we.findIndex(({ method }) => !METHODS.includes(method));
      const compared = known < 0 ? we : we.slice(0, known);
      expect(compared).toEqual(they.slice(0, compared.length));
    }),
    { numRuns: 500 },
  );
});

it("reads what is good as llhttp reads it", async () => {
  const bytes = good.join("");
  const [we, they] = await Promise.all([ask(ours.port, bytes), ask((theirs.address() as AddressInfo).port, bytes)]);
  expect(we).toEqual(they);
  expect(we).toHaveLength(good.length + 1);
});
