/**
 * Blobs that somebody is reading: the sweep leaves them, though an object that was deleted since no longer names them.
 * A download may take hours, and opens the blobs of later parts only when it comes to them.
 */
export interface Reading {
  /** Holds the blobs until the returned function is called, once. */
  hold(ids: readonly string[]): () => void;
  holds(id: string): boolean;
}

export function createReading(): Reading {
  /** Readers of each; bounded by the connections that the server takes. */
  const readers = new Map<string, number>();
  return {
    hold(ids) {
      for (const id of ids) readers.set(id, (readers.get(id) ?? 0) + 1);
      return () => {
        for (const id of ids) {
          const left = (readers.get(id) ?? 0) - 1;
          if (left > 0) readers.set(id, left);
          else readers.delete(id);
        }
      };
    },
    holds: (id) => readers.has(id),
  };
}
