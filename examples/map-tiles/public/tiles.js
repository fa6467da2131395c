/** The tiles, as the page gets them: who answered, how fast; what is in view; and asking again, so that a peel is seen. */

/** Figures are of the last so many tiles: few enough that a change shows within seconds. */
export const windowLength = 80;
/** One tile is asked for again each so often ... */
const probeMs = 140;
/** ... unless this many questions are still open. */
const openMax = 6;
const timeoutMs = 10_000;
/** Deepest zoom that the servers cut. */
export const zoomMax = 6;

/**
 * @typedef {{ key: string, by: "monolith" | "function" | "failed", why: string, ms: number, at: number }} Answer
 *   `why` says what went wrong, or is empty.
 */

/** @param {(answer: Answer) => void} onAnswer */
export function createTiles(onAnswer) {
  /** The last answer for each tile; of tiles out of view too, so that they are outlined at once when they come back. */
  const answers = new Map();
  const answersMax = 2000;
  let open = 0;

  /** Fetches past every cache. Rejects for a tile that failed, after it was counted as such. */
  async function fetchTile(key, signal) {
    const startedAt = performance.now();
    open += 1;
    try {
      const response = await fetch(`/map/${key}.mvt`, {
        cache: "no-store",
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
      });
      const data = await response.arrayBuffer();
      const server = response.headers.get("x-served-by");
      if (!response.ok) throw new Error(server ? `${response.status}, ${server}` : `${response.status}, edge`);
      if (server !== "monolith" && server !== "function") throw new Error("nobody signed the answer");
      keep({ key, by: server, why: "", ms: await networkMs(response.url, startedAt), at: performance.now() });
      return data;
    } catch (error) {
      // The map drops requests for tiles that left the view: nothing failed then.
      if (!signal?.aborted) {
        const why = error.name === "TimeoutError" ? "no answer in 10 s" : error.message;
        keep({ key, by: "failed", why, ms: performance.now() - startedAt, at: performance.now() });
      }
      throw error;
    } finally {
      open -= 1;
    }
  }

  function keep(answer) {
    answers.delete(answer.key);
    answers.set(answer.key, answer);
    if (answers.size > answersMax) answers.delete(answers.keys().next().value);
    onAnswer(answer);
  }

  /** Asks again for the tile in view whose answer is oldest. */
  function probe(inView) {
    if (open >= openMax) return;
    const oldest = inView
      .filter((key) => answers.has(key))
      .reduce((a, b) => (a && answers.get(a).at <= answers.get(b).at ? a : b), undefined);
    const key = inView.find((key) => !answers.has(key)) ?? oldest;
    if (key === undefined) return;
    // Its place in the queue is behind all others from now on, however long the answer takes.
    if (answers.has(key)) answers.get(key).at = performance.now();
    // A failure is in the figures and on the map by now: that is what this page is for.
    fetchTile(key).catch(() => {});
  }

  return {
    fetchTile,
    answerOf: (key) => answers.get(key),
    /** Probes what `inView()` gives, while `active()` holds. */
    keepProbing(inView, active) {
      setInterval(() => {
        if (active() && !document.hidden) probe(inView());
      }, probeMs);
    },
  };
}

/** Entries of the browser's own timing that are kept before all are dropped; its default is 250, then nothing is timed. */
const timingsMax = 2000;
performance.setResourceTimingBufferSize(timingsMax + 100);
let timings = 0;

/**
 * How long the network took, as the browser saw it: a page that was busy drawing would count its own work as latency.
 * The entry comes with the answer's end or a task later; failing that, the time until now.
 */
async function networkMs(url, startedAt) {
  for (const patience of [true, false]) {
    const entry = performance.getEntriesByName(url, "resource").findLast(({ startTime }) => startTime >= startedAt - 1);
    if (entry?.responseEnd > 0) {
      if ((timings += 1) % timingsMax === 0) performance.clearResourceTimings();
      return entry.responseEnd - entry.requestStart;
    }
    if (patience) await new Promise((resolve) => setTimeout(resolve));
  }
  return performance.now() - startedAt;
}

/** Keys `z/x/y` of the tiles that cover these bounds at this zoom of the map. */
export function tilesIn(bounds, zoom) {
  const z = Math.max(0, Math.min(zoomMax, Math.floor(zoom)));
  const side = 2 ** z;
  const column = (lng) => Math.floor(((lng + 180) / 360) * side);
  const row = (lat) => {
    const sine = Math.sin((Math.max(-85.05, Math.min(85.05, lat)) * Math.PI) / 180);
    return Math.floor((0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * side);
  };
  const keys = new Set();
  const lastColumn = Math.min(column(bounds.getEast()), column(bounds.getWest()) + side - 1);
  for (let y = Math.max(0, row(bounds.getNorth())); y <= Math.min(side - 1, row(bounds.getSouth())); y++) {
    for (let x = column(bounds.getWest()); x <= lastColumn; x++) keys.add(`${z}/${((x % side) + side) % side}/${y}`);
  }
  return [...keys];
}

const inset = 0.008;
const corner = 0.03;

/** A tile's outline as a GeoJSON ring: a little inside its bounds, so that neighbours do not cover one another. */
export function outlineOf(key) {
  const [z, x, y] = key.split("/").map(Number);
  const side = 2 ** z;
  const at = (u, v) => [
    ((x + u) / side) * 360 - 180,
    (Math.atan(Math.sinh(Math.PI * (1 - (2 * (y + v)) / side))) * 180) / Math.PI,
  ];
  const [near, far] = [inset + corner, 1 - inset - corner];
  const ring = [];
  for (const [u, v, turn] of [
    [near, near, 2],
    [far, near, 3],
    [far, far, 0],
    [near, far, 1],
  ]) {
    for (let step = 0; step <= 6; step++) {
      const angle = ((turn + step / 6) * Math.PI) / 2;
      ring.push(at(u + corner * Math.cos(angle), v + corner * Math.sin(angle)));
    }
  }
  return [...ring, ring[0]];
}
