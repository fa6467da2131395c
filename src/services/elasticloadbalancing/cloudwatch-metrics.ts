/**
 * Every CloudWatch metric of load balancers, and what of the edge's counts it is; or why it is none. Sources:
 * Application Load Balancers guide and Network Load Balancers guide, "CloudWatch metrics for your ... Load Balancer".
 * Published when CloudWatch is there; each node is one Availability Zone.
 */
import type { ClusterStats, EndpointHealth, LoadBalancerStats } from "../../edge/ports.ts";

/** Of a load balancer, or of one of its target groups. */
export type MetricSource =
  | { of: "load balancer"; value: (stats: LoadBalancerStats) => number }
  | { of: "target group"; value: (stats: ClusterStats, health: readonly EndpointHealth[]) => number }
  | { of: "nothing"; because: string };

const lb = (value: (stats: LoadBalancerStats) => number): MetricSource => ({ of: "load balancer", value });
const count = (name: Exclude<keyof LoadBalancerStats, "loadBalancerId" | "ownAnswers">) => lb((stats) => stats[name]);
const own = (first: number, last = first) =>
  lb(({ ownAnswers }) =>
    Object.entries(ownAnswers).reduce(
      (sum, [status, times]) => (Number(status) >= first && Number(status) <= last ? sum + times : sum),
      0,
    ),
  );
const group = (value: (stats: ClusterStats, health: readonly EndpointHealth[]) => number): MetricSource => ({
  of: "target group",
  value,
});
const errors = (...reasons: readonly string[]) =>
  group(({ edgeErrors }) => reasons.reduce((sum, reason) => sum + (edgeErrors[reason] ?? 0), 0));
const hosts = (...states: readonly string[]) =>
  group((_, health) => health.filter(({ state }) => states.includes(state)).length);
const not = (because: string): MetricSource => ({ of: "nothing", because });

const capacity = not("Capacity units are what AWS bills by; a node has the capacity of its machine.");
const zonal = not("A node is one Availability Zone, and its load balancers' names are always answered.");
const authentication = not("authenticate-oidc and authenticate-cognito are refused by name.");
const optimizer = not("Target optimizer is an agent beside each target, which is refused by name.");
const packets = not("A process sees streams of bytes; packets are the kernel's.");
const udp = not("UDP listeners are refused by name.");

/** Namespace AWS/ApplicationELB. */
export const applicationMetrics: Readonly<Record<string, MetricSource>> = {
  ActiveConnectionCount: count("activeConnections"),
  BYoIPUtilPercentage: not("Addresses from an IPAM pool are refused by name."),
  ClientTLSNegotiationErrorCount: count("handshakesFailed"),
  ConsumedLCUs: capacity,
  DesyncMitigationMode_NonCompliant_Request_Count: count("desyncRequests"),
  DroppedInvalidHeaderRequestCount: count("invalidFieldsDropped"),
  ForwardedInvalidHeaderRequestCount: count("invalidFieldsForwarded"),
  GrpcRequestCount: count("grpcRequests"),
  HTTP_Fixed_Response_Count: count("fixedResponses"),
  HTTP_Redirect_Count: count("redirects"),
  HTTP_Redirect_Url_Limit_Exceeded_Count: count("redirectsTooLong"),
  HTTPCode_ELB_3XX_Count: own(300, 399),
  HTTPCode_ELB_4XX_Count: own(400, 499),
  HTTPCode_ELB_5XX_Count: own(500, 599),
  HTTPCode_ELB_500_Count: own(500),
  HTTPCode_ELB_502_Count: own(502),
  HTTPCode_ELB_503_Count: own(503),
  HTTPCode_ELB_504_Count: own(504),
  IPv6ProcessedBytes: not("Listeners bind an IPv4 address."),
  IPv6RequestCount: count("ipv6Requests"),
  LowReputationPacketsDropped: not("Mikan knows no reputation of addresses."),
  LowReputationRequestsDenied: not("Mikan knows no reputation of addresses."),
  NewConnectionCount: count("connections"),
  NonStickyRequestCount: count("nonStickyRequests"),
  PeakLCUs: capacity,
  ProcessedBytes: lb(({ receivedBytes, sentBytes }) => receivedBytes + sentBytes),
  RejectedConnectionCount: count("connectionsRejected"),
  RequestCount: count("requests"),
  ReservedLCUs: capacity,
  RuleEvaluations: count("rulesEvaluated"),
  AnomalousHostCount: group((_, health) => health.filter(({ anomaly }) => anomaly?.anomalous === true).length),
  HealthyHostCount: hosts("healthy"),
  HTTPCode_Target_2XX_Count: group(({ endpointStatus }) => endpointStatus[0]),
  HTTPCode_Target_3XX_Count: group(({ endpointStatus }) => endpointStatus[1]),
  HTTPCode_Target_4XX_Count: group(({ endpointStatus }) => endpointStatus[2]),
  HTTPCode_Target_5XX_Count: group(({ endpointStatus }) => endpointStatus[3]),
  MitigatedHostCount: group((_, health) => health.filter(({ anomaly }) => anomaly?.mitigated === true).length),
  RequestCountPerTarget: group(({ requests }, health) => {
    const targets = health.filter(({ state }) => state !== "draining").length;
    return targets === 0 ? 0 : requests / targets;
  }),
  TargetConnectionErrorCount: errors("connect-refused", "connect-failed", "connect-timeout"),
  /** Seconds; of percentiles CloudWatch would have all, here are two. */
  TargetResponseTime: group(({ latencyMs }) => latencyMs.p50 / 1000),
  TargetTLSNegotiationErrorCount: errors("tls-failed"),
  UnHealthyHostCount: hosts("unhealthy"),
  ZonalShiftedHostCount: zonal,
  HealthyStateDNS: zonal,
  HealthyStateRouting: group((_, health) => (health.some(({ state }) => state === "healthy") ? 1 : 0)),
  UnhealthyRoutingRequestCount: group(({ failedOpen }) => failedOpen),
  UnhealthyStateDNS: zonal,
  UnhealthyStateRouting: group((_, health) => (health.some(({ state }) => state === "healthy") ? 0 : 1)),
  LambdaInternalError: errors(
    "LambdaServiceException",
    "LambdaThrottling",
    "LambdaConnectionError",
    "LambdaConnectionTimeout",
    "LambdaAccessDenied",
    "LambdaResourceNotFound",
  ),
  LambdaTargetProcessedBytes: group(({ functionBytes }) => functionBytes),
  LambdaUserError: errors("LambdaUnhandled", "LambdaInvalidResponse", "LambdaResponseTooLarge", "LambdaBadRequest"),
  ELBAuthError: authentication,
  ELBAuthFailure: authentication,
  ELBAuthLatency: authentication,
  ELBAuthRefreshTokenSuccess: authentication,
  ELBAuthSuccess: authentication,
  ELBAuthUserClaimsSizeExceeded: authentication,
  TargetControlActiveChannelCount: optimizer,
  TargetControlChannelErrorCount: optimizer,
  TargetControlNewChannelCount: optimizer,
  TargetControlProcessedBytes: optimizer,
  TargetControlRequestCount: optimizer,
  TargetControlRequestRejectCount: optimizer,
  TargetControlWorkQueueLength: optimizer,
};

