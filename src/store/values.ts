/** What may be written, the same on both engines: the stricter of the two decides, and nothing is changed on the way. */
import { Bug } from "../base/errors.ts";
import { JsonValue, type SqlValue } from "./sql.ts";

/**
 * Throws unless both engines store `value` as it is: PostgreSQL has no U+0000 in text, both write an unpaired surrogate
 * as U+FFFD, and a number that is not a whole one to 2^53 has no column kind.
 */
export function checkValue(value: SqlValue | undefined): asserts value is SqlValue {
  if (typeof value === "string") {
    if (value.includes("\0")) throw new Bug("text with U+0000 cannot be stored; use a bytes column");
    if (!value.isWellFormed()) throw new Bug("text with an unpaired surrogate cannot be stored; use a bytes column");
  } else if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Bug(`${value} is no whole number to 2^53`);
  } else if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) !== value) throw new Bug(`${value} does not fit in 64 bits`);
  } else if (value === undefined || (value instanceof JsonValue && typeof value.text !== "string")) {
    throw new Bug("undefined cannot be stored");
  }
}

/** A whole number as an engine wrote it; throws where a JavaScript number would not hold it exactly. */
export function wholeNumber(value: bigint | string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Bug(`${value} is over 2^53; the column should be of kind big`);
  return number;
}
