/** A target group with its targets as the edge takes it. Pure. */
import type { ClusterConfig, EndpointConfig, HealthCheck } from "../../edge/ports.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { targetGroupArn } from "./arns.ts";
import { attributeOf, type Attributes } from "./attributes.ts";
import { endpointId } from "./functions.ts";
import { lambdaBytesMax, type LambdaTarget } from "./lambda-target.ts";
import { groupPolicy } from "./policies.ts";
import { isStream, protocolOfGroup } from "./target-address.ts";
import { groupAttributes } from "./target-group-attributes.ts";
import type { TargetGroupSettings } from "./target-group-settings.ts";
import type { Target, TargetGroup } from "./tables.ts";

const healthUserAgent = "ELB-HealthChecker/2.0";
/** Source: ALB user guide, "HTTP 504: Gateway timeout": no connection within 10 seconds. */
const connectTimeoutMs = 10_000;

const addressEndpointId = ({ id, port }: Pick<Target, "id" | "port">) => `${id}:${port}`;

/** An instance id stands for this machine: Mikan starts no instances, and a process here is the nearest to one. */
const hostOf = ({ id }: Target) => (id.startsWith("i-") ? "127.0.0.1" : id);

export const functionOf = (group: TargetGroup, target: Target): LambdaTarget => ({
  targetGroupArn: targetGroupArn(group),
  functionArn: target.id,
  multiValue: group.attributes["lambda.multi_value_headers.enabled"] === "true",
});

/** A target as the edge reaches it. */
export function endpointOf(group: TargetGroup, target: Target): EndpointConfig {
  if (group.settings.targetType === "lambda") {
    return { kind: "function", id: endpointId(functionOf(group, target)), requestBytesMax: lambdaBytesMax };
  }
  return { kind: "address", id: addressEndpointId(target), host: hostOf(target), port: target.port };
}

function healthProtocol({ address, health }: TargetGroupSettings): HealthCheck["protocol"] {
  if (health.protocol === "TCP") return "tcp";
  if (address?.version === "GRPC") return "grpc";
  return health.protocol === "HTTPS" ? "https" : "http";
}

function healthCheck(settings: TargetGroupSettings): HealthCheck {
  const { health } = settings;
  return {
    protocol: healthProtocol(settings),
    path: health.path,
    ...(health.port === "traffic-port" ? {} : { port: Number(health.port) }),
    intervalMs: health.intervalSeconds * 1000,
    timeoutMs: health.timeoutSeconds * 1000,
    healthyCount: health.healthyCount,
    unhealthyCount: health.unhealthyCount,
    matcher: health.matcher,
    userAgent: healthUserAgent,
  };
}

/** Reads the attributes of a group. */
function readerOf({ settings, attributes }: { settings: TargetGroupSettings; attributes: Attributes }) {
  const catalogue = groupAttributes(settings);
  const text = (key: string) => attributeOf(catalogue, attributes, key);
  return { text, isOn: (key: string) => text(key) === "true", seconds: (key: string) => Number(text(key)) * 1000 };
}
type Reader = ReturnType<typeof readerOf>;

function protocolConfig(
  settings: TargetGroupSettings,
  tls: ClusterConfig["tls"],
): Pick<ClusterConfig, "protocol" | "tls"> {
  const protocol = protocolOfGroup(settings);
  const version = settings.address?.version;
  return {
    ...(version === "HTTP2" || version === "GRPC"
      ? { protocol: version === "GRPC" ? ("grpc" as const) : ("http2" as const) }
      : {}),
    // As ALB, where nothing else is said: whoever answers is believed to be the target (ALB user guide, "Target groups").
    ...(protocol === "HTTPS" || protocol === "TLS" ? { tls: tls ?? { verify: false } } : {}),
  };
}

function stickinessConfig({ text, isOn, seconds }: Reader): Pick<ClusterConfig, "stickiness"> {
  if (!isOn("stickiness.enabled")) return {};
  if (text("stickiness.type") !== "app_cookie") {
    return { stickiness: { kind: "lb-cookie", durationMs: seconds("stickiness.lb_cookie.duration_seconds") } };
  }
  const name = text("stickiness.app_cookie.cookie_name");
  return { stickiness: { kind: "app-cookie", name, durationMs: seconds("stickiness.app_cookie.duration_seconds") } };
}

const algorithms = {
  round_robin: "round-robin",
  least_outstanding_requests: "least-outstanding",
  weighted_random: "weighted-random",
} as const;

function balanceConfig({ text, seconds }: Reader): Pick<ClusterConfig, "balance" | "mitigate" | "slowStartMs"> {
  const set = text("load_balancing.algorithm.type");
  const name = (Object.keys(algorithms) as (keyof typeof algorithms)[]).find((known) => known === set);
  const slowStartMs = seconds("slow_start.duration_seconds");
  return {
    ...(name === undefined || name === "round_robin" ? {} : { balance: algorithms[name] }),
    ...(text("load_balancing.algorithm.anomaly_mitigation") === "on" ? { mitigate: true } : {}),
    ...(slowStartMs > 0 ? { slowStartMs } : {}),
  };
}

const threshold = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";

function healthyMinConfig({ text }: Reader): Pick<ClusterConfig, "healthyMin"> {
  const count = Number(text(`${threshold}.count`));
  const percent = text(`${threshold}.percentage`);
  if (count === 1 && percent === "off") return {};
  return { healthyMin: { count, percent: percent === "off" ? 0 : Number(percent) } };
}

function streamConfig({ isOn }: Reader): Pick<ClusterConfig, "stream"> {
  return {
    stream: {
      proxyProtocol: isOn("proxy_protocol_v2.enabled"),
      stickToSource: isOn("stickiness.enabled"),
      endAfterDrain: isOn("deregistration_delay.connection_termination.enabled"),
      endWhenUnhealthy: isOn("target_health_state.unhealthy.connection_termination.enabled"),
    },
  };
}

/** How the edge deals with the requests, or connections, of a group. */
function routingConfig(settings: TargetGroupSettings, reader: Reader): Partial<ClusterConfig> {
  if (settings.targetType === "lambda") return {};
  if (isStream(settings)) return streamConfig(reader);
  return { ...stickinessConfig(reader), ...balanceConfig(reader) };
}

export function clusterConfig(group: TargetGroup, own: readonly Target[], policies: JsonObject): ClusterConfig {
  const { settings } = group;
  const reader = readerOf(group);
  const { tls, ...policy } = groupPolicy(policies);
  return {
    id: targetGroupArn(group),
    endpoints: own.map((target) => endpointOf(group, target)),
    ...(settings.health.enabled ? { health: healthCheck(settings) } : {}),
    connectTimeoutMs,
    drainMs: reader.seconds("deregistration_delay.timeout_seconds"),
    ...protocolConfig(settings, tls),
    ...routingConfig(settings, reader),
    ...healthyMinConfig(reader),
    ...policy,
  };
}
