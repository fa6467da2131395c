/** The certificates of listeners: checked, listed, and read from whoever keeps them. */
import type { Certificate as SdkCertificate, CreateListenerInput } from "@aws-sdk/client-elastic-load-balancing-v2";
import { parseArn } from "../../base/arn.ts";
import { asError } from "../../base/errors.ts";
import type { Certificate, ListenerTls } from "../../edge/ports.ts";
import { serviceCall, type Call, type CallMaker } from "../../kit/call.ts";
import type { CertificateMaterial, CertificateUser } from "../../kit/certificates.ts";
import type { Handlers, Received } from "../../kit/handlers.ts";
import type { Peers } from "../../kit/peers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store, Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import type { Log } from "../../telemetry/log.ts";
import { listenerArn, ownerArn, type Place } from "./arns.ts";
import { quotas } from "./limits.ts";
import {
  protocolOf,
  securityOf,
  securityText,
  type ListenerProtocol,
  type ListenerSecurity,
} from "./listener-settings.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { fault, invalid, notRun, type Elb } from "./refusals.ts";
import type { Routing } from "./routing.ts";
import { existingListener } from "./rules.ts";
import { listeners, listenersOf, type Listener } from "./tables.ts";
import { defaultPolicy, edgePolicy, existingPolicy } from "./tls-policies.ts";

/** What Create- and ModifyListener say of a listener's protocol. */
export type ProtocolInput = Pick<
  Received<CreateListenerInput>,
  "Protocol" | "Certificates" | "SslPolicy" | "AlpnPolicy" | "MutualAuthentication"
>;

export interface ProtocolSettings {
  protocol: ListenerProtocol;
  security: ListenerSecurity | undefined;
}

/** The one certificate that a listener is created or changed with: its default. */
function defaultCertificate(given: ProtocolInput["Certificates"]): string | undefined {
  if (given === undefined) return undefined;
  if (given.length > 1) {
    throw invalid(`Up to '1' certificate ARNs can be specified, but '${given.length}' were specified`);
  }
  return given[0]?.CertificateArn;
}

/** What an application load balancer's listener is to speak; `before` is what it speaks. Refuses what cannot be. */
export function protocolSettings(input: ProtocolInput, before?: ProtocolSettings): ProtocolSettings {
  const protocol = input.Protocol ?? before?.protocol;
  if (protocol === undefined) throw invalid("A listener protocol must be specified");
  if (protocol !== "HTTP" && protocol !== "HTTPS") {
    throw invalid(`Listener protocol '${protocol}' must be one of 'HTTPS, HTTP'`);
  }
  if ((input.AlpnPolicy ?? []).length > 0) throw invalid("An ALPN policy can only be specified for TLS listeners");
  const mode = input.MutualAuthentication?.Mode;
  if (mode !== undefined && mode !== "off") throw notRun("mutual authentication");
  const certificate = defaultCertificate(input.Certificates);
  if (protocol === "HTTP") {
    if (certificate !== undefined) throw invalid("A certificate cannot be specified for HTTP listeners");
    if (input.SslPolicy !== undefined) throw invalid("An SSL policy cannot be specified for HTTP listeners");
    return { protocol, security: undefined };
  }
  const [former, ...others] = before?.security?.certificates ?? [];
  const first = certificate ?? former;
  if (first === undefined) throw invalid("A certificate must be specified for HTTPS listeners");
  const policy = input.SslPolicy ?? before?.security?.policy ?? defaultPolicy;
  existingPolicy(policy);
  return { protocol, security: { policy, certificates: [first, ...others.filter((arn) => arn !== first)] } };
}

const certificateNotFound = (arn: string) => fault("CertificateNotFoundException", `Certificate '${arn}' not found`);

/** A certificate with its key, from ACM, or from IAM's server certificates. */
async function readMaterial(peers: Peers, arn: string, call: Call): Promise<CertificateMaterial | undefined> {
  const parsed = parseArn(arn);
  const isOurs = parsed?.account === call.account;
  if (parsed?.service === "acm" && isOurs && parsed.region === call.region) {
    return (await peers.acm.ReadCertificate({ Arn: arn }, call)).material;
  }
  return undefined;
}

/** Throws `CertificateNotFound` for a certificate that cannot be shown to clients. */
export function certificateCheck({ peers }: Pick<ElbDeps, "peers">) {
  return async (security: ListenerSecurity | undefined, call: Call): Promise<void> => {
    for (const arn of security?.certificates ?? []) {
      if (parseArn(arn) === undefined) throw invalid(`Certificate ARN '${arn}' is not valid`);
      if ((await readMaterial(peers, arn, call)) === undefined) throw certificateNotFound(arn);
    }
  };
}

