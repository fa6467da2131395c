/** Certificates and keys as text: read, checked, and named as ACM names them. Pure. */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { invalid } from "./faults.ts";

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

const unreadable = (what: string) =>
  invalid(
    `The certificate ${what} provided is not in a valid PEM format, InternalFailure, or Unable to parse certificate. ` +
      "Please ensure the certificate is in PEM format.",
  );

export interface Imported {
  certificate: string;
  chain: string | null;
  /** PKCS #8 in PEM. */
  privateKey: string;
  names: string[];
  keyAlgorithm: string;
  notBefore: number;
  notAfter: number;
}

export interface ParsedCertificate {
  serialNumber: string;
  /** `CN=example.com,O=Example`, as ACM writes names. */
  subject: string;
  issuer: string;
  /** `SHA256WITHRSA`. */
  signature: string;
}

export function parsedCertificate(pem: string): ParsedCertificate {
  const { serialNumber, subject, issuer, signatureAlgorithm = "" } = new X509Certificate(pem);
  const named = (name: string | undefined) => (name ?? "").split("\n").toReversed().join(",");
  return { serialNumber, subject: named(subject), issuer: named(issuer), signature: signatureName(signatureAlgorithm) };
}

/** `sha256WithRSAEncryption` is `SHA256WITHRSA`, `ecdsa-with-SHA256` is `SHA256WITHECDSA`. */
function signatureName(openssl: string): string {
  const ecdsa = /^ecdsa-with-(.+)$/.exec(openssl);
  return ecdsa === null ? openssl.replace(/Encryption$/, "").toUpperCase() : `${ecdsa[1]}WITHECDSA`;
}

/** Checks what ImportCertificate is given; throws what ACM says of what it does not take. */
export function readImport(parts: { certificate: string; chain: string | undefined; privateKey: string; now: number }) {
  const { now } = parts;
  const bodies = parts.certificate.match(block) ?? [];
  if (bodies.length > 1) {
    throw invalid(
      "The certificate field contains more than one certificate. You can specify only one certificate in this field.",
    );
  }
  const certificate = parsed(bodies[0], "body");
  const key = privateKeyOf(parts.privateKey);
  if (!certificate.checkPrivateKey(key)) throw invalid("The private key does not match the certificate.");
  const keyAlgorithm = algorithmOf(key);
  const [notBefore, notAfter] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (notAfter <= now) throw invalid("The certificate is expired.");
  if (notBefore > now) throw invalid("The certificate is not valid yet.");
  return {
    certificate: certificate.toString(),
    chain: chainOf(certificate, parts.chain),
    privateKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
    names: namesOf(certificate),
    keyAlgorithm,
    notBefore,
    notAfter,
  } satisfies Imported;
}

function parsed(pem: string | undefined, what: string): X509Certificate {
  if (pem === undefined) throw unreadable(what);
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    // Whatever OpenSSL says of it, ACM says this.
    throw Object.assign(unreadable(what), { cause });
  }
}

function privateKeyOf(pem: string): KeyObject {
  if (pem.includes("ENCRYPTED")) throw invalid("The private key is encrypted. Please provide an unencrypted key.");
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw Object.assign(invalid("The private key is not supported."), { cause });
  }
}

/** In order, each the issuer of the one before it. */
function chainOf(certificate: X509Certificate, text: string | undefined): string | null {
  if (text === undefined || text.trim() === "") {
    if (certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey)) return null;
    throw invalid(
      "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or " +
        "certificate chain.",
    );
  }
  const links = (text.match(block) ?? []).map((pem) => parsed(pem, "chain"));
  if (links.length === 0) throw unreadable("chain");
  let child = certificate;
  for (const link of links) {
    if (!child.checkIssued(link) || !child.verify(link.publicKey)) {
      throw invalid("Could not validate the certificate with the certificate chain.");
    }
    child = link;
  }
  return links.map((link) => link.toString()).join("");
}

const curves: Readonly<Record<string, string>> = {
  prime256v1: "EC_prime256v1",
  secp384r1: "EC_secp384r1",
  secp521r1: "EC_secp521r1",
};

const rsaBits = [1024, 2048, 3072, 4096];

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { modulusLength = 0, namedCurve = "" } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "rsa" && rsaBits.includes(modulusLength)) return `RSA_${modulusLength}`;
  const curve = curves[namedCurve];
  if (asymmetricKeyType === "ec" && curve !== undefined) return curve;
  if (asymmetricKeyType === "rsa") {
    throw invalid(`The private key length ${modulusLength} is not supported for key algorithm.`);
  }
  throw invalid("The private key is not supported.");
}

/** The common name first, then the alternative names. */
function namesOf({ subject, subjectAltName = "" }: X509Certificate): string[] {
  const alternatives = [...subjectAltName.matchAll(/DNS:([^,]+)/g)].map(([, name = ""]) => name.trim());
  const common = /^CN=(.+)$/m.exec(subject ?? "")?.[1];
  const names = common === undefined ? alternatives : [common, ...alternatives];
  return [...new Set(names.map((name) => name.toLowerCase()))];
}
