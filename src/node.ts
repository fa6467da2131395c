/** One node, composed: opens the engines, makes the services over them, and puts the front door before them. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createAdmin } from "./api/admin.ts";
import { createFunctionLogs, type FunctionLogs } from "./api/function-logs.ts";
import { knownSecrets } from "./api/identity.ts";
import { createPages } from "./api/pages.ts";
import type { Clock } from "./base/clock.ts";
import { asError, Bug, Fault } from "./base/errors.ts";
import type { HttpHandler } from "./base/http.ts";
import type { Ids } from "./base/ids.ts";
import { createScheduler, type Job, type Scheduler } from "./base/scheduler.ts";
import { createCompute } from "./compute/compute.ts";
import type { Compute, ContainerSettings } from "./compute/ports.ts";
import { createAccessLogFiles } from "./edge/access-log/file.ts";
import { createEdge } from "./edge/edge.ts";
import type { Edge, EgressSettings, WayOut } from "./edge/ports.ts";
import { createHttpServer } from "./edge/server.ts";
import { serviceCall } from "./kit/call.ts";
import { firstOf } from "./kit/credentials.ts";
import { createDelivery, type DeliveryWorker } from "./kit/delivery.ts";
import { createDispatcher, type Dispatcher } from "./kit/dispatch.ts";
import { kitSchema } from "./kit/schema.ts";
import { openSecrets, type Secrets } from "./kit/secrets.ts";
import { createSessions, type Sessions } from "./kit/sessions.ts";
import { sweepClientTokens } from "./kit/tokens.ts";
import { createRoster, type Roster } from "./roster.ts";
import { services } from "./services/index.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";
import type { Log } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { createSpans } from "./telemetry/trace.ts";
import { version } from "./version.ts";
import { createWire } from "./wire/wire.ts";

/** What of {@link MikanOptions} a node is made by; see there. */
export interface NodeOptions {
  host?: string;
  hostNames?: readonly string[];
  data?: string;
  edgeWorkers?: number;
  edgeSpare?: boolean;
  accessLog?: string;
  egress?: EgressSettings;
  egressPolicies?: Readonly<Record<string, object>>;
  rootKey?: { accessKeyId: string; secretAccessKey: string };
  masterKey?: string;
  lambdaConcurrency?: number;
  linkUrl?: string;
  isolation?: "sandbox" | "process";
  containers?: ContainerSettings;
  edgeSwapDelayMs?: (worker: number) => number;
  /** What an ephemeral node begins with: a directory that {@link Node.copyTo} has filled. */
  from?: string;
}

/** What outlives a node that is emptied. */
export interface House {
  /** The services' time, which a test may move. */
  clock: Clock;
  /** Sockets, processes and transactions take the time that they take. */
  machine: Clock;
  aheadMs: () => number;
  ids: Ids;
  log: Log;
  metrics: Metrics;
  publicUrl: () => string;
}

export interface Node {
  handler: HttpHandler;
  stop(graceMs: number): Promise<void>;
  /** Resolves when no background job runs. */
  settled(): Promise<void>;
  /** Copies all that the node keeps into an empty directory. Only of an ephemeral one. */
  copyTo(directory: string): Promise<void>;
}

const upkeepMs = 10 * 60_000;

/** Parts that end with the node, the last opened first. */
interface Ending {
  /** How long what is under way may take; 0 until the node is asked to stop. */
  graceMs: number;
  add(end: () => Promise<void>): void;
  run(): Promise<void>;
}

function createEnding(log: Log): Ending {
  const ends: (() => Promise<void>)[] = [];
  return {
    graceMs: 0,
    add: (end) => void ends.push(end),
    async run() {
      for (const end of ends.toReversed()) {
        await end().catch((error: unknown) => log.error("a part of the node did not stop", { error: asError(error) }));
      }
      ends.length = 0;
    },
  };
}

/** The engines, and what the kit makes of them. */
interface Engines {
  store: Store;
  secrets: Secrets;
  sessions: Sessions;
  dispatcher: Dispatcher;
  functionLogs: FunctionLogs;
  compute: Compute;
  edge: Edge & WayOut;
  delivery: DeliveryWorker;
  scheduler: Scheduler;
  cacheDir: string;
}

