/** What can be said of a template where no node runs: `mikan check`. */
import { systemClock } from "./base/clock.ts";
import { Bug } from "./base/errors.ts";
import { randomIds } from "./base/ids.ts";
import { createScheduler } from "./base/scheduler.ts";
import type { Resource } from "./kit/resource.ts";
import { openSecrets } from "./kit/secrets.ts";
import type { Deps } from "./kit/service.ts";
import { createSessions } from "./kit/sessions.ts";
import { checkOffline, type OfflineOptions, type OfflineReport } from "./services/cloudformation/offline.ts";
import { services } from "./services/index.ts";
import { silentLog } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";

export type { OfflineReport };

/** Checks the text of a template against AWS's specification, and against what this version runs. */
export async function checkTemplate(text: string, options: Omit<OfflineOptions, "typeOf">): Promise<OfflineReport> {
  const types = await resourceTypes();
  return checkOffline(text, { ...options, typeOf: (type) => types.get(type) });
}

/** The resource types of all services, which are made for it and not started: what they describe needs no node. */
export async function resourceTypes(): Promise<ReadonlyMap<string, Resource>> {
  const clock = systemClock;
  const deps: Deps = {
    clock,
    ids: randomIds,
    log: silentLog,
    metrics: createMetrics(),
    scheduler: createScheduler(clock, () => {}),
    sessions: createSessions(),
    secrets: await openSecrets({ given: undefined, directory: undefined, ephemeral: true }),
    store: idle("store"),
    peers: idle("peers"),
    delivery: idle("delivery"),
    edge: idle("edge"),
    compute: idle("compute"),
    cacheDir: "",
    publicUrl: () => "",
    resourceType: () => undefined,
    openTypes: idle("openTypes"),
  };
  const definitions = await Promise.all(services.map(({ load }) => load()));
  const resources = definitions.flatMap((service) => service.create(deps).resources ?? []);
  return new Map(resources.map((resource) => [resource.type, resource]));
}

/** A part of a node that is not running: it may be handed on, and not used. */
function idle<T extends object>(name: string): T {
  const part: unknown = new Proxy(() => {}, {
    get: (_, key) => (typeof key === "string" ? idle(`${name}.${key}`) : undefined),
    apply() {
      throw new Bug(`${name} is used while services are made; that is what start() is for`);
    },
  });
  return part as T;
}
