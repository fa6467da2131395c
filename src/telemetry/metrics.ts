/** Counters, gauges and histograms: cheap to record, read by whoever exports them. */

/** Label values of one series; few and bounded (never a request id or a path as sent). */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  /** Adds `by` (0 or more). */
  add(by?: number): void;
  readonly value: number;
}

export interface Gauge {
  set(value: number): void;
  readonly value: number;
}

export interface Histogram {
  /** Records one value, in the unit that the metric's name ends with. */
  record(value: number): void;
  snapshot(): HistogramSnapshot;
}

export interface HistogramSnapshot {
  count: number;
  sum: number;
  min: number;
  max: number;
  /** The value below which the share `quantile` (0-1) of all records lies, within 6%. */
  quantile(quantile: number): number;
}

export interface Metrics {
  counter(name: string, labels?: Labels): Counter;
  gauge(name: string, labels?: Labels): Gauge;
  histogram(name: string, labels?: Labels): Histogram;
  /** Every series, for an exporter. */
  series(): Iterable<Series>;
}

export interface Series {
  name: string;
  labels: Labels;
  metric: Counter | Gauge | Histogram;
}

/** One more series than this is a label that should not be one; it is recorded nowhere. */
const seriesMax = 20_000;
/** Bucket k holds values up to 1.06^k of the smallest unit: about 6% wide, 400 of them reach from 0.001 to 10^7. */
const bucketGrowth = Math.log(1.06);
const bucketCount = 400;
const smallest = 0.001;

function createHistogram(): Histogram {
  const buckets = new Uint32Array(bucketCount);
  let count = 0;
  let sum = 0;
  let min = Infinity;
  let max = -Infinity;
  return {
    record(value) {
      const bucket = value <= smallest ? 0 : Math.ceil(Math.log(value / smallest) / bucketGrowth);
      const index = Math.min(bucketCount - 1, bucket);
      buckets[index] = (buckets[index] as number) + 1;
      count += 1;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    },
    snapshot() {
      const counts = buckets.slice();
      const total = count;
      return {
        count,
        sum,
        min: total === 0 ? 0 : min,
        max: total === 0 ? 0 : max,
        quantile(quantile) {
          if (total === 0) return 0;
          let left = quantile * total;
          for (let i = 0; i < bucketCount; i += 1) {
            left -= counts[i] as number;
            if (left <= 0) return Math.min(max, smallest * Math.exp(i * bucketGrowth));
          }
          return max;
        },
      };
    },
  };
}

function createCounter(): Counter {
  let value = 0;
  return {
    add(by = 1) {
      value += by;
    },
    get value() {
      return value;
    },
  };
}

function createGauge(): Gauge {
  let value = 0;
  return {
    set(next) {
      value = next;
    },
    get value() {
      return value;
    },
  };
}

export function createMetrics(): Metrics {
  const all = new Map<string, Series>();
  function find<T extends Counter | Gauge | Histogram>(name: string, labels: Labels, make: () => T): T {
    const key = `${name}${JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
    const found = all.get(key);
    // A name means one kind of metric for the life of the process; the caller that mixes them has the bug.
    if (found !== undefined) return found.metric as T;
    const metric = make();
    if (all.size < seriesMax) all.set(key, { name, labels, metric });
    return metric;
  }
  return {
    counter: (name, labels = {}) => find(name, labels, createCounter),
    gauge: (name, labels = {}) => find(name, labels, createGauge),
    histogram: (name, labels = {}) => find(name, labels, createHistogram),
    series: () => all.values(),
  };
}
