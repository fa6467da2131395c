/** Certificates for tests: an authority, and what it issues. */
import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { issueCertificate, type CertificateContents, type Issuer } from "../../base/x509.ts";
import type { Certificate, ListenerTls } from "../ports.ts";

const dayMs = 24 * 60 * 60 * 1000;

type KeyType = "ec" | "rsa";

export interface TestAuthority {
  /** PEM, for clients to trust. */
  ca: string;
  /** A certificate for `names`; the id is the first name, unless it is given. */
  issue(names: readonly string[], changes?: IssueChanges): Certificate;
}

export interface IssueChanges extends Partial<CertificateContents> {
  id?: string;
  keyType?: KeyType;
}

export function testAuthority(authorityKey: KeyType = "ec"): TestAuthority {
  const pair = keyPair(authorityKey);
  const issuer: Issuer = { subject: { commonName: "Test Authority" }, ...pair };
  const make = (publicKey: KeyObject, names: readonly string[], changes: Partial<CertificateContents>) =>
    issueCertificate(
      {
        subject: { commonName: names[0] ?? "Test Authority" },
        names,
        publicKey,
        notBefore: Date.now() - dayMs,
        notAfter: Date.now() + 30 * dayMs,
        serial: randomBytes(16),
        ...changes,
      },
      issuer,
    );
  return {
    ca: make(pair.publicKey, [], { subject: issuer.subject, authority: true }),
    issue(names, { id = names[0] ?? "", keyType = "ec", ...changes } = {}) {
      const { privateKey, publicKey } = keyPair(keyType);
      return {
        id,
        certificate: make(publicKey, names, changes),
        privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        names,
      };
    },
  };
}

function keyPair(type: KeyType) {
  return type === "ec"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** A listener's TLS with AWS's usual ciphers. */
export function tlsOf(certificates: readonly Certificate[], changes: Partial<ListenerTls> = {}): ListenerTls {
  return {
    certificates,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers:
      "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" +
      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
    ...changes,
  };
}
