/** A few services on the real store and dispatcher, under a clock that tests move: for what the calendar does. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock, systemClock } from "../base/clock.ts";
import { must } from "../base/errors.ts";
import { randomIds } from "../base/ids.ts";
import { createScheduler } from "../base/scheduler.ts";
import type { Call } from "../kit/call.ts";
import { createDelivery } from "../kit/delivery.ts";
import { createDispatcher } from "../kit/dispatch.ts";
import type { Peers } from "../kit/peers.ts";
import { kitSchema } from "../kit/schema.ts";
import { secretsUnder } from "../kit/secrets.ts";
import { schemaOf, type Deps, type Operation, type Service, type ServiceDefinition } from "../kit/service.ts";
import { createSessions } from "../kit/sessions.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { createLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createSpans, newTrace } from "../telemetry/trace.ts";

export interface TestServices {
  clock: FakeClock;
  store: Store;
  peers: Peers;
  call: Call;
  /** Every line that was logged, down to `debug`. */
  logged: string[];
  /** The directory of the data. */
  directory: string;
  /** Runs a background job once, to its end. */
  runJob(name: string): Promise<void>;
  /** Makes what deliveries are due, and waits for them. */
  deliver(): Promise<void>;
  /** Adds a service that is a stand-in: its operations are given. */
  standIn(name: string, operations: Readonly<Record<string, Operation>>): void;
}

export const account = "000000000000";
export const region = "us-east-1";

// A test that uses one of these would fail here.
const nothing = <T extends object>(what: string): T =>
  new Proxy({} as T, {
    get(_, member) {
      throw new Error(`${what}'s ${String(member)} was used`);
    },
  });

/** Runs `body` with these services, on SQLite unless `data` is elsewhere; jobs run when `runJob` says so. */
export async function withServices<T>(
  definitions: readonly ServiceDefinition[],
  body: (services: TestServices) => Promise<T>,
  data?: string,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-services-"));
  const clock = new FakeClock();
  const ids = randomIds;
  const logged: string[] = [];
  const log = createLog({ clock, level: "debug", write: (line) => logged.push(line) });
  const metrics = createMetrics();
  const store = await openStore({ data: data ?? directory, clock: systemClock, log, metrics });
  const scheduler = createScheduler(clock, (job, error) => log.error("job failed", { job, error }));
  const publicUrl = () => "http://127.0.0.1:4566";
  try {
    await store.migrate([kitSchema, ...definitions.map(schemaOf)]);
    const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans() });
    const delivery = createDelivery({ store, clock, ids, log, metrics, publicUrl, invoke: dispatcher.inside });
    const services = new Map<string, Service>();
    for (const definition of definitions) {
      const deps: Deps = {
        store,
        clock,
        ids,
        log,
        metrics,
        scheduler,
        peers: dispatcher.peers,
        delivery,
        edge: nothing("the edge"),
        compute: nothing("compute"),
        sessions: createSessions(),
        secrets: secretsUnder(new Uint8Array(32)),
        cacheDir: join(directory, "cache"),
        publicUrl,
        resourceType: () => undefined,
        openTypes: async () => {},
      };
      const service = definition.create(deps);
      dispatcher.add(definition.name, service);
      services.set(definition.name, service);
    }
    const workers = [...services.values()].flatMap((service) => service.workers ?? []);
    const call: Call = {
      account,
      region,
      principal: { kind: "user", account, accessKeyId: account },
      requestId: ids.uuid(),
      trace: newTrace(ids, clock.now()),
      signal: new AbortController().signal,
      deadline: clock.now() + 60_000,
      publicUrl: publicUrl(),
    };
    return await body({
      clock,
      store,
      peers: dispatcher.peers,
      call,
      logged,
      directory,
      async runJob(name) {
        const job = must(
          workers.find((worker) => worker.name === name),
          name,
        );
        await job.run(new AbortController().signal);
      },
      async deliver() {
        await delivery.job.run(new AbortController().signal);
        await delivery.settled();
      },
      standIn: (name, operations) => dispatcher.add(name, { operations }),
    });
  } finally {
    await scheduler.stop();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}
