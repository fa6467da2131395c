/** Attributes of load balancers, listeners and target groups: defaults, what AWS allows, and what is not run. Pure. */
import type { Fault } from "../../base/errors.ts";
import { fault, invalid, notRun } from "./refusals.ts";

export interface AttributeRule {
  default: string;
  /** Says what is wrong with a value, in AWS's words; undefined when it is allowed. */
  refuse?: (key: string, value: string) => Fault | undefined;
}
export type Catalogue = Readonly<Record<string, AttributeRule>>;

export interface Attribute {
  Key?: string | undefined;
  Value?: string | undefined;
}

/** What was set, by key. What is absent has its default. */
export type Attributes = Readonly<Record<string, string>>;

type Refuse = NonNullable<AttributeRule["refuse"]>;

const oneOf =
  (...values: readonly string[]): Refuse =>
  (key, value) =>
    values.includes(value) ? undefined : invalid(`'${key}' value '${value}' must be one of [${values.join(", ")}]`);

const between =
  (min: number, max: number): Refuse =>
  (key, value) =>
    /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : invalid(`'${key}' value '${value}' must be between '${min}-${max}' inclusive`);

/** Allowed by AWS; every value but the default would need something that is not there yet. */
const only =
  (allowed: Refuse, ...run: readonly string[]): Refuse =>
  (key, value) =>
    allowed(key, value) ?? (run.includes(value) ? undefined : notRun(`the attribute '${key}' set to '${value}'`));

const flag = oneOf("true", "false");
const anything: Refuse = () => undefined;
const offOr =
  (min: number, max: number): Refuse =>
  (key, value) =>
    value === "off" ? undefined : between(min, max)(key, value);

/** Source: API reference, LoadBalancerAttribute. `recorded` below: accepted and shown, without effect on HTTP listeners. */
export const loadBalancerAttributes: Catalogue = {
  "access_logs.s3.enabled": { default: "false", refuse: only(flag, "false") },
  "access_logs.s3.bucket": { default: "" },
  "access_logs.s3.prefix": { default: "" },
  "health_check_logs.s3.enabled": { default: "false", refuse: only(flag, "false") },
  "health_check_logs.s3.bucket": { default: "" },
  "health_check_logs.s3.prefix": { default: "" },
  "idle_timeout.timeout_seconds": { default: "60", refuse: between(1, 4000) },
  "deletion_protection.enabled": { default: "false", refuse: flag },
  "routing.http2.enabled": { default: "true", refuse: flag },
  "routing.http.drop_invalid_header_fields.enabled": { default: "false", refuse: flag },
  "routing.http.xff_client_port.enabled": { default: "false", refuse: only(flag, "false") },
  "routing.http.preserve_host_header.enabled": { default: "false", refuse: flag },
  "routing.http.xff_header_processing.mode": { default: "append", refuse: oneOf("append", "preserve", "remove") },
  "routing.http.desync_mitigation_mode": {
    default: "defensive",
    refuse: only(oneOf("monitor", "defensive", "strictest"), "defensive"),
  },
  "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": { default: "false", refuse: flag },
  "load_balancing.cross_zone.enabled": {
    default: "true",
    refuse: (_key, value) =>
      value === "true"
        ? undefined
        : fault(
            "InvalidConfigurationRequestException",
            "Load balancer attribute key 'load_balancing.cross_zone.enabled' cannot be changed for load balancers of type 'application'",
          ),
  },
  "connection_logs.s3.enabled": { default: "false", refuse: only(flag, "false") },
  "connection_logs.s3.bucket": { default: "" },
  "connection_logs.s3.prefix": { default: "" },
  "client_keep_alive.seconds": { default: "3600", refuse: between(60, 604_800) },
  "waf.fail_open.enabled": { default: "false", refuse: flag },
  "ipv6.deny_all_igw_traffic": { default: "false", refuse: flag },
  "zonal_shift.config.enabled": { default: "false", refuse: flag },
};

const healthThresholds: Catalogue = {
  "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": {
    default: "1",
    refuse: only(between(1, 1000), "1"),
  },
  "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {
    default: "off",
    refuse: only(offOr(1, 100), "off"),
  },
  "target_group_health.dns_failover.minimum_healthy_targets.count": { default: "1", refuse: offOr(1, 1000) },
  "target_group_health.dns_failover.minimum_healthy_targets.percentage": { default: "off", refuse: offOr(1, 100) },
};

