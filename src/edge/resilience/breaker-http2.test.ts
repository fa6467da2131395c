/** A circuit breaker before endpoints that speak HTTP/2: `Connections` are its sessions, `Pending` who waits for a turn. */
import type { ServerHttp2Stream } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { eventually, freePort, Stage } from "../edge.suite.ts";
import { sessionsMax } from "../h2/limits.ts";
import { ask, get } from "../h2/session.suite.ts";
import { h2Config, h2Front, h2Target, h2TlsClient } from "../h2/targets.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const breaker = { connectionsMax: 100, pendingMax: 100, requestsMax: 100, retriesMax: 100 };

/** An endpoint that keeps what it is asked until it is let go. */
async function holding(maxConcurrentStreams: number) {
  const held: ServerHttp2Stream[] = [];
  const target = await h2Target(stage, (stream) => held.push(stream), { settings: { maxConcurrentStreams } });
  const release = (count = held.length) => {
    for (const stream of held.splice(0, count)) {
      stream.respond({ ":status": 200 });
      stream.end();
    }
  };
  return { ...target, held, release };
}

describe("a circuit breaker before HTTP/2", () => {
  it("counts sessions as connections, at rest too, however many requests are on each", async () => {
    const { port: upstream, sessions, held, release } = await holding(2);
    const { port, edge } = await h2Front(stage, upstream, { breaker: { ...breaker, connectionsMax: 1 } });
    const session = h2TlsClient(stage, port);
    const statusOf = async () => (await ask(session, get())).status;
    // What the endpoint takes is known with its first answer.
    const first = statusOf();
    await eventually(() => held.length === 1);
    release();
    expect(await first).toBe(200);
    const under = [statusOf(), statusOf()];
    await eventually(() => held.length === 2);
    expect(await statusOf()).toBe(503);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "breaker-connections": 1 });
    release();
    expect(await Promise.all(under)).toEqual([200, 200]);
    expect(sessions).toHaveLength(1);
    // A session that ends gives its place back.
    sessions[0]?.destroy();
    await eventually(() => sessions[0]?.destroyed === true);
    const again = await askedUntilHeld(statusOf, held);
    release();
    expect(await again.answer).toBe(200);
    expect(sessions).toHaveLength(2);
  });

  it("counts who waits for a session to stand, and nobody once it does", async () => {
    const { port: upstream, held, release } = await holding(100);
    const { port, edge } = await h2Front(stage, upstream, { breaker: { ...breaker, pendingMax: 1 } });
    const session = h2TlsClient(stage, port);
    const statusOf = async () => (await ask(session, get())).status;
    const both = [statusOf(), statusOf()];
    await eventually(() => held.length === 1);
    release();
    expect(new Set(await Promise.all(both))).toEqual(new Set([200, 503]));
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "breaker-pending": 1 });
    const many = Array.from({ length: 20 }, statusOf);
    await eventually(() => held.length === many.length);
    release();
    expect(await Promise.all(many)).toEqual(many.map(() => 200));
  });

  it("counts who waits for a turn where every session is full", async () => {
    const { port: upstream, sessions, held, release } = await holding(1);
    const port = await freePort();
    const edge = stage.edge();
    await edge.apply(h2Config(port, upstream, { breaker }));
    const session = h2TlsClient(stage, port);
    const statusOf = async () => (await ask(session, get())).status;
    const first = statusOf();
    await eventually(() => held.length === 1);
    release();
    await first;
    const under = Array.from({ length: sessionsMax }, statusOf);
    await eventually(() => held.length === sessionsMax);
    expect(sessions).toHaveLength(sessionsMax);
    await edge.apply(h2Config(port, upstream, { breaker: { ...breaker, pendingMax: 1 } }, 2));
    const waiting = statusOf();
    expect(await statusOf()).toBe(503);
    release(1);
    await eventually(() => held.length === sessionsMax);
    // Its turn has come: the place to wait in is free again.
    const next = statusOf();
    expect(await statusOf()).toBe(503);
    release();
    await eventually(() => held.length > 0);
    release();
    expect(await Promise.all([...under, waiting, next])).toEqual(Array.from({ length: sessionsMax + 2 }, () => 200));
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "breaker-pending": 2 });
  });
});

/** Asks until the endpoint holds the request: that a session has ended is heard in its own time. */
async function askedUntilHeld(statusOf: () => Promise<number>, held: readonly unknown[]) {
  for (;;) {
    const answer = statusOf();
    const status = await Promise.race([answer, eventually(() => held.length > 0)]);
    if (status === undefined) return { answer };
  }
}
