/** The embedding API: a node in this process, on a port of its own. */
import { randomBytes } from "node:crypto";
import { systemClock, type Clock } from "./base/clock.ts";
import type { HttpHandler } from "./base/http.ts";
import { randomIds, type Ids } from "./base/ids.ts";
import { MovableClock } from "./base/movable-clock.ts";
import type { ContainerSettings } from "./compute/ports.ts";
import type { EgressSettings } from "./edge/ports.ts";
import { createHttpServer } from "./edge/server.ts";
import type { ClientConfig, Deployed, DeployOptions, NodeClock } from "./embedded.ts";
import { addressable, startNode, type House, type Node } from "./node.ts";
import { createSnapshots, type Snapshot } from "./snapshots.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";

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
  /** Keeps one more of them ready, for about 15 MB, to take the place of one that dies. Default false. */
  edgeSpare?: boolean;
  /**
   * `sandbox`: functions see their own files and processes alone, where bubblewrap runs; elsewhere, and with `process`,
   * they are plain processes of the node's user (docs/security.md). Default: `sandbox`.
   */
  isolation?: "sandbox" | "process";
  /** Which functions run in containers besides those that are images, and how (docs/guides/containers.md). */
  containers?: ContainerSettings;
  /** Access logs of all load balancers, in AWS's format: files in this directory, or `-` for standard output. */
  accessLog?: string;
  /** A forward proxy for callers on this machine: `Host: example.com.ccnproxy-https` goes to `https://example.com`. */
  egress?: EgressSettings;
  /**
   * Policies of destinations that are set at the start, as `/_mikan/policies/egress` takes them, by host: `api.example.com`,
   * `*.example.com` for all below it, `*` for all others.
   */
  egressPolicies?: Readonly<Record<string, object>>;
  /** Switches SigV4 verification on, with this key as the first that is known. */
  rootKey?: { accessKeyId: string; secretAccessKey: string };
  /**
   * The base64 of 32 random bytes, under which secrets are encrypted at rest. Default: the environment's
   * `MIKAN_MASTER_KEY`, else a `master.key` that the node makes in its data directory. On PostgreSQL it must be given.
   */
  masterKey?: string;
  /**
   * `scheme://host` of the links and the certificate in messages of SNS, where clients of topics reach the node by another
   * address: `https://events.example.com`, a load balancer before it. Default: the node's own.
   */
  linkUrl?: string;
  /** Executions of functions at once, of an account in a region, 100-100,000. Default 1,000, as in AWS. */
  lambdaConcurrency?: number;
  /** `"fake"`: a test moves the time, with {@link Mikan.clock}. Default: the machine's. */
  clock?: Clock | "fake";
  ids?: Ids;
  log?: Log;
  /** For tests of what a slow worker does to others: milliseconds that a worker waits before it runs a new routing. */
  edgeSwapDelayMs?: (worker: number) => number;
}

export type { ContainerSettings, ClientConfig, Deployed, DeployOptions, EgressSettings, NodeClock, Snapshot };

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
  /**
   * Keeps what the node holds at this moment: rows, objects, and with a fake clock the time. Requests go on meanwhile.
   * Only of an ephemeral node; any other rejects, as it does past 100 snapshots that were not disposed of.
   *
   * @example
   * const before = await mikan.snapshot();
   * // ... a test ...
   * await mikan.restore(before);
   */
  snapshot(): Promise<Snapshot>;
  /**
   * Makes the node what it was then; as often as needed. Functions start anew, load balancers listen again, requests
   * under way are cut, and a fake clock goes back. Rejects for another node's snapshot, or one that was disposed of.
   */
  restore(snapshot: Snapshot): Promise<void>;
  /** Lets requests under way end for at most `graceMs`, then ends everything. Safe to call twice. */
  close(graceMs?: number): Promise<void>;
}

/** Requests under way at `close` get this long. */
const graceMsDefault = 5_000;
const regionDefault = "us-east-1";

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
  const house: House = {
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

  // What is sealed in a snapshot opens after it as well: one key for the node's life.
  const givenKeys = [options.masterKey, process.env["MIKAN_MASTER_KEY"]].filter(
    (key) => key !== undefined && key !== "",
  );
  const masterKey = givenKeys[0] ?? randomBytes(32).toString("base64");
  const nodeOptions = options.data === undefined ? { ...options, masterKey } : options;
  const snapshots = createSnapshots();
  // A node may be asked several times at once to begin anew; each time follows the one before.
  const beginAnew = async (snapshot?: Snapshot) => {
    const from = snapshot === undefined ? {} : { from: snapshots.directoryOf(snapshot) };
    const former = node;
    node = (async () => {
      await (await former)?.stop(0);
      if (snapshot !== undefined) await movable?.returnTo(snapshot.takenAtMs);
      return startNode({ ...nodeOptions, ...from }, house, reset);
    })();
    await node;
  };
  const reset = () => beginAnew();
  node = startNode(nodeOptions, house, reset);
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
    snapshots.removeAll();
  };
  const needsEphemeral = (what: string) => {
    if (options.data !== undefined) throw new Error(`This node keeps its data: only an ephemeral one can be ${what}.`);
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
      needsEphemeral("emptied");
      await reset();
    },
    async snapshot() {
      needsEphemeral("kept in a snapshot");
      const running = await node;
      return snapshots.take(clock.now(), async (directory) => running?.copyTo(directory));
    },
    async restore(snapshot) {
      needsEphemeral("restored");
      await beginAnew(snapshot);
    },
    close: (graceMs = graceMsDefault) => (closing ??= close(graceMs)),
    async [Symbol.asyncDispose]() {
      await (closing ??= close(0));
    },
  };
}
