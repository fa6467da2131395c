/** What a target group is told at its creation: checked, with AWS's defaults filled in. Pure. */
import type { CreateTargetGroupInput, ModifyTargetGroupInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { fault, invalid, notRun } from "./refusals.ts";

export type TargetType = "instance" | "ip" | "lambda";

export interface HealthSettings {
  enabled: boolean;
  path: string;
  /** `traffic-port` or a number. */
  port: string;
  intervalSeconds: number;
  timeoutSeconds: number;
  healthyCount: number;
  unhealthyCount: number;
  matcher: string;
}

/** Where and how targets are reached; absent for functions. */
export interface Address {
  port: number;
  vpcId: string;
}

export interface TargetGroupSettings {
  targetType: TargetType;
  ipAddressType: "ipv4" | "ipv6";
  address?: Address;
  health: HealthSettings;
}

type Created = Received<CreateTargetGroupInput>;
type HealthInput = Omit<Received<ModifyTargetGroupInput>, "TargetGroupArn">;

/** Source: API reference, CreateTargetGroup, as AWS answers it (the reference says 6 s for HTTP; AWS answers 5). */
const addressHealth: HealthSettings = {
  enabled: true,
  path: "/",
  port: "traffic-port",
  intervalSeconds: 30,
  timeoutSeconds: 5,
  healthyCount: 5,
  unhealthyCount: 2,
  matcher: "200",
};
const lambdaHealth: HealthSettings = { ...addressHealth, enabled: false, intervalSeconds: 35, timeoutSeconds: 30 };
const statusMin = 200;
const statusMax = 499;

function checkMatcher(matcher: string): void {
  if (!/^\d{3}(?:-\d{3})?(?:,\d{3}(?:-\d{3})?)*$/.test(matcher)) {
    throw fault("InvalidParameterValue", "HttpCode must be like 200 | 200-399 | 200,201 ...");
  }
  for (const code of matcher.match(/\d{3}/g) ?? []) {
    if (Number(code) < statusMin || Number(code) > statusMax) {
      throw invalid(`Health check matcher HTTP code '${code}' must be within '${statusMin}-${statusMax}' inclusive`);
    }
  }
}

function checkPort(port: string): void {
  if (port === "traffic-port" || (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535)) return;
  throw invalid(`Health check port '${port}' must be in the range '1-65535', or 'traffic-port'`);
}

function checkProtocol(protocol: string | undefined): void {
  if (protocol === undefined || protocol === "HTTP") return;
  if (protocol === "HTTPS") throw notRun("health checks over HTTPS");
  throw invalid(`Health check protocol '${protocol}' must be one of [HTTP, HTTPS]`);
}

/** The settings of before with `input` over them. */
export function changedHealth(targetType: TargetType, before: HealthSettings, input: HealthInput): HealthSettings {
  checkProtocol(input.HealthCheckProtocol);
  if (input.Matcher?.GrpcCode !== undefined) throw notRun("gRPC health checks");
  const next: HealthSettings = {
    enabled: input.HealthCheckEnabled ?? before.enabled,
    path: input.HealthCheckPath ?? before.path,
    port: input.HealthCheckPort ?? before.port,
    intervalSeconds: input.HealthCheckIntervalSeconds ?? before.intervalSeconds,
    timeoutSeconds: input.HealthCheckTimeoutSeconds ?? before.timeoutSeconds,
    healthyCount: input.HealthyThresholdCount ?? before.healthyCount,
    unhealthyCount: input.UnhealthyThresholdCount ?? before.unhealthyCount,
    matcher: input.Matcher?.HttpCode ?? before.matcher,
  };
  if (!next.path.startsWith("/")) throw invalid(`Health check path '${next.path}' must begin with a '/' character`);
  checkPort(next.port);
  checkMatcher(next.matcher);
  if (next.intervalSeconds <= next.timeoutSeconds) {
    throw invalid("Health check interval must be greater than the timeout.");
  }
  if (targetType === "lambda" && next.enabled) throw notRun("health checks of target groups with target type 'lambda'");
  if (targetType !== "lambda" && !next.enabled) {
    throw invalid(`Health check enabled must be true for target groups with target type '${targetType}'`);
  }
  return next;
}

function targetTypeOf(input: Created): TargetType {
  const type = input.TargetType ?? "instance";
  if (type === "alb") throw notRun("target groups with target type 'alb'");
  return type;
}

function checkLambda(input: Created): void {
  const given = { Protocol: input.Protocol, Port: input.Port, "VPC ID": input.VpcId };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) {
      throw invalid(`${name} cannot be specified for target groups with target type 'lambda'`);
    }
  }
}

function addressOf(input: Created): Address {
  if (input.Protocol === undefined) throw invalid("A protocol must be specified");
  if (input.Port === undefined) throw invalid("A port must be specified");
  if (input.VpcId === undefined || input.VpcId === "") throw invalid("A VPC ID must be specified");
  if (input.Protocol !== "HTTP") throw notRun(`target groups with protocol '${input.Protocol}'`);
  const version = input.ProtocolVersion ?? "HTTP1";
  if (version === "HTTP2" || version === "GRPC") throw notRun(`target groups with protocol version '${version}'`);
  if (version !== "HTTP1") throw invalid(`Protocol version '${version}' must be one of [HTTP1, HTTP2, GRPC]`);
  return { port: input.Port, vpcId: input.VpcId };
}

/** The settings of a new target group. Throws in AWS's words. */
export function newSettings(input: Created): TargetGroupSettings {
  const targetType = targetTypeOf(input);
  if (input.TargetControlPort !== undefined) throw notRun("the target optimizer (TargetControlPort)");
  const ipAddressType = input.IpAddressType ?? "ipv4";
  if (targetType === "lambda") {
    checkLambda(input);
    return { targetType, ipAddressType, health: changedHealth(targetType, lambdaHealth, input) };
  }
  const address = addressOf(input);
  return { targetType, ipAddressType, address, health: changedHealth(targetType, addressHealth, input) };
}

/** The part of DescribeTargetGroups that comes from the settings. */
export function describedSettings({ targetType, ipAddressType, address, health }: TargetGroupSettings) {
  return {
    TargetType: targetType,
    IpAddressType: ipAddressType,
    ...(address === undefined
      ? {}
      : {
          Protocol: "HTTP" as const,
          ProtocolVersion: "HTTP1",
          Port: address.port,
          VpcId: address.vpcId,
          HealthCheckProtocol: "HTTP" as const,
          HealthCheckPort: health.port,
        }),
    HealthCheckEnabled: health.enabled,
    HealthCheckPath: health.path,
    HealthCheckIntervalSeconds: health.intervalSeconds,
    HealthCheckTimeoutSeconds: health.timeoutSeconds,
    HealthyThresholdCount: health.healthyCount,
    UnhealthyThresholdCount: health.unhealthyCount,
    Matcher: { HttpCode: health.matcher },
  };
}
