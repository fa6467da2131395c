/** Loads of `bench/edge.ts` beside `wrk`: at a fixed rate, whoever is slow, and many connections that rest. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FixedRate {
  /** Answers a second that came; less than was asked for where it is too much. */
  perSecond: number;
  p50Us: number;
  p99Us: number;
}

/** Sends `perSecond` requests a second by `h2load`, each at its time, over `connections` connections of HTTP/1.1. */
export async function atRate(url: string, perSecond: number, connections: number, seconds: number): Promise<FixedRate> {
  const dir = await mkdtemp(join(tmpdir(), "bench-rate-"));
  try {
    const log = join(dir, "requests");
    const each = String(perSecond / connections);
    const args = ["--h1", `-c${connections}`, "-m1", `--rps=${each}`, `-D${seconds}`, `--log-file=${log}`, url];
    const child = spawn("h2load", args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await once(child, "close");
    const rows = (await readFile(log, "utf8"))
      .trimEnd()
      .split("\n")
      .map((row) => row.split("\t").map(Number));
    const bad = rows.filter(([, status]) => status !== 200).length;
    if (bad > 0 || rows.length === 0) throw new Error(`h2load on ${url}: ${bad} of ${rows.length} failed\n${output}`);
    const times = rows.map(([, , us = Number.NaN]) => us).toSorted((a, b) => a - b);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
    return { perSecond: rows.length / seconds, p50Us: at(0.5), p99Us: at(0.99) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
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
