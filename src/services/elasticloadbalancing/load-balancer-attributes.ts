/** Attributes of load balancers. Source: API reference, LoadBalancerAttribute. Pure. */
import { between, flag, only, oneOf, type AttributeRule, type Catalogue } from "./attributes.ts";
import { fault, invalid } from "./refusals.ts";

type Rules = Readonly<Record<string, AttributeRule>>;

/** Logs that are delivered to a bucket. */
const logs = (kind: string, enabled: AttributeRule): Rules => ({
  [`${kind}.s3.enabled`]: enabled,
  [`${kind}.s3.bucket`]: { default: "" },
  [`${kind}.s3.prefix`]: { default: "" },
});

const notYet: AttributeRule = { default: "false", refuse: only(flag, "false") };

const applicationRules: Rules = {
  ...logs("access_logs", { default: "false", refuse: flag }),
  ...logs("health_check_logs", notYet),
  "idle_timeout.timeout_seconds": { default: "60", refuse: between(1, 4000) },
  "deletion_protection.enabled": { default: "false", refuse: flag },
  "routing.http2.enabled": { default: "true", refuse: flag },
  "routing.http.drop_invalid_header_fields.enabled": { default: "false", refuse: flag },
  "routing.http.xff_client_port.enabled": { default: "false", refuse: flag },
  "routing.http.preserve_host_header.enabled": { default: "false", refuse: flag },
  "routing.http.xff_header_processing.mode": { default: "append", refuse: oneOf("append", "preserve", "remove") },
  "routing.http.desync_mitigation_mode": {
    default: "defensive",
    refuse: oneOf("monitor", "defensive", "strictest"),
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
  ...logs("connection_logs", notYet),
  "client_keep_alive.seconds": { default: "3600", refuse: between(60, 604_800) },
  "waf.fail_open.enabled": { default: "false", refuse: flag },
  "ipv6.deny_all_igw_traffic": { default: "false", refuse: flag },
  "zonal_shift.config.enabled": { default: "false", refuse: flag },
};

const networkRules: Rules = {
  ...logs("access_logs", notYet),
  "deletion_protection.enabled": { default: "false", refuse: flag },
  "load_balancing.cross_zone.enabled": { default: "false", refuse: flag },
  "dns_record.client_routing_policy": {
    default: "any_availability_zone",
    refuse: oneOf("availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone"),
  },
  "ipv6.deny_all_igw_traffic": { default: "false", refuse: flag },
  "secondary_ips.auto_assigned.per_subnet": { default: "0", refuse: between(0, 7) },
  "zonal_shift.config.enabled": { default: "false", refuse: flag },
};

function catalogueOf(type: string, rules: Rules, others: Rules): Catalogue {
  return {
    owner: "Load balancer",
    rules,
    foreign: (key) =>
      Object.hasOwn(others, key)
        ? invalid(`Load balancer attribute key '${key}' is not supported on load balancers with type '${type}'`)
        : undefined,
    together: (valueOf) =>
      valueOf("access_logs.s3.enabled") === "true" && valueOf("access_logs.s3.bucket") === ""
        ? invalid("A value for 'access_logs.s3.bucket' must be specified when 'access_logs.s3.enabled' is 'true'")
        : undefined,
  };
}

const application = catalogueOf("application", applicationRules, networkRules);
const network = catalogueOf("network", networkRules, applicationRules);

/** The attributes that a load balancer of `type` has. */
export const loadBalancerAttributes = ({ type }: { type: string }): Catalogue =>
  type === "network" ? network : application;
