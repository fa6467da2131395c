/**
 * The same handlers of SQS behind the same door, with a store that keeps messages in an array: what is left of a call when
 * nothing is stored. Run as `node bench/sqs/floor.ts PORT`.
 */
import { Fault } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/clock.ts";
import { jsonResponse } from "../../src/base/http.ts";
import { randomIds } from "../../src/base/ids.ts";
import { createScheduler } from "../../src/base/scheduler.ts";
import { createEndpoint } from "../../src/api/endpoint.ts";
import { createHttpServer } from "../../src/edge/server.ts";
import { createDispatcher } from "../../src/kit/dispatch.ts";
import { schemaOf, type Deps } from "../../src/kit/service.ts";
import { sqs } from "../../src/services/sqs/service.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { silentLog as log } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createSpans } from "../../src/telemetry/trace.ts";
import { createWire } from "../../src/wire/wire.ts";

const clock = systemClock;
const ids = randomIds;
const metrics = createMetrics();
/** Messages that are kept; a send beyond them is answered and forgotten. */
const keptMax = 100_000;

/** Queues are real; messages come and go in memory, at once. */
function stubbed(store: Store): Store {
  const kept: object[] = [];
  return {
    ...store,
    async append(_, rows, seen) {
      if (kept.length < keptMax) kept.push(...rows);
      seen?.();
    },
    async claim({ limit }) {
      // The bench claims messages of one table alone.
      return kept.splice(-limit, limit) as never[];
    },
    tx: (body, options) =>
      options?.isolation === "claim"
        ? body({ one: async () => undefined, all: async () => [], run: async () => 1, afterCommit: () => {} })
        : store.tx(body),
  };
}

const store = stubbed(await openStore({ ephemeral: true, clock, log, metrics }));
await store.migrate([schemaOf(sqs)]);
const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans() });
const unused = new Proxy({}, { get: (_, name) => () => Promise.reject(new Error(`${String(name)} is not here`)) });
dispatcher.add(
  "sqs",
  sqs.create({
    ...({ delivery: unused, edge: unused, compute: unused, sessions: unused, secrets: unused } as unknown as Deps),
    store,
    clock,
    ids,
    log,
    metrics,
    scheduler: createScheduler(clock, (_, error) => {
      throw error;
    }),
    peers: dispatcher.peers,
  }),
);
const handler = createEndpoint({
  clock,
  ids,
  log,
  wire: createWire({ clock, ids }),
  dispatcher,
  keyOf: async () => undefined,
  safety: { hosts: [], verified: false },
  admin: async () => jsonResponse(404, new Fault("NotFound", "there are no pages here")),
});
const port = Number(process.argv[2]);
const server = await createHttpServer({ handler, class: "api", address: "127.0.0.1", port, clock, log });
process.once("SIGTERM", () => {
  void server
    .close(0)
    .then(() => store.close())
    .then(() => process.exit(0));
});
