/** What a listener speaks, and how TLS ends there: checked, stored, shown. Pure. */
import type { Listener } from "./tables.ts";

/** What listeners of Mikan speak: of application load balancers the first two, of network load balancers the others. */
export const listenerProtocols = ["HTTP", "HTTPS", "TCP", "TLS"] as const;
export type ListenerProtocol = (typeof listenerProtocols)[number];

/** How TLS ends at a listener. */
export interface ListenerSecurity {
  /** Name of an SSL policy. */
  policy: string;
  /** ARNs; the first is the default certificate, the others are chosen by SNI. */
  certificates: string[];
  /** Of a TLS listener: `HTTP1Only`, `HTTP2Only` ... */
  alpn?: string;
}

export const protocolOf = ({ protocol }: Pick<Listener, "protocol">): ListenerProtocol =>
  listenerProtocols.find((known) => known === protocol) ?? "HTTP";

export function securityOf({ security }: Pick<Listener, "security">): ListenerSecurity | undefined {
  // Written by this service, by `securityText`.
  return security === null ? undefined : (JSON.parse(security) as ListenerSecurity);
}

export const securityText = (security: ListenerSecurity | undefined): string | null =>
  security === undefined ? null : JSON.stringify(security);