/** Namespace AWS/NetworkELB. */
export const networkMetrics: Readonly<Record<string, MetricSource>> = {
  ActiveFlowCount: count("activeConnections"),
  ActiveFlowCount_TCP: lb(({ activeConnections, activeTlsConnections }) => activeConnections - activeTlsConnections),
  ActiveFlowCount_TLS: count("activeTlsConnections"),
  ActiveFlowCount_UDP: udp,
  ActiveFlowCount_QUIC: udp,
  ActiveZonalShiftHostCount: zonal,
  ClientTLSNegotiationErrorCount: count("handshakesFailed"),
  ConsumedLCUs: capacity,
  ConsumedLCUs_TCP: capacity,
  ConsumedLCUs_TLS: capacity,
  ConsumedLCUs_UDP: capacity,
  HealthyHostCount: hosts("healthy"),
  NewFlowCount: count("connections"),
  NewFlowCount_TCP: lb(({ connections, tlsConnections }) => connections - tlsConnections),
  NewFlowCount_TLS: count("tlsConnections"),
  NewFlowCount_UDP: udp,
  NewFlowCount_QUIC: udp,
  PeakBytesPerSecond: not("A peak is CloudWatch's to find in what is processed."),
  PeakPacketsPerSecond: packets,
  PortAllocationErrorCount: count("portsExhausted"),
  ProcessedBytes: lb(({ receivedBytes, sentBytes }) => receivedBytes + sentBytes),
  ProcessedBytes_TCP: lb(({ receivedBytes, sentBytes, tlsBytes }) => receivedBytes + sentBytes - tlsBytes),
  ProcessedBytes_TLS: count("tlsBytes"),
  ProcessedBytes_UDP: udp,
  ProcessedBytes_QUIC: udp,
  ProcessedPackets: packets,
  QUIC_Unknown_Server_ID_Packet_Drop_Count: udp,
  RejectedFlowCount: count("connectionsRejected"),
  RejectedFlowCount_TCP: count("connectionsRejected"),
  ReservedLCUs: capacity,
  SecurityGroupBlockedFlowCount_Inbound_ICMP: not("Security groups are kept, and not enforced."),
  SecurityGroupBlockedFlowCount_Inbound_TCP: not("Security groups are kept, and not enforced."),
  SecurityGroupBlockedFlowCount_Inbound_UDP: not("Security groups are kept, and not enforced."),
  SecurityGroupBlockedFlowCount_Outbound_ICMP: not("Security groups are kept, and not enforced."),
  SecurityGroupBlockedFlowCount_Outbound_TCP: not("Security groups are kept, and not enforced."),
  SecurityGroupBlockedFlowCount_Outbound_UDP: not("Security groups are kept, and not enforced."),
  TargetTLSNegotiationErrorCount: errors("tls-failed"),
  TCP_Client_Reset_Count: count("resetsByClient"),
  TCP_ELB_Reset_Count: count("resetsByEdge"),
  TCP_Target_Reset_Count: count("resetsByEndpoint"),
  UnHealthyHostCount: hosts("unhealthy"),
  UnhealthyRoutingFlowCount: count("connectionsUnrouted"),
  ZonalHealthStatus: zonal,
  ZonalShiftedHostCount: zonal,
};
