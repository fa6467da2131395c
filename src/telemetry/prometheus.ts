/** The metrics in Prometheus' text format, version 0.0.4. */
import type { Labels, Metrics } from "./metrics.ts";

const quantiles = [0.5, 0.9, 0.99];

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`))}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** One line: what `name` is now, of whatever `labels` name. */
export function sampleText(name: string, labels: Labels, value: number): string {
  return `mikan_${name}${labelText(labels)} ${value}\n`;
}

/** Histograms become summaries. Every name begins with `mikan_`. */
export function prometheusText(metrics: Metrics): string {
  const lines: string[] = [];
  for (const { name, labels, metric } of metrics.series()) {
    if ("record" in metric) {
      const snapshot = metric.snapshot();
      for (const quantile of quantiles) {
        lines.push(
          `mikan_${name}${labelText({ ...labels, quantile: String(quantile) })} ${snapshot.quantile(quantile)}`,
        );
      }
      lines.push(
        `mikan_${name}_count${labelText(labels)} ${snapshot.count}`,
        `mikan_${name}_sum${labelText(labels)} ${snapshot.sum}`,
      );
    } else {
      lines.push(`mikan_${name}${labelText(labels)} ${metric.value}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