/** How TLS ends at each listener that ends it, by the ARN of the listener. */
export function listenerTlsReader(deps: { peers: Peers; log: Log } & CallMaker) {
  const { peers, log } = deps;
  const read = async (arn: string, place: Place): Promise<Certificate | undefined> => {
    const principal = { kind: "service", service: "elasticloadbalancing.amazonaws.com" } as const;
    const call = serviceCall(deps, place.account, place.region, principal);
    try {
      const material = await readMaterial(peers, arn, call);
      return material && { id: arn, ...material };
    } catch (error) {
      // One key that cannot be read is no reason for the others' listeners to stand still.
      log.error("a listener's certificate cannot be read", { certificate: arn, error: asError(error) });
      return undefined;
    }
  };
  return async (rows: readonly Listener[]): Promise<Map<string, ListenerTls>> => {
    const all = new Map<string, ListenerTls>();
    for (const row of rows) {
      const security = securityOf(row);
      if (security === undefined) continue;
      const found: Certificate[] = [];
      for (const arn of security.certificates) {
        const certificate = await read(arn, row);
        if (certificate !== undefined) found.push(certificate);
      }
      if (found.length > 0) all.set(listenerArn(row), { ...edgePolicy(security.policy), certificates: found });
    }
    return all;
  };
}

export function writeProtocol(tx: Tx, { account, region, id }: Listener, settings: ProtocolSettings): Promise<number> {
  const changes = { protocol: settings.protocol, security: securityText(settings.security) };
  return tx.run(sql`update ${listeners.name} set ${assign(listeners, changes)}
    where account = ${account} and region = ${region} and id = ${id}`);
}

function secured(listener: Listener): ListenerSecurity {
  const security = securityOf(listener);
  if (security === undefined) {
    throw invalid(`Certificates cannot be specified for ${protocolOf(listener)} listeners`);
  }
  return security;
}

const arnsIn = (certificates: readonly { CertificateArn?: string | undefined }[]): string[] =>
  certificates.map(({ CertificateArn }) => {
    if (CertificateArn === undefined) throw invalid("A certificate ARN must be specified");
    return CertificateArn;
  });

/** All certificates of a load balancer's listeners but their defaults, which do not count. */
async function countOn(tx: ReadTx, listener: Listener): Promise<number> {
  const own = await listenersOf(tx, { ...listener, id: listener.load_balancer_id });
  return own.reduce((sum, row) => sum + Math.max(0, (securityOf(row)?.certificates.length ?? 0) - 1), 0);
}

export function certificateOperations(deps: Pick<ElbDeps, "store" | "routing" | "peers">) {
  const { store, routing } = deps;
  const check = certificateCheck(deps);
  return {
    async AddListenerCertificates(input, call) {
      const given = arnsIn(input.Certificates);
      await store.read(async (tx) => secured(await existingListener(tx, call, input.ListenerArn)));
      await check({ policy: defaultPolicy, certificates: given }, call);
      await routing.change(async (tx) => {
        const listener = await existingListener(tx, call, input.ListenerArn);
        const security = secured(listener);
        const certificates = [...new Set([...security.certificates, ...given])];
        const max = quotas["certificates-per-application-load-balancer"];
        const more = certificates.length - security.certificates.length;
        if ((await countOn(tx, listener)) + more > max) {
          throw fault(
            "TooManyCertificatesException",
            `The maximum number of certificates (${max}) has been reached for '${ownerArn(listener)}'`,
          );
        }
        await writeProtocol(tx, listener, { protocol: protocolOf(listener), security: { ...security, certificates } });
      });
      return { Certificates: given.map((CertificateArn) => ({ CertificateArn, IsDefault: false })) };
    },

    async RemoveListenerCertificates(input, call) {
      const given = arnsIn(input.Certificates);
      await routing.change(async (tx) => {
        const listener = await existingListener(tx, call, input.ListenerArn);
        const security = secured(listener);
        const [first = ""] = security.certificates;
        if (given.includes(first)) {
          throw fault("OperationNotPermittedException", "Default certificate cannot be removed");
        }
        const certificates = security.certificates.filter((arn) => !given.includes(arn));
        await writeProtocol(tx, listener, { protocol: protocolOf(listener), security: { ...security, certificates } });
      });
      return {};
    },

    async DescribeListenerCertificates(input, call) {
      const listener = await store.read((tx) => existingListener(tx, call, input.ListenerArn));
      const shown: SdkCertificate[] = (securityOf(listener)?.certificates ?? []).map((CertificateArn, index) => ({
        CertificateArn,
        IsDefault: index === 0,
      }));
      const { page, next } = await onePage<SdkCertificate>({
        operation: "DescribeListenerCertificates",
        input,
        filters: input.ListenerArn,
        call,
        keyOf: ({ CertificateArn = "" }) => CertificateArn,
        rowsAfter: async (key, limit) => {
          const from = key === undefined ? 0 : shown.findIndex(({ CertificateArn }) => CertificateArn === key) + 1;
          return shown.slice(from, from + limit);
        },
      });
      return { Certificates: [...page], ...next };
    },
  } satisfies Handlers<Elb>;
}

/** For those who keep certificates. */
export function certificateUses({ store, routing }: { store: Store; routing: Routing }) {
  const usersOf = (arn: string, { account, region }: Call) =>
    store.read(async (tx) => {
      const rows = await tx.all<Listener>(sql`select ${listeners.columns} from ${listeners.name}
        where account = ${account} and region = ${region} and security is not null`);
      const users = rows.filter((row) => securityOf(row)?.certificates.includes(arn)).map(ownerArn);
      return [...new Set(users)];
    });
  return {
    async CertificateUses({ Arn }, call) {
      return { users: await usersOf(Arn, call) };
    },
    async CertificateChanged({ Arn }, call) {
      if ((await usersOf(Arn, call)).length > 0) await routing.change(async () => {});
      return {};
    },
  } satisfies CertificateUser;
}
