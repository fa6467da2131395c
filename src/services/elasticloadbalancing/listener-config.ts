/** A listener with its rules as the edge takes it. Pure. */
import type { JsonWebKey, ListenerConfig, ListenerTls, RouteConfig } from "../../edge/ports.ts";
import { edgeAction } from "./actions.ts";
import { listenerArn, loadBalancerArn, ruleArn } from "./arns.ts";
import { attributeOf, type Attributes } from "./attributes.ts";
import { edgeCondition } from "./conditions.ts";
import { edgeJwt } from "./jwt-action.ts";
import { serverName } from "./lambda-target.ts";
import { responseConfig, tlsFieldNames } from "./listener-attributes.ts";
import { loadBalancerAttributes } from "./load-balancer-attributes.ts";
import { clientLimits, routePolicy } from "./policies.ts";
import type { JsonObject } from "../../kit/resource.ts";
import { defaultPriority, type Listener, type LoadBalancer, type Rule } from "./tables.ts";
import { edgeRewrites, storedTransforms } from "./transforms.ts";

export const traceHeader = "X-Amzn-Trace-Id";

function xffOf(mode: string): "append" | "preserve" | "remove" {
  return mode === "preserve" || mode === "remove" ? mode : "append";
}

function desyncOf(mode: string): "monitor" | "defensive" | "strictest" {
  return mode === "monitor" || mode === "strictest" ? mode : "defensive";
}

/** Reads the attributes of an application load balancer. */
function readerOf(row: { type: string; attributes: Attributes }) {
  const text = (key: string) => attributeOf(loadBalancerAttributes(row), row.attributes, key);
  return { text, isOn: (key: string) => text(key) === "true", seconds: (key: string) => Number(text(key)) * 1000 };
}

type KeysOf = (endpoint: string) => readonly JsonWebKey[];

function routeConfig(rule: Rule, policies: JsonObject, keysOf: KeysOf): RouteConfig {
  const arn = ruleArn(rule);
  const rewrites = edgeRewrites(storedTransforms(rule));
  return {
    id: arn,
    conditions: rule.conditions.map(edgeCondition),
    action: edgeAction(rule.action),
    priority: rule.priority === defaultPriority ? 0 : rule.priority,
    ...(rule.action.jwt === undefined ? {} : { jwt: edgeJwt(rule.action.jwt, keysOf) }),
    ...(rewrites === undefined ? {} : { rewrites }),
    policy: routePolicy(policies, { ...rule, arn }),
  };
}

export interface ListenerParts {
  listener: Listener;
  owner: LoadBalancer;
  /** In the order they are tried. */
  rules: readonly Rule[];
  policiesOf: (rule: Rule) => JsonObject;
  /** Of an endpoint that a `jwt-validation` names. */
  keysOf: KeysOf;
  /** That it binds. */
  address: string;
  /** How TLS ends here. */
  tls: ListenerTls | undefined;
}

/** A listener of an application load balancer. */
export function listenerConfig(parts: ListenerParts): ListenerConfig {
  const { listener, owner, rules, policiesOf, keysOf, address, tls } = parts;
  const { text, isOn, seconds } = readerOf(owner);
  const last = rules.at(-1);
  const clients = last === undefined ? undefined : clientLimits(policiesOf(last));
  return {
    id: listenerArn(listener),
    address,
    port: listener.port,
    ...(tls === undefined ? {} : { tls }),
    ...(clients === undefined ? {} : { clients }),
    routes: rules.map((rule) => routeConfig(rule, policiesOf(rule), keysOf)),
    forwarded: {
      xff: xffOf(text("routing.http.xff_header_processing.mode")),
      clientPort: isOn("routing.http.xff_client_port.enabled"),
      ...(isOn("routing.http.x_amzn_tls_version_and_cipher_suite.enabled")
        ? { tlsFields: tlsFieldNames(listener) }
        : {}),
      preserveHost: isOn("routing.http.preserve_host_header.enabled"),
      dropInvalidNames: isOn("routing.http.drop_invalid_header_fields.enabled"),
      traceHeader,
    },
    serverName,
    idleTimeoutMs: seconds("idle_timeout.timeout_seconds"),
    keepAliveTimeoutMs: seconds("client_keep_alive.seconds"),
    http2: isOn("routing.http2.enabled"),
    desync: desyncOf(text("routing.http.desync_mitigation_mode")),
    ...responseConfig(listener),
    accessLog: isOn("access_logs.s3.enabled"),
    loadBalancerId: loadBalancerArn(owner),
  };
}
