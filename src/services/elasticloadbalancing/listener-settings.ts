/** What a listener speaks, and how TLS ends there: checked, stored, shown. Pure. */
import type { CreateListenerInput, Listener as SdkListener } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Received } from "../../kit/handlers.ts";
import { fault, invalid, notRun } from "./refusals.ts";
import type { Listener } from "./tables.ts";
import { defaultPolicy, existingPolicy } from "./tls-policies.ts";

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

/** What is spoken on a port. */
export interface Spoken {
  protocol: ListenerProtocol;
  security: ListenerSecurity | undefined;
}

export const protocolOf = ({ protocol }: Pick<Listener, "protocol">): ListenerProtocol =>
  listenerProtocols.find((known) => known === protocol) ?? "HTTP";

export function securityOf({ security }: Pick<Listener, "security">): ListenerSecurity | undefined {
  // Written by this service, by `securityText`.
  return security === null ? undefined : (JSON.parse(security) as ListenerSecurity);
}

export const securityText = (security: ListenerSecurity | undefined): string | null =>
  security === undefined ? null : JSON.stringify(security);

export const spokenBy = (row: Pick<Listener, "protocol" | "security">): Spoken => ({
  protocol: protocolOf(row),
  security: securityOf(row),
});

/** As a row holds it. */
export const spokenColumns = ({ protocol, security }: Spoken) => ({ protocol, security: securityText(security) });

export type SpokenInput = Pick<
  Received<CreateListenerInput>,
  "Protocol" | "Certificates" | "SslPolicy" | "AlpnPolicy" | "MutualAuthentication"
>;

const alpnPolicies = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];
/** Protocols of AWS's that the edge does not speak, by the type of load balancer. */
const notSpoken: Readonly<Record<string, readonly string[]>> = {
  application: [],
  network: ["UDP", "TCP_UDP", "QUIC", "TCP_QUIC"],
};

function protocolIn(type: string, given: string): ListenerProtocol {
  if (notSpoken[type]?.includes(given)) throw notRun(`listeners with protocol '${given}'`);
  const allowed: readonly ListenerProtocol[] = type === "network" ? ["TCP", "TLS"] : ["HTTPS", "HTTP"];
  const protocol = allowed.find((known) => known === given);
  if (protocol !== undefined) return protocol;
  const listed = type === "network" ? "TCP, UDP, TCP_UDP, TLS" : "HTTPS, HTTP";
  throw invalid(`Listener protocol '${given}' must be one of '${listed}'`);
}

function refuseSecurity(protocol: ListenerProtocol, { Certificates, SslPolicy, AlpnPolicy }: SpokenInput): void {
  if (Certificates !== undefined && Certificates.length > 0) {
    throw invalid(`A certificate cannot be specified for ${protocol} listeners`);
  }
  if (SslPolicy !== undefined) throw invalid(`An SSL policy cannot be specified for ${protocol} listeners`);
  if (AlpnPolicy !== undefined && AlpnPolicy.length > 0) {
    throw invalid("An ALPN policy can only be specified for TLS listeners");
  }
}

/** The ARN of the default certificate that is given, if one is. */
function certificateIn({ Certificates }: SpokenInput): string | undefined {
  if (Certificates === undefined || Certificates.length === 0) return undefined;
  if (Certificates.length > 1) {
    throw invalid(`Up to '1' certificate ARNs can be specified, but '${Certificates.length}' were specified`);
  }
  const [only] = Certificates;
  if (only?.IsDefault !== undefined) throw invalid("IsDefault cannot be specified for the certificate of a listener");
  if (only?.CertificateArn === undefined || only.CertificateArn === "")
    throw invalid("A certificate ARN must be specified");
  return only.CertificateArn;
}

function alpnIn(protocol: ListenerProtocol, given: readonly string[] | undefined): string | undefined {
  if (given === undefined || given.length === 0) return undefined;
  if (protocol !== "TLS") throw invalid("An ALPN policy can only be specified for TLS listeners");
  const [policy, ...more] = given;
  if (policy === undefined || more.length > 0) throw invalid("You can specify only one ALPN policy");
  if (alpnPolicies.includes(policy)) return policy;
  throw fault("ALPNPolicyNotSupportedException", `ALPN policy '${policy}' must be one of [${alpnPolicies.join(", ")}]`);
}

function securityIn(
  protocol: ListenerProtocol,
  before: ListenerSecurity | undefined,
  input: SpokenInput,
): ListenerSecurity {
  const certificate = certificateIn(input) ?? before?.certificates[0];
  if (certificate === undefined) throw invalid(`A certificate must be specified for ${protocol} listeners`);
  const alpn = alpnIn(protocol, input.AlpnPolicy) ?? before?.alpn;
  const policy = input.SslPolicy ?? before?.policy ?? defaultPolicy;
  existingPolicy(policy);
  return {
    policy,
    // A new default takes the place of the old one; the others stay.
    certificates: [certificate, ...(before?.certificates.slice(1) ?? []).filter((arn) => arn !== certificate)],
    ...(alpn === undefined ? {} : { alpn }),
  };
}

/**
 * What a listener of a load balancer of `type` speaks once it is told `input`; `before` is what it spoke, where it is
 * there already. Throws in AWS's words, or by name at what is not run.
 */
export function spokenAfter(type: string, input: SpokenInput, before?: Spoken): Spoken {
  const { Protocol: given, MutualAuthentication } = input;
  const protocol = given === undefined ? before?.protocol : protocolIn(type, given);
  if (protocol === undefined) throw invalid("A listener protocol must be specified");
  const mode = MutualAuthentication?.Mode;
  if (mode !== undefined && mode !== "off") throw notRun("mutual authentication");
  const isSecure = protocol === "HTTPS" || protocol === "TLS";
  if (!isSecure) refuseSecurity(protocol, input);
  return { protocol, security: isSecure ? securityIn(protocol, before?.security, input) : undefined };
}

/** The part of DescribeListeners that tells what is spoken. */
export function describedSpoken({ protocol, security }: Spoken): SdkListener {
  if (security === undefined) return { Protocol: protocol };
  const [certificate] = security.certificates;
  return {
    Protocol: protocol,
    Certificates: certificate === undefined ? [] : [{ CertificateArn: certificate }],
    SslPolicy: security.policy,
    ...(security.alpn === undefined ? {} : { AlpnPolicy: [security.alpn] }),
    ...(protocol === "HTTPS" ? { MutualAuthentication: { Mode: "off" } } : {}),
  };
}
