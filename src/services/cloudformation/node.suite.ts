/** A CloudFormation service on a real store, with resource types of its own, under a clock that tests move. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock, systemClock } from "../../base/clock.ts";
import { Fault, must } from "../../base/errors.ts";
import { countingIds, type Ids } from "../../base/ids.ts";
import { createScheduler } from "../../base/scheduler.ts";
import type { Call } from "../../kit/call.ts";
import type { InputOf, OutputOf } from "../../kit/handlers.ts";
import type { Json, JsonObject, Resource, ResourceRequest } from "../../kit/resource.ts";
import { kitSchema } from "../../kit/schema.ts";
import { schemaOf, type Deps, type Service } from "../../kit/service.ts";
import { secretsUnder } from "../../kit/secrets.ts";
import { createSessions } from "../../kit/sessions.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { cloudformation } from "./service.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

/** What fake resources have made: it outlives the service, as other services' tables would. */
export interface World {
  /** By token. */
  made: Map<string, { physicalId: string; request: ResourceRequest; gone: boolean }>;
  /** `create A`, `delete A`, in the order they were carried out. */
  log: string[];
  /** Physical ids that exist. */
  readonly alive: readonly string[];
  /** How many creates and deletes ran at once at most. */
  atOnceMax: number;
  /** Resolvers of creates with `Waits`, by logical id. */
  waiting: Map<string, () => void>;
  /** Logical ids whose delete fails. */
  undeletable: Set<string>;
  /** Logical ids whose update fails. */
  unchangeable: Set<string>;
  /** Logical ids whose read fails. */
  unreadable: Set<string>;
}

export function createWorld(): World {
  const made: World["made"] = new Map();
  return {
    made,
    log: [],
    get alive() {
      return [...made.values()]
        .filter(({ gone }) => !gone)
        .map(({ request }) => request.logicalId)
        .toSorted();
    },
    atOnceMax: 0,
    waiting: new Map(),
    undeletable: new Set(),
    unchangeable: new Set(),
    unreadable: new Set(),
  };
}

const properties = ["Name", "Value", "List", "Fails", "Waits", "Tags", "Port", "Bug"];

/**
 * `Test::Thing`: `Fails: reason` refuses, `Waits: true` waits to be let go, `Bug: true` breaks. Another `Port` makes
 * another thing.
 */
export function thing(world: World, type = "Test::Thing", extra: Partial<Resource> = {}): Resource {
  let running = 0;
  return {
    type,
    properties,
    required: [],
    attributes: ["Arn", "Value", "List", "Nested.Deep"],
    name: { property: "Name", lengthMax: 32 },
    async create(request) {
      running += 1;
      world.atOnceMax = Math.max(world.atOnceMax, running);
      try {
        // A turn of the loop, so that calls overlap as those of real services do.
        await new Promise((resolve) => setImmediate(resolve));
        const waits = request.properties["Waits"];
        if (waits === true) await new Promise<void>((resolve) => world.waiting.set(request.logicalId, resolve));
        return make(world, request);
      } finally {
        running -= 1;
      }
    },
    replaceOn: ["Port"],
    async update(request) {
      await new Promise((resolve) => setImmediate(resolve));
      const { token, logicalId, properties: wanted, physicalId } = request;
      if (wanted["Waits"] === true) await new Promise<void>((resolve) => world.waiting.set(logicalId, resolve));
      if (world.unchangeable.has(logicalId)) throw new Fault("Conflict", `${logicalId} cannot be changed`);
      if (typeof wanted["Fails"] === "string") throw new Fault("InvalidRequest", wanted["Fails"]);
      const found = must(world.made.get(token), `the thing ${logicalId}`);
      found.request = request;
      world.log.push(`update ${logicalId}`);
      return { physicalId, attributes: attributesOf(physicalId, wanted) };
    },
    async read({ token, logicalId }) {
      await new Promise((resolve) => setImmediate(resolve));
      if (world.unreadable.has(logicalId)) throw new Fault("AccessDenied", `${logicalId} cannot be read`);
      const found = world.made.get(token);
      return found === undefined || found.gone ? undefined : found.request.properties;
    },
    async delete({ token, logicalId }) {
      await new Promise((resolve) => setImmediate(resolve));
      if (world.undeletable.has(logicalId)) throw new Fault("Conflict", `${logicalId} is in use`);
      const found = world.made.get(token);
      if (found === undefined || found.gone) return;
      found.gone = true;
      world.log.push(`delete ${logicalId}`);
    },
    ...extra,
  };
}

