/**
 * The certificate authority of the node: it issues at once what ACM would have validated and issued by Amazon's. Clients
 * that trust its certificate (the chain that GetCertificate gives) trust what it issues.
 */
import { createPrivateKey, generateKeyPair, randomBytes, X509Certificate, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { issueCertificate, type DistinguishedName } from "../../base/x509.ts";
import type { Deps } from "../../kit/service.ts";
import { insert } from "../../store/tables.ts";
import { authorityMs, dayMs, validityMs } from "./limits.ts";
import { authorities, authorityKey, findAuthority, type AuthorityRow } from "./tables.ts";

const generate = promisify(generateKeyPair);

/** Algorithms that ACM requests certificates with. */
export const keyAlgorithms = ["RSA_2048", "EC_prime256v1", "EC_secp384r1"] as const;

export interface Issued {
  certificate: string;
  /** The authority's own certificate. */
  chain: string;
  /** PKCS #8 in PEM. */
  privateKey: string;
  notBefore: number;
  notAfter: number;
}

export interface Authority {
  /** Its own certificate, as PEM; made when it is first asked for. */
  certificate(): Promise<string>;
  /** A new key, and a certificate for it. `names` begins with the domain. */
  issue(names: readonly string[], keyAlgorithm: string): Promise<Issued>;
}

const subject: DistinguishedName = { commonName: "Mikan Local CA", organization: "Mikan" };
const context = "acm:authority";
/** Clients' clocks may be behind. */
const skewMs = dayMs;

export function createAuthority({ store, clock, secrets }: Pick<Deps, "store" | "clock" | "secrets">): Authority {
  const make = async (): Promise<AuthorityRow> => {
    const { privateKey, publicKey } = await generate("ec", { namedCurve: "P-256" });
    const now = clock.now();
    const certificate = issueCertificate(
      {
        subject,
        names: [],
        publicKey,
        notBefore: now - skewMs,
        notAfter: now + authorityMs,
        serial: randomBytes(16),
        authority: true,
      },
      { subject, privateKey, publicKey },
    );
    const sealed = secrets.seal(Buffer.from(pemOf(privateKey)), context);
    const row: AuthorityRow = { ...authorityKey, certificate, private_key: sealed, created_ms: now };
    return store.tx(async (tx) => {
      const present = await findAuthority(tx);
      if (present !== undefined) return present;
      await tx.run(insert(authorities, row));
      return row;
    });
  };

  const own = async () => (await store.read(findAuthority)) ?? (await make());

  return {
    certificate: async () => (await own()).certificate,

    async issue(names, keyAlgorithm) {
      const row = await own();
      const root = new X509Certificate(row.certificate);
      const issuerKey = createPrivateKey(Buffer.from(secrets.open(row.private_key, context)));
      const { privateKey, publicKey } = await newKey(keyAlgorithm);
      const now = clock.now();
      // Seconds count in a certificate.
      const notBefore = Math.floor((now - skewMs) / 1000) * 1000;
      const notAfter = Math.min(notBefore + skewMs + validityMs, Date.parse(root.validTo));
      const certificate = issueCertificate(
        {
          subject: { commonName: names[0] ?? "" },
          names,
          publicKey,
          notBefore,
          notAfter,
          serial: randomBytes(16),
        },
        { subject, privateKey: issuerKey, publicKey: root.publicKey },
      );
      return { certificate, chain: row.certificate, privateKey: pemOf(privateKey), notBefore, notAfter };
    },
  };
}

const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

function newKey(algorithm: string): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  if (algorithm === "EC_prime256v1") return generate("ec", { namedCurve: "P-256" });
  if (algorithm === "EC_secp384r1") return generate("ec", { namedCurve: "P-384" });
  return generate("rsa", { modulusLength: 2048 });
}