/** Starts a node; rejects, with everything ended that was opened, when a part of it does not start. */
export async function startNode(options: NodeOptions, house: House, reset: () => Promise<void>): Promise<Node> {
  const ending = createEnding(house.log);
  try {
    let roster: Roster | undefined;
    const engines = await openEngines(options, house, ending, (service) => roster?.open(service));
    const { scheduler, store, functionLogs } = engines;
    roster = rosterOver(engines, house, options);
    await startServices(engines, roster, house, ending);
    await openWayOut(options, engines, house);
    return {
      handler: frontDoor(options, house, engines, roster, options.data === undefined ? reset : undefined),
      settled: () => scheduler.settled(),
      async copyTo(directory) {
        await functionLogs.flush();
        if (store.copyTo === undefined) throw new Bug("this store cannot be copied");
        await store.copyTo(directory);
      },
      async stop(graceMs) {
        ending.graceMs = graceMs;
        await ending.run();
      },
    };
  } catch (error) {
    await ending.run();
    throw error instanceof Fault ? new Error(error.message, { cause: error }) : error;
  }
}

/** Directories that can be made again; beside the data where it has a directory, else temporary. */
async function openWorkspace(data: string | undefined): Promise<{ directory: string; remove: () => Promise<void> }> {
  if (data !== undefined && !data.startsWith("postgres")) {
    const directory = resolve(data);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return { directory, remove: async () => {} };
  }
  const directory = await mkdtemp(join(tmpdir(), "mikan-"));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function openEngines(options: NodeOptions, house: House, ending: Ending, open: Roster["open"]): Promise<Engines> {
  const { clock, machine, ids, aheadMs, log, metrics, publicUrl } = house;
  const workspace = await openWorkspace(options.data);
  ending.add(workspace.remove);
  const ephemeral = options.data === undefined;
  const data = options.data?.startsWith("postgres") ? options.data : workspace.directory;
  const from = options.from === undefined ? {} : { from: options.from };
  const store = await openStore({ data, ephemeral, ...from, clock: machine, log, metrics });
  ending.add(() => store.close());
  await store.migrate([kitSchema]);
  const secrets = await openSecrets({
    given: options.masterKey ?? process.env["MIKAN_MASTER_KEY"],
    directory: data === workspace.directory ? data : undefined,
    ephemeral,
  });

  const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans(), open });
  const functionLogs = createFunctionLogs({ ...house, dispatcher });
  ending.add(() => functionLogs.flush());
  const compute = await createCompute({
    directory: join(workspace.directory, "compute"),
    ...(options.isolation === undefined ? {} : { isolation: options.isolation }),
    ...(options.containers === undefined ? {} : { containers: options.containers }),
    clock: machine,
    log,
    metrics,
    onLogLine(line) {
      const ms = aheadMs();
      functionLogs.add(ms === 0 ? line : { ...line, timeMs: line.timeMs + ms });
    },
    serveHttp: (handler, address) =>
      createHttpServer({ handler, class: "runtime", address, port: 0, clock: machine, log }),
  });
  ending.add(() => compute.close(ending.graceMs));
  const edge = createEdge({
    workers: options.edgeWorkers ?? 1,
    spare: options.edgeSpare ?? false,
    clock: machine,
    log,
    metrics,
    accessLog: options.accessLog !== undefined,
    ...(options.edgeSwapDelayMs === undefined ? {} : { testing: { swapDelayMs: options.edgeSwapDelayMs } }),
  });
  if (options.accessLog !== undefined) {
    const files = createAccessLogFiles({ place: options.accessLog, log, metrics });
    edge.onAccessLog((batch) => files.take(batch));
    ending.add(() => files.flush());
  }
  ending.add(() => edge.close(ending.graceMs));
  const scheduler = createScheduler(clock, (job, error) => {
    log.error("a background job failed and will be tried again", { job, error: asError(error) });
    metrics.counter("job_failed", { job }).add();
  });
  const delivery = createDelivery({ store, clock, ids, log, metrics, publicUrl, invoke: dispatcher.inside });
  return {
    store,
    secrets,
    sessions: createSessions(),
    dispatcher,
    functionLogs,
    compute,
    edge,
    delivery,
    scheduler,
    cacheDir: join(workspace.directory, "cache"),
  };
}

