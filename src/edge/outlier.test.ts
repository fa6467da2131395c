import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { atEjected, boardMemory, slotOf } from "./board.ts";
import { address, all, cluster, eventually, freePort, listener, Stage } from "./edge.suite.ts";
import { belowTheOthers } from "./outlier-cluster.ts";
import { createOutlierDetector } from "./outlier.ts";
import { Outcomes } from "./outcomes.ts";
import type { OutlierPolicy } from "./policies.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

/** Envoy's defaults: nothing but 5xx in a row and the success rate are enforced. */
const envoy: OutlierPolicy = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 0,
  consecutiveLocalOriginFailures: 0,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 10,
  successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9 },
};

/** A detector over a cluster of so many endpoints, and what tells their ends. */
function detector(count: number, changes: Partial<OutlierPolicy> = {}) {
  const clock = new FakeClock();
  const board = new Int32Array(boardMemory(64));
  const ejections = createMetrics().counter("ejections");
  const made = createOutlierDetector({ clock, log: silentLog, board, ejections });
  stage.later(() => made.close());
  const policy = { ...envoy, ...changes };
  const slots = Array.from({ length: count }, (_, i) => slotOf(i));
  const endpoints = slots.map((_, i) => address(80 + i));
  const run = (outlier: OutlierPolicy | "none" = policy, own = slots) =>
    made.watch(
      { epoch: 1, listeners: [], clusters: [cluster("c", endpoints, outlier === "none" ? {} : { outlier })] },
      { c: own },
    );
  run();
  const outcomes = slots.map(
    (slot) => new Outcomes({ board, slot, policy, report: (at, cause) => made.report(at, cause) }),
  );
  /** `times` requests to the endpoint end so. */
  const end = (index: number, status: number, times = 1, reason?: string) => {
    for (let i = 0; i < times; i += 1) outcomes[index]?.ended(status, reason);
  };
  const ejected = () => slots.flatMap((slot, i) => (board[slot + atEjected] === 1 ? [i] : []));
  return { clock, made, end, ejected, run, slots, board };
}

describe("failures in a row", () => {
  it("eject at the number, counted over whoever reports; any other answer ends the row", () => {
    const { end, ejected } = detector(3);
    end(0, 500, 4);
    end(0, 200);
    end(0, 503, 4);
    end(0, 404);
    expect(ejected()).toEqual([]);
    end(0, 500, 5);
    expect(ejected()).toEqual([0]);
  });

  it("of gateway errors count apart, where they are bounded", () => {
    const { end, ejected } = detector(3, { consecutive5xx: 100, consecutiveGatewayErrors: 3 });
    end(0, 502, 2);
    end(0, 500);
    end(0, 504, 2);
    expect(ejected()).toEqual([]);
    end(0, 503);
    expect(ejected()).toEqual([0]);
  });

  it.each([
    "connect-refused",
    "connect-timeout",
    "reset",
    "idle-timeout",
    "per-try-timeout",
    "truncated",
    "tls-failed",
  ])("count %s as a gateway error", (reason) => {
    const { end, ejected } = detector(3);
    end(0, 500, 2);
    end(0, reason === "truncated" ? 200 : 0, 3, reason);
    expect(ejected()).toEqual([0]);
  });

  it("are not made of how an answer that had begun goes on, unless the endpoint breaks it off", () => {
    const { end, ejected } = detector(3);
    end(0, 200, 5, "idle-timeout");
    end(0, 101, 5, "reset");
    end(0, 200, 5, "client-closed");
    expect(ejected()).toEqual([]);
    end(0, 200, 5, "truncated");
    expect(ejected()).toEqual([0]);
  });

  it("of local origin are apart from answers, where they are bounded", () => {
    const { end, ejected } = detector(3, { consecutiveLocalOriginFailures: 3 });
    end(0, 0, 2, "reset");
    end(0, 500);
    end(0, 0, 2, "reset");
    end(0, 500, 3);
    expect(ejected()).toEqual([]);
    end(0, 0, 3, "connect-refused");
    expect(ejected()).toEqual([0]);
    const other = detector(3, { consecutiveLocalOriginFailures: 3 });
    other.end(0, 0, 2, "reset");
    other.end(0, 500, 5);
    expect(other.ejected()).toEqual([0]);
  });

  it("are not made of what the client did, or the edge would not send", () => {
    const { end, ejected } = detector(3);
    for (const reason of ["client-closed", "client-timeout", "bad-body", "breaker-requests", "drained"])
      end(0, 0, 5, reason);
    expect(ejected()).toEqual([]);
    end(0, 0, 5, "function-failed");
    expect(ejected()).toEqual([0]);
  });
});

