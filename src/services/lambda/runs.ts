/** From a name to a finished invocation: what it names, a slot of the function, and the run itself. */
import type { InvocationResult, ResponseSink } from "../../compute/ports.ts";
import type { Call } from "../../kit/call.ts";
import type { ReadTx } from "../../store/store.ts";
import { formatTrace } from "../../telemetry/trace.ts";
import { chanceOf, drawVersion, findWeights, type Weights } from "./alias-weights.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound } from "./faults.ts";
import { checkImage } from "./images.ts";
import { arnOf, isVersionNumber, keyOf, latest, type FunctionRef } from "./names.ts";
import { recursionGuard } from "./recursion.ts";
import type { Demand, Refusal } from "./slots.ts";
import { accountOf, findAlias, findFunction, findInForce, findVersion, type VersionRow } from "./tables.ts";
import { BadZip } from "./zip.ts";

export interface InvocationRequest {
  /** The same for every attempt at an event. */
  requestId: string;
  /** JSON. */
  payload: Uint8Array;
  clientContext?: string | undefined;
  /** Takes the answer of a function that streams it. */
  stream?: ResponseSink;
}

/** What an invocation needs to know of its function, read in one go. */
export interface Target {
  row: VersionRow;
  demand: Demand;
}

/** Versions kept at hand, by ARN and build; their settings are not read and parsed again for every invocation. */
const rowsMax = 1_000;
/** Names of functions, with their qualifiers, whose meaning is kept at hand. */
const namesMax = 2_000;

function createRowCache() {
  const rows = new Map<string, VersionRow>();
  return {
    get: (key: string) => rows.get(key),
    set(key: string, row: VersionRow) {
      // The oldest goes first: functions that are in use come back at once.
      for (const oldest of rows.size < rowsMax ? [] : rows.keys()) {
        rows.delete(oldest);
        break;
      }
      rows.set(key, row);
    },
  };
}

/** What a name stands for now: one version, or an alias's two, from which each invocation draws. */
interface Named {
  version: string;
  weights: Weights;
  targets: ReadonlyMap<string, Target>;
}

/** What `ref` names now; for a request that the edge took earlier, what it named then if that is gone since. */
export function targetReader({ store, recall, retired, ids }: LambdaDeps) {
  const cache = createRowCache();
  const named = recall.of<Named | undefined>(namesMax);

  const isVersion = (qualifier: string) => qualifier === latest || isVersionNumber(qualifier);

  const targetOf = async (tx: ReadTx, ref: FunctionRef, version: string): Promise<Target | undefined> => {
    const { account, region, name } = ref;
    const now = await findInForce(tx, ref, version);
    if (now === undefined) return undefined;
    const key = `${keyOf(ref)}:${version}:${now.build_id}:${now.code_blob}`;
    const row = cache.get(key) ?? (await findVersion(tx, ref, version));
    if (row === undefined) return undefined;
    if (cache.get(key) === undefined) cache.set(key, row);
    const accountReserved = now.account_reserved ?? 0;
    return { row, demand: { account, region, name, version, reserved: now.reserved, accountReserved } };
  };

  const readNamed = async (tx: ReadTx, ref: FunctionRef): Promise<Named | undefined> => {
    const { qualifier = latest } = ref;
    const alias = isVersion(qualifier) ? undefined : await findAlias(tx, ref, qualifier);
    const version = alias?.version ?? (isVersion(qualifier) ? qualifier : undefined);
    if (version === undefined) return undefined;
    const weights = alias === undefined ? {} : await findWeights(tx, ref, qualifier);
    const targets = new Map<string, Target>();
    for (const one of [version, ...Object.keys(weights)]) {
      const target = await targetOf(tx, ref, one);
      if (target !== undefined) targets.set(one, target);
    }
    return { version, weights, targets };
  };

  const inForce = async (ref: FunctionRef): Promise<Target | undefined> => {
    const found = await named(`${keyOf(ref)}:${ref.qualifier ?? latest}`, (tx) => readNamed(tx, ref));
    if (found === undefined) return undefined;
    const { version, weights, targets } = found;
    const isWeighted = Object.keys(weights).length > 0;
    return targets.get(isWeighted ? drawVersion(version, weights, chanceOf(ids)) : version);
  };

  /** Something of it may live on: its function, when only a version or an alias is gone. */
  const goneSince = async (ref: FunctionRef, call: Call): Promise<Target | undefined> => {
    const gone = retired.version(ref, call.asOf);
    if (gone === undefined) return undefined;
    const { account, region, name } = ref;
    const { of, accountRow } = await store.read(async (tx) => ({
      of: await findFunction(tx, ref),
      accountRow: await accountOf(tx, ref),
    }));
    const reserved = of === undefined ? gone.reserved : of.reserved;
    const { version } = gone.row;
    const demand = { account, region, name, version, reserved, accountReserved: accountRow.reserved };
    return { row: gone.row, demand };
  };

  return async (ref: FunctionRef, call: Call): Promise<Target> => {
    const target = (await inForce(ref)) ?? (await goneSince(ref, call));
    if (target === undefined) throw functionNotFound(arnOf(ref));
    return target;
  };
}

