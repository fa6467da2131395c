import { afterEach, describe, expect, it } from "vitest";
import { address, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import type { EdgeConfig } from "../ports.ts";
import { byWeight, smoothOrder } from "./weights.ts";

const stage = new Stage();
afterEach(() => stage.strike());

/** Numbers that look random and are the same in every run (xorshift32). */
function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const countsOf = (order: Uint8Array | number[], kinds: number) =>
  Array.from({ length: kinds }, (_, kind) => order.filter((index) => index === kind).length);

describe("choices by weight", () => {
  it.each([
    [
      [5, 1, 1],
      [0, 0, 1, 0, 2, 0, 0],
    ],
    [
      [1, 1],
      [0, 1],
    ],
    [
      [500, 500],
      [0, 1],
    ],
    [
      [90, 10],
      [0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    ],
  ])("%j are spread as %j", (weights, order) => {
    expect([...smoothOrder(weights)]).toEqual(order);
  });

  it("are exact in each round, and never more than one turn off within it", () => {
    const random = numbers(42);
    for (let round = 0; round < 50; round += 1) {
      const weights = Array.from({ length: 2 + random(4) }, () => 1 + random(round < 40 ? 60 : 999));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const order = smoothOrder(weights);
      const rounds = total / order.length;
      expect(countsOf(order, weights.length).map((count) => count * rounds)).toEqual(weights);
      const given = weights.map(() => 0);
      for (const [turn, index] of order.entries()) {
        given[index] = (given[index] ?? 0) + 1;
        for (const [i, weight] of weights.entries()) {
          const due = ((turn + 1) * weight) / total;
          expect(Math.abs((given[i] ?? 0) - due), `${weights.join()} at ${turn}`).toBeLessThan(weights.length);
        }
      }
    }
  });

  it("with weight 0 are never made; with no other there is none", () => {
    let turns = 0;
    const turn = () => turns++;
    const choose = byWeight(
      [
        { value: "a", weight: 0 },
        { value: "b", weight: 2 },
        { value: "c", weight: 1 },
      ],
      turn,
    );
    expect([choose(), choose(), choose()]).toEqual(["b", "c", "b"]);
    expect(byWeight([{ value: "a", weight: 0 }], turn)()).toBeUndefined();
    expect(byWeight([], turn)()).toBeUndefined();
    expect(byWeight([{ value: "a", weight: 999 }], turn)()).toBe("a");
  });
});

describe("weights of a route", () => {
  const routed = (
    front: number,
    ports: Record<string, number>,
    weights: Record<string, number>,
    epoch = 1,
  ): EdgeConfig => {
    const targets = Object.entries(weights).map(([clusterId, weight]) => ({ clusterId, weight }));
    return {
      epoch,
      listeners: [listener(front, [{ id: "default", conditions: [], action: { kind: "forward", targets } }])],
      clusters: Object.entries(ports).map(([id, port]) => cluster(id, [address(port)])),
    };
  };
  const names = async () => {
    const ports: Record<string, number> = {};
    for (const name of ["a", "b", "c"]) ports[name] = await stage.http((_, response) => void response.end(name));
    return ports;
  };

  it("hold to the request over four workers, whichever a connection meets", async () => {
    const ports = await names();
    const front = await freePort();
    await stage.edge({ workers: 4 }).apply(routed(front, ports, { a: 7, b: 2, c: 1 }));
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 50; i += 1) {
      const response = await stage
        .client(front)
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .response();
      counts[response.body.toString()] = (counts[response.body.toString()] ?? 0) + 1;
    }
    expect(counts).toEqual({ a: 35, b: 10, c: 5 });
  });

  it("that are all 0 are answered 503", async () => {
    const ports = await names();
    const front = await freePort();
    const edge = stage.edge();
    await edge.apply(routed(front, ports, { a: 0, b: 0 }));
    const status = async () => (await stage.client(front).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response()).status;
    expect(await status()).toBe(503);
    await edge.apply(routed(front, ports, { a: 0, b: 1 }, 2));
    expect(await status()).toBe(200);
  });
});