function make(world: World, request: ResourceRequest) {
  const { token, logicalId, physicalName } = request;
  const fails = request.properties["Fails"];
  if (typeof fails === "string") throw new Fault("InvalidRequest", fails);
  if (request.properties["Bug"] === true) throw new TypeError("undefined is not a function");
  const known = world.made.get(token);
  if (known === undefined) {
    world.made.set(token, { physicalId: physicalName, request, gone: false });
    world.log.push(`create ${logicalId}`);
  }
  return { physicalId: known?.physicalId ?? physicalName, attributes: attributesOf(physicalName, request.properties) };
}

function attributesOf(name: string, { Value = "", List = [] }: JsonObject): Record<string, Json> {
  return { Arn: `arn:test:${name}`, Value, List, "Nested.Deep": "deep" };
}

/** When the store stops answering, as it does for a process that is killed. */
export interface Kill {
  /** Transactions that still go through. */
  transactions: number;
  /** `before`: the next one is never made; `after`: it is made, and nobody learns of it. */
  mode: "before" | "after";
}

export class Killed extends Error {
  override readonly name = "Killed";
}

function mortal(store: Store, kill: Kill, onDeath: () => void): Store {
  let left = kill.transactions;
  let dead = false;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw new Killed("the process is dead");
    if (left > 0) {
      left -= 1;
      return work();
    }
    dead = true;
    onDeath();
    if (kill.mode === "after") await work();
    throw new Killed("the process died here");
  };
  return {
    ...store,
    engine: store.engine,
    blobs: store.blobs,
    tx: (body, options) => guard(() => store.tx(body, options)),
    read: (body) => (dead ? Promise.reject(new Killed("the process is dead")) : store.read(body)),
    claim: (claim) => (dead ? Promise.reject(new Killed("the process is dead")) : store.claim(claim)),
  };
}

export interface Node {
  world: World;
  clock: FakeClock;
  store: Store;
  service: Service;
  send<
    Op extends
      | "CreateStack"
      | "DeleteStack"
      | "UpdateStack"
      | "CancelUpdateStack"
      | "CreateChangeSet"
      | "DescribeChangeSet"
      | "ListChangeSets"
      | "ExecuteChangeSet"
      | "DeleteChangeSet"
      | "ContinueUpdateRollback"
      | "UpdateTerminationProtection"
      | "DescribeStacks"
      | "ListStacks"
      | "DescribeStackEvents"
      | "DescribeStackResources"
      | "DescribeStackResource"
      | "ListStackResources"
      | "GetTemplate"
      | "GetTemplateSummary"
      | "ValidateTemplate"
      | "SetStackPolicy"
      | "GetStackPolicy"
      | "RollbackStack"
      | "DetectStackDrift"
      | "DetectStackResourceDrift"
      | "DescribeStackDriftDetectionStatus"
      | "DescribeStackResourceDrifts"
      | "ListExports"
      | "ListImports",
  >(
    operation: Op,
    input: InputOf<Client, Op>,
    call?: Partial<Call>,
  ): Promise<OutputOf<Client, Op>>;
  /** Moves the clock until the stack rests; gives its status and reason. */
  settled(stack: string): Promise<{ status: string; reason: string | undefined; outputs: Record<string, string> }>;
  /** Moves the clock until `condition` holds. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  /** The events of a stack as lines, oldest first. */
  story(stack: string): Promise<string[]>;
  /** True once the process has died of its {@link Kill}. */
  killed(): boolean;
  /** Stops as a process that is killed does: nothing more is written. Then another life on the same data. */
  reborn(kill?: Kill): Promise<Node>;
  close(): Promise<void>;
}

export interface NodeOptions {
  world?: World;
  types?: (world: World) => readonly Resource[];
  kill?: Kill;
  /** Other services, for each life anew: they may call what this one has for them. */
  peers?: (service: () => Service) => Partial<Deps["peers"]>;
  /** A database; a temporary directory when left out. */
  data?: string;
}

interface Home {
  store: Store;
  directory: string;
  clock: FakeClock;
  ids: Ids;
}

export async function startNode(options: NodeOptions = {}): Promise<Node> {
  const directory = mkdtempSync(join(tmpdir(), "mikan-cloudformation-"));
  const store = await openStore({
    data: options.data ?? directory,
    ephemeral: options.data === undefined,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics(),
  });
  await store.migrate([kitSchema, schemaOf(cloudformation)]);
  return live({ store, directory, clock: new FakeClock(), ids: countingIds() }, options);
}

