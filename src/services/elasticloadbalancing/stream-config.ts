/** A listener of a network load balancer as the edge takes it. Pure. */
import type { ListenerTls, StreamListenerConfig } from "../../edge/ports.ts";
import { listenerArn, ownerArn } from "./arns.ts";
import { attributeOf } from "./attributes.ts";
import { listenerAttributes } from "./listener-attributes.ts";
import { securityOf } from "./listener-settings.ts";
import type { Listener, Rule } from "./tables.ts";

/** What each ALPN policy offers, best first. Source: NLB user guide, "ALPN policies"; `None` offers nothing. */
const offers: Readonly<Record<string, readonly string[]>> = {
  HTTP1Only: ["http/1.1", "http/1.0"],
  HTTP2Only: ["h2"],
  HTTP2Optional: ["http/1.1", "http/1.0", "h2"],
  HTTP2Preferred: ["h2", "http/1.1", "http/1.0"],
};

/** Of TLS listeners, which have no attribute for it. Source: NLB user guide, "Connection idle timeout". */
const tlsIdleTimeoutMs = 350_000;

function idleTimeoutOf({ protocol, attributes }: Listener): number {
  if (protocol === "TLS") return tlsIdleTimeoutMs;
  return Number(attributeOf(listenerAttributes({ protocol }), attributes, "tcp.idle_timeout.seconds")) * 1000;
}

export interface StreamListenerParts {
  listener: Listener;
  /** Its default rule, which is its only one. */
  rule: Rule;
  /** That it binds. */
  address: string;
  /** How TLS ends here. */
  tls: ListenerTls | undefined;
}

export function streamListenerConfig({ listener, rule, address, tls }: StreamListenerParts): StreamListenerConfig {
  const alpn = offers[securityOf(listener)?.alpn ?? "None"];
  const groups = rule.action.type === "forward" ? rule.action.groups : [];
  return {
    id: listenerArn(listener),
    address,
    port: listener.port,
    loadBalancerId: ownerArn(listener),
    targets: groups.map(({ arn, weight }) => ({ clusterId: arn, weight })),
    ...(tls === undefined ? {} : { tls }),
    ...(alpn === undefined ? {} : { alpn }),
    idleTimeoutMs: idleTimeoutOf(listener),
  };
}
