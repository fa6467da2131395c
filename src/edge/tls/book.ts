/**
 * The certificates of a listener, and which of them a client is shown: the most exact name, then the kind of key that
 * the client can use, then the best key (ALB user guide, "SSL certificates for your Application Load Balancer").
 */
import { X509Certificate } from "node:crypto";
import type { SecureContext, SecureContextOptions } from "node:tls";
import { must } from "../../base/errors.ts";
import type { Certificate, ListenerTls } from "../ports.ts";
import type { ContextStore } from "./contexts.ts";

/** What clients that ask for a name are shown: a certificate for each kind of key, between which OpenSSL decides. */
export interface Choice {
  context: SecureContext;
  certificates: readonly Parsed[];
}

interface Parsed {
  id: string;
  pem: Certificate;
  /** `ec`, `rsa` ... */
  keyType: string;
  keyBits: number;
  validTo: number;
  fingerprint: string;
}

export interface BookOptions {
  tls: ListenerTls;
  contexts: ContextStore;
  /** What the contexts have in common: versions, ciphers, tickets. */
  settings: SecureContextOptions;
  /** Wall time; an expired certificate yields to one that is valid. */
  now: number;
}

export class CertificateBook {
  /** For clients that name none of the names here. */
  readonly default: Choice;
  readonly #exact = new Map<string, Choice>();
  /** By the name behind `*.`. */
  readonly #wildcards = new Map<string, Choice>();

  constructor(options: BookOptions) {
    const certificates = options.tls.certificates.map(parse);
    const first = must(certificates[0], "the default certificate");
    this.default = choiceOf([first], options);
    for (const [name, holders] of byName(certificates)) {
      const choice = choiceOf(bestOfEachType(holders, options.now), options);
      if (name.startsWith("*.")) this.#wildcards.set(name.slice(2), choice);
      else this.#exact.set(name, choice);
    }
  }

  /** `serverName` as the client sent it; a `*` stands for exactly one label (RFC 6125 section 6.4.3). */
  of(serverName: string): Choice {
    const name = serverName.toLowerCase();
    const dot = name.indexOf(".");
    const parent = dot < 0 ? undefined : this.#wildcards.get(name.slice(dot + 1));
    return this.#exact.get(name) ?? parent ?? this.default;
  }
}

function parse(pem: Certificate): Parsed {
  const certificate = new X509Certificate(pem.certificate);
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  return {
    id: pem.id,
    pem,
    keyType: asymmetricKeyType ?? "",
    keyBits: asymmetricKeyDetails?.modulusLength ?? 0,
    validTo: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  };
}

function byName(certificates: readonly Parsed[]): Map<string, Parsed[]> {
  const names = new Map<string, Parsed[]>();
  for (const certificate of certificates) {
    for (const name of new Set(certificate.pem.names)) {
      const holders = names.get(name);
      if (holders === undefined) names.set(name, [certificate]);
      else holders.push(certificate);
    }
  }
  return names;
}

function bestOfEachType(holders: readonly Parsed[], now: number): Parsed[] {
  const best = new Map<string, Parsed>();
  for (const holder of holders) {
    const rival = best.get(holder.keyType);
    if (rival === undefined || isBetter(holder, rival, now)) best.set(holder.keyType, holder);
  }
  return [...best.values()];
}

/** AWS's order: not expired, longer key, longer validity. */
function isBetter(one: Parsed, other: Parsed, now: number): boolean {
  const valid = (certificate: Parsed) => certificate.validTo > now;
  if (valid(one) !== valid(other)) return valid(one);
  if (one.keyBits !== other.keyBits) return one.keyBits > other.keyBits;
  return one.validTo > other.validTo;
}

function choiceOf(certificates: readonly Parsed[], { contexts, settings }: BookOptions): Choice {
  const context = contexts.of({
    ...settings,
    cert: certificates.map(({ pem }) => pem.certificate),
    key: certificates.map(({ pem }) => pem.privateKey),
  });
  return { context, certificates };
}
