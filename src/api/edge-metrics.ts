/** What the edge counts, in Prometheus' text format: by load balancer, and by target group. */
import type { ClusterStats, Edge, LoadBalancerStats } from "../edge/ports.ts";
import { sampleText } from "../telemetry/prometheus.ts";

/** Read as it is asked for: the numbers lie in memory that the workers write. */
export function edgeText(edge: Pick<Edge, "stats" | "loadBalancers">): string {
  const parts = [...edge.loadBalancers().map(loadBalancerText), ...edge.stats().map(clusterText)];
  return parts.join("");
}

function loadBalancerText({ loadBalancerId, ownAnswers, ...counts }: LoadBalancerStats): string {
  const labels = { load_balancer: loadBalancerId };
  const lines = Object.entries(counts).map(([name, value]) => sampleText(`edge_${snake(name)}`, labels, value));
  const answers = Object.entries(ownAnswers).map(([status, value]) =>
    sampleText("edge_own_answers", { ...labels, status }, value),
  );
  return [...lines, ...answers].join("");
}

function clusterText({ clusterId, requests, active, endpointStatus, edgeErrors, latencyMs }: ClusterStats): string {
  const labels = { target_group: clusterId };
  return [
    sampleText("edge_target_requests", labels, requests),
    sampleText("edge_target_active_requests", labels, active),
    ...endpointStatus.map((count, i) => sampleText("edge_target_answers", { ...labels, status: `${i + 2}xx` }, count)),
    ...Object.entries(edgeErrors).map(([reason, count]) =>
      sampleText("edge_target_errors", { ...labels, reason }, count),
    ),
    sampleText("edge_target_response_ms", { ...labels, quantile: "0.5" }, latencyMs.p50),
    sampleText("edge_target_response_ms", { ...labels, quantile: "0.99" }, latencyMs.p99),
  ].join("");
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
