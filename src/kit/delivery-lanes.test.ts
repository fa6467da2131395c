/** Lanes of the outbox, on both engines: what one target does is no other's business. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPostgres, type TestPostgres } from "../../test/postgres.ts";
import { FakeClock } from "../base/clock.ts";
import { Fault } from "../base/errors.ts";
import { countingIds } from "../base/ids.ts";
import { openStore } from "../store/open.ts";
import { json, sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createDelivery, type Intent, type Lane } from "./delivery.ts";
import { packInput } from "./packing.ts";
import { kitSchema } from "./schema.ts";

let postgres: TestPostgres;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mikan-lanes-"));
  postgres = await startPostgres();
}, 60_000);
afterAll(async () => {
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
});

const places = {
  sqlite: () => mkdtemp(join(directory, "data-")),
  postgres: () => postgres.createDatabase(),
};

const intentOf = (key: string, lane?: Lane): Intent => ({
  target: { service: "sns", operation: "Deliver" },
  ...(lane === undefined ? {} : { lane }),
  input: { key },
  policy: { retryDelaysMs: [1_000, 2_000], maxAgeMs: 3600_000 },
  key,
  call: { account: "000000000000", region: "us-east-1", trace: { root: "1-0-0", sampled: false } },
  principal: { kind: "service", service: "sns.amazonaws.com" },
});

async function startNode(data: string, clock: FakeClock, deliver: (key: string) => Promise<void> | void) {
  const [log, metrics] = [silentLog, createMetrics()];
  const store = await openStore({ data, ephemeral: false, clock, log, metrics });
  await store.migrate([kitSchema]);
  const delivered: string[] = [];
  const delivery = createDelivery({
    store,
    clock,
    ids: countingIds(),
    log,
    metrics,
    publicUrl: () => "http://127.0.0.1:4566",
    async invoke(_service, _operation, input) {
      const { key } = input as { key: string };
      await deliver(key);
      delivered.push(key);
      return {};
    },
  });
  const enqueue = (...intents: Intent[]) =>
    store.tx(async (tx) => {
      for (const intent of intents) await delivery.enqueue(tx, intent);
    });
  const claim = async () => {
    while ((await delivery.job.run(new AbortController().signal))?.more === true);
  };
  const round = async () => {
    await claim();
    await delivery.settled();
  };
  return { store, delivery, delivered, enqueue, claim, round };
}

const lanesLeft = (store: Store) =>
  store.read((tx) => tx.all<{ lane: string }>(sql`select lane from kit_lanes order by lane`));

describe.each(["sqlite", "postgres"] as const)("lanes on %s", { timeout: 90_000 }, (engine) => {
  it("hold up no other when one takes as many as it may", async () => {
    const held = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const clock = new FakeClock();
    const node = await startNode(await places[engine](), clock, async (key) => {
      if (!key.startsWith("slow")) return;
      running += 1;
      most = Math.max(most, running);
      await held.promise;
      running -= 1;
    });
    const slow = Array.from({ length: 40 }, (_, i) => intentOf(`slow-${i}`, { name: "slow", concurrentMax: 3 }));
    await node.enqueue(...slow, intentOf("quick-1", { name: "quick" }), intentOf("plain"));
    await node.claim();
    await expect.poll(() => node.delivered).toEqual(expect.arrayContaining(["quick-1", "plain"]));
    await node.enqueue(intentOf("quick-2", { name: "quick" }));
    await node.claim();
    await expect.poll(() => node.delivered).toContain("quick-2");
    expect(running).toBe(3);
    held.resolve();
    for (let turn = 0; turn < 20; turn += 1) await node.round();
    expect(node.delivered).toHaveLength(43);
    expect(most).toBe(3);
    // A lane is looked at once more when the lease of its last is over, and is gone.
    await clock.advance(60_000);
    await node.round();
    expect(await lanesLeft(node.store)).toEqual([]);
    await node.store.close();
  });

  it("keep their order where they have one, also while the first fails", async () => {
    const clock = new FakeClock();
    let failures = 2;
    const node = await startNode(await places[engine](), clock, (key) => {
      if (key === "a-1" && failures-- > 0) throw new Fault("Broken", "not yet");
    });
    const ordered = (key: string, position: number) => intentOf(key, { name: key.slice(0, 1), position });
    // Written in another order than that of their positions.
    await node.enqueue(ordered("a-3", 3), ordered("a-1", 1), ordered("b-1", 1), ordered("a-2", 2), ordered("b-2", 2));
    await node.round();
    await node.round();
    expect(node.delivered).toEqual(["b-1", "b-2"]);
    await clock.advance(1_000);
    await node.round();
    await clock.advance(2_000);
    for (let turn = 0; turn < 3; turn += 1) await node.round();
    expect(node.delivered).toEqual(["b-1", "b-2", "a-1", "a-2", "a-3"]);
    await node.store.close();
  });

  it("begin no more in a second than they may", async () => {
    const clock = new FakeClock();
    const node = await startNode(await places[engine](), clock, () => {});
    const lane = { name: "rated", perSecondMax: 5 };
    await node.enqueue(...Array.from({ length: 12 }, (_, i) => intentOf(`rated-${i}`, lane)));
    await node.round();
    expect(node.delivered).toHaveLength(5);
    await node.round();
    expect(node.delivered).toHaveLength(5);
    await clock.advance(400);
    await node.round();
    expect(node.delivered).toHaveLength(7);
    await clock.advance(60_000);
    await node.round();
    expect(node.delivered).toHaveLength(12);
    await node.store.close();
  });

  it("carry over what waited before there were lanes", async () => {
    const data = await places[engine]();
    const [log, metrics, clock] = [silentLog, createMetrics(), new FakeClock()];
    const before = await openStore({ data, ephemeral: false, clock, log, metrics });
    await before.migrate([{ ...kitSchema, migrations: kitSchema.migrations.slice(0, 2) }]);
    const { policy, principal, call } = intentOf("old");
    await before.tx((tx) =>
      tx.run(sql`insert into kit_deliveries (id, due_ms, claims, attempts, throttled, created_ms, account, region, service,
        operation, dedupe_key, input, policy, principal, trace) values (${"1"}, ${clock.now()}, ${0}, ${0}, ${0}, ${clock.now()},
        ${"000000000000"}, ${"us-east-1"}, ${"sns"}, ${"Deliver"}, ${"k"}, ${packInput({ key: "old" })}, ${json(policy)}, ${json(principal)}, ${json(call.trace)})`),
    );
    await before.close();
    const node = await startNode(data, clock, () => {});
    await node.round();
    expect(node.delivered).toEqual(["old"]);
    await node.store.close();
  });
});
