/** The composition root: makes the engines, hands them to the services, opens the API. And the embedding API. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createAdmin } from "./api/admin.ts";
import { createFunctionLogs } from "./api/function-logs.ts";
import { createPages } from "./api/pages.ts";
import { knownSecrets } from "./api/identity.ts";
import { systemClock, type Clock } from "./base/clock.ts";
import { asError, Fault } from "./base/errors.ts";
import type { HttpHandler } from "./base/http.ts";
import { randomIds, type Ids } from "./base/ids.ts";
import { MovableClock } from "./base/movable-clock.ts";
import { createScheduler, type Job } from "./base/scheduler.ts";
import { createCompute } from "./compute/compute.ts";
import { createEdge } from "./edge/edge.ts";
import { createHttpServer } from "./edge/server.ts";
import type { ClientConfig, Deployed, DeployOptions, NodeClock } from "./embedded.ts";
import { firstOf } from "./kit/credentials.ts";
import { createDelivery } from "./kit/delivery.ts";
import { createDispatcher } from "./kit/dispatch.ts";
import type { Resource } from "./kit/resource.ts";
import { kitSchema } from "./kit/schema.ts";
import { schemaOf, type Deps, type Service } from "./kit/service.ts";
import { openSecrets } from "./kit/secrets.ts";
import { createSessions } from "./kit/sessions.ts";
import { sweepClientTokens } from "./kit/tokens.ts";
import { services } from "./services/index.ts";
import { openStore } from "./store/open.ts";
import type { Store } from "./store/store.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { createSpans } from "./telemetry/trace.ts";
import { version } from "./version.ts";
import { createWire } from "./wire/wire.ts";

export interface MikanOptions {
  /** API port; 0 takes a free one. Default 0. */
  port?: number;
  /** Address to bind. Anything but loopback needs `rootKey`. Default 127.0.0.1. */
  host?: string;
  /** Names, besides loopback ones, by which clients may address the node. */
  hostNames?: readonly string[];
  /** A directory, or a `postgres://` URL. Default: ephemeral. */
  data?: string;
  /** Threads that carry the load balancers' traffic, 1-64. Default 1. */
  edgeWorkers?: number;
  /** Switches SigV4 verification on, with this key as the first that is known. */
  rootKey?: { accessKeyId: string; secretAccessKey: string };
  /**
   * The base64 of 32 random bytes, under which secrets are encrypted at rest. Default: the environment's
   * `MIKAN_MASTER_KEY`, else a `master.key` that the node makes in its data directory. On PostgreSQL it must be given.
   */
  masterKey?: string;
  /** `"fake"`: a test moves the time, with {@link Mikan.clock}. Default: the machine's. */
  clock?: Clock | "fake";
  ids?: Ids;
  log?: Log;
  /** For tests of what a slow worker does to others: milliseconds that a worker waits before it runs a new routing. */
  edgeSwapDelayMs?: (worker: number) => number;
}

export type { ClientConfig, Deployed, DeployOptions, NodeClock };

export interface Mikan extends AsyncDisposable {
  /** `http://127.0.0.1:4566` */
  readonly url: string;
  readonly port: number;
  readonly clock: NodeClock;
  /**
   * Settings for any client of the AWS SDK. `accountId`, 12 digits, is the account of its calls; default 000000000000.
   * S3 needs no `forcePathStyle`: SDKs use paths where the endpoint is an address.
   *
   * @throws Error for an account on a node with a root key: that key is all that such a node knows.
   * @example const sqs = new SQSClient(mikan.clientConfig());
   */
  clientConfig(accountId?: string): ClientConfig;
  /**
   * Creates a stack, or updates it, with what its template needs packaged; resolves when it is in force.
   *
   * @throws Error with the reasons of every resource that failed.
   * @example const { outputs } = await mikan.deploy({ template: "app.yaml", stack: "app", codeDir: "dist" });
   */
  deploy(options: DeployOptions): Promise<Deployed>;
  /** Empties the node, as new but for its address and its time. Only an ephemeral one; any other rejects. */
  reset(): Promise<void>;
  /** Lets requests under way end for at most `graceMs`, then ends everything. Safe to call twice. */
  close(graceMs?: number): Promise<void>;
}

/** Requests under way at `close` get this long. */
const graceMsDefault = 5_000;
const regionDefault = "us-east-1";
const upkeepMs = 10 * 60_000;

