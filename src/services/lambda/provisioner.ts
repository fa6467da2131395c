/**
 * Keeps environments started ahead as the store says: after a start of the node, a change of a configuration, of an alias
 * or of a reservation. What is asked for lasts; how far it has come is this node's own.
 */
import { asError } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import type { Job, ScheduledJob } from "../../base/scheduler.ts";
import type { Compute, ProvisionedStatus } from "../../compute/ports.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { findWeights } from "./alias-weights.ts";
import { specId, type Executions, type Prepared } from "./executions.ts";
import { arnOf, isVersionNumber, keyOf } from "./names.ts";
import { provisionedConfigs, type ProvisionedKey, type ProvisionedRow } from "./provisioned-tables.ts";
import type { Allotment, Slots } from "./slots.ts";
import { findAlias, findFunction, findVersion, type VersionRow } from "./tables.ts";

/** How soon environments that have become ready are given to invocations. */
const lookMs = 250;
/** Another node may have changed what is asked for. */
const rereadMs = 10_000;
/** Configurations of all accounts that one node takes up; as many as it has room for environments at most. */
const configsMax = 10_000;

export interface Provisioner {
  job: Job;
  /** Handed the scheduled job, so that a change wakes it. */
  attach(job: ScheduledJob): void;
  /** Something that it reads has changed. */
  wake(): void;
  /** How far a configuration has come. */
  statusOf(key: ProvisionedKey): ProvisionedStatus;
}

/** What one version is asked for. */
interface Share {
  row: VersionRow;
  count: number;
  reserved: boolean;
}

/** A version whose environments this node keeps. */
interface Kept {
  prepared: Prepared;
  row: VersionRow;
  count: number;
}

export interface ProvisionerDeps {
  store: Store;
  clock: Clock;
  log: Log;
  compute: Compute;
  executions: Executions;
  slots: Slots;
}

const configKey = (key: ProvisionedKey) => `${keyOf(key)}:${key.qualifier}`;

/** The versions behind a qualifier, each with its part of `requested`: a weighted alias has two. */
async function versionsOf(tx: ReadTx, key: ProvisionedRow): Promise<[version: string, count: number][]> {
  if (isVersionNumber(key.qualifier)) return [[key.qualifier, key.requested]];
  const alias = await findAlias(tx, key, key.qualifier);
  if (alias === undefined) return [];
  const parts: [string, number][] = [];
  let left = key.requested;
  for (const [version, weight] of Object.entries(await findWeights(tx, key, key.qualifier))) {
    const count = Math.round(key.requested * weight);
    left -= count;
    parts.push([version, count]);
  }
  return [[alias.version, left], ...parts];
}

async function sharesOf(tx: ReadTx, config: ProvisionedRow): Promise<Share[]> {
  const of = await findFunction(tx, config);
  const shares: Share[] = [];
  for (const [version, count] of await versionsOf(tx, config)) {
    const row = await findVersion(tx, config, version);
    if (row !== undefined && count > 0) shares.push({ row, count, reserved: of?.reserved !== null });
  }
  return shares;
}

const none: ProvisionedStatus = { requested: 0, allocated: 0, available: 0 };

const together = (a: ProvisionedStatus, b: ProvisionedStatus): ProvisionedStatus => {
  const failure = a.failure ?? b.failure;
  return {
    requested: a.requested + b.requested,
    allocated: a.allocated + b.allocated,
    available: a.available + b.available,
    ...(failure === undefined ? {} : { failure }),
  };
};

export function createProvisioner(deps: ProvisionerDeps): Provisioner {
  const { store, clock, log, compute, executions, slots } = deps;
  let scheduled: ScheduledJob | undefined;
  /** By configuration, as last read. */
  let wanted = new Map<string, Share[]>();
  /** By spec. */
  const kept = new Map<string, Kept>();
  let changed = true;
  let readMs = -Infinity;

  const readWanted = async () => {
    changed = false;
    readMs = clock.monotonicMs();
    wanted = await store.read(async (tx) => {
      const configs = await tx.all<ProvisionedRow>(sql`select ${provisionedConfigs.columns}
        from ${provisionedConfigs.name} order by modified_ms limit ${configsMax}`);
      const shares = new Map<string, Share[]>();
      for (const config of configs) shares.set(configKey(config), await sharesOf(tx, config));
      return shares;
    });
  };

  /** What each spec is asked for: several aliases may name one version. */
  const perSpec = (): Map<string, Share> => {
    const sums = new Map<string, Share>();
    for (const share of [...wanted.values()].flat()) {
      const id = specId(share.row);
      sums.set(id, { ...share, count: share.count + (sums.get(id)?.count ?? 0) });
    }
    return sums;
  };

  const keep = async (id: string, { row, count }: Share) => {
    const present = kept.get(id);
    if (present?.count === count) return;
    try {
      const prepared = present?.prepared ?? (await executions.prepare(row));
      compute.provision(prepared.spec, count);
      kept.set(id, { prepared, row, count });
    } catch (error) {
      // Tried again at the next look; the others must not wait for this one.
      changed = true;
      log.error("environments could not be started ahead", { version: arnOf(row), error: asError(error) });
    }
  };

  /** Ends what is asked for no more: at once, or once those of the version that took its place are ready. */
  const letGo = (sums: Map<string, Share>) => {
    for (const [id, { prepared, row }] of kept) {
      if (sums.has(id)) continue;
      const successors = [...sums.entries()].filter(([, { row: other }]) => keyOf(other) === keyOf(row));
      const starting = successors.some(([other]) => {
        const { available, requested, failure } = compute.provisioned(other);
        return available < requested && failure === undefined;
      });
      if (starting) continue;
      compute.provision(prepared.spec, 0);
      prepared.release();
      kept.delete(id);
    }
  };

  const allot = (sums: Map<string, Share>) => {
    const allotments = [...sums].map(([id, { row, count, reserved }]): Allotment => {
      const { account, region, name, version } = row;
      return { account, region, name, version, reserved, count: Math.min(count, compute.provisioned(id).available) };
    });
    slots.allot(allotments);
  };

  return {
    attach(job) {
      scheduled = job;
    },
    wake() {
      changed = true;
      scheduled?.wake();
    },
    statusOf(key) {
      // Who is told that they are ready may count on them: they are allotted by then.
      allot(perSpec());
      return (wanted.get(configKey(key)) ?? [])
        .map(({ row }) => compute.provisioned(specId(row)))
        .reduce(together, none);
    },
    job: {
      name: "lambda:provisioned",
      everyMs: lookMs,
      async run() {
        if (changed || clock.monotonicMs() - readMs >= rereadMs) await readWanted();
        if (wanted.size === 0 && kept.size === 0) return;
        const sums = perSpec();
        for (const [id, share] of sums) await keep(id, share);
        letGo(sums);
        allot(sums);
      },
    },
  };
}
