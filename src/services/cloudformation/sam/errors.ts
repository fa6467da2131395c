/** The errors of the SAM transform, collected over the whole document as AWS reports them. */
import { invalid } from "../faults.ts";

/** One thing that is wrong with the document. */
export class SamError extends Error {
  override readonly name = "SamError";
}

/** Why a resource cannot be transformed. */
export function badResource(logicalId: string, why: string): SamError {
  return new SamError(`Resource with id [${logicalId}] is invalid. ${why}`);
}

/** Why one of a function's events cannot be. */
export function badEvent(logicalId: string, eventId: string, why: string): SamError {
  return badResource(logicalId, `Event with id [${eventId}] is invalid. ${why}`);
}

/** The fault of a document with these errors. */
export function badDocument(errors: readonly SamError[]) {
  const reasons = [...new Set(errors.map(({ message }) => message))];
  return invalid(
    `Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. Number of errors found: ${reasons.length}. ${reasons.join(" ")}`,
    { cause: new AggregateError(errors) },
  );
}
