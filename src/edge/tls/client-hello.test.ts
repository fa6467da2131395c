import { createServer, type AddressInfo } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { helloBytesMax, serverNameOf } from "./client-hello.ts";

/** The first bytes that Node's client sends. */
async function helloFor(servername: string | undefined): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const bytes = new Promise<Buffer>((resolve) => {
    server.once("connection", (socket) => {
      socket.on("error", () => {});
      socket.once("data", (chunk: Buffer) => {
        resolve(chunk);
        socket.destroy();
      });
    });
  });
  const client = connect({ port, host: "127.0.0.1", ...(servername === undefined ? {} : { servername }) });
  client.on("error", () => {});
  const hello = await bytes;
  client.destroy();
  server.close();
  return hello;
}

/** The message of `hello` again, in records of `size` bytes. */
function fragmented(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

describe("the server name in a client's first message", () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await helloFor("www.example.com");
  });
  afterAll(() => {
    hello = Buffer.alloc(0);
  });

  it("is found", () => {
    expect(serverNameOf(hello)).toBe("www.example.com");
  });

  it("may be missing", async () => {
    expect(serverNameOf(await helloFor(undefined))).toBe("");
  });

  it("is waited for", () => {
    for (let length = 0; length < hello.length; length += 1) {
      expect(serverNameOf(hello.subarray(0, length))).toBeUndefined();
    }
  });

  it.each([1, 3, 4, 100])("is found in records of %i bytes", (size) => {
    expect(serverNameOf(fragmented(hello, size))).toBe("www.example.com");
  });

  it.each([
    ["clear text", Buffer.from("GET / HTTP/1.1\r\n")],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0])],
    ["another message", Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ["a message of 16 MB", Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255])],
    ["an empty message", Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
  ])("is not looked for in %s", (_, bytes) => {
    expect(serverNameOf(bytes)).toBe("");
  });

  it("is not believed from a message that is cut off or twisted anywhere", () => {
    for (let at = 5; at < hello.length; at += 1) {
      const twisted = Buffer.from(hello);
      twisted[at] = 255;
      expect(["string", "undefined"]).toContain(typeof serverNameOf(twisted));
    }
  });

  it("is not waited for without end", () => {
    const endless = Buffer.concat([Buffer.from([22, 3, 1, 255, 255, 1, 0, 255, 255]), Buffer.alloc(helloBytesMax * 3)]);
    expect(serverNameOf(endless)).toBe("");
  });
});
