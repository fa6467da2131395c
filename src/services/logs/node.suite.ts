/** A node with this service alone, for tests: the real store and dispatcher. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { countingIds } from "../../base/ids.ts";
import { createScheduler } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import { createDispatcher } from "../../kit/dispatch.ts";
import type { PeerOf } from "../../kit/handlers.ts";
import { kitSchema } from "../../kit/schema.ts";
import { schemaOf, type Deps, type Service } from "../../kit/service.ts";
import { secretsUnder } from "../../kit/secrets.ts";
import { createSessions } from "../../kit/sessions.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createSpans, newTrace } from "../../telemetry/trace.ts";
import { logs } from "./service.ts";

export interface TestNode {
  clock: FakeClock;
  store: Store;
  service: Service;
  logs: PeerOf<typeof import("@aws-sdk/client-cloudwatch-logs")>;
  call: Call;
  /** Runs a background job once, to its end. */
  runJob(name: string): Promise<void>;
  ingest(lines: readonly { group: string; stream: string; timeMs: number; text: string }[]): Promise<void>;
}

export const account = "000000000000";
export const region = "us-east-1";

// This service uses neither; a test that made it would fail here.
const nothing = <T extends object>(what: string): T =>
  new Proxy({} as T, {
    get(_, member) {
      throw new Error(`${what}'s ${String(member)} was used`);
    },
  });

export async function withNode<T>(body: (node: TestNode) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-logs-"));
  const clock = new FakeClock();
  const ids = countingIds();
  const log = silentLog;
  const metrics = createMetrics();
  const store = await openStore({ data: directory, clock, log, metrics });
  try {
    await store.migrate([kitSchema, schemaOf(logs)]);
    const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans() });
    const publicUrl = () => "http://127.0.0.1:4566";
    const deps: Deps = {
      store,
      clock,
      ids,
      log,
      metrics,
      scheduler: createScheduler(clock, () => {}),
      peers: dispatcher.peers,
      delivery: nothing("the outbox"),
      edge: nothing("the edge"),
      compute: nothing("compute"),
      sessions: createSessions(),
      secrets: secretsUnder(new Uint8Array(32)),
      cacheDir: join(directory, "cache"),
      publicUrl,
      resourceType: () => undefined,
      openTypes: async () => {},
    };
    const service = logs.create(deps);
    dispatcher.add("logs", service);
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
      service,
      logs: dispatcher.peers.logs,
      call,
      async runJob(name) {
        const job = must(
          service.workers?.find((worker) => worker.name === name),
          name,
        );
        await job.run(new AbortController().signal);
      },
      async ingest(lines) {
        const input = {
          lines: lines.map(({ group, stream, timeMs, text }) => ({
            account,
            region,
            logGroup: group,
            logStream: stream,
            timeMs,
            text,
          })),
        };
        await dispatcher.inside("logs", "Ingest", input, call);
      },
    });
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a rejected call answered. */
export async function faultOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error: unknown = await promise.then(
    () => {
      throw new Error("the call was answered, and not refused");
    },
    (refusal: unknown) => refusal,
  );
  if (error instanceof Error && "code" in error) return { code: String(error.code), message: error.message };
  throw error;
}
