import { describe, expect, it } from "vitest";
import type { ClusterStats, LoadBalancerStats } from "../../edge/ports.ts";
import { applicationMetrics, networkMetrics } from "./cloudwatch-metrics.ts";

const loadBalancer: LoadBalancerStats = {
  loadBalancerId: "arn",
  requests: 1,
  grpcRequests: 2,
  ipv6Requests: 3,
  connections: 4,
  activeConnections: 5,
  connectionsRejected: 6,
  handshakesFailed: 7,
  receivedBytes: 8,
  sentBytes: 9,
  rulesEvaluated: 10,
  fixedResponses: 11,
  redirects: 12,
  desyncRequests: 13,
  resetsByClient: 14,
  resetsByEndpoint: 15,
  resetsByEdge: 16,
  connectionsUnrouted: 17,
  portsExhausted: 18,
  tlsConnections: 3,
  activeTlsConnections: 2,
  tlsBytes: 6,
  invalidFieldsDropped: 19,
  invalidFieldsForwarded: 20,
  nonStickyRequests: 21,
  redirectsTooLong: 22,
  cacheHits: 0,
  cacheStale: 0,
  cacheMisses: 0,
  cacheRevalidated: 0,
  cacheWaits: 0,
  ownAnswers: { 301: 1, 400: 2, 460: 3, 502: 4, 503: 5, 504: 6, 561: 7 },
};
const group: ClusterStats = {
  clusterId: "arn",
  requests: 10,
  endpointStatus: [1, 2, 3, 4],
  edgeErrors: { "connect-refused": 1, "connect-timeout": 2, LambdaThrottling: 3, LambdaUnhandled: 4 },
  active: 0,
  failedOpen: 5,
  functionBytes: 6,
  latencyMs: { p50: 250, p99: 500 },
};
const health = (["healthy", "healthy", "unhealthy", "draining"] as const).map((state, i) => ({
  clusterId: "arn",
  endpointId: String(i),
  state,
  ...(i < 2 ? { anomaly: { anomalous: true, mitigated: i === 0 } } : {}),
}));

/** What each metric is of the counts above; undefined of those that are not counted. */
function valueOf(metrics: typeof applicationMetrics, name: string): number | undefined {
  const source = metrics[name];
  if (source?.of === "load balancer") return source.value(loadBalancer);
  return source?.of === "target group" ? source.value(group, health) : undefined;
}

describe("CloudWatch metrics", () => {
  it.each([
    ["RequestCount", 1],
    ["GrpcRequestCount", 2],
    ["NewConnectionCount", 4],
    ["ActiveConnectionCount", 5],
    ["RejectedConnectionCount", 6],
    ["ClientTLSNegotiationErrorCount", 7],
    ["ProcessedBytes", 17],
    ["RuleEvaluations", 10],
    ["HTTP_Fixed_Response_Count", 11],
    ["HTTP_Redirect_Count", 12],
    ["DesyncMitigationMode_NonCompliant_Request_Count", 13],
    ["HTTPCode_ELB_3XX_Count", 1],
    ["HTTPCode_ELB_4XX_Count", 5],
    ["HTTPCode_ELB_5XX_Count", 22],
    ["HTTPCode_ELB_500_Count", 0],
    ["HTTPCode_ELB_502_Count", 4],
    ["HTTPCode_ELB_503_Count", 5],
    ["HTTPCode_ELB_504_Count", 6],
    ["HTTPCode_Target_2XX_Count", 1],
    ["HTTPCode_Target_3XX_Count", 2],
    ["HTTPCode_Target_4XX_Count", 3],
    ["HTTPCode_Target_5XX_Count", 4],
    ["HealthyHostCount", 2],
    ["UnHealthyHostCount", 1],
    ["RequestCountPerTarget", 10 / 3],
    ["TargetConnectionErrorCount", 3],
    ["TargetResponseTime", 0.25],
    ["DroppedInvalidHeaderRequestCount", 19],
    ["ForwardedInvalidHeaderRequestCount", 20],
    ["NonStickyRequestCount", 21],
    ["HTTP_Redirect_Url_Limit_Exceeded_Count", 22],
    ["UnhealthyRoutingRequestCount", 5],
    ["AnomalousHostCount", 2],
    ["MitigatedHostCount", 1],
    ["LambdaTargetProcessedBytes", 6],
    ["LambdaInternalError", 3],
    ["LambdaUserError", 4],
    ["HealthyStateRouting", 1],
  ])("AWS/ApplicationELB %s is %d", (name, value) => {
    expect(valueOf(applicationMetrics, name)).toBeCloseTo(value);
  });

  it.each([
    ["NewFlowCount", 4],
    ["NewFlowCount_TCP", 1],
    ["NewFlowCount_TLS", 3],
    ["ActiveFlowCount", 5],
    ["ActiveFlowCount_TCP", 3],
    ["ActiveFlowCount_TLS", 2],
    ["ProcessedBytes", 17],
    ["ProcessedBytes_TCP", 11],
    ["ProcessedBytes_TLS", 6],
    ["PortAllocationErrorCount", 18],
    ["TCP_Client_Reset_Count", 14],
    ["TCP_Target_Reset_Count", 15],
    ["TCP_ELB_Reset_Count", 16],
    ["UnhealthyRoutingFlowCount", 17],
    ["HealthyHostCount", 2],
  ])("AWS/NetworkELB %s is %d", (name, value) => {
    expect(valueOf(networkMetrics, name)).toBeCloseTo(value);
  });

  it("says of each that is not counted why", () => {
    for (const source of Object.values({ ...applicationMetrics, ...networkMetrics })) {
      if (source.of === "nothing") expect(source.because).toMatch(/\.$/);
    }
  });
});
