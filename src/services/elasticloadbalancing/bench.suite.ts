/** The service on a real store, with an edge that records what it is told and a Lambda of a few functions. */
import { FakeClock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { HttpHandler } from "../../base/http.ts";
import { countingIds } from "../../base/ids.ts";
import type { Edge, EdgeConfig, EndpointHealth, LoadBalancerStats, PortInUse } from "../../edge/ports.ts";
import type { Call } from "../../kit/call.ts";
import { createDispatcher } from "../../kit/dispatch.ts";
import type { Peers } from "../../kit/peers.ts";
import type { Deps, Service } from "../../kit/service.ts";
import { schemaOf } from "../../kit/service.ts";
import { secretsUnder } from "../../kit/secrets.ts";
import { createSessions } from "../../kit/sessions.ts";
import { createSqliteStore } from "../../store/sqlite/sqlite.ts";
import { createLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createSpans } from "../../telemetry/trace.ts";
import { elasticloadbalancing } from "./service.ts";

export const region = "us-east-1";
export const account = "000000000000";

export function portInUse(port: number, holder?: string): PortInUse {
  const error = new Error(`port ${port} is in use`);
  return Object.assign(error, { name: "PortInUse" as const, port, ...(holder === undefined ? {} : { holder }) });
}

/** An edge without sockets. `taken` are ports that it cannot bind; `gate`, where set, holds `apply` back. */
export class RecordingEdge implements Edge {
  readonly applied: EdgeConfig[] = [];
  readonly handlers = new Map<string, HttpHandler>();
  readonly taken = new Map<number, string>();
  readonly verdicts = new Map<string, EndpointHealth[]>();
  attempts = 0;
  gate: Promise<void> | undefined;
  failure: Error | undefined;

  get config(): EdgeConfig {
    const config = this.applied.at(-1);
    if (config === undefined) throw new Error("nothing was applied");
    return config;
  }

  async apply(config: EdgeConfig): Promise<void> {
    this.attempts += 1;
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    const bound = [...config.listeners, ...(config.streamListeners ?? [])];
    const taken = bound.find(({ port }) => this.taken.has(port));
    if (taken !== undefined) throw portInUse(taken.port, this.taken.get(taken.port));
    this.applied.push(config);
  }

  loadBalancers(): LoadBalancerStats[] {
    return [];
  }

  onAccessLog(): () => void {
    return () => {};
  }

  register(endpointId: string, handler: HttpHandler): void {
    this.handlers.set(endpointId, handler);
  }

  unregister(endpointId: string): void {
    this.handlers.delete(endpointId);
  }

  health(clusterId: string): readonly EndpointHealth[] {
    return this.verdicts.get(clusterId) ?? [];
  }

  stats() {
    return [];
  }

  async close(): Promise<void> {}
}

/** Functions by name: their policy document, or null without one. */
export type Functions = Map<string, object | null>;

const notThere = () => new Fault("ResourceNotFoundException", "Function not found");

function fakeLambda(functions: Functions, invocations: { input: object; call: Call }[], answer: () => object): Service {
  const has = (name: string) => {
    if (!functions.has(name)) throw notThere();
  };
  return {
    operations: {
      async GetFunction({ FunctionName }: { FunctionName: string }) {
        has(FunctionName);
        return {};
      },
      async GetPolicy({ FunctionName }: { FunctionName: string }) {
        has(FunctionName);
        const policy = functions.get(FunctionName) ?? null;
        if (policy === null) throw notThere();
        return { Policy: JSON.stringify(policy) };
      },
      async Invoke(input: object, call: Call) {
        invocations.push({ input, call });
        return answer();
      },
    },
  };
}

/** The policy that lets load balancers invoke a function. */
export const allowing = (functionArn: string, sourceArn?: string) => ({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Service: "elasticloadbalancing.amazonaws.com" },
      Action: "lambda:InvokeFunction",
      Resource: functionArn,
      ...(sourceArn === undefined ? {} : { Condition: { ArnLike: { "AWS:SourceArn": sourceArn } } }),
    },
  ],
});

export const functionArn = (name: string) => `arn:aws:lambda:${region}:${account}:function:${name}`;

