/** What an account may use, checked in the transaction that uses it. */
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { fault, functionNotFound, invalid } from "./faults.ts";
import { codeStorageBytesMax, unreservedConcurrencyMin } from "./limits.ts";
import { arnOf, latest, type FunctionKey } from "./names.ts";
import { pooledProvisioned, provisionedOf, totalOf } from "./provisioned-tables.ts";
import { accountOf, addToAccount, findFunction, functions, isFunction } from "./tables.ts";

/** Counts code, and functions, of an account; throws when its code would be more than its quota. */
export async function addCode(tx: Tx, key: FunctionKey, bytes: number, newFunctions = 0): Promise<void> {
  const account = await addToAccount(tx, key, { code_bytes: bytes, functions: newFunctions });
  if (bytes > 0 && account.code_bytes > codeStorageBytesMax) {
    throw fault("CodeStorageExceededException", "Code storage limit exceeded.");
  }
}

/** Throws when less is left to functions without a reservation than an account must leave them. */
export async function checkUnreserved(
  tx: Tx,
  key: FunctionKey,
  accountMax: number,
  asked: "ReservedConcurrentExecutions" | "ConcurrentExecutions",
): Promise<void> {
  const { reserved } = await accountOf(tx, key);
  if (reserved + (await pooledProvisioned(tx, key)) <= accountMax - unreservedConcurrencyMin) return;
  throw invalid(
    `Specified ${asked} for function decreases account's UnreservedConcurrentExecution below its minimum value of [${unreservedConcurrencyMin}].`,
  );
}

/** Sets a function's reserved concurrency, or takes it back with null, in an account that has `accountMax`. */
export async function reserve(tx: Tx, key: FunctionKey, reserved: number | null, accountMax: number): Promise<void> {
  const row = await findFunction(tx, key);
  if (row === undefined) throw functionNotFound(arnOf({ ...key, qualifier: latest }));
  const provisioned = totalOf(await provisionedOf(tx, key));
  if (reserved !== null && reserved < provisioned) {
    throw invalid(
      `ReservedConcurrentExecutions ${reserved} should not be lower than function's total provisioned concurrency [${provisioned}].`,
    );
  }
  const change = (reserved ?? 0) - (row.reserved ?? 0);
  await addToAccount(tx, key, { reserved: change });
  await tx.run(sql`update ${functions.name} set reserved = ${reserved} where ${isFunction(key)}`);
  // What is given back is always allowed, but for provisioned concurrency that falls to the account's pool.
  if (change > 0 || (reserved === null && provisioned > 0)) {
    await checkUnreserved(tx, key, accountMax, "ReservedConcurrentExecutions");
  }
}
