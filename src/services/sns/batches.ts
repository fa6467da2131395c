/** What a batch must be as a whole, and entries that fail alone. Source: API reference, PublishBatch. */
import { isFault } from "../../base/errors.ts";
import { fault } from "./faults.ts";
import { batchIdLengthMax, batchMax } from "./limits.ts";

const idPattern = /^[A-Za-z0-9_-]+$/;

/** Throws for a batch that fails as a whole. */
export function checkBatch(entries: readonly { Id: string }[]): void {
  if (entries.length === 0) {
    throw fault("EmptyBatchRequestException", "The batch request doesn't contain any entries.");
  }
  if (entries.length > batchMax) {
    throw fault("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible.");
  }
  for (const { Id } of entries) {
    if (idPattern.test(Id) && Id.length <= batchIdLengthMax) continue;
    throw fault(
      "InvalidBatchEntryIdException",
      "The Id of a batch entry in a batch request doesn't abide by the specification.",
    );
  }
  if (new Set(entries.map(({ Id }) => Id)).size < entries.length) {
    throw fault("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.");
  }
}

/** Codes as an entry of an answer names them: those of the wire. */
const codes: Readonly<Record<string, string>> = {
  InvalidParameterException: "InvalidParameter",
  InvalidParameterValueException: "ParameterValueInvalid",
};

/** Runs `work` for each entry; what it refuses is that entry's failure. */
export function outcomesOf<E extends { Id: string }, T>(entries: readonly E[], work: (entry: E) => T) {
  const done: T[] = [];
  const failed: { Id: string; SenderFault: boolean; Code: string; Message: string }[] = [];
  for (const entry of entries) {
    try {
      done.push(work(entry));
    } catch (error) {
      if (!isFault(error)) throw error;
      const { code, message: Message } = error;
      failed.push({ Id: entry.Id, SenderFault: true, Code: codes[code] ?? code, Message });
    }
  }
  return { done, failed };
}