describe("ejections", () => {
  it("last 30 s times the number in a row, at most 300 s; each sweep in health takes one off", async () => {
    const { clock, end, ejected } = detector(2);
    const longS = async () => {
      end(0, 500, 5);
      expect(ejected()).toEqual([0]);
      const startMs = clock.now();
      while (ejected().length > 0) await clock.advance(10_000);
      return (clock.now() - startMs) / 1000;
    };
    const inARow: number[] = [];
    for (let i = 0; i < 12; i += 1) inARow.push(await longS());
    expect(inARow).toEqual([30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
    await clock.advance(30_000);
    expect(await longS()).toBe(240);
    await clock.advance(300_000);
    expect(await longS()).toBe(30);
  });

  it("are of one in any case, and of more only below the share", () => {
    const ten = detector(10, { maxEjectionPercent: 30 });
    for (const index of [0, 1, 2, 3, 4]) ten.end(index, 500, 5);
    expect(ten.ejected()).toEqual([0, 1, 2]);
    const three = detector(3);
    for (const index of [0, 1, 2]) three.end(index, 500, 5);
    expect(three.ejected()).toEqual([0]);
    const none = detector(3, { maxEjectionPercent: 0 });
    for (const index of [0, 1, 2]) none.end(index, 500, 5);
    expect(none.ejected()).toEqual([0]);
  });

  it("that were not allowed need the whole number again", async () => {
    const { clock, end, ejected } = detector(3);
    end(0, 500, 5);
    end(1, 500, 5);
    await clock.advance(30_000);
    expect(ejected()).toEqual([]);
    end(1, 500, 4);
    expect(ejected()).toEqual([]);
    end(1, 500);
    expect(ejected()).toEqual([1]);
  });

  it("end when a health check passes, and nothing is held against the endpoint", () => {
    const { made, end, ejected, slots } = detector(3);
    end(0, 500, 5);
    end(0, 500, 4);
    made.passed(slots[0] ?? 0);
    expect(ejected()).toEqual([]);
    end(0, 500, 4);
    expect(ejected()).toEqual([]);
    end(0, 500);
    expect(ejected()).toEqual([0]);
  });

  it("end with the policy; with the endpoint, should it come back; not with other changes", () => {
    const { end, ejected, run, slots } = detector(3);
    end(0, 500, 5);
    run({ ...envoy, maxEjectionPercent: 50 });
    expect(ejected()).toEqual([0]);
    run(envoy, slots.slice(1));
    expect(ejected()).toEqual([]);
    run();
    end(1, 500, 5);
    expect(ejected()).toEqual([1]);
    run("none");
    expect(ejected()).toEqual([]);
  });
});

describe("rates over an interval", () => {
  const serve = (made: ReturnType<typeof detector>, index: number, good: number, bad: number) => {
    for (let i = 0; i < bad; i += 1) {
      made.end(index, 500);
      made.end(index, 200, Math.ceil(good / Math.max(1, bad)));
    }
    if (bad === 0) made.end(index, 200, good);
  };

  it("eject who is below the mean by more than 1.9 standard deviations", async () => {
    const made = detector(6);
    for (const index of [0, 1, 2, 3, 4]) serve(made, index, 100, 0);
    serve(made, 5, 100, 50);
    expect(made.ejected()).toEqual([]);
    await made.clock.advance(10_000);
    expect(made.ejected()).toEqual([5]);
  });

  it("need so many endpoints with so many requests in the interval", async () => {
    const few = detector(6);
    for (const index of [0, 1, 2]) serve(few, index, 100, 0);
    for (const index of [3, 4]) serve(few, index, 99, 0);
    serve(few, 5, 100, 50);
    await few.clock.advance(10_000);
    expect(few.ejected()).toEqual([]);
    // What came before counts for nothing in the next interval.
    for (const index of [3, 4]) serve(few, index, 99, 0);
    serve(few, 5, 100, 50);
    await few.clock.advance(10_000);
    expect(few.ejected()).toEqual([]);
  });

  it("that fail beyond a percentage eject whatever the others do", async () => {
    const made = detector(5, {
      consecutive5xx: 0,
      maxEjectionPercent: 100,
      failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
    });
    for (const index of [0, 1, 2]) made.end(index, 200, 50);
    for (const index of [3, 4]) {
      made.end(index, 500, index === 3 ? 42 : 43);
      made.end(index, 200, index === 3 ? 8 : 7);
    }
    await made.clock.advance(10_000);
    expect(made.ejected()).toEqual([4]);
  });

  it("count failures of local origin apart, where those are", async () => {
    const changes = {
      consecutive5xx: 0,
      consecutiveLocalOriginFailures: 1_000,
      failurePercentage: { threshold: 50, minimumHosts: 1, requestVolume: 10 },
    };
    const made = detector(3, changes);
    // 40% of the answers, and 40% of the tries: either alone is below the threshold, together they are not.
    made.end(0, 500, 40);
    made.end(0, 200, 60);
    made.end(0, 0, 60, "reset");
    await made.clock.advance(10_000);
    expect(made.ejected()).toEqual([]);
    const together = detector(3, { ...changes, consecutiveLocalOriginFailures: 0 });
    together.end(0, 500, 40);
    together.end(0, 200, 60);
    together.end(0, 0, 60, "reset");
    await together.clock.advance(10_000);
    expect(together.ejected()).toEqual([0]);
  });

  it.each([
    // Mean 90, deviation 20: the threshold is 52.
    [[100, 100, 100, 100, 50], 1.9, [4]],
    [[100, 100, 100, 100, 0], 1.9, [4]],
    [[100, 100, 100, 100, 0], 2.1, []],
    [[100, 100, 95, 93, 90], 1.9, []],
    [[50, 50, 50, 50, 50], 1.9, []],
    [[99, 99, 99, 98, 99, 99, 70], 1.9, [6]],
  ])("%j with the factor %d eject %j", (rates, stdevFactor, outliers) => {
    const hosts = rates.map((successRate, slot) => ({ slot, successRate, requests: 100 }));
    expect(belowTheOthers(hosts, { minimumHosts: 5, requestVolume: 100, stdevFactor })).toEqual(outliers);
  });
});

describe("a model of the algorithm", () => {
  it("agrees after every step of a long random history", async () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const hosts = 8;
    const policy = { maxEjectionPercent: 40, consecutive5xx: 3 };
    const made = detector(hosts, { ...policy, successRate: { minimumHosts: 99, requestVolume: 1, stdevFactor: 1 } });
    const model = Array.from({ length: hosts }, () => ({ row: 0, since: -1, times: 0 }));
    let nowS = 0;
    for (let step = 0; step < 3_000; step += 1) {
      if (random(10) === 0) {
        await made.clock.advance(10_000);
        nowS += 10;
        for (const host of model) {
          if (host.since < 0) host.times = Math.max(0, host.times - 1);
          else if (nowS - host.since >= Math.min(300, 30 * host.times)) host.since = -1;
        }
      } else {
        const index = random(hosts);
        const bad = random(3) > 0;
        made.end(index, bad ? 500 : 200);
        const host = model[index];
        if (host === undefined) continue;
        host.row = bad ? host.row + 1 : 0;
        if (host.row === policy.consecutive5xx) {
          host.row = 0;
          const out = model.filter(({ since }) => since >= 0).length;
          if (host.since < 0 && (out === 0 || (100 * out) / hosts < policy.maxEjectionPercent)) {
            host.since = nowS;
            host.times = Math.min(10, host.times + 1);
          }
        }
      }
      expect(made.ejected(), `step ${step}`).toEqual(model.flatMap(({ since }, i) => (since >= 0 ? [i] : [])));
    }
  });
});

describe("through an edge", () => {
  it("an endpoint that fails is left alone by every worker, and a function too", async () => {
    const bad = await stage.http((_, response) => void response.writeHead(500, { "X-From": "bad" }).end());
    const good = await stage.http((_, response) => void response.writeHead(200, { "X-From": "good" }).end());
    const front = await freePort();
    const edge = stage.edge({ workers: 2 });
    edge.register("f", () => Promise.resolve({ status: 503, headers: ["X-From", "f"], body: undefined }));
    const endpoints = [
      address(bad, "bad"),
      address(good, "good"),
      { kind: "function", id: "f", requestBytesMax: 1 } as const,
    ];
    const outlier = { ...envoy, maxEjectionPercent: 100 };
    await edge.apply({
      epoch: 1,
      listeners: [listener(front, [all("c")])],
      clusters: [cluster("c", endpoints, { outlier })],
    });
    const from = async () => {
      const client = stage.client(front);
      const response = await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response();
      return fieldOf(response, "x-from");
    };
    const ejected = () => edge.health("c").flatMap((health) => (health.ejected ? [health.endpointId] : []));
    while (ejected().length < 2) await from();
    expect(ejected().sort()).toEqual(["bad", "f"]);
    for (let i = 0; i < 20; i += 1) expect(await from()).toBe("good");
  });

  it("connections that nobody accepts eject, and a passing check brings back", async () => {
    const gone = await freePort();
    const good = await stage.http((_, response) => void response.end("good"));
    const check = {
      protocol: "tcp" as const,
      path: "/",
      port: good,
      intervalMs: 100,
      timeoutMs: 1_000,
      healthyCount: 1,
      unhealthyCount: 2,
      matcher: "200",
      userAgent: "checker/1",
    };
    const front = await freePort();
    const edge = stage.edge();
    const clusters = [cluster("c", [address(gone, "gone"), address(good, "good")], { outlier: envoy, health: check })];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    await eventually(() => edge.health("c").every(({ state }) => state === "healthy"));
    const ask = () => stage.client(front).send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response();
    const ejected = () => edge.health("c")[0]?.ejected === true;
    while (!ejected()) await ask();
    await eventually(() => !ejected());
  });
});
