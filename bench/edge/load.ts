/** Loads of `bench/edge.ts` beside `wrk`: at a fixed rate, whoever is slow, and many connections that rest. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import type { PaceReport } from "./pace.ts";

const paceScript = new URL("pace.ts", import.meta.url).pathname;

/** Sends `perSecond` requests a second, each at its time, over `connections` connections; see `pace.ts`. */
export async function atRate(
  port: number,
  perSecond: number,
  connections: number,
  seconds: number,
): Promise<PaceReport> {
  const args = [paceScript, port, perSecond, connections, seconds].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as PaceReport;
}

/** Opens `count` connections, has each answered once, and calls `work` while they rest. */
export async function whileIdle(port: number, count: number, work: () => Promise<void>): Promise<void> {
  const sockets: Socket[] = [];
  try {
    // Fewer at once than a listen queue is long.
    for (let opened = 0; opened < count; opened += 500) {
      sockets.push(
        ...(await Promise.all(Array.from({ length: Math.min(500, count - opened) }, () => answeredOn(port)))),
      );
    }
    await work();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function answeredOn(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
  await once(socket, "data");
  socket.pause();
  return socket;
}
