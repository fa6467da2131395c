/**
 * Recursive loops: each invocation notes its function in the trace's lineage, which clients in functions, the outbox and
 * the other services carry on; a function that comes again too often in one chain is stopped.
 * Source: Lambda guide, "Use Lambda recursive loop detection to prevent infinite loops".
 */
import type { Handlers } from "../../kit/handlers.ts";
import { upsert } from "../../store/tables.ts";
import type { Trace } from "../../telemetry/trace.ts";
import type { LambdaDeps } from "./deps.ts";
import { fault, functionNotFound } from "./faults.ts";
import { ownFunction, unqualifiedArn, type FunctionKey } from "./names.ts";
import { findOptions, functionOptions } from "./option-tables.ts";
import { findFunction } from "./tables.ts";

/** "Approximately 16 times in the same chain of requests." */
const roundsMax = 16;
/** Functions that a lineage remembers: the header stays short, and a loop is longer only in theory. */
const functionsMax = 32;

const fold = (hash: number, text: string) => {
  let folded = hash;
  for (let i = 0; i < text.length; i += 1) folded = Math.imul(folded ^ text.charCodeAt(i), 0x01000193);
  return folded;
};

/** Eight hex digits for a function: FNV-1a, as it is wanted with every invocation. */
const markOf = ({ account, region, name }: FunctionKey): string =>
  (fold(fold(fold(0x811c9dc5, account), region), name) >>> 0).toString(16).padStart(8, "0");

/** `a87bd80c:1|68fd508a:5`: how often each function has run in this chain. */
function countsOf(lineage: string | undefined): Map<string, number> {
  const counts = new Map<string, number>();
  for (const part of lineage?.split("|") ?? []) {
    const [, mark, count] = /^([0-9a-f]{8}):(\d{1,9})$/.exec(part) ?? [];
    if (mark !== undefined) counts.set(mark, Number(count));
  }
  return counts;
}

function lineageOf(counts: Map<string, number>): string {
  return [...counts]
    .slice(-functionsMax)
    .map(([mark, count]) => `${mark}:${count}`)
    .join("|");
}

/** The trace that a run of the function hands on. Throws AWS's fault when the function has run too often before. */
export function recursionGuard({ store, metrics, log }: Pick<LambdaDeps, "store" | "metrics" | "log">) {
  const isAllowed = async (key: FunctionKey): Promise<boolean> => {
    const row = await store.read((tx) => findOptions(tx, key));
    return row?.recursive_loop === "Allow";
  };

  return async (trace: Trace, key: FunctionKey): Promise<Trace> => {
    const mark = markOf(key);
    // Most chains begin here.
    if (trace.lineage === undefined) return { ...trace, lineage: `${mark}:1` };
    const counts = countsOf(trace.lineage);
    const before = counts.get(mark) ?? 0;
    if (before >= roundsMax && !(await isAllowed(key))) {
      metrics.counter("lambda_recursive_invocations_dropped", { function: key.name }).add();
      log.warn("a recursive loop was stopped", { function: unqualifiedArn(key), rounds: before });
      throw fault(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.",
      );
    }
    // The newest last: it is the oldest that a full lineage forgets.
    counts.delete(mark);
    counts.set(mark, before + 1);
    return { ...trace, lineage: lineageOf(counts) };
  };
}

/** Sets what a function's recursive loops come to. */
export function recursionChange({ store }: Pick<LambdaDeps, "store">) {
  return ({ account, region, name }: FunctionKey, loop: "Allow" | "Terminate"): Promise<void> =>
    store.tx(async (tx) => {
      const key = { account, region, name };
      if ((await findFunction(tx, key)) === undefined) throw functionNotFound(unqualifiedArn(key));
      const present = await findOptions(tx, key);
      const recursive_loop = loop === "Allow" ? loop : null;
      await tx.run(upsert(functionOptions, { code_signing: null, ...present, ...key, recursive_loop }));
    });
}

export function recursionOperations(deps: LambdaDeps) {
  const change = recursionChange(deps);
  return {
    async PutFunctionRecursionConfig({ FunctionName, RecursiveLoop }, call) {
      await change(ownFunction(FunctionName, undefined, call, "PutFunctionRecursionConfig"), RecursiveLoop);
      return { RecursiveLoop };
    },

    async GetFunctionRecursionConfig(input, call) {
      const ref = ownFunction(input.FunctionName, undefined, call, "GetFunctionRecursionConfig");
      const row = await deps.store.read(async (tx) => {
        if ((await findFunction(tx, ref)) === undefined) throw functionNotFound(unqualifiedArn(ref));
        return findOptions(tx, ref);
      });
      return { RecursiveLoop: row?.recursive_loop === "Allow" ? ("Allow" as const) : ("Terminate" as const) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
