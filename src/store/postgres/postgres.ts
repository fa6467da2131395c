/** The store for many nodes: one PostgreSQL database, and no acknowledged state anywhere else. */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { Admission } from "../admission.ts";
import { refuseNesting } from "../body.ts";
import { checkAppend, checkClaim } from "../rows.ts";
import { raw } from "../sql.ts";
import type { Store, TxOptions } from "../store.ts";
import type { Schema } from "../tables.ts";
import { Appends } from "./append.ts";
import { blobSchema, createRowBlobs } from "./blobs.ts";
import { rerun, runBody, type BodyDeps } from "./bodies.ts";
import { claimRows } from "./claim.ts";
import { migrate } from "./migrate.ts";
import { Sessions } from "./session.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`. */
  url: string;
  /** Connections of this node, 2 or more; 16 when left out. Beyond a few per core of the server they only conflict more. */
  poolSize?: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

const poolSizeDefault = 16;
/** Calls inside the store at a time; at PostgreSQL's pace the last waits for about 2 s. */
const acceptedMax = 4_096;

const isolation = (level: string) => `set default_transaction_isolation = '${level}'`;

/** Refuses a server that would acknowledge what is not on disk, or keep text in another encoding. */
async function checkServer(sessions: Sessions): Promise<void> {
  const settings = (await sessions.use((session) =>
    session.one(
      raw(`select current_setting('synchronous_commit') as synchronous, current_setting('fsync') as fsync,
      current_setting('server_encoding') as encoding, current_setting('server_version_num')::int8 as version`),
    ),
  )) as { synchronous: string; fsync: string; encoding: string; version: number };
  if (settings.synchronous === "off" || settings.fsync === "off") {
    throw new Error("PostgreSQL runs with synchronous_commit or fsync off: acknowledged changes could be lost");
  }
  if (settings.encoding !== "UTF8") throw new Error(`the database's encoding is ${settings.encoding}; it must be UTF8`);
  if (settings.version < 130_000) throw new Error(`PostgreSQL 13 or later is needed, this is ${settings.version}`);
}

/** On a connection of its own, which may wait for another node and for an index as long as these take. */
async function migrateAt(url: string, schemas: readonly Schema[], { clock, log }: BodyDeps): Promise<void> {
  const sessions = new Sessions({ url, size: 1, setup: isolation("read committed"), patient: true, log });
  try {
    await sessions.use((session) => migrate(session, schemas, clock, log));
  } finally {
    await sessions.end();
  }
}

/**
 * Opens the store of a PostgreSQL database.
 *
 * @example const store = await createPostgresStore({ url: "postgres://mikan@db/mikan", clock, log, metrics });
 */
export async function createPostgresStore(options: PostgresOptions): Promise<Store> {
  const { url, poolSize = poolSizeDefault, clock, log, metrics } = options;
  const lightSize = Math.max(1, Math.floor(poolSize / 2));
  // Two pools, because the level of a transaction would cost a round trip: bodies and appends are serializable,
  // claims must not be (a row that another has just taken is skipped, not a conflict).
  const serial = new Sessions({ url, size: Math.max(1, poolSize - lightSize), setup: isolation("serializable"), log });
  const light = new Sessions({ url, size: lightSize, setup: isolation("read committed"), log });
  try {
    await checkServer(light);
    await migrateAt(url, [blobSchema], { clock, log, metrics });
  } catch (error) {
    await Promise.all([serial.end(), light.end()]);
    throw asError(error);
  }
  return storeOver(url, serial, light, { clock, log, metrics });
}

function storeOver(url: string, serial: Sessions, light: Sessions, deps: BodyDeps): Store {
  const admission = new Admission(acceptedMax, deps.metrics.counter("store_busy", { kind: "postgres" }));
  const appends = new Appends(deps, serial);
  const enter = async <T>(call: string, work: () => Promise<T>): Promise<T> => {
    refuseNesting(call);
    const startedMs = deps.clock.monotonicMs();
    try {
      return await admission.accept(work);
    } finally {
      deps.metrics.histogram("store_call_ms", { kind: call }).record(deps.clock.monotonicMs() - startedMs);
    }
  };
  let closing: Promise<void> | undefined;
  async function close() {
    await admission.close();
    await Promise.all([serial.end(), light.end()]);
  }

  return {
    engine: "postgres",
    onlyWriter: false,
    tx: (body, { isolation }: TxOptions = {}) =>
      enter("tx", () => runBody(deps, isolation === "claim" ? light : serial, "begin", body)),
    read: (body) => enter("read", () => runBody(deps, light, "begin isolation level repeatable read read only", body)),
    append: (into, rows, seen) =>
      enter("append", async () => {
        checkAppend(rows);
        await appends.append(into, rows);
        // Other connections see them once they are committed.
        seen?.();
      }),
    claim: (claim) =>
      enter("claim", async () => {
        checkClaim(claim);
        return rerun(deps, () => light.use((session) => claimRows(session, claim)));
      }),
    blobs: createRowBlobs({ sessions: light, clock: deps.clock, accept: (call) => admission.accept(call) }),
    migrate: (schemas) => enter("migrate", () => migrateAt(url, schemas, deps)),
    close: () => (closing ??= close()),
  };
}
