/** The store by its address: a directory, or a PostgreSQL database. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createSqliteStore } from "./sqlite/sqlite.ts";
import type { Store } from "./store.ts";

export interface OpenStoreOptions {
  /** A directory, or `postgres://user:password@host:port/database`. May be left out with `ephemeral`. */
  data?: string;
  /** Nothing need survive; only for a directory. */
  ephemeral?: boolean;
  /** Of an ephemeral one: what it begins with, a directory that {@link Store.copyTo} has filled. */
  from?: string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

/** @example const store = await openStore({ data: ".mikan", clock: systemClock, log, metrics }); */
export async function openStore({ data, ephemeral = false, from, ...deps }: OpenStoreOptions): Promise<Store> {
  if (data !== undefined && /^postgres(ql)?:\/\//.test(data)) {
    if (ephemeral) throw new Error(`${new URL(data).host} keeps its data: a PostgreSQL database is not ephemeral`);
    // Loaded only where it is used: the client costs an embedded node 20 ms of its start.
    const { createPostgresStore } = await import("./postgres/postgres.ts");
    return createPostgresStore({ url: data, ...deps });
  }
  const where = { ...(data === undefined ? {} : { directory: data }), ...(from === undefined ? {} : { from }) };
  return createSqliteStore({ ...where, ephemeral, ...deps });
}
