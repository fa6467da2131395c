/** `ReportBatchItemFailures`: what of a batch a function says has failed. Source: Lambda guide, "Handling errors for an SQS event source", and the same of streams. */

/** `all`: the whole batch has failed; else the identifiers that the function names. */
export type Failures = "all" | readonly string[];

/** Reads an answer. Nothing, an object without failures, an empty list and null are success; what cannot be read is failure. */
export function failuresOf(payload: Uint8Array): Failures {
  const answer = parsed(payload);
  if (answer === null || answer === undefined) return [];
  if (answer instanceof SyntaxError || typeof answer !== "object" || Array.isArray(answer)) {
    return answer instanceof SyntaxError ? "all" : [];
  }
  const failures: unknown = "batchItemFailures" in answer ? answer.batchItemFailures : null;
  if (failures === null) return [];
  if (!Array.isArray(failures)) return "all";
  const identifiers = failures.map(identifierOf);
  return identifiers.every((identifier) => identifier !== undefined) ? identifiers : "all";
}

function identifierOf(failure: unknown): string | undefined {
  if (typeof failure !== "object" || failure === null || !("itemIdentifier" in failure)) return undefined;
  const { itemIdentifier } = failure;
  return typeof itemIdentifier === "string" && itemIdentifier !== "" ? itemIdentifier : undefined;
}

function parsed(payload: Uint8Array): unknown {
  const text = Buffer.from(payload).toString();
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return error;
    throw error;
  }
}
