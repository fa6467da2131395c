/** How the targets of a group are checked: AWS's defaults, ranges and combinations. Pure. */
import type { ModifyTargetGroupInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { fault, invalid } from "./refusals.ts";
import { isStream, type Address, type TargetType } from "./target-address.ts";

export type HealthProtocol = "HTTP" | "HTTPS" | "TCP";

export interface HealthSettings {
  enabled: boolean;
  /** Absent: HTTP. */
  protocol?: HealthProtocol;
  path: string;
  /** `traffic-port` or a number. */
  port: string;
  intervalSeconds: number;
  timeoutSeconds: number;
  healthyCount: number;
  unhealthyCount: number;
  /** Statuses; of gRPC groups its codes. */
  matcher: string;
}

type HealthInput = Omit<Received<ModifyTargetGroupInput>, "TargetGroupArn">;
/** What decides how a group is checked. */
interface Checked {
  targetType: TargetType;
  address?: Address;
}

/** Source: API reference, CreateTargetGroup, as AWS answers it (the reference says 6 s for HTTP; AWS answers 5). */
const applicationHealth: HealthSettings = {
  enabled: true,
  path: "/",
  port: "traffic-port",
  intervalSeconds: 30,
  timeoutSeconds: 5,
  healthyCount: 5,
  unhealthyCount: 2,
  matcher: "200",
};
const lambdaHealth: HealthSettings = { ...applicationHealth, enabled: false, intervalSeconds: 35, timeoutSeconds: 30 };
const grpcHealth: HealthSettings = { ...applicationHealth, path: "/AWS.ALB/healthcheck", matcher: "12" };
/** Source: NLB user guide, "Health checks for your target groups". */
const tcpHealth: HealthSettings = { ...applicationHealth, protocol: "TCP", path: "", timeoutSeconds: 10, matcher: "" };
const networkHttpHealth = { path: "/", timeoutSeconds: 6, matcher: "200-399" };

const isGrpc = ({ address }: Checked) => address?.version === "GRPC";

export function healthDefaults(group: Checked): HealthSettings {
  if (group.targetType === "lambda") return lambdaHealth;
  if (isStream(group)) return tcpHealth;
  return isGrpc(group) ? grpcHealth : applicationHealth;
}

function checkStatuses(matcher: string, max: number): void {
  if (!/^\d{3}(?:-\d{3})?(?:,\d{3}(?:-\d{3})?)*$/.test(matcher)) {
    throw fault("InvalidParameterValue", "HttpCode must be like 200 | 200-399 | 200,201 ...");
  }
  for (const code of matcher.match(/\d{3}/g) ?? []) {
    if (Number(code) < 200 || Number(code) > max) {
      throw invalid(`Health check matcher HTTP code '${code}' must be within '200-${max}' inclusive`);
    }
  }
}

/** 0-99 (API reference, Matcher). */
function checkGrpcCodes(matcher: string): void {
  if (/^\d{1,2}(?:-\d{1,2})?(?:,\d{1,2}(?:-\d{1,2})?)*$/.test(matcher)) return;
  throw fault("InvalidParameterValue", "GrpcCode must be like 0 | 0-99 | 0,1 ...");
}

function checkPort(port: string): void {
  if (port === "traffic-port" || (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535)) return;
  throw invalid(`Health check port '${port}' must be in the range '1-65535', or 'traffic-port'`);
}

function protocolOf(group: Checked, given: string | undefined, before: HealthSettings): HealthProtocol | undefined {
  if (given === undefined) return before.protocol;
  const allowed: readonly HealthProtocol[] = isStream(group) ? ["HTTP", "HTTPS", "TCP"] : ["HTTP", "HTTPS"];
  const protocol = allowed.find((known) => known === given);
  if (protocol === undefined) {
    throw invalid(`Health check protocol '${given}' must be one of [${allowed.join(", ")}]`);
  }
  return protocol;
}

function matcherOf(group: Checked, { Matcher: given }: HealthInput, before: HealthSettings): string {
  if (given?.HttpCode !== undefined && given.GrpcCode !== undefined) {
    throw invalid("You cannot specify both an HTTP code and a gRPC code");
  }
  if (isGrpc(group)) {
    if (given?.HttpCode !== undefined) {
      throw invalid("An HTTP code cannot be specified for target groups with protocol version 'GRPC'");
    }
    return given?.GrpcCode ?? before.matcher;
  }
  if (given?.GrpcCode !== undefined) {
    throw invalid("A gRPC code can only be specified for target groups with protocol version 'GRPC'");
  }
  return given?.HttpCode ?? before.matcher;
}

function checkTcp({ HealthCheckPath, Matcher }: HealthInput): void {
  if (HealthCheckPath !== undefined) throw invalid("Health check path cannot be specified for TCP health checks");
  if (Matcher !== undefined) throw invalid("Health check matcher cannot be specified for TCP health checks");
}

function checkRequest(group: Checked, { path, matcher }: HealthSettings): void {
  if (!path.startsWith("/")) throw invalid(`Health check path '${path}' must begin with a '/' character`);
  // It is sent as it is: a line end in it would begin another field, or another request.
  if (!/^[!-~]+$/.test(path)) {
    throw invalid(`Health check path '${path}' can only contain printable ASCII characters, without spaces`);
  }
  if (isGrpc(group)) checkGrpcCodes(matcher);
  else checkStatuses(matcher, isStream(group) ? 599 : 499);
}

/** The settings of before with `input` over them. Throws in AWS's words. */
export function changedHealth(group: Checked, before: HealthSettings, input: HealthInput): HealthSettings {
  const { targetType } = group;
  const protocol = protocolOf(group, input.HealthCheckProtocol, before);
  // One that turns from connections to requests begins with the defaults of those.
  const turned = before.protocol === "TCP" && protocol !== "TCP" ? { ...before, ...networkHttpHealth } : before;
  const next: HealthSettings = {
    enabled: input.HealthCheckEnabled ?? before.enabled,
    ...(protocol === undefined ? {} : { protocol }),
    path: protocol === "TCP" ? "" : (input.HealthCheckPath ?? turned.path),
    port: input.HealthCheckPort ?? before.port,
    intervalSeconds: input.HealthCheckIntervalSeconds ?? before.intervalSeconds,
    timeoutSeconds: input.HealthCheckTimeoutSeconds ?? turned.timeoutSeconds,
    healthyCount: input.HealthyThresholdCount ?? before.healthyCount,
    unhealthyCount: input.UnhealthyThresholdCount ?? before.unhealthyCount,
    matcher: protocol === "TCP" ? "" : matcherOf(group, input, turned),
  };
  if (protocol === "TCP") checkTcp(input);
  else checkRequest(group, next);
  checkPort(next.port);
  if (next.intervalSeconds <= next.timeoutSeconds) {
    throw invalid("Health check interval must be greater than the timeout.");
  }
  if (targetType !== "lambda" && !next.enabled) {
    throw invalid(`Health check enabled must be true for target groups with target type '${targetType}'`);
  }
  return next;
}

/** The part of DescribeTargetGroups that tells of health checks. */
export function describedHealth(group: Checked & { health: HealthSettings }) {
  const { health } = group;
  const { protocol = "HTTP" } = health;
  return {
    ...(group.address === undefined ? {} : { HealthCheckProtocol: protocol, HealthCheckPort: health.port }),
    HealthCheckEnabled: health.enabled,
    HealthCheckIntervalSeconds: health.intervalSeconds,
    HealthCheckTimeoutSeconds: health.timeoutSeconds,
    HealthyThresholdCount: health.healthyCount,
    UnhealthyThresholdCount: health.unhealthyCount,
    ...(protocol === "TCP"
      ? {}
      : {
          HealthCheckPath: health.path,
          Matcher: isGrpc(group) ? { GrpcCode: health.matcher } : { HttpCode: health.matcher },
        }),
  };
}
