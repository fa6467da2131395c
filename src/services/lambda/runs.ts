/** From a name to a finished invocation: what it names, a slot of the function, and the run itself. */
import type { InvocationResult } from "../../compute/ports.ts";
import type { Call } from "../../kit/call.ts";
import { formatTrace } from "../../telemetry/trace.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound } from "./faults.ts";
import { arnOf, type FunctionRef } from "./names.ts";
import type { Demand } from "./slots.ts";
import { accountOf, findFunction, findQualified, type VersionRow } from "./tables.ts";
import { BadZip } from "./zip.ts";

export interface InvocationRequest {
  /** The same for every attempt at an event. */
  requestId: string;
  /** JSON. */
  payload: Uint8Array;
  clientContext?: string | undefined;
}

/** What an invocation needs to know of its function, read in one go. */
export interface Target {
  row: VersionRow;
  demand: Demand;
}

/** What `ref` names now; for a request that the edge took earlier, what it named then if that is gone since. */
export function targetReader({ store, retired }: LambdaDeps) {
  return async (ref: FunctionRef, call: Call): Promise<Target> => {
    const found = await store.read(async (tx) => ({
      row: await findQualified(tx, ref, ref.qualifier),
      of: await findFunction(tx, ref),
      account: await accountOf(tx, ref),
    }));
    const { account, region, name } = ref;
    const demand = { account, region, name, accountReserved: found.account.reserved };
    if (found.row !== undefined) return { row: found.row, demand: { ...demand, reserved: found.of?.reserved ?? null } };
    const gone = retired.version(ref, call.asOf);
    if (gone === undefined) throw functionNotFound(arnOf(ref));
    return { row: gone.row, demand: { ...demand, reserved: found.of?.reserved ?? gone.reserved } };
  };
}

/** Runs one invocation in a slot of its function, which it keeps until it has ended, whoever waits for it. */
export function invocationRunner(deps: LambdaDeps) {
  const { slots, executions, metrics } = deps;
  return async (
    { row, demand }: Target,
    ref: FunctionRef,
    request: InvocationRequest,
    call: Call,
  ): Promise<InvocationResult> => {
    const slot = slots.take(demand);
    if (typeof slot === "string") {
      metrics.counter("lambda_throttles", { function: row.name }).add();
      throw fault("TooManyRequestsException", "Rate Exceeded.", { Reason: slot });
    }
    try {
      const { requestId, payload, clientContext } = request;
      return await executions.run(row, {
        requestId,
        payload,
        invokedArn: arnOf(ref),
        traceHeader: formatTrace(call.trace),
        signal: call.signal,
        ...(clientContext === undefined ? {} : { clientContext }),
      });
    } catch (error) {
      if (error instanceof BadZip) {
        const text = "Lambda could not unzip the deployment package.";
        throw fault("InvalidZipFileException", text, {}, { cause: error });
      }
      throw error;
    } finally {
      slot.release();
    }
  };
}
