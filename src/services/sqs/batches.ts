/** What the batch operations have in common: the rules of a batch as a whole, and entries that fail alone. */
import { isFault, type Fault } from "../../base/errors.ts";
import { fault } from "./faults.ts";
import { batchIdLengthMax, batchMax } from "./limits.ts";

const idPattern = /^[A-Za-z0-9_-]+$/;

/** Throws for a batch that fails as a whole. */
export function checkBatch(entries: readonly { Id: string }[], entryName: string): void {
  if (entries.length === 0) {
    throw fault("EmptyBatchRequest", `There should be at least one ${entryName} in the request.`);
  }
  if (entries.length > batchMax) {
    const text = `Maximum number of entries per request are ${batchMax}. You have sent ${entries.length}.`;
    throw fault("TooManyEntriesInBatchRequest", text);
  }
  const seen = new Set<string>();
  for (const { Id } of entries) {
    if (!idPattern.test(Id) || Id.length > batchIdLengthMax) {
      throw fault(
        "InvalidBatchEntryId",
        `A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most ${batchIdLengthMax} letters long.`,
      );
    }
    if (seen.has(Id)) throw fault("BatchEntryIdsNotDistinct", `Id ${Id} repeated.`);
    seen.add(Id);
  }
}

export interface FailedEntry {
  Id: string;
  SenderFault: boolean;
  Code: string;
  Message: string;
}

export const failedEntry = (Id: string, { code: Code, message: Message }: Fault): FailedEntry => ({
  Id,
  SenderFault: true,
  Code,
  Message,
});

/** Runs `work` for each entry; what it refuses is that entry's failure. */
export function outcomesOf<E extends { Id: string }, T>(entries: readonly E[], work: (entry: E) => T) {
  const done: T[] = [];
  const failed: FailedEntry[] = [];
  for (const entry of entries) {
    try {
      done.push(work(entry));
    } catch (error) {
      if (!isFault(error)) throw error;
      failed.push(failedEntry(entry.Id, error));
    }
  }
  return { done, failed };
}
