import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../telemetry/log.ts";
import { destinationOf, type Destination } from "./destination.ts";
import { Directory, destinationsMax, type DirectoryDeps, type Listener } from "./directory.ts";
import type { EgressToWorker } from "./messages.ts";
import { compileRules } from "./rules.ts";

const shared = () => new SharedArrayBuffer(8);

function worker(index: number): Listener & { told: EgressToWorker[]; protocols(): (boolean | string)[] } {
  const told: EgressToWorker[] = [];
  return {
    index,
    told,
    post: (message) => void told.push(message),
    protocols: () =>
      told.map((message) => (message.kind === "destinations" && message.destinations[0]?.http2) || message.kind),
  };
}

function directoryWith(changes: Partial<DirectoryDeps> = {}) {
  const clock = new FakeClock();
  const workers = [worker(0), worker(1)];
  const directory = new Directory({
    clock,
    log: silentLog,
    settings: { port: 0 },
    names: { find: async () => ({ addresses: [{ address: "10.0.0.1", family: 4 }], freshMs: 60_000 }) },
    rules: compileRules(),
    learn: async () => "http1",
    exclusively: async (change) => change(),
    changed: () => {},
    memoryOf: () => ({ slots: [1], stats: shared(), counts: shared(), meter: shared(), permits: {} }),
    listeners: () => workers,
    policies: () => [],
    ...changes,
  });
  const [first, second] = workers;
  if (first === undefined || second === undefined) throw new Error("two workers");
  return { clock, directory, first, second };
}

function to(name: string): Destination {
  const found = destinationOf(`${name}.ccnproxy-https`, 0);
  if (found === undefined) throw new Error(`${name} is no destination`);
  return found;
}

/** What was started without being waited for has come so far. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the directory", () => {
  it("asks what a destination speaks, tells who knows it, and asks again: sooner where that may have ended", async () => {
    const answers = ["http2", "http1"] as const;
    let asked = 0;
    const { clock, directory, first, second } = directoryWith({
      async learn() {
        asked += 1;
        return answers[asked - 1] ?? "http1";
      },
    });
    await directory.ask(first, to("a.test"));
    await settled();
    expect(first.protocols()).toEqual(["destinations", true]);
    expect(second.told).toEqual([]);
    await directory.ask(second, to("a.test"));
    await settled();
    expect([second.protocols(), asked]).toEqual([[true], 1]);
    await clock.advance(60_000);
    await directory.ask(second, to("a.test"));
    await settled();
    expect([first.protocols().at(-1), second.protocols().at(-1), asked]).toEqual(["destinations", "destinations", 2]);
    await clock.advance(299_000);
    await directory.ask(first, to("a.test"));
    expect(asked).toBe(2);
    await clock.advance(1_000);
    await directory.ask(first, to("a.test"));
    expect(asked).toBe(3);
  });

  it("does not ask in clear text, nor where HTTP/2 is not wanted", async () => {
    let asked = 0;
    const learn = async () => {
      asked += 1;
      return "http2" as const;
    };
    const plain = destinationOf("a.test.ccnproxy", 0);
    if (plain === undefined) throw new Error("no destination");
    const one = directoryWith({ learn });
    await one.directory.ask(one.first, plain);
    const other = directoryWith({ learn, settings: { port: 0, http2: false } });
    await other.directory.ask(other.first, to("a.test"));
    expect(asked).toBe(0);
  });

  it("tells who knew the one that makes room", async () => {
    const { directory, first, second } = directoryWith();
    for (let i = 0; i < destinationsMax; i += 1) await directory.ask(first, to(`n${i}.test`));
    await directory.ask(first, to("n0.test"));
    await directory.ask(second, to("one-more.test"));
    expect(first.told.at(-1)).toEqual({ kind: "forget", origin: "https://n1.test" });
    expect(second.told).toHaveLength(1);
    expect(directory.resident("https://n0.test")).toBeDefined();
  });

  it("asks about 256 at once, and says so to more", async () => {
    let find = () => {};
    const found = new Promise<void>((resolve) => {
      find = resolve;
    });
    const names: DirectoryDeps["names"] = {
      find: () => found.then(() => ({ addresses: [{ address: "10.0.0.1", family: 4 }], freshMs: 1 })),
    };
    const { directory, first, second } = directoryWith({ names });
    const asked = Array.from({ length: 256 }, (_, i) => directory.ask(first, to(`n${i}.test`)));
    await directory.ask(second, to("one-more.test"));
    expect(second.told).toMatchObject([{ kind: "unreachable", status: 503 }]);
    find();
    await Promise.all(asked);
    await directory.ask(second, to("one-more.test"));
    expect(second.told.at(-1)).toMatchObject({ kind: "destinations" });
  });

  it("keeps none that main cannot watch", async () => {
    let room = false;
    const { directory, first } = directoryWith({
      changed() {
        if (!room && directory.resident("https://a.test") !== undefined) throw new Error("more than 16384 endpoints");
      },
    });
    await directory.ask(first, to("a.test"));
    expect(first.told).toMatchObject([{ kind: "unreachable", status: 502, message: "more than 16384 endpoints" }]);
    room = true;
    await directory.ask(first, to("a.test"));
    expect(first.told.at(-1)).toMatchObject({ kind: "destinations" });
  });
});
