/** Reserved concurrency, and what an account has left. */
import type { Handlers } from "../../kit/handlers.ts";
import type { LambdaDeps } from "./deps.ts";
import { functionNotFound, invalid } from "./faults.ts";
import { codeStorageBytesMax, unzippedBytesMax, zipBytesMax } from "./limits.ts";
import { ownFunction, unqualifiedArn, type FunctionKey } from "./names.ts";
import { reserve } from "./quotas.ts";
import { accountOf, findFunction } from "./tables.ts";
import type { Call } from "../../kit/call.ts";

export function concurrencyOperations({ store, provisioner, accountConcurrency }: LambdaDeps) {
  const functionOnly = (name: string, call: Call, operation: string) => {
    const ref = ownFunction(name, undefined, call, operation);
    if (ref.qualifier === undefined) return ref;
    throw invalid(
      "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
    );
  };

  const set = (ref: FunctionKey, reserved: number | null) =>
    store.tx(async (tx) => {
      await reserve(tx, ref, reserved, accountConcurrency);
      tx.afterCommit(() => provisioner.wake());
    });

  return {
    async PutFunctionConcurrency(input, call) {
      const ref = functionOnly(input.FunctionName, call, "PutFunctionConcurrency");
      const { ReservedConcurrentExecutions } = input;
      await set(ref, ReservedConcurrentExecutions);
      return { ReservedConcurrentExecutions };
    },

    async GetFunctionConcurrency(input, call) {
      const ref = functionOnly(input.FunctionName, call, "GetFunctionConcurrency");
      const row = await store.read((tx) => findFunction(tx, ref));
      if (row === undefined) throw functionNotFound(unqualifiedArn(ref));
      return row.reserved === null ? {} : { ReservedConcurrentExecutions: row.reserved };
    },

    async DeleteFunctionConcurrency(input, call) {
      const ref = functionOnly(input.FunctionName, call, "DeleteFunctionConcurrency");
      await set(ref, null);
      return {};
    },

    async GetAccountSettings(_input, call) {
      const row = await store.read((tx) => accountOf(tx, call));
      return {
        AccountLimit: {
          TotalCodeSize: codeStorageBytesMax,
          CodeSizeUnzipped: unzippedBytesMax,
          CodeSizeZipped: zipBytesMax,
          ConcurrentExecutions: accountConcurrency,
          UnreservedConcurrentExecutions: accountConcurrency - row.reserved,
        },
        AccountUsage: { TotalCodeSize: row.code_bytes, FunctionCount: row.functions },
      };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-lambda")>;
}
