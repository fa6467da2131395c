/** The services of a node. Each is opened when it is first needed, so that a node starts with those only that have data. */
import { must } from "./base/errors.ts";
import type { Scheduler } from "./base/scheduler.ts";
import { accountIn, type KeyOf } from "./kit/credentials.ts";
import type { Dispatcher } from "./kit/dispatch.ts";
import type { Resource } from "./kit/resource.ts";
import { schemaOf, type Deps, type Service, type ServiceDefinition } from "./kit/service.ts";
import { services, type ServiceEntry } from "./services/index.ts";
import { migrations } from "./store/migrations.ts";
import { sql } from "./store/sql.ts";
import type { Store } from "./store/store.ts";

export interface RosterDeps {
  store: Store;
  dispatcher: Dispatcher;
  scheduler: Scheduler;
  /** What a service of this name is handed. */
  depsOf(name: string, roster: Roster): Deps;
}

export interface Roster {
  /** Opens a service; undefined where there is nothing to wait for: it is open, or none of this node's. */
  open(name: string): Promise<void> | undefined;
  /** Opens those that have tables in the store: what they left goes on. */
  openPresent(): Promise<void>;
  openAll(): Promise<void>;
  /** Opens the services that make these CloudFormation types. */
  openTypes(types: Iterable<string>): Promise<void>;
  /** The type, when the service that makes it has been opened. */
  resourceType(type: string): Resource | undefined;
  /** Types of the services that are open. */
  resourceTypes(): readonly string[];
  /** Asks the services that make keys, and opens them for keys as they make them. */
  readonly keyOf: KeyOf;
  /** Does a row of an open service name the blob? */
  namesBlob(id: string): Promise<boolean>;
  /** Stops those that are open, the last first; one that is opened from here on answers, and begins nothing. */
  stop(): Promise<void>;
}

interface Seat {
  entry: ServiceEntry;
  /** Made and known to the dispatcher: its peers reach it, also while it starts. */
  service?: Service;
  opening?: Promise<void>;
  isOpen: boolean;
}

export function createRoster({ store, dispatcher, scheduler, depsOf }: RosterDeps): Roster {
  const seats = new Map(services.map((entry): [string, Seat] => [entry.name, { entry, isOpen: false }]));
  const resources = new Map<string, Resource>();
  const started: Service[] = [];
  let stopping = false;

  const make = (seat: Seat, definition: ServiceDefinition) => {
    const { name } = seat.entry;
    const service = definition.create(depsOf(name, roster));
    dispatcher.add(name, service);
    for (const resource of service.resources ?? []) resources.set(resource.type, resource);
    seat.service = service;
  };

  /** All are made before the first starts, as one that starts may call another. */
  const openSeats = async (wanted: readonly Seat[]) => {
    const definitions = await Promise.all(wanted.map(({ entry }) => entry.load()));
    await store.migrate(definitions.map(schemaOf));
    wanted.forEach((seat, index) => make(seat, must(definitions[index], seat.entry.name)));
    // What comes last still finds who takes it, a function's last lines for one; nothing of its own begins.
    if (stopping) return;
    for (const seat of wanted) {
      const service = must(seat.service, seat.entry.name);
      await service.start?.();
      started.push(service);
      seat.isOpen = true;
      for (const job of service.workers ?? []) scheduler.start(job);
    }
  };

  const begin = (wanted: readonly Seat[]): Promise<void> => {
    const opening = openSeats(wanted).catch((error: unknown) => {
      // The next who needs it tries again.
      for (const seat of wanted) if (!seat.isOpen) delete seat.opening;
      throw error;
    });
    for (const seat of wanted) seat.opening = opening;
    return opening;
  };

  const openMany = async (wanted: readonly Seat[]) => {
    const closed = wanted.filter((seat) => seat.opening === undefined && !seat.isOpen);
    if (closed.length > 0) void begin(closed);
    await Promise.all(wanted.flatMap(({ opening }) => opening ?? []));
  };

  const roster: Roster = {
    open(name) {
      const seat = seats.get(name);
      if (seat === undefined || seat.isOpen) return undefined;
      return seat.opening ?? begin([seat]);
    },
    async openPresent() {
      const rows = await store.read((tx) =>
        tx.all<{ owner: string }>(sql`select distinct owner from ${migrations.name}`),
      );
      const owners = new Set(rows.map(({ owner }) => owner));
      await openMany([...seats.values()].filter(({ entry }) => owners.has(entry.name)));
    },
    openAll: () => openMany([...seats.values()]),
    async openTypes(types) {
      const prefixes = new Set(Array.from(types, (type) => type.split("::", 2).join("::")));
      const wanted = [...seats.values()].filter(
        // One that was made and starts need not be waited for, and may be the one that asks.
        ({ entry, service }) => service === undefined && entry.types !== undefined && prefixes.has(entry.types),
      );
      await openMany(wanted);
    },
    resourceType: (type) => resources.get(type),
    resourceTypes: () => [...resources.keys()],
    async keyOf(presented) {
      if (accountIn(presented.accessKeyId) === undefined) return undefined;
      for (const seat of seats.values()) {
        if (seat.entry.makesKeys !== true) continue;
        await roster.open(seat.entry.name);
        const known = await seat.service?.keyOf?.(presented);
        if (known !== undefined) return known;
      }
      return undefined;
    },
    async namesBlob(id) {
      for (const { service } of seats.values()) if ((await service?.namesBlob?.(id)) === true) return true;
      return false;
    },
    async stop() {
      stopping = true;
      await Promise.allSettled([...seats.values()].flatMap(({ opening }) => opening ?? []));
      for (const service of started.toReversed()) await service.stop?.();
    },
  };
  return roster;
}
