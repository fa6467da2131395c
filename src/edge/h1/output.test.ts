import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Output } from "./output.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Both ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const near = connect(bound !== null && typeof bound === "object" ? bound.port : 0, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  ends.push(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (more: string) => {
    text += more;
  });
  await once(socket, "end");
  return text;
}

describe("what goes out", () => {
  it("keeps its memory while the kernel has not taken all of it", async () => {
    const [[slow, slowEnd], [other, otherEnd]] = await Promise.all([pair(), pair()]);
    const outputs = [new Output(slow), new Output(other)] as const;
    let pieces = 0;
    for (; slow.writableLength === 0; pieces += 1) {
      outputs[0].bytes(Buffer.alloc(16_384, "a"), 0, 16_384, false);
      outputs[0].flush();
    }
    outputs[1].bytes(Buffer.alloc(16_384, "b"), 0, 16_384, false);
    outputs[1].flush();
    slow.end();
    other.end();
    expect(await textOf(slowEnd)).toBe("a".repeat(16_384 * pieces));
    expect(await textOf(otherEnd)).toBe("b".repeat(16_384));
  });

  it("is not changed by what goes out later, however slow the other side is, of whatever size", async () => {
    const sizes = [1, 8_192, 8_193, 16_384, 32_768, 32_769, 65_536];
    const read = Buffer.alloc(65_536);
    const connections = await Promise.all([pair(), pair()]);
    const outputs = connections.map(([near]) => new Output(near));
    const expected = ["", ""];
    // More than the kernel takes from a side that does not read.
    for (let round = 0; round < 500; round += 1) {
      for (const [index, output] of outputs.entries()) {
        const size = sizes[(round + index) % sizes.length] ?? 0;
        read.fill("abcdefghijklmnopqrstuvwxyz".charAt((round + 7 * index) % 26));
        output.text(`${round};`);
        const piece = read.toString("latin1", 0, size);
        if (round % 3 === 0) output.chunk(read, 0, size, false);
        else output.bytes(read, 0, size, false);
        output.flush();
        expected[index] += `${round};${round % 3 === 0 ? `${size.toString(16)}\r\n${piece}\r\n` : piece}`;
      }
    }
    expect(connections.every(([near]) => near.writableLength > 0)).toBe(true);
    const came = await Promise.all(
      connections.map(([near, far]) => {
        near.end();
        return textOf(far);
      }),
    );
    expect(came.map((text, index) => text === expected[index])).toEqual([true, true]);
    expect(outputs.map(({ sent }) => sent)).toEqual(expected.map((text) => text.length));
  });
});
