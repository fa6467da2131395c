/** What an account may use, checked in the transaction that uses it. */
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { fault, functionNotFound, invalid } from "./faults.ts";
import { accountConcurrency, codeStorageBytesMax, unreservedConcurrencyMin } from "./limits.ts";
import { arnOf, latest, type FunctionKey } from "./names.ts";
import { addToAccount, findFunction, functions, isFunction } from "./tables.ts";

/** Counts code, and functions, of an account; throws when its code would be more than its quota. */
export async function addCode(tx: Tx, key: FunctionKey, bytes: number, newFunctions = 0): Promise<void> {
  const account = await addToAccount(tx, key, { code_bytes: bytes, functions: newFunctions });
  if (bytes > 0 && account.code_bytes > codeStorageBytesMax) {
    throw fault("CodeStorageExceededException", "Code storage limit exceeded.");
  }
}

/** Sets a function's reserved concurrency, or takes it back with null. */
export async function reserve(tx: Tx, key: FunctionKey, reserved: number | null): Promise<void> {
  const row = await findFunction(tx, key);
  if (row === undefined) throw functionNotFound(arnOf({ ...key, qualifier: latest }));
  const change = (reserved ?? 0) - (row.reserved ?? 0);
  const account = await addToAccount(tx, key, { reserved: change });
  if (change > 0 && account.reserved > accountConcurrency - unreservedConcurrencyMin) {
    throw invalid(
      `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${unreservedConcurrencyMin}].`,
    );
  }
  await tx.run(sql`update ${functions.name} set reserved = ${reserved} where ${isFunction(key)}`);
}
