/** The certificates of listeners: checked, listed, and read from whoever keeps them. */
import type { Certificate as SdkCertificate } from "@aws-sdk/client-elastic-load-balancing-v2";
import { parseArn } from "../../base/arn.ts";
import { asError } from "../../base/errors.ts";
import type { Certificate, ListenerTls } from "../../edge/ports.ts";
import { serviceCall, type Call, type CallMaker } from "../../kit/call.ts";
import type { CertificateMaterial, CertificateUser } from "../../kit/certificates.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Peers } from "../../kit/peers.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Store, Tx } from "../../store/store.ts";
import { assign } from "../../store/tables.ts";
import type { Log } from "../../telemetry/log.ts";
import { listenerArn, ownerArn, type Place } from "./arns.ts";
import { quotas } from "./limits.ts";
import { protocolOf, securityOf, securityText, type ListenerSecurity } from "./listener-settings.ts";
import type { ElbDeps } from "./load-balancers.ts";
import { onePage } from "./pages.ts";
import { fault, invalid, type Elb } from "./refusals.ts";
import type { Routing } from "./routing.ts";
import { existingListener } from "./rules.ts";
import { listeners, listenersOf, type Listener } from "./tables.ts";
import { defaultPolicy, edgePolicy } from "./tls-policies.ts";

const certificateNotFound = (arn: string) => fault("CertificateNotFoundException", `Certificate '${arn}' not found`);

/** A certificate with its key, from ACM, or from IAM's server certificates. */
async function readMaterial(peers: Peers, arn: string, call: Call): Promise<CertificateMaterial | undefined> {
  const parsed = parseArn(arn);
  const isOurs = parsed?.account === call.account;
  if (parsed?.service === "acm" && isOurs && parsed.region === call.region) {
    return (await peers.acm.ReadCertificate({ Arn: arn }, call)).material;
  }
  if (parsed?.service === "iam" && isOurs) return (await peers.iam.ReadCertificate({ Arn: arn }, call)).material;
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

function writeSecurity(tx: Tx, { account, region, id }: Listener, security: ListenerSecurity): Promise<number> {
  return tx.run(sql`update ${listeners.name} set ${assign(listeners, { security: securityText(security) })}
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
        const type = listener.load_balancer_type === "network" ? "network" : "application";
        const max = quotas[`certificates-per-${type}-load-balancer`];
        const more = certificates.length - security.certificates.length;
        if ((await countOn(tx, listener)) + more > max) {
          throw fault(
            "TooManyCertificatesException",
            `The maximum number of certificates (${max}) has been reached for '${ownerArn(listener)}'`,
          );
        }
        await writeSecurity(tx, listener, { ...security, certificates });
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
        await writeSecurity(tx, listener, { ...security, certificates });
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
  const usersOf = (arn: string, { account }: Call) =>
    store.read(async (tx) => {
      const rows = await tx.all<Listener>(sql`select ${listeners.columns} from ${listeners.name}
        where account = ${account} and security is not null`);
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
