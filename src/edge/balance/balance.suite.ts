/** Clusters and requests without sockets, for tests of who gets what under a clock that is moved. */
import type { Clock } from "../../base/clock.ts";
import { Cluster, healthChanges, healthGood, type Endpoint } from "../cluster.ts";
import { Epoch, type CompiledListener } from "../compile.ts";
import type { ClientStream } from "../exchange.ts";
import { emptyRequestHead, readRequest } from "../h1/request.ts";
import { HeadScanner } from "../h1/scan.ts";
import { limitsOf } from "../h1/limits.ts";
import type { ClusterConfig } from "../ports.ts";
import { listener } from "../edge.suite.ts";
import { RequestRecord } from "../record.ts";
import { StatsWriter, statsBlock } from "../stats.ts";
import { createSeal } from "./seal.ts";
import { compileStickiness } from "./stickiness.ts";

export const secret = "a secret";

/** A request with these fields, `Name: value`. */
export function asked(clock: Clock, fields: readonly string[] = [], { tls = false } = {}): RequestRecord {
  const text = `GET / HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;
  const limits = limitsOf("public");
  const scanner = new HeadScanner(limits);
  scanner.reset("request", limits);
  scanner.push(Buffer.from(text, "latin1"), 0, text.length);
  const head = emptyRequestHead();
  const refusal = readRequest(scanner, head);
  if (refusal !== undefined) throw new Error(refusal.reason);
  const plain = listener(80, []);
  const parts: Pick<CompiledListener, "config" | "plane" | "epoch"> = {
    config: tls
      ? { ...plain, tls: { certificates: [], minVersion: "TLSv1.2", maxVersion: "TLSv1.3", ciphers: "" } }
      : plain,
    plane: { clock, dateText: () => "", newTraceId: () => "", log: () => {} },
    epoch: new Epoch(1, () => {}),
  };
  const client: Pick<ClientStream, "head" | "client"> = { head, client: { address: "192.0.2.1", port: 1 } };
  // All that a choice looks at; nothing here is ever answered.
  return new RequestRecord(parts as CompiledListener, client as ClientStream);
}

/** The cookies of `Set-Cookie` lines: what a client that got them sends next. */
export function cookieField(lines: string): string {
  const pairs = [...lines.matchAll(/^Set-Cookie: ([^;]+);/gm)].map(([, pair]) => pair);
  return `Cookie: ${pairs.join("; ")}`;
}

/** A cluster of functions `e0`, `e1` ..., and the verdicts on them; all are healthy. */
export function clusterOf(count: number, changes: Partial<ClusterConfig> = {}, id = "c") {
  const endpoints = Array.from({ length: count }, (_, index): Endpoint => ({
    kind: "function",
    id: `e${index}`,
    requestBytesMax: 1,
  }));
  const config = { id, endpoints: [], connectTimeoutMs: 1_000, drainMs: 0, ...changes } satisfies ClusterConfig;
  const health = new Int32Array(new SharedArrayBuffer(4 * (count + 1))).fill(healthGood, 1);
  const cluster = new Cluster({
    config,
    endpoints,
    slots: endpoints.map((_, index) => index + 1),
    health,
    stats: new StatsWriter(statsBlock()),
    stickiness: compileStickiness(config, () => createSeal(secret)),
  });
  const judge = (index: number, verdict: number) => {
    health[index + 1] = verdict;
    Atomics.add(health, healthChanges, 1);
  };
  return { cluster, judge };
}
