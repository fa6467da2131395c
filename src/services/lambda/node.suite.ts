/** A node of one service for tests: the real store, dispatcher and outbox; compute and S3 as fakes that a test can hold. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../base/clock.ts";
import { must } from "../../base/errors.ts";
import { countingIds, type Ids } from "../../base/ids.ts";
import { createScheduler } from "../../base/scheduler.ts";
import type {
  Compute,
  FunctionSpec,
  Invocation,
  InvocationResult,
  ProvisionedStatus,
  ResolvedImage,
} from "../../compute/ports.ts";
import type { Edge } from "../../edge/ports.ts";
import type { Call, Principal } from "../../kit/call.ts";
import { createDelivery } from "../../kit/delivery.ts";
import { createDispatcher } from "../../kit/dispatch.ts";
import type { PeerOf } from "../../kit/handlers.ts";
import type { Resource } from "../../kit/resource.ts";
import { kitSchema } from "../../kit/schema.ts";
import { schemaOf, type Operation, type Service } from "../../kit/service.ts";
import { secretsUnder } from "../../kit/secrets.ts";
import { createSessions } from "../../kit/sessions.ts";
import { openStore } from "../../store/open.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createSpans, newTrace } from "../../telemetry/trace.ts";
import yazl from "yazl";
import { lambda } from "./service.ts";

export const account = "000000000000";
export const region = "us-east-1";
export const role = `arn:aws:iam::${account}:role/functions`;
/** What functions get their keys from. */
export const sessions = createSessions();
export const arn = (resource: string) => `arn:aws:lambda:${region}:${account}:function:${resource}`;

