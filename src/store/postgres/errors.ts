/** PostgreSQL's errors in the store's words. Codes: PostgreSQL manual, appendix A. */
import { DatabaseError } from "pg";
import { asError } from "../../base/errors.ts";
import { DuplicateKey, StoreFailure } from "../errors.ts";

/** Another transaction came between: nothing was changed, and the body may run again. */
export class Conflict extends Error {
  override readonly name = "Conflict";
}

/** serialization_failure, deadlock_detected. */
const conflictCodes: readonly string[] = ["40001", "40P01"];
/** unique_violation. */
const duplicateCode = "23505";
/**
 * Classes that are the statement's or its values' fault: cardinality, data, constraint, transaction state, syntax and
 * access. 25 is there for a write where only reading is allowed.
 */
const statementClasses: readonly string[] = ["21", "22", "23", "25", "42", "0A"];

export function postgresError(error: unknown): Error {
  const cause = asError(error);
  if (!(cause instanceof DatabaseError) || cause.code === undefined) {
    return cause.name === "Error"
      ? new StoreFailure(`the connection to PostgreSQL failed: ${cause.message}`, { cause })
      : cause;
  }
  if (conflictCodes.includes(cause.code)) return new Conflict(cause.message, { cause });
  if (cause.code === duplicateCode) return new DuplicateKey(cause.message, { cause });
  if (statementClasses.includes(cause.code.slice(0, 2))) return cause;
  return new StoreFailure(`PostgreSQL failed: ${cause.message} (${cause.code})`, { cause });
}
