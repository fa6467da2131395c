/**
 * What the edge holds after a long time: memory, descriptors and timers over a million requests with reloads and
 * WebSockets among them; and memory for each 10,000 idle connections. Workers that die are in `deaths.ts`.
 *
 *     node bench/soak.ts [requests] [connections]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../src/base/clock.ts";
import { createEdge } from "../src/edge/edge.ts";
import type { EdgeConfig } from "../src/edge/ports.ts";
import { silentLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { freePort } from "../test/upstream.ts";

const requests = Number(process.argv[2] ?? 1_000_000);
const connections = Number(process.argv[3] ?? 10_000);
const rounds = 10;
const workers = 2;

const upstream = createServer((_, response) => response.end("x".repeat(128))).listen(0, "127.0.0.1");
await once(upstream, "listening");
const port = await freePort();
const options = { clock: systemClock, log: silentLog, metrics: createMetrics() };
const edge = createEdge({ ...options, workers });

function config(epoch: number): EdgeConfig {
  const host = { host: "127.0.0.1", port: (upstream.address() as AddressInfo).port };
  return {
    epoch,
    listeners: [
      {
        id: "soak",
        address: "127.0.0.1",
        port,
        routes: [{ id: "all", conditions: [], action: { kind: "forward", targets: [{ clusterId: "c", weight: 1 }] } }],
        forwarded: { xff: "append", preserveHost: false, dropInvalidNames: false },
        serverName: "edge",
        idleTimeoutMs: 60_000,
        keepAliveTimeoutMs: 3_600_000,
      },
    ],
    clusters: [
      {
        id: "c",
        endpoints: [{ kind: "address", id: "a", ...host }],
        connectTimeoutMs: 2_000,
        drainMs: 1_000,
      },
    ],
  };
}

function report(what: string): void {
  const megabytes = (bytes: number) => Math.round(bytes / 1_048_576);
  const { rss, heapUsed } = process.memoryUsage();
  const descriptors = readdirSync("/proc/self/fd").length;
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  console.log(
    `${what}: ${megabytes(rss)} MB, main's heap ${megabytes(heapUsed)} MB, ${descriptors} descriptors, ${timers} timers`,
  );
}

/** Requests by `wrk` for so long that there were `count` of them. */
async function load(count: number): Promise<number> {
  let done = 0;
  while (done < count) {
    const wrk = spawn("wrk", ["-t1", "-c64", "-d5s", `http://127.0.0.1:${port}/`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    wrk.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await once(wrk, "close");
    if (/Non-2xx|Socket errors/.test(output)) console.log(output);
    done += Number(/(\d+) requests in/.exec(output)?.[1] ?? count);
  }
  return done;
}

await edge.apply(config(1));
report("at rest");
let done = 0;
let epoch = 1;
for (let round = 0; round < rounds; round += 1) {
  const loaded = load(requests / rounds);
  for (let i = 0; i < 10; i += 1) await edge.apply(config((epoch += 1)));
  done += await loaded;
  report(`after ${done} requests and ${epoch} configurations`);
}

const before = process.memoryUsage().rss;
// In a process of their own: each has had an answer, and rests. One source address has fewer ports than that.
const clients = spawn(process.execPath, [
  "-e",
  `const { connect } = require("node:net");
  let answered = 0;
  const open = (i) => {
    if (i === ${connections}) return;
    const socket = connect({ host: "127.0.0.1", port: ${port}, localAddress: "127.0.0." + (2 + (i >> 13)) });
    socket.write("GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n");
    socket.once("data", () => {
      open(i + 1);
      if ((answered += 1) === ${connections}) console.log("all");
    });
  };
  open(0);`,
]);
await once(clients.stdout, "data");
await sleep(2_000);
report(`with ${connections} idle connections`);
console.log(`${((process.memoryUsage().rss - before) / connections / 1024).toFixed(1)} KB for each`);
clients.kill();
await sleep(2_000);
report("after them");

await edge.close(0);

upstream.close();
upstream.closeAllConnections();
process.exit(0);