/** A zip of `files`, by path. */
export async function zipOf(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const zip = new yazl.ZipFile();
  for (const [path, source] of Object.entries(files)) zip.addBuffer(Buffer.from(source), path);
  zip.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** One invocation that the fake compute holds until the test ends it. */
export interface Held {
  spec: FunctionSpec;
  invocation: Invocation;
  end(answer?: Partial<InvocationResult>): void;
}

export class FakeCompute implements Compute {
  /** Answers at once by default; `hold` keeps invocations until the test ends them. */
  hold = false;
  answer: (spec: FunctionSpec, invocation: Invocation) => Partial<InvocationResult> = () => ({});
  readonly held: Held[] = [];
  readonly invoked: { spec: FunctionSpec; invocation: Invocation }[] = [];
  readonly retired: string[] = [];
  running = 0;
  runningMost = 0;

  async invoke(spec: FunctionSpec, invocation: Invocation): Promise<InvocationResult> {
    this.invoked.push({ spec, invocation });
    this.running += 1;
    this.runningMost = Math.max(this.runningMost, this.running);
    const answer = this.hold
      ? await new Promise<Partial<InvocationResult>>((resolve) => {
          this.held.push({ spec, invocation, end: (answer = {}) => resolve(answer) });
        })
      : this.answer(spec, invocation);
    this.running -= 1;
    const result = { payload: invocation.payload, logTail: "", durationMs: 1, memoryUsedMiB: 1 };
    return { ...result, initialization: "on-demand", ...answer };
  }

  /** By reference. */
  readonly images = new Map<string, ResolvedImage>();
  /** What was asked for is there at once. */
  readonly provisionedCounts = new Map<string, number>();

  provision(spec: FunctionSpec, count: number): void {
    this.provisionedCounts.set(spec.id, count);
  }

  provisioned(specId: string): ProvisionedStatus {
    const count = this.provisionedCounts.get(specId) ?? 0;
    return { requested: count, allocated: count, available: count };
  }

  async findImage(reference: string): Promise<ResolvedImage> {
    const image = this.images.get(reference);
    if (image !== undefined) return image;
    throw Object.assign(new Error(`The image ${reference} is not on this machine.`), {
      name: "EngineError",
      status: 404,
    });
  }

  async retire(specId: string): Promise<void> {
    this.retired.push(specId);
  }

  debugHindrance = async (): Promise<string | undefined> => undefined;
  stats = () => [];
  functions = () => [];
  close = async () => {};
}

// A service of this kind never touches the edge; a test that made it would fail here.
const noEdge = new Proxy({} as Edge, {
  get(_, member) {
    throw new Error(`the edge's ${String(member)} was used`);
  },
});

export interface NodeOptions {
  directory: string;
  clock?: FakeClock;
  compute?: FakeCompute;
  ids?: Ids;
  lambdaConcurrency?: number;
  /** Other services, by name. */
  standIns?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  s3?: Partial<PeerOf<typeof import("@aws-sdk/client-s3")>>;
}

type Lambda = PeerOf<typeof import("@aws-sdk/client-lambda")>;

export interface TestNode {
  clock: FakeClock;
  compute: FakeCompute;
  service: Service;
  lambda: Lambda;
  call(changes?: Partial<Call>): Call;
  resource(type: string): Resource;
  cacheDir: string;
  /** Ends everything, as a clean stop does; the directory stays. */
  stop(): Promise<void>;
}

export async function startTestNode(options: NodeOptions): Promise<TestNode> {
  const { directory, clock = new FakeClock(), compute = new FakeCompute(), ids = countingIds() } = options;
  const log = silentLog;
  const metrics = createMetrics();
  const store = await openStore({ data: join(directory, "data"), clock, log, metrics });
  await store.migrate([kitSchema, schemaOf(lambda)]);
  const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans() });
  const publicUrl = () => "http://127.0.0.1:4566";
  const delivery = createDelivery({ store, clock, ids, log, metrics, publicUrl, invoke: dispatcher.inside });
  const errors: unknown[] = [];
  const scheduler = createScheduler(clock, (_, error) => errors.push(error));
  const cacheDir = join(directory, "cache");
  const resources = new Map<string, Resource>();
  const service = lambda.create({
    store,
    clock,
    ids,
    log,
    metrics,
    scheduler,
    peers: dispatcher.peers,
    delivery,
    edge: noEdge,
    compute,
    sessions,
    secrets: secretsUnder(new Uint8Array(32)),
    cacheDir,
    publicUrl,
    ...(options.lambdaConcurrency === undefined ? {} : { lambdaConcurrency: options.lambdaConcurrency }),
    resourceType: (type) => resources.get(type),
    openTypes: async () => {},
  });
  dispatcher.add("lambda", service);
  dispatcher.add("s3", { operations: { ...options.s3 } });
  for (const [name, operations] of Object.entries(options.standIns ?? {})) dispatcher.add(name, { operations });
  for (const resource of service.resources ?? []) resources.set(resource.type, resource);
  await service.start?.();
  delivery.attach(scheduler.start(delivery.job));
  const principal: Principal = { kind: "user", account, accessKeyId: account };
  return {
    clock,
    compute,
    service,
    lambda: dispatcher.peers.lambda,
    cacheDir,
    call: (changes = {}) => ({
      account,
      region,
      principal,
      requestId: ids.uuid(),
      trace: newTrace(ids, clock.now()),
      signal: new AbortController().signal,
      deadline: clock.now() + 60_000,
      publicUrl: publicUrl(),
      ...changes,
    }),
    resource: (type) => must(resources.get(type), type),
    async stop() {
      await service.stop?.();
      await scheduler.stop();
      await store.close();
      if (errors.length > 0) throw new AggregateError(errors, "a background job failed");
    },
  };
}

/** Runs `body` with a node in a directory of its own. */
export async function withNode<T>(
  body: (node: TestNode) => Promise<T>,
  options: Omit<NodeOptions, "directory"> = {},
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-lambda-"));
  const node = await startTestNode({ directory, ...options });
  try {
    return await body(node);
  } finally {
    await node.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

const handlerZip = zipOf({ "index.js": "exports.handler = async (event) => event;" });

/** Creates a function called `name`. */
export async function createFunction(
  { lambda, call }: TestNode,
  name: string,
  changes: Partial<Parameters<Lambda["CreateFunction"]>[0]> = {},
) {
  return lambda.CreateFunction(
    {
      FunctionName: name,
      Role: role,
      Runtime: "nodejs24.x",
      Handler: "index.handler",
      Code: { ZipFile: await handlerZip },
      ...changes,
    },
    call(),
  );
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
