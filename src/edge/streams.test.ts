import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { freePort, Stage, through } from "./edge.suite.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

async function before(upstream: number): Promise<number> {
  const port = await freePort();
  await stage.edge().apply(through(port, upstream));
  return port;
}

/** An endpoint whose exchanges the test holds in its hands. */
async function held() {
  const { promise, resolve } = Promise.withResolvers<{ request: IncomingMessage; response: ServerResponse }>();
  const port = await before(await stage.http((request, response) => resolve({ request, response })));
  return { port, exchange: promise };
}

const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";

describe("what streams", () => {
  it("to the client passes event by event, and ends with its end", async () => {
    const { port, exchange } = await held();
    const client = stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const { response } = await exchange;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
      response.write(event);
      // The next is sent only when this one is there: nothing waits to be enough.
      await client.until((text) => text.includes(event));
    }
    response.end();
    expect((await client.response()).body.toString()).toBe("data: 1\n\ndata: 2\n\ndata: 3\n\n");
  });

  it("to the endpoint passes chunk by chunk, with its trailers", async () => {
    const { port, exchange } = await held();
    const client = stage.client(port).send(`${chunked}Trailer: X-Sum\r\n\r\n`);
    const { request, response } = await exchange;
    for (const piece of ["one", "two"]) {
      client.send(`3\r\n${piece}\r\n`);
      const [chunk] = (await once(request, "data")) as [Buffer];
      expect(chunk.toString()).toBe(piece);
    }
    client.send("0\r\nX-Sum: 7\r\n\r\n");
    await once(request, "end");
    expect(request.trailers).toEqual({ "x-sum": "7" });
    response.writeHead(200, { Trailer: "X-Done" });
    response.addTrailers({ "X-Done": "yes" });
    response.end("ok");
    expect(await client.until((text) => text.endsWith("\r\n\r\n") && text.includes("0\r\n"))).toContain(
      "X-Done: yes\r\n",
    );
  });

  it("both ways at once goes on both ways", async () => {
    const { port, exchange } = await held();
    const client = stage.client(port).send(`${chunked}\r\n`);
    const { request, response } = await exchange;
    response.flushHeaders();
    request.on("data", (chunk: Buffer) => response.write(chunk));
    request.on("end", () => response.end());
    for (const piece of ["one", "two", "six"]) {
      client.send(`3\r\n${piece}\r\n`);
      await client.until((text) => text.includes(piece));
    }
    client.send("0\r\n\r\n");
    expect((await client.response()).body.toString()).toBe("onetwosix");
  });
});

describe("a client that asks first", () => {
  const asking = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";

  it("hears the endpoint's final answer in place of 100, and sends no body", async () => {
    const refusing = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    const port = await before(await stage.tcp((socket) => socket.once("data", () => socket.write(refusing))));
    const client = stage.client(port).send(asking);
    const response = await client.response();
    expect([response.status, response.body.toString(), fieldOf(response, "connection")]).toEqual([413, "no", "close"]);
  });

  it("is not told to go on before the endpoint has said so", async () => {
    const port = await before(
      await stage.tcp((socket) => {
        let text = "";
        socket.on("data", (chunk: Buffer) => {
          text += chunk.toString("latin1");
          if (text.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
          if (text.endsWith("abc")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
      }),
    );
    const client = stage.client(port).send(asking);
    const hints = await client.response();
    expect([hints.status, fieldOf(hints, "link")]).toEqual([103, "</a>"]);
    // It may send without being told.
    client.send("abc");
    expect((await client.response()).status).toBe(200);
  });
});
