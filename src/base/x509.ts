/** Makes X.509 certificates (RFC 5280); Node reads them, and cannot. */
import { createHash, sign, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { bits, boolean, der, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from "./der.ts";
import { assert } from "./errors.ts";

/** Who a certificate is for, or who issued it. */
export interface DistinguishedName {
  commonName: string;
  organization?: string;
}

export interface CertificateContents {
  subject: DistinguishedName;
  /** DNS names (`*.example.com` too) and IP addresses. */
  names: readonly string[];
  publicKey: KeyObject;
  /** Milliseconds; seconds count. */
  notBefore: number;
  notAfter: number;
  /** Up to 20 bytes, unique for the issuer; the first bit is ignored. */
  serial: Uint8Array;
  /** May issue certificates itself. */
  authority?: boolean;
}

export interface Issuer {
  subject: DistinguishedName;
  /** RSA, or EC of P-256, P-384 or P-521. */
  privateKey: KeyObject;
  publicKey: KeyObject;
}

/** By the kind of the issuer's key: hash and algorithm identifier (RFC 5758, RFC 4055). */
const signatures: Readonly<Record<string, { hash: string; algorithm: Buffer }>> = {
  rsa: { hash: "sha256", algorithm: sequence(oid("1.2.840.113549.1.1.11"), der(0x05)) },
  prime256v1: { hash: "sha256", algorithm: sequence(oid("1.2.840.10045.4.3.2")) },
  secp384r1: { hash: "sha384", algorithm: sequence(oid("1.2.840.10045.4.3.3")) },
  secp521r1: { hash: "sha512", algorithm: sequence(oid("1.2.840.10045.4.3.4")) },
};

/**
 * Gives the certificate as PEM.
 *
 * @example
 * const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
 * issueCertificate({ subject, names: ["example.com"], publicKey, ... }, { subject, privateKey, publicKey });
 */
export function issueCertificate(contents: CertificateContents, issuer: Issuer): string {
  const { asymmetricKeyType, asymmetricKeyDetails } = issuer.privateKey;
  const kind = asymmetricKeyType === "ec" ? asymmetricKeyDetails?.namedCurve : asymmetricKeyType;
  const signature = signatures[kind ?? ""];
  assert(signature !== undefined, "an issuer's key is RSA, or EC of a curve of NIST");
  const { hash, algorithm } = signature;
  const serial = Buffer.from(contents.serial);
  serial[0] = (serial[0] ?? 0) & 0x7f;
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    nameOf(issuer.subject),
    sequence(time(contents.notBefore), time(contents.notAfter)),
    nameOf(contents.subject),
    spki(contents.publicKey),
    explicit(3, sequence(...extensionsOf(contents, issuer))),
  );
  return pemOf("CERTIFICATE", sequence(body, algorithm, bits(sign(hash, body, issuer.privateKey))));
}

/** @param label `CERTIFICATE`, `PRIVATE KEY` ... */
function pemOf(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const spki = (key: KeyObject) => key.export({ type: "spki", format: "der" });

function nameOf({ commonName, organization }: DistinguishedName): Buffer {
  const part = (type: string, value: string) => set(sequence(oid(type), utf8(value)));
  return sequence(
    ...(organization === undefined ? [] : [part("2.5.4.10", organization)]),
    // Longer ones have no place in a subject; the names stand in their own extension (RFC 5280, ub-common-name).
    ...(commonName.length > 64 ? [] : [part("2.5.4.3", commonName)]),
  );
}

function extensionsOf({ authority = false, subject, names, publicKey }: CertificateContents, issuer: Issuer): Buffer[] {
  const extension = (type: string, critical: boolean, value: Buffer) =>
    sequence(oid(type), ...(critical ? [boolean(true)] : []), octets(value));
  // keyCertSign and cRLSign; or digitalSignature and keyEncipherment.
  const usage = authority ? bits(Buffer.from([0x06]), 1) : bits(Buffer.from([0xa0]), 5);
  const extensions = [
    extension("2.5.29.19", true, authority ? sequence(boolean(true)) : sequence()),
    extension("2.5.29.15", true, usage),
    extension("2.5.29.14", false, octets(keyIdOf(publicKey))),
    extension("2.5.29.35", false, sequence(implicit(0, keyIdOf(issuer.publicKey)))),
  ];
  if (!authority)
    extensions.push(extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2"))));
  // Nobody else says who it is, where the subject is empty (RFC 5280 section 4.2.1.6).
  const alone = nameOf(subject).equals(sequence());
  if (names.length > 0) extensions.push(extension("2.5.29.17", alone, sequence(...names.map(alternativeName))));
  return extensions;
}

function alternativeName(name: string): Buffer {
  const version = isIP(name);
  return version === 0 ? implicit(2, Buffer.from(name, "ascii")) : implicit(7, addressBytes(name, version));
}

function addressBytes(address: string, version: number): Buffer {
  if (version === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const before = groups(head);
  const after = groups(tail ?? "");
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/** Method 1 of RFC 7093: the first 160 bits of the key's SHA-256. */
function keyIdOf(key: KeyObject): Buffer {
  return createHash("sha256").update(spki(key)).digest().subarray(0, 20);
}