export async function createBench() {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const lines: string[] = [];
  const log = createLog({ clock, level: "debug", write: (line) => void lines.push(line) });
  const store = await createSqliteStore({ ephemeral: true, clock: systemClock, log, metrics });
  await store.migrate([schemaOf(elasticloadbalancing)]);
  const edge = new RecordingEdge();
  const dispatcher = createDispatcher({ clock, log, metrics, spans: createSpans() });
  const functions: Functions = new Map();
  const invocations: { input: object; call: Call }[] = [];
  const answers: { invoke: () => object } = { invoke: () => ({}) };
  dispatcher.add(
    "lambda",
    fakeLambda(functions, invocations, () => answers.invoke()),
  );
  const ids = countingIds();
  const unused = () => {
    throw new Error("this service has no use for it");
  };
  const deps: Deps = {
    store,
    clock,
    ids,
    log,
    metrics,
    edge,
    peers: dispatcher.peers,
    scheduler: { start: unused, settled: async () => {}, stop: async () => {} },
    delivery: { enqueue: unused },
    get compute(): never {
      return unused();
    },
    sessions: createSessions(),
    secrets: secretsUnder(new Uint8Array(32)),
    cacheDir: "",
    publicUrl: () => "http://127.0.0.1:4566",
    resourceType: unused,
    openTypes: async () => {},
  };
  const service = elasticloadbalancing.create(deps);
  dispatcher.add("elasticloadbalancing", service);
  await service.start?.();
  const call: Call = {
    account,
    region,
    principal: { kind: "user", account, accessKeyId: account },
    requestId: "request",
    trace: { root: "1-00000000-000000000000000000000000", sampled: false },
    signal: new AbortController().signal,
    deadline: clock.now() + 60_000,
    publicUrl: "http://127.0.0.1:4566",
  };
  /** The named job, run once. */
  const runJob = async (name: string) => {
    const job = service.workers?.find((worker) => worker.name === name);
    if (job === undefined) throw new Error(`there is no job ${name}`);
    return job.run(new AbortController().signal);
  };
  const resource = (type: string) => {
    const found = service.resources?.find((candidate) => candidate.type === `AWS::ElasticLoadBalancingV2::${type}`);
    if (found === undefined) throw new Error(`there is no type ${type}`);
    return found;
  };
  return {
    clock,
    store,
    edge,
    functions,
    invocations,
    answers,
    lines,
    call,
    deps,
    service,
    elb: dispatcher.peers.elasticloadbalancing satisfies Peers["elasticloadbalancing"],
    runJob,
    resource,
    async close() {
      await service.stop?.();
      await store.close();
    },
  };
}

export type Bench = Awaited<ReturnType<typeof createBench>>;

export function must<T>(value: T | undefined, what = "a value"): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}

/** A load balancer, a target group of addresses and a listener that forwards to it. */
export async function createFront({ elb, call }: Bench, port = 8080) {
  const { LoadBalancers } = await elb.CreateLoadBalancer({ Name: "front", Subnets: ["subnet-a", "subnet-b"] }, call);
  const loadBalancer = must(LoadBalancers?.[0]);
  const LoadBalancerArn = must(loadBalancer.LoadBalancerArn);
  const { TargetGroups } = await elb.CreateTargetGroup(
    { Name: "monolith", Protocol: "HTTP", Port: 3000, VpcId: "vpc-1", TargetType: "ip" },
    call,
  );
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
  const { Listeners } = await elb.CreateListener(
    { LoadBalancerArn, Protocol: "HTTP", Port: port, DefaultActions: [{ Type: "forward", TargetGroupArn }] },
    call,
  );
  return { LoadBalancerArn, TargetGroupArn, ListenerArn: must(Listeners?.[0]?.ListenerArn), loadBalancer };
}

/** ARNs of the bench's account and region begin so. */
export const arnPrefix = `arn:aws:elasticloadbalancing:${region}:${account}`;
export const fixed = (MessageBody: string) => [
  {
    Type: "fixed-response" as const,
    FixedResponseConfig: { StatusCode: "200", ContentType: "text/plain", MessageBody },
  },
];
export const path = (...Values: string[]) => [{ Field: "path-pattern", PathPatternConfig: { Values } }];
export const forward = (TargetGroupArn: string) => [{ Type: "forward" as const, TargetGroupArn }];

/** Creates a group of addresses that nothing forwards to yet. */
export async function createGroup({ elb, call }: Bench, Name: string): Promise<string> {
  const { TargetGroups } = await elb.CreateTargetGroup(
    { Name, Protocol: "HTTP", Port: 3000, VpcId: "vpc-1", TargetType: "ip" },
    call,
  );
  return must(TargetGroups?.[0]?.TargetGroupArn);
}

/** How an attempt was refused; `"was accepted"` when it was not. */
export async function refusal(attempt: Promise<unknown>): Promise<{ code: string; message: string } | "was accepted"> {
  return attempt.then(
    () => "was accepted" as const,
    (error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      return { code: error.code, message: error.message };
    },
  );
}