/** A throttled invocation may come again at once: a slot is free when any other ends. */
const retryAfterSeconds = "1";

const throttled = (Reason: Refusal, options?: ErrorOptions) =>
  fault("TooManyRequestsException", "Rate Exceeded.", { Reason, retryAfterSeconds }, options);

/** Runs one invocation in a slot of its function, which it keeps until it has ended, whoever waits for it. */
export function invocationRunner(deps: LambdaDeps) {
  const { slots, executions, metrics } = deps;
  const guard = recursionGuard(deps);

  /** CloudWatch's ProvisionedConcurrencyInvocations, and ProvisionedConcurrencySpilloverInvocations. */
  const countKind = (demand: Demand, kind: InvocationResult["initialization"]) => {
    const ahead = kind === "provisioned-concurrency";
    if (!ahead && !slots.isProvisioned(demand)) return;
    const name = ahead ? "lambda_provisioned_invocations" : "lambda_provisioned_spillover_invocations";
    metrics.counter(name, { function: demand.name }).add();
  };

  return async (
    { row, demand }: Target,
    ref: FunctionRef,
    request: InvocationRequest,
    call: Call,
  ): Promise<InvocationResult> => {
    checkImage(row);
    const trace = await guard(call.trace, demand);
    const slot = slots.take(demand);
    if (typeof slot === "string") {
      metrics.counter("lambda_throttles", { function: row.name }).add();
      throw throttled(slot);
    }
    try {
      const { requestId, payload, clientContext, stream } = request;
      const result = await executions.run(row, {
        requestId,
        payload,
        invokedArn: arnOf(ref),
        traceHeader: formatTrace(trace),
        signal: call.signal,
        ...(clientContext === undefined ? {} : { clientContext }),
        ...(stream === undefined ? {} : { stream }),
      });
      if (result.error !== undefined) metrics.counter("lambda_errors", { function: row.name }).add();
      countKind(demand, result.initialization);
      return result;
    } catch (error) {
      if (error instanceof BadZip) {
        const text = "Lambda could not unzip the deployment package.";
        throw fault("InvalidZipFileException", text, {}, { cause: error });
      }
      if (error instanceof Error && error.name === "ComputeFull") {
        metrics.counter("lambda_throttles", { function: row.name }).add();
        throw throttled("ConcurrentInvocationLimitExceeded", { cause: error });
      }
      if (error instanceof Error && error.name === "ComputeClosed") {
        throw fault("ServiceException", "The node is ending.", { Type: "Service" }, { cause: error });
      }
      throw error;
    } finally {
      slot.release();
    }
  };
}
