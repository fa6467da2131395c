/** The name that was perhaps meant by one that does not exist. */

/** Longer names are not compared: nobody mistypes them by a letter. */
const nameLengthMax = 128;
/** Edits between two names that may still be one; a third of a short name. */
const editsMax = 4;

/** The nearest of the names, or undefined where none is near. Of equally near ones the first. */
export function nearestOf(name: string, among: Iterable<string>): string | undefined {
  if (name.length > nameLengthMax) return undefined;
  let nearest: string | undefined;
  let limit = Math.min(editsMax, Math.max(1, Math.floor(name.length / 3)));
  const wanted = name.toLowerCase();
  for (const candidate of among) {
    if (candidate === name || candidate.length > nameLengthMax) continue;
    const edits = editsBetween(wanted, candidate.toLowerCase(), limit);
    if (edits === undefined) continue;
    nearest = candidate;
    if (edits === 0) break;
    // Only a nearer one takes its place.
    limit = edits - 1;
  }
  return nearest;
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that make one text the other; undefined for more than
 * `limit`. Only the diagonal band that `limit` edits can reach is computed.
 */
function editsBetween(left: string, right: string, limit: number): number | undefined {
  if (Math.abs(left.length - right.length) > limit) return undefined;
  const far = limit + 1;
  let before: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row += 1) {
    const next = Array.from({ length: right.length + 1 }, () => far);
    next[0] = row;
    for (let at = Math.max(1, row - limit); at <= Math.min(right.length, row + limit); at += 1) {
      const same = left[row - 1] === right[at - 1];
      const swapped = left[row - 1] === right[at - 2] && left[row - 2] === right[at - 1];
      next[at] = Math.min(
        (last[at] ?? far) + 1,
        (next[at - 1] ?? far) + 1,
        (last[at - 1] ?? far) + (same ? 0 : 1),
        swapped ? (before[at - 2] ?? far) + 1 : far,
      );
    }
    if (Math.min(...next) > limit) return undefined;
    before = last;
    last = next;
  }
  const edits = last[right.length] ?? far;
  return edits > limit ? undefined : edits;
}
