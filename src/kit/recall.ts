/**
 * Reads that are asked again with every request, kept for as long as nothing can have changed. Where this node is the only
 * writer of its store that is exact: any commit through {@link Recall.store} drops all of it, before anybody hears of the
 * commit. Where others write too, nothing is kept.
 */
import type { ReadTx, Store } from "../store/store.ts";

/** What `body` reads, or read before under the same key. `body` must read nothing but tables written through the recall's store. */
export type Recalled<T> = (key: string, body: (tx: ReadTx) => Promise<T>) => T | Promise<T>;

export interface Recall {
  /** The store, for all that writes what is recalled. */
  store: Store;
  /** Answers of one kind; the oldest go beyond `keptMax`. */
  of<T>(keptMax: number): Recalled<T>;
}

/** @example const { store, of } = recallOver(deps.store); const rows = of<Row | undefined>(1_000); */
export function recallOver(store: Store): Recall {
  let commits = 0;
  const counting: Store = {
    ...store,
    tx: (body, options) =>
      store.tx((tx) => {
        tx.afterCommit(() => {
          commits += 1;
        });
        return body(tx);
      }, options),
    async append(into, rows, ...rest) {
      try {
        await store.append(into, rows, ...rest);
      } finally {
        commits += 1;
      }
    },
    async claim(claim) {
      try {
        return await store.claim(claim);
      } finally {
        commits += 1;
      }
    },
  };

  function keep<T>(keptMax: number): Recalled<T> {
    const kept = new Map<string, { value: T }>();
    let keptAt = commits;
    return (key, body) => {
      if (keptAt !== commits) {
        kept.clear();
        keptAt = commits;
      }
      const known = kept.get(key);
      if (known !== undefined) return known.value;
      return store.read(async (tx) => {
        const readAt = commits;
        const value = await body(tx);
        if (readAt !== commits || keptAt !== readAt) return value;
        for (const oldest of kept.size < keptMax ? [] : kept.keys()) {
          kept.delete(oldest);
          break;
        }
        kept.set(key, { value });
        return value;
      });
    };
  }

  return { store: counting, of: (keptMax) => (store.onlyWriter ? keep(keptMax) : (_key, body) => store.read(body)) };
}
