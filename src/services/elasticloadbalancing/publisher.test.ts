import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { createLog } from "../../telemetry/log.ts";
import { portInUse, RecordingEdge } from "./bench.suite.ts";
import { createPublisher, NotInForce, PortTaken } from "./publisher.ts";
import type { Snapshot } from "./snapshot.ts";

const idleFunctions = { admit() {}, retain() {}, sweep() {} };

function snapshot(epoch: number, ports: readonly number[] = [], routes = "r"): Snapshot {
  const listeners = ports.map((port) => ({
    id: `listener-${port}`,
    address: "127.0.0.1",
    port,
    routes: [
      { id: routes, conditions: [], action: { kind: "fixed" as const, status: 200, contentType: "", body: "" } },
    ],
    forwarded: { xff: "append" as const, preserveHost: false, dropInvalidNames: false },
    serverName: "awselb/2.0",
    idleTimeoutMs: 60_000,
    keepAliveTimeoutMs: 3_600_000,
  }));
  return { config: { epoch, listeners, clusters: [] }, functions: [] };
}

function bench(first: Snapshot = snapshot(0)) {
  const clock = new FakeClock();
  const edge = new RecordingEdge();
  const lines: string[] = [];
  const stored = { snapshot: first };
  const publisher = createPublisher({
    edge,
    functions: idleFunctions,
    clock,
    log: createLog({ clock, write: (line) => void lines.push(line) }),
    build: async () => stored.snapshot,
    epoch: async () => stored.snapshot.config.epoch,
  });
  const retry = () => publisher.job.run(new AbortController().signal);
  return { clock, edge, lines, stored, publisher, retry };
}

const portsOf = (edge: RecordingEdge) => edge.config.listeners.map(({ port }) => port);

function held() {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { gate, open };
}

