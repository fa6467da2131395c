/**
 * What all threads know of every endpoint, in shared memory: main's verdicts, and the workers' counts of how requests
 * end. An endpoint's cells begin at its slot; cell 0 of the board counts the changes of verdicts, so that a worker looks
 * at them again only when there is something new.
 */

/** Cell 0. */
export const healthChanges = 0;

/** Cells of an endpoint, from its slot on. Verdicts are main's to write, counts the workers'. */
export const atVerdict = 0;
/** 1 while it is taken out for what its requests met: `outlier.ts`. */
export const atEjected = 1;
/** Wall time in seconds at which its slow start began; 0 when it gets its full share. */
export const atSlowSince = 2;
/** Thousandths of its share that it does not get: `anomaly.ts`. */
export const atCut = 3;
/** 1 while its requests fail more often than the others': `anomaly.ts`. */
export const atAnomalous = 10;
/** Failures in a row, over all workers; main begins them anew. */
export const atServerErrors = 4;
export const atGatewayErrors = 5;
export const atLocalFailures = 6;
/** Counts that only grow (and wrap): answers, those with a 5xx among them, and requests that got none. */
export const atAnswers = 7;
export const atBadAnswers = 8;
export const atUnanswered = 9;
const cellsPerEndpoint = 12;

export const healthUnknown = 0;
export const healthGood = 1;
export const healthBad = 2;

/** Endpoints of all clusters together, those that drain among them. */
export const endpointsMax = 16_384;

export function boardMemory(endpoints = endpointsMax): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + endpoints * cellsPerEndpoint) * Int32Array.BYTES_PER_ELEMENT);
}

/** The slot of the `index`th endpoint on the board. */
export function slotOf(index: number): number {
  return 1 + index * cellsPerEndpoint;
}

/** Main writes a verdict, and has the workers look. */
export function setVerdict(board: Int32Array, cell: number, value: number): void {
  Atomics.store(board, cell, value);
  Atomics.add(board, healthChanges, 1);
}

/** Everything about an endpoint is as if it had never been seen. */
export function clearSlot(board: Int32Array, slot: number): void {
  for (let cell = slot; cell < slot + cellsPerEndpoint; cell += 1) Atomics.store(board, cell, 0);
  Atomics.add(board, healthChanges, 1);
}