interface Engines {
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

interface Node {
  handler: HttpHandler;
  stop(graceMs: number): Promise<void>;
  /** Resolves when no background job runs. */
  settled(): Promise<void>;
}

const loopback = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/**
 * Starts a node and resolves when its API answers.
 *
 * @throws Error when the port is taken, the data directory is in use or newer than this version, or when the node would
 *   listen beyond loopback without verified signatures.
 * @example
 * await using mikan = await startMikan();
 * const lambda = new LambdaClient({ endpoint: mikan.url, region: "us-east-1", credentials });
 */
export async function startMikan(options: MikanOptions = {}): Promise<Mikan> {
  const { host = "127.0.0.1", port = 0, ids = randomIds } = options;
  if (!loopback.test(host) && options.rootKey === undefined) {
    throw new Error(`Refusing to listen on ${host}: set a root key first, so that signatures are verified.`);
  }
  const movable = options.clock === "fake" ? new MovableClock() : undefined;
  const machine = typeof options.clock === "object" ? options.clock : systemClock;
  const clock = movable ?? machine;
  const log = options.log ?? createLog({ clock, level: "warn" });
  let url = "";
  const engines: Engines = {
    clock,
    machine,
    aheadMs: () => movable?.aheadMs ?? 0,
    ids,
    log,
    metrics: createMetrics(),
    publicUrl: () => url,
  };

  let node: Promise<Node> | undefined;
  const handler: HttpHandler = async (request) => {
    if (node === undefined) throw new Error("the node is not ready");
    return (await node).handler(request);
  };
  const server = await createHttpServer({
    handler,
    class: "api",
    address: host,
    port,
    clock: machine,
    log,
  });
  url = `http://${addressable(host)}:${server.port}`;

  // Several nodes may be asked to empty themselves at once; one after another, each is as new.
  const reset = async () => {
    const former = node;
    node = (async () => {
      await (await former)?.stop(0);
      return startNode(options, engines, reset);
    })();
    await node;
  };
  node = startNode(options, engines, reset);
  try {
    await node;
  } catch (error) {
    await server.close(0);
    throw error;
  }

  const configOf = (accountId?: string): ClientConfig => {
    const { rootKey } = options;
    if (rootKey !== undefined && accountId !== undefined) {
      throw new Error(`This node verifies signatures: its root key is no key of account ${accountId}.`);
    }
    const open = { accessKeyId: accountId ?? "test", secretAccessKey: "test" };
    return { endpoint: url, region: regionDefault, credentials: rootKey ?? open };
  };
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number) => {
    await server.close(graceMs);
    await (await node)?.stop(graceMs);
  };
  return {
    url,
    port: server.port,
    clock: {
      now: () => clock.now(),
      async advance(byMs) {
        if (movable === undefined)
          throw new Error('This node runs on the machine\'s time: start it with clock: "fake".');
        const { advance } = await import("./embedded.ts");
        await advance(movable, byMs, async () => (await node)?.settled());
      },
    },
    clientConfig: configOf,
    async deploy(what) {
      const { deploy } = await import("./embedded.ts");
      return deploy(configOf(), what);
    },
    async reset() {
      if (options.data !== undefined)
        throw new Error("This node keeps its data: only an ephemeral one can be emptied.");
      await reset();
    },
    close: (graceMs = graceMsDefault) => (closing ??= close(graceMs)),
    async [Symbol.asyncDispose]() {
      await (closing ??= close(0));
    },
  };
}

/** The name in a URL by which clients on this machine reach a node that listens on `host`. */
function addressable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
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