async function live(home: Home, options: NodeOptions): Promise<Node> {
  const { clock, ids } = home;
  const world = options.world ?? createWorld();
  const scheduler = createScheduler(clock, (_, error) => {
    if (!(error instanceof Killed)) throw error;
  });
  const types = new Map((options.types ?? ((w) => [thing(w)]))(world).map((type) => [type.type, type]));
  const absent = { get: () => must(undefined, "a peer") };
  const peers: Partial<Deps["peers"]> = options.peers?.(() => service) ?? {};
  let killed = false;
  const die = () => {
    killed = true;
  };
  const deps: Deps = {
    store: options.kill === undefined ? home.store : mortal(home.store, options.kill, die),
    clock,
    ids,
    log: silentLog,
    metrics: createMetrics(),
    scheduler,
    peers: new Proxy({} as Deps["peers"], {
      get: (_, name) => must(peers[name as keyof Deps["peers"]], `the peer ${String(name)}`),
    }),
    delivery: { enqueue: () => Promise.reject(new Error("no delivery here")) },
    edge: new Proxy({} as Deps["edge"], absent),
    compute: new Proxy({} as Deps["compute"], absent),
    sessions: createSessions(),
    secrets: secretsUnder(new Uint8Array(32)),
    cacheDir: home.directory,
    publicUrl: () => "http://127.0.0.1:4566",
    resourceType: (type) => types.get(type) ?? service.resources?.find((own) => own.type === type),
    openTypes: async () => {},
  };
  const service = cloudformation.create(deps);
  const halt = async () => {
    await service.stop?.();
    await scheduler.stop();
  };
  const node: Node = {
    world,
    clock,
    store: home.store,
    service,
    send: (operation, input, call) => operationOf(service, operation)(input, { ...callOf(ids), ...call }),
    settled: (stack) => settled(node, stack),
    until: (condition) => until(node, condition),
    story: (stack) => story(node, stack),
    killed: () => killed,
    async reborn(kill) {
      await halt();
      const { kill: _, ...rest } = options;
      return live(home, { ...rest, world, ...(kill === undefined ? {} : { kill }) });
    },
    async close() {
      await halt();
      await home.store.close();
      rmSync(home.directory, { recursive: true, force: true });
    },
  };
  await service.start?.();
  return node;
}

// The service's map of operations has lost their types; the caller names the operation.
function operationOf(service: Service, operation: string): (input: unknown, call: Call) => Promise<never> {
  return must(service.operations[operation], operation) as (input: unknown, call: Call) => Promise<never>;
}

export function callOf(ids: Ids): Call {
  return {
    account: "000000000000",
    region: "us-east-1",
    principal: { kind: "user", account: "000000000000", accessKeyId: "test" },
    requestId: ids.uuid(),
    trace: { root: "1-0-0", sampled: false },
    signal: new AbortController().signal,
    deadline: Number.MAX_SAFE_INTEGER,
    publicUrl: "http://127.0.0.1:4566",
  };
}

const turnsMax = 3_000;

async function until(node: Node, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn += 1) {
    if (await condition()) return;
    // A short step while work is under way; timers of seconds come after some turns.
    await node.clock.advance(turn < 50 ? 1 : 100);
  }
  throw new Error("it did not happen");
}

async function settled(node: Node, stack: string) {
  const read = async () => must((await node.send("DescribeStacks", { StackName: stack })).Stacks?.[0], stack);
  await until(node, async () => !(await read()).StackStatus?.endsWith("_IN_PROGRESS"));
  const found = await read();
  return {
    status: found.StackStatus ?? "",
    reason: found.StackStatusReason,
    outputs: Object.fromEntries(
      (found.Outputs ?? []).map((output) => [output.OutputKey ?? "", output.OutputValue ?? ""]),
    ),
  };
}

async function story(node: Node, stack: string): Promise<string[]> {
  const lines: string[] = [];
  let token: string | undefined;
  do {
    const page = await node.send("DescribeStackEvents", {
      StackName: stack,
      ...(token === undefined ? {} : { NextToken: token }),
    });
    for (const event of page.StackEvents ?? []) {
      const reason = event.ResourceStatusReason === undefined ? "" : `: ${event.ResourceStatusReason}`;
      lines.push(`${event.LogicalResourceId} ${event.ResourceStatus}${reason}`);
    }
    token = page.NextToken;
  } while (token !== undefined);
  return lines.reverse();
}
