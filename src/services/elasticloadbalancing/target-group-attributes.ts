/** Attributes of target groups. Source: API reference, TargetGroupAttribute. Pure. */
import type { Fault } from "../../base/errors.ts";
import { between, flag, only, oneOf, wordOr, type AttributeRule, type Catalogue } from "./attributes.ts";
import { invalid } from "./refusals.ts";
import { isStream } from "./target-address.ts";
import type { TargetGroupSettings } from "./target-group-settings.ts";

type Rules = Readonly<Record<string, AttributeRule>>;

const targetsMax = 1000;
const failover = "target_group_health.dns_failover.minimum_healthy_targets";
const unhealthyRouting = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";

const healthThresholds: Rules = {
  [`${unhealthyRouting}.count`]: { default: "1", refuse: between(1, targetsMax) },
  [`${unhealthyRouting}.percentage`]: { default: "off", refuse: wordOr("off", 1, 100) },
  [`${failover}.count`]: { default: "1", refuse: wordOr("off", 1, targetsMax) },
  [`${failover}.percentage`]: { default: "off", refuse: wordOr("off", 1, 100) },
};

const secondsMax = 604_800;
const crossZone: AttributeRule = {
  default: "use_load_balancer_configuration",
  refuse: oneOf("true", "false", "use_load_balancer_configuration"),
};

/** Names that begin so are the load balancer's own. Longer ones that begin so are refused with the shorter. */
const reservedCookie = /^AWSALB/i;
/** RFC 6265 section 4.1.1: a token. */
const cookieName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function refuseCookieName(key: string, value: string): Fault | undefined {
  if (value === "") return undefined;
  if (reservedCookie.test(value)) {
    return invalid(`'${key}' value '${value}' cannot start with any of [AWSALB, AWSALBAPP, AWSALBTG]`);
  }
  return cookieName.test(value) ? undefined : invalid(`'${key}' value '${value}' is not a valid cookie name`);
}

const applicationRules: Rules = {
  ...healthThresholds,
  "deregistration_delay.timeout_seconds": { default: "300", refuse: between(0, 3600) },
  "stickiness.enabled": { default: "false", refuse: flag },
  "stickiness.type": { default: "lb_cookie", refuse: oneOf("lb_cookie", "app_cookie") },
  "stickiness.app_cookie.cookie_name": { default: "", refuse: refuseCookieName },
  "stickiness.app_cookie.duration_seconds": { default: "86400", refuse: between(1, secondsMax) },
  "stickiness.lb_cookie.duration_seconds": { default: "86400", refuse: between(1, secondsMax) },
  "slow_start.duration_seconds": { default: "0", refuse: wordOr("0", 30, 900) },
  "load_balancing.algorithm.type": {
    default: "round_robin",
    refuse: oneOf("round_robin", "least_outstanding_requests", "weighted_random"),
  },
  "load_balancing.algorithm.anomaly_mitigation": { default: "off", refuse: oneOf("on", "off") },
  "load_balancing.cross_zone.enabled": crossZone,
};

const lambdaRules: Rules = {
  ...healthThresholds,
  "lambda.multi_value_headers.enabled": { default: "false", refuse: flag },
  "stickiness.enabled": { default: "false", refuse: only(flag, "false") },
};

const networkRules: Rules = {
  ...healthThresholds,
  // Connections go to all targets once none is healthy, and not before.
  [`${unhealthyRouting}.count`]: { default: "1", refuse: only(between(1, targetsMax), "1") },
  [`${unhealthyRouting}.percentage`]: { default: "off", refuse: only(wordOr("off", 1, 100), "off") },
  "deregistration_delay.timeout_seconds": { default: "300", refuse: between(0, 3600) },
  "deregistration_delay.connection_termination.enabled": { default: "false", refuse: flag },
  "stickiness.enabled": { default: "false", refuse: flag },
  "stickiness.type": { default: "source_ip", refuse: oneOf("source_ip") },
  // The edge opens connections of its own, so targets see its address; PROXY protocol tells the client's.
  "preserve_client_ip.enabled": { default: "false", refuse: only(flag, "false") },
  "proxy_protocol_v2.enabled": { default: "false", refuse: flag },
  "target_health_state.unhealthy.connection_termination.enabled": { default: "true", refuse: flag },
  "target_health_state.unhealthy.draining_interval_seconds": {
    default: "0",
    refuse: only(between(0, 360_000), "0"),
  },
  "load_balancing.cross_zone.enabled": crossZone,
};

function together(valueOf: (key: string) => string): Fault | undefined {
  const algorithm = valueOf("load_balancing.algorithm.type");
  if (valueOf("slow_start.duration_seconds") !== "0" && algorithm !== "round_robin") {
    return invalid(`Slow start mode cannot be enabled together with the load balancing algorithm '${algorithm}'`);
  }
  if (valueOf("load_balancing.algorithm.anomaly_mitigation") === "on" && algorithm !== "weighted_random") {
    return invalid("Anomaly mitigation is only available with the load balancing algorithm 'weighted_random'");
  }
  const byApplication = valueOf("stickiness.enabled") === "true" && valueOf("stickiness.type") === "app_cookie";
  if (byApplication && valueOf("stickiness.app_cookie.cookie_name") === "") {
    return invalid(
      "A value for 'stickiness.app_cookie.cookie_name' must be specified for stickiness type 'app_cookie'",
    );
  }
  return undefined;
}

const application: Catalogue = { owner: "Target group", rules: applicationRules, together };
const lambda: Catalogue = {
  owner: "Target group",
  rules: lambdaRules,
  foreign: (key) =>
    Object.hasOwn(applicationRules, key)
      ? invalid(`A target group with target type 'lambda' does not support the attribute ${key}`)
      : undefined,
};
const network: Catalogue = {
  owner: "Target group",
  rules: networkRules,
  foreign: (key) =>
    Object.hasOwn(applicationRules, key)
      ? invalid(`Target group attribute key '${key}' is not supported for target groups of Network Load Balancers`)
      : undefined,
};

/** The attributes that a target group has: by what its targets are, and what they speak. */
export function groupAttributes(settings: Pick<TargetGroupSettings, "targetType" | "address">): Catalogue {
  if (settings.targetType === "lambda") return lambda;
  return isStream(settings) ? network : application;
}
