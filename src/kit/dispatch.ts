/** The one way to an operation: from outside, from a peer, from the outbox; with the same checks for all. */
import { asError, Fault, isFault } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Counter, Histogram, Metrics } from "../telemetry/metrics.ts";
import type { Spans } from "../telemetry/trace.ts";
import type { Clock } from "../base/clock.ts";
import { createAdmission, type Admission } from "./admission.ts";
import { authorize, type ConditionContext } from "./authorize.ts";
import type { Call, Principal } from "./call.ts";
import type { Peers } from "./peers.ts";
import type { Operation, Service } from "./service.ts";

/**
 * Calls of one service from outside that run, and that wait, at once. More get the service's throttling fault.
 * Above Lambda's account concurrency (1,000), so that its own 429 comes first.
 */
const runningMax = 2_048;
const waitingMax = 1_024;

export interface Dispatcher {
  /** Adds a service; operations can be invoked from then on. */
  add(name: string, service: Service): void;
  /** A call from outside: only public operations, through admission. */
  outside(service: string, operation: string, input: object, call: Call): Promise<object>;
  /** A call from a peer or the outbox: internal operations too. */
  inside(service: string, operation: string, input: object, call: Call): Promise<object>;
  readonly peers: Peers;
  /** Names of the operations that a service implements, for `docs/coverage.md`. */
  operationsOf(service: string): readonly string[];
}

export interface DispatchDeps {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  spans: Spans;
  /** Has a service of the node added that is not there yet; undefined where there is nothing to wait for. */
  open?(service: string): Promise<void> | undefined;
}

/** Series of one operation: looked up once, as an invocation passes here twice. */
interface Meters {
  ok: Counter;
  failed: Counter;
  ms: Histogram;
}

interface Entry {
  service: Service;
  admission: Admission;
  /** Of the operations that are apart, with bounds of the same size. */
  apart: Admission;
  meters: Map<string, Meters>;
}

export function createDispatcher({ clock, log, metrics, spans, open }: DispatchDeps): Dispatcher {
  const entries = new Map<string, Entry>();

  const entryOf = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new Fault("NotImplemented", `Mikan does not implement the service ${name}.`);
    return entry;
  };

  const metersOf = (service: string, { meters }: Entry, operation: string): Meters => {
    const known = meters.get(operation);
    if (known !== undefined) return known;
    const labels = { service, operation };
    const made = {
      ok: metrics.counter("operation_ok", labels),
      failed: metrics.counter("operation_failed", labels),
      ms: metrics.histogram("operation_ms", labels),
    };
    meters.set(operation, made);
    return made;
  };

  const run = async (name: string, entry: Entry, operation: string, handler: Operation, input: object, call: Call) => {
    const startedMs = clock.monotonicMs();
    let failure: Error | undefined;
    try {
      call.signal.throwIfAborted();
      await permit(name, entry.service, operation, input, call);
      // The codec made the input from the operation's own schema, or the peer's types did.
      return await handler(input as never, call);
    } catch (error) {
      failure = asError(error);
      const gone = call.signal.aborted && error === call.signal.reason;
      if (!isFault(error) && !gone)
        log.error("an operation broke", { service: name, operation, requestId: call.requestId, error: failure });
      throw error;
    } finally {
      const durationMs = clock.monotonicMs() - startedMs;
      const meters = metersOf(name, entry, operation);
      (failure === undefined ? meters.ok : meters.failed).add();
      meters.ms.record(durationMs);
      const error = failure === undefined ? {} : { error: isFault(failure) ? failure.code : "InternalFailure" };
      spans.record({
        name: `${name}:${operation}`,
        trace: call.trace,
        startedAt: clock.now() - durationMs,
        durationMs,
        ...error,
      });
    }
  };

  const notImplemented = (service: string, operation: string) =>
    new Fault("NotImplemented", `Mikan does not implement ${service}:${operation} yet.`);

  const inside: Dispatcher["inside"] = async (name, operation, input, call) => {
    // One that starts has been added already, and may be called by what it calls itself.
    if (!entries.has(name)) await open?.(name);
    const entry = entryOf(name);
    const handler = ownOf(entry.service.operations, operation) ?? ownOf(entry.service.internal ?? {}, operation);
    if (handler === undefined) throw notImplemented(name, operation);
    return run(name, entry, operation, handler, input, call);
  };

  return {
    add(name, service) {
      const throttled = () => new Fault("ThrottlingException", "Rate exceeded");
      const admissionOf = (labels: Record<string, string>) =>
        createAdmission({ runningMax, waitingMax }, throttled, {
          refused: metrics.counter("api_refused", labels),
          running: metrics.gauge("api_running", labels),
        });
      entries.set(name, {
        service,
        admission: admissionOf({ service: name }),
        apart: admissionOf({ service: name, calls: "apart" }),
        meters: new Map(),
      });
    },
    async outside(name, operation, input, call) {
      const opening = open?.(name);
      if (opening !== undefined) await opening;
      const entry = entryOf(name);
      const handler = ownOf(entry.service.operations, operation);
      if (handler === undefined) throw notImplemented(name, operation);
      const isApart = entry.service.apart?.includes(operation) === true;
      const admission = isApart ? entry.apart : entry.admission;
      return admission.run(() => run(name, entry, operation, handler, input, call));
    },
    inside,
    operationsOf: (name) => Object.keys(entryOf(name).service.operations).toSorted(),
    peers: peersOver(inside),
  };
}

function ownOf(operations: Readonly<Record<string, Operation>>, name: string): Operation | undefined {
  return Object.hasOwn(operations, name) ? operations[name] : undefined;
}

/** Asks `authorize` for each ARN that the operation touches. */
async function permit(name: string, service: Service, operation: string, input: object, call: Call): Promise<void> {
  const arnsOf = service.arnsOf?.[operation];
  if (arnsOf === undefined) return;
  // AWS names the permission of Invoke, streamed or not, differently from the operation.
  const invokes = operation === "Invoke" || operation === "InvokeWithResponseStream";
  const action = invokes ? "lambda:InvokeFunction" : `${name}:${operation}`;
  for (const arn of arnsOf(input as never, call)) {
    const policy = await service.policyOf?.(arn, call);
    const context = contextOf(call.principal);
    if (authorize({ principal: call.principal, action, arn, context, policy })) continue;
    const who = call.principal.kind === "service" ? call.principal.service : `account ${call.principal.account}`;
    throw new Fault("AccessDeniedException", `${who} is not authorized to perform: ${action} on resource: ${arn}`);
  }
}

function contextOf(principal: Principal): ConditionContext {
  if (principal.kind !== "service") return {};
  return { "AWS:SourceArn": principal.sourceArn, "AWS:SourceAccount": principal.sourceAccount };
}

/** `peers.lambda.Invoke(input, call)` -> `inside("lambda", "Invoke", input, call)`, for services added later too. */
function peersOver(inside: Dispatcher["inside"]): Peers {
  const peerOf = (service: string) =>
    new Proxy(
      {},
      { get: (_, operation) => async (input: object, call: Call) => inside(service, String(operation), input, call) },
    );
  const made = new Map<string, object>();
  return new Proxy({} as Peers, {
    get(_, service) {
      const name = String(service);
      const peer = made.get(name) ?? peerOf(name);
      made.set(name, peer);
      return peer;
    },
  });
}