describe("the publisher", () => {
  it("puts all that waits in force with one further apply", async () => {
    const { edge, stored, publisher } = bench();
    await publisher.start();
    const { gate, open } = held();
    edge.gate = gate;
    stored.snapshot = snapshot(1);
    const first = publisher.inForce(1);
    await Promise.resolve();
    const rest: Promise<void>[] = [];
    for (let epoch = 2; epoch <= 50; epoch += 1) {
      stored.snapshot = snapshot(epoch);
      rest.push(publisher.inForce(epoch));
    }
    const attempts = edge.attempts;
    open();
    await Promise.all([first, ...rest]);
    expect(edge.config.epoch).toBe(50);
    expect(edge.attempts - attempts).toBeLessThanOrEqual(2);
  });

  it("answers nobody before its epoch is in force", async () => {
    const { edge, stored, publisher } = bench();
    await publisher.start();
    const { gate, open } = held();
    edge.gate = gate;
    stored.snapshot = snapshot(7);
    let answered = false;
    const waiting = publisher.inForce(7).then(() => {
      answered = true;
    });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(answered).toBe(false);
    open();
    await waiting;
    expect(edge.config.epoch).toBe(7);
  });

  it("does not apply again what is in force already", async () => {
    const { edge, publisher } = bench(snapshot(3));
    await publisher.start();
    await publisher.inForce(2);
    expect(edge.attempts).toBe(1);
  });

  it("refuses whoever opens a taken port, and lets the others through", async () => {
    const { edge, stored, publisher } = bench();
    edge.taken.set(81, "nginx (pid 7)");
    stored.snapshot = snapshot(2, [80, 81]);
    const opening = publisher.inForce(2, 81);
    const other = publisher.inForce(1);
    await expect(opening).rejects.toThrow(PortTaken);
    await expect(opening).rejects.toMatchObject({ port: 81, holder: "nginx (pid 7)" });
    await other;
    expect(portsOf(edge)).toEqual([80]);
  });

  it("does so for stream listeners too", async () => {
    const { edge, stored, publisher, retry } = bench();
    edge.taken.set(81, "nginx (pid 7)");
    const streamListeners = [80, 81].map((port) => ({
      id: `stream-${port}`,
      address: "127.0.0.1",
      port,
      loadBalancerId: "net",
      targets: [],
      idleTimeoutMs: 350_000,
    }));
    stored.snapshot = { config: { epoch: 2, listeners: [], streamListeners, clusters: [] }, functions: [] };
    await expect(publisher.inForce(2, 81)).rejects.toMatchObject({ name: "PortTaken", port: 81 });
    const ports = () => edge.config.streamListeners?.map(({ port }) => port);
    expect(ports()).toEqual([80]);
    edge.taken.clear();
    await retry();
    expect(ports()).toEqual([80, 81]);
  });

  it("leaves a listener on its port, with its new rules, while the new port is taken", async () => {
    const { edge, stored, publisher } = bench(snapshot(1, [80]));
    await publisher.start();
    edge.taken.set(81, "");
    const moved = snapshot(2, [81], "new");
    stored.snapshot = {
      ...moved,
      config: { ...moved.config, listeners: moved.config.listeners.map((one) => ({ ...one, id: "listener-80" })) },
    };
    await expect(publisher.inForce(2, 81)).rejects.toThrow(PortTaken);
    expect(edge.config.listeners.map(({ id, port, routes }) => [id, port, routes[0]?.id])).toEqual([
      ["listener-80", 80, "new"],
    ]);
  });

  it("starts without a port that is taken, says so once, and opens it when it is free", async () => {
    const { edge, lines, publisher, retry } = bench(snapshot(5, [80, 81]));
    edge.taken.set(80, "caddy (pid 9)");
    await publisher.start();
    expect(portsOf(edge)).toEqual([81]);
    await retry();
    expect(lines.filter((line) => line.includes("caddy (pid 9)"))).toHaveLength(1);
    edge.taken.clear();
    await retry();
    expect(portsOf(edge)).toEqual([80, 81]);
    const attempts = edge.attempts;
    await retry();
    expect(edge.attempts).toBe(attempts);
  });

  it("tries a port again for who opens it, though it was found taken before", async () => {
    const { edge, publisher } = bench(snapshot(5, [80]));
    edge.taken.set(80, "");
    await publisher.start();
    edge.taken.clear();
    await publisher.inForce(5, 80);
    expect(portsOf(edge)).toEqual([80]);
  });

  it("fails who waits when the edge does, and catches up later", async () => {
    const { edge, stored, publisher, retry } = bench();
    await publisher.start();
    edge.failure = new Error("worker 2 did not answer");
    stored.snapshot = snapshot(4, [80]);
    const waiting = publisher.inForce(4);
    await expect(waiting).rejects.toThrow(NotInForce);
    await expect(waiting).rejects.toThrow("worker 2 did not answer");
    edge.failure = undefined;
    await retry();
    expect(portsOf(edge)).toEqual([80]);
  });

  it("does not fail the node at start", async () => {
    const { edge, lines, publisher } = bench();
    edge.failure = new Error("no workers");
    await publisher.start();
    expect(lines.join("")).toContain("no workers");
  });

  it("gives up after 20 seconds", async () => {
    const { clock, edge, stored, publisher } = bench();
    await publisher.start();
    const { gate, open } = held();
    edge.gate = gate;
    stored.snapshot = snapshot(2);
    const waiting = publisher.inForce(2);
    const refused = expect(waiting).rejects.toThrow("epoch 2");
    await clock.advance(20_000);
    await refused;
    open();
    await publisher.stop();
  });

  it("gives the edge a growing epoch, whatever was tried in between", async () => {
    const { edge, stored, publisher } = bench(snapshot(5, [80]));
    edge.taken.set(80, "");
    await publisher.start();
    stored.snapshot = snapshot(6, [80]);
    await publisher.inForce(6);
    stored.snapshot = snapshot(7, [80]);
    await publisher.inForce(7);
    const epochs = edge.applied.map(({ epoch }) => epoch);
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
    expect(new Set(epochs).size).toBe(epochs.length);
  });

  it("follows what another node stored", async () => {
    const { edge, stored, publisher, retry } = bench(snapshot(1));
    await publisher.start();
    stored.snapshot = snapshot(2, [80]);
    await retry();
    expect(portsOf(edge)).toEqual([80]);
  });

  it("throws an error that names a port it did not ask for", async () => {
    const { edge, stored, publisher } = bench();
    await publisher.start();
    edge.failure = portInUse(9);
    stored.snapshot = snapshot(2);
    await expect(publisher.inForce(2)).rejects.toThrow(NotInForce);
  });
});