async function startNode(options: MikanOptions, engines: Engines, reset: () => Promise<void>): Promise<Node> {
  const { clock, machine, aheadMs, ids, log, metrics, publicUrl } = engines;
  const ending: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of ending.toReversed()) {
      await end().catch((error: unknown) => log.error("a part of the node did not stop", { error: asError(error) }));
    }
    ending.length = 0;
  };
  let graceMs = 0;
  try {
    const workspace = await openWorkspace(options.data);
    ending.push(workspace.remove);
    const ephemeral = options.data === undefined;
    const data = options.data?.startsWith("postgres") ? options.data : workspace.directory;
    const store = await openStore({ data, ephemeral, clock: machine, log, metrics });
    ending.push(() => store.close());
    await store.migrate([kitSchema, ...services.map(schemaOf)]);
    const secrets = await openSecrets({
      given: options.masterKey ?? process.env["MIKAN_MASTER_KEY"],
      directory: data === workspace.directory ? data : undefined,
      ephemeral,
    });

    const sessions = createSessions();
    const spans = createSpans();
    const dispatcher = createDispatcher({ clock, log, metrics, spans });
    const functionLogs = createFunctionLogs({ clock, ids, log, metrics, publicUrl, dispatcher });
    const compute = await createCompute({
      directory: join(workspace.directory, "compute"),
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
    ending.push(
      () => functionLogs.flush(),
      () => compute.close(graceMs),
    );
    const edge = createEdge({
      workers: options.edgeWorkers ?? 1,
      clock: machine,
      log,
      metrics,
      ...(options.edgeSwapDelayMs === undefined ? {} : { testing: { swapDelayMs: options.edgeSwapDelayMs } }),
    });
    ending.push(() => edge.close(graceMs));

    const scheduler = createScheduler(clock, (job, error) => {
      log.error("a background job failed and will be tried again", { job, error: asError(error) });
      metrics.counter("job_failed", { job }).add();
    });
    const delivery = createDelivery({ store, clock, ids, log, metrics, publicUrl, invoke: dispatcher.inside });
    ending.push(
      async () => {
        await Promise.race([delivery.settled(), clock.sleep(graceMs)]);
        delivery.abandon();
      },
      () => scheduler.stop(),
    );

    const resources = new Map<string, Resource>();
    const running = services.map((definition) => {
      const deps: Deps = {
        store,
        clock,
        ids,
        log: log.with({ service: definition.name }),
        metrics,
        scheduler,
        peers: dispatcher.peers,
        delivery,
        edge,
        compute,
        sessions,
        secrets,
        cacheDir: join(workspace.directory, "cache", definition.name),
        publicUrl,
        resourceType: (type) => resources.get(type),
      };
      const service = definition.create(deps);
      dispatcher.add(definition.name, service);
      for (const resource of service.resources ?? []) resources.set(resource.type, resource);
      return service;
    });
    for (const service of running) {
      await service.start?.();
      if (service.stop !== undefined) ending.push(service.stop.bind(service));
    }
    for (const job of running.flatMap((service) => service.workers ?? [])) scheduler.start(job);
    delivery.attach(scheduler.start(delivery.job));
    scheduler.start(upkeepJob(store, clock, running));

    const hostNames = [
      ...(options.hostNames ?? []),
      ...(options.host === undefined ? [] : [addressable(options.host)]),
    ];
    const keyOf = firstOf([
      async ({ accessKeyId, sessionToken }) =>
        sessionToken === undefined ? undefined : sessions.resolve(accessKeyId, sessionToken),
      ...running.flatMap((service) => (service.keyOf === undefined ? [] : [service.keyOf])),
    ]);
    const handler = createPages({
      clock,
      ids,
      log,
      wire: createWire({
        // Clients sign with the time of their machine.
        clock: machine,
        ids,
        hosts: ["localhost", ...hostNames],
        ...(options.rootKey === undefined
          ? {}
          : { verify: { secretOf: knownSecrets(options.rootKey, { clock, keyOf }) } }),
      }),
      dispatcher,
      keyOf,
      safety: { hosts: hostNames, verified: options.rootKey !== undefined },
      admin: createAdmin({
        version,
        engine: store.engine,
        edge,
        compute,
        metrics,
        dispatcher,
        services: services.map(({ name }) => name),
        reset: ephemeral ? reset : undefined,
      }),
    });
    return {
      handler,
      settled: () => scheduler.settled(),
      async stop(allowedMs) {
        graceMs = allowedMs;
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error instanceof Fault ? new Error(error.message, { cause: error }) : error;
  }
}

/** Forgets client tokens that have expired and blobs that no service names. */
function upkeepJob(store: Store, clock: Clock, running: readonly Service[]): Job {
  const named = async (id: string) => {
    for (const service of running) if ((await service.namesBlob?.(id)) === true) return true;
    return false;
  };
  return {
    name: "node:upkeep",
    everyMs: upkeepMs,
    async run() {
      const now = clock.now();
      await store.blobs.sweep(named);
      return { more: await store.tx((tx) => sweepClientTokens(tx, now)) };
    },
  };
}
