import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../base/clock.ts";
import { Fault } from "../base/errors.ts";
import { countingIds } from "../base/ids.ts";
import { openStore } from "../store/open.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import type { Call } from "./call.ts";
import { createDelivery, type DeadLetter, type DeliveryPolicy, type DeliveryWorker, type Intent } from "./delivery.ts";
import { kitSchema } from "./schema.ts";

interface Attempt {
  operation: string;
  input: object;
  call: Call;
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-delivery-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const policy: DeliveryPolicy = { retryDelaysMs: [60_000, 120_000], maxAgeMs: 3600_000, throttles: ["Throttled"] };
const intent: Intent = {
  target: { service: "lambda", operation: "RunEvent" },
  input: { payload: new Uint8Array([1, 2, 3]), at: new Date(5) },
  policy,
  key: "request-1",
  call: { account: "000000000000", region: "us-east-1", trace: { root: "1-0-0", sampled: false } },
  principal: { kind: "service", service: "lambda.amazonaws.com" },
};

/** A store and a worker over it, as after a start of the node. */
async function node(clock: FakeClock, answer: (attempt: Attempt, count: number) => void | Promise<void>) {
  const [log, metrics, ids] = [silentLog, createMetrics(), countingIds()];
  const store = await openStore({ data: directory, ephemeral: false, clock, log, metrics });
  await store.migrate([kitSchema]);
  const attempts: Attempt[] = [];
  const delivery: DeliveryWorker = createDelivery({
    store,
    clock,
    ids,
    log,
    metrics,
    publicUrl: () => "http://127.0.0.1:4566",
    async invoke(_service, operation, input, call) {
      const attempt = { operation, input, call };
      attempts.push(attempt);
      await answer(attempt, attempts.length);
      return {};
    },
  });
  const claim = () => delivery.job.run(new AbortController().signal);
  /** One round of the worker, with all that it began. */
  const round = async () => {
    await claim();
    await delivery.settled();
  };
  return { store, delivery, attempts, claim, round };
}

const waiting = (store: Awaited<ReturnType<typeof node>>["store"], delivery: DeliveryWorker, what: Intent) =>
  store.tx((tx) => delivery.enqueue(tx, what));

describe("the outbox", () => {
  it("delivers what was enqueued, once, with its key, bytes and dates", async () => {
    const { store, delivery, attempts, round } = await node(new FakeClock(), () => {});
    await waiting(store, delivery, intent);
    await round();
    await round();
    expect(attempts).toHaveLength(1);
    expect(attempts[0]?.input).toEqual(intent.input);
    expect(attempts[0]?.call).toMatchObject({ idempotencyKey: "request-1", account: "000000000000" });
    await store.close();
  });

  it("does not deliver what was rolled back", async () => {
    const { store, delivery, attempts, round } = await node(new FakeClock(), () => {});
    const broken = store.tx(async (tx) => {
      await delivery.enqueue(tx, intent);
      throw new Error("no");
    });
    await expect(broken).rejects.toThrow("no");
    await round();
    expect(attempts).toHaveLength(0);
    await store.close();
  });

  it("gives up at once after a fault that is final", async () => {
    const { store, delivery, attempts, round } = await node(new FakeClock(), ({ operation }) => {
      if (operation === "RunEvent") throw new Fault("Never", "not ever");
    });
    const deadLetter = { service: "lambda", operation: "Dead" };
    await waiting(store, delivery, { ...intent, policy: { ...policy, deadLetter, final: ["Never"] } });
    await round();
    await round();
    expect(attempts.map(({ operation }) => operation)).toEqual(["RunEvent", "Dead"]);
    expect(attempts[1]?.input).toMatchObject({ error: { code: "Never" }, attempts: 1 });
    await store.close();
  });

  it("retries after the policy's waits, then tells the dead letter", async () => {
    const clock = new FakeClock();
    const { store, delivery, attempts, round } = await node(clock, ({ operation }) => {
      if (operation === "RunEvent") throw new Fault("FunctionError", "it broke");
    });
    const deadLetter = { service: "lambda", operation: "Dead" };
    await waiting(store, delivery, { ...intent, policy: { ...policy, deadLetter } });
    await round();
    await clock.advance(59_000);
    await round();
    expect(attempts).toHaveLength(1);
    await clock.advance(1_000);
    await round();
    await clock.advance(120_000);
    await round();
    expect(attempts).toHaveLength(3);
    await round();
    const dead = attempts.at(-1);
    expect(dead?.operation).toBe("Dead");
    expect(dead?.input).toEqual({
      input: intent.input,
      error: { code: "FunctionError", message: "it broke", members: {} },
      attempts: 3,
    } satisfies DeadLetter);
    await clock.advance(3600_000);
    await round();
    expect(attempts).toHaveLength(4);
    await store.close();
  });

  it("does not count throttles as attempts", async () => {
    const clock = new FakeClock();
    const { store, delivery, attempts, round } = await node(clock, (_attempt, count) => {
      if (count <= 5) throw new Fault("Throttled", "later");
    });
    await waiting(store, delivery, intent);
    for (let i = 0; i < 6; i += 1) {
      await round();
      await clock.advance(60_000);
    }
    expect(attempts).toHaveLength(6);
    await round();
    expect(attempts).toHaveLength(6);
    await store.close();
  });

  it("delivers at once after a restart what a dead worker had taken, and what waits for its retry in its time", async () => {
    const clock = new FakeClock();
    const first = await node(clock, ({ call }) => {
      if (call.idempotencyKey === "waits") throw new Fault("FunctionError", "it broke");
      return new Promise<void>(() => {});
    });
    await waiting(first.store, first.delivery, { ...intent, key: "waits" });
    await first.claim();
    await first.delivery.settled();
    await waiting(first.store, first.delivery, { ...intent, key: "taken" });
    await first.claim();
    expect(first.attempts).toHaveLength(2);
    await first.store.close();
    const second = await node(clock, () => {});
    await second.round();
    expect(second.attempts.map(({ call }) => call.idempotencyKey)).toEqual(["taken"]);
    await clock.advance(60_000);
    await second.round();
    expect(second.attempts.map(({ call }) => call.idempotencyKey)).toEqual(["taken", "waits"]);
    await second.store.close();
  });
});