function rosterOver(
  engines: Engines,
  { clock, ids, log, metrics, publicUrl }: House,
  { lambdaConcurrency, linkUrl }: NodeOptions,
): Roster {
  const { store, secrets, sessions, dispatcher, compute, edge, scheduler, delivery, cacheDir } = engines;
  return createRoster({
    store,
    dispatcher,
    scheduler,
    depsOf: (name, roster) => ({
      store,
      clock,
      ids,
      log: log.with({ service: name }),
      metrics,
      scheduler,
      peers: dispatcher.peers,
      delivery,
      edge,
      compute,
      sessions,
      secrets,
      cacheDir: join(cacheDir, name),
      publicUrl,
      ...(lambdaConcurrency === undefined ? {} : { lambdaConcurrency }),
      ...(linkUrl === undefined ? {} : { linkUrl }),
      resourceType: (type) => roster.resourceType(type),
      openTypes: (types) => roster.openTypes(types),
    }),
  });
}

async function startServices(engines: Engines, roster: Roster, { clock }: House, ending: Ending): Promise<void> {
  const { store, scheduler, delivery } = engines;
  ending.add(async () => {
    await Promise.race([delivery.settled(), clock.sleep(ending.graceMs)]);
    delivery.abandon();
  });
  ending.add(() => scheduler.stop());
  ending.add(() => roster.stop());
  await roster.openPresent();
  delivery.attach(scheduler.start(delivery.job));
  scheduler.start(upkeepJob(store, clock, roster));
}

/** Opens the way out once its policies are in force: those that were stored, and those that are given. */
async function openWayOut(
  { egress, egressPolicies = {} }: NodeOptions,
  { dispatcher, edge }: Engines,
  house: House,
): Promise<void> {
  for (const [host, document] of Object.entries(egressPolicies)) {
    const arn = host === "*" ? "egress" : `egress/${host}`;
    const call = serviceCall(house, "", "", { kind: "service", service: "mikan.localhost" });
    await dispatcher.inside("elasticloadbalancing", "PutPolicies", { arn, document }, call);
  }
  if (egress !== undefined) await edge.openEgress(egress);
}

/** Everything that comes in over HTTP. */
function frontDoor(
  { host, hostNames = [], rootKey }: NodeOptions,
  { clock, machine, ids, log, metrics, publicUrl }: House,
  { store, sessions, dispatcher, compute, edge }: Engines,
  roster: Roster,
  reset: (() => Promise<void>) | undefined,
): HttpHandler {
  const names = [...hostNames, ...(host === undefined ? [] : [addressable(host)])];
  const keyOf = firstOf([
    async ({ accessKeyId, sessionToken }) =>
      sessionToken === undefined ? undefined : sessions.resolve(accessKeyId, sessionToken),
    roster.keyOf,
  ]);
  const verify = rootKey === undefined ? {} : { verify: { secretOf: knownSecrets(rootKey, { clock, keyOf }) } };
  return createPages({
    clock,
    ids,
    log,
    // Clients sign with the time of their machine.
    wire: createWire({ clock: machine, ids, hosts: ["localhost", ...names], ...verify }),
    dispatcher,
    keyOf,
    safety: { hosts: names, verified: rootKey !== undefined },
    admin: createAdmin({
      clock,
      ids,
      publicUrl,
      version,
      engine: store.engine,
      edge,
      compute,
      metrics,
      dispatcher,
      services: services.map(({ name }) => name),
      async resourceTypes() {
        await roster.openAll();
        return roster.resourceTypes();
      },
      reset,
    }),
  });
}

/** The name in a URL by which clients on this machine reach a node that listens on `host`. */
export function addressable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** Forgets client tokens that have expired and blobs that no service names. */
function upkeepJob(store: Store, clock: Clock, roster: Roster): Job {
  return {
    name: "node:upkeep",
    everyMs: upkeepMs,
    async run() {
      const now = clock.now();
      // Another node may have written with a service that was not needed here: it names blobs too.
      await roster.openPresent();
      await store.blobs.sweep((id) => roster.namesBlob(id));
      return { more: await store.tx((tx) => sweepClientTokens(tx, now)) };
    },
  };
}