/** Source: API reference, TargetGroupAttribute; those of targets with an address. */
export const addressGroupAttributes: Catalogue = {
  ...healthThresholds,
  "deregistration_delay.timeout_seconds": { default: "300", refuse: between(0, 3600) },
  "stickiness.enabled": { default: "false", refuse: only(flag, "false") },
  "stickiness.type": { default: "lb_cookie", refuse: oneOf("lb_cookie", "app_cookie") },
  "stickiness.app_cookie.cookie_name": { default: "" },
  "stickiness.app_cookie.duration_seconds": { default: "86400", refuse: between(1, 604_800) },
  "stickiness.lb_cookie.duration_seconds": { default: "86400", refuse: between(1, 604_800) },
  "slow_start.duration_seconds": {
    default: "0",
    refuse: only((key, value) => (value === "0" ? undefined : between(30, 900)(key, value)), "0"),
  },
  "load_balancing.algorithm.type": {
    default: "round_robin",
    refuse: only(oneOf("round_robin", "least_outstanding_requests", "weighted_random"), "round_robin"),
  },
  "load_balancing.algorithm.anomaly_mitigation": { default: "off", refuse: only(oneOf("on", "off"), "off") },
  "load_balancing.cross_zone.enabled": {
    default: "use_load_balancer_configuration",
    refuse: only(oneOf("true", "false", "use_load_balancer_configuration"), "true", "use_load_balancer_configuration"),
  },
};

/** Those of a Lambda function. */
export const lambdaGroupAttributes: Catalogue = {
  ...healthThresholds,
  "lambda.multi_value_headers.enabled": { default: "false", refuse: flag },
  "stickiness.enabled": { default: "false", refuse: only(flag, "false") },
};

const responseHeader: AttributeRule = {
  default: "",
  refuse: (key, value) => (value === "" ? undefined : notRun(`the attribute '${key}'`)),
};

/** Source: API reference, ListenerAttribute; those of HTTP listeners. */
export const listenerAttributes: Catalogue = {
  "routing.http.response.server.enabled": { default: "true", refuse: only(flag, "true") },
  ...Object.fromEntries(
    [
      "access_control_allow_origin",
      "access_control_allow_methods",
      "access_control_allow_headers",
      "access_control_allow_credentials",
      "access_control_expose_headers",
      "access_control_max_age",
      "content_security_policy",
      "x_content_type_options",
      "x_frame_options",
    ].map((name) => [`routing.http.response.${name}.header_value`, responseHeader]),
  ),
};

export type AttributeOwner = "Load balancer" | "Target group" | "Listener";

/** What was set before, with `changes` over it. Throws in AWS's words on a key or value that is not allowed. */
export function changedAttributes(
  owner: AttributeOwner,
  catalogue: Catalogue,
  present: Attributes,
  changes: readonly Attribute[],
): Attributes {
  const next: Record<string, string> = { ...present };
  for (const { Key: key = "", Value: value = "" } of changes) {
    const rule = Object.hasOwn(catalogue, key) ? catalogue[key] : undefined;
    if (rule === undefined) {
      if (catalogue === lambdaGroupAttributes && Object.hasOwn(addressGroupAttributes, key)) {
        throw invalid(`A target group with target type 'lambda' does not support the attribute ${key}`);
      }
      throw invalid(`${owner} attribute key '${key}' is not recognized`);
    }
    const refusal = (rule.refuse ?? anything)(key, value);
    if (refusal !== undefined) throw refusal;
    next[key] = value;
  }
  return next;
}

/** Every attribute, set or not, as Describe operations list them. */
export function describedAttributes(catalogue: Catalogue, set: Attributes): { Key: string; Value: string }[] {
  return Object.entries(catalogue).map(([Key, rule]) => ({ Key, Value: set[Key] ?? rule.default }));
}

/** The value in force. A key outside the catalogue reads as "". */
export const attributeOf = (catalogue: Catalogue, set: Attributes, key: string): string =>
  set[key] ?? catalogue[key]?.default ?? "";
