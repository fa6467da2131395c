/** Clusters and requests without sockets, for tests of who gets what under a clock that is moved. */
import { FakeClock, type Clock } from "../../base/clock.ts";
import { atVerdict, boardMemory, healthGood, setVerdict, slotOf } from "../board.ts";
import { Cluster, type Endpoint } from "../cluster.ts";
import { Epoch, type CompiledListener } from "../compile.ts";
import { Counts, countsBlock } from "../counts.ts";
import type { ClientStream } from "../exchange.ts";
import { emptyRequestHead, readRequest } from "../h1/request.ts";
import { HeadScanner } from "../h1/scan.ts";
import { limitsOf } from "../h1/limits.ts";
import type { ClusterConfig } from "../ports.ts";
import { listener } from "../edge.suite.ts";
import { RequestRecord } from "../record.ts";
import { StatsWriter, statsBlock } from "../stats.ts";
import { Outstanding } from "./pickers.ts";
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
  const parts: Pick<CompiledListener, "config" | "plane" | "epoch" | "counts"> = {
    config: tls
      ? { ...plain, tls: { certificates: [], minVersion: "TLSv1.2", maxVersion: "TLSv1.3", ciphers: "" } }
      : plain,
    plane: { clock, dateText: () => "", newTraceId: () => "", log: () => {} },
    epoch: new Epoch(1, () => {}),
    counts: new Counts(countsBlock()),
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

/**
 * A cluster of functions `e0`, `e1` ..., the board with the verdicts on them, and a way to write one; all are healthy.
 * Several clusters may share a board.
 */
export function clusterOf(
  count: number,
  changes: Partial<ClusterConfig> = {},
  {
    id = "c",
    clock = new FakeClock(),
    random = (): number => 0,
    board = new Int32Array(boardMemory(64)),
    firstSlot = 0,
    outstanding = new Outstanding(),
  } = {},
) {
  const endpoints = Array.from({ length: count }, (_, i): Endpoint => ({
    kind: "function",
    id: `e${i}`,
    requestBytesMax: 1,
    slot: slotOf(firstSlot + i),
  }));
  const config = { id, endpoints: [], connectTimeoutMs: 1_000, drainMs: 0, ...changes } satisfies ClusterConfig;
  const parts = { config, endpoints, board, clock, outstanding, random, stats: new StatsWriter(statsBlock()) };
  const cluster = new Cluster({ ...parts, stickiness: compileStickiness(config, () => createSeal(secret)) });
  /** Writes a cell of the `index`th endpoint, its verdict unless another is named. */
  const judge = (index: number, value: number, cell = atVerdict) =>
    setVerdict(board, slotOf(firstSlot + index) + cell, value);
  for (let i = 0; i < count; i += 1) judge(i, healthGood);
  return { cluster, judge, board };
}
