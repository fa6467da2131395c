/** Certificates by their ARNs, and as ACM shows them. */
import type { CertificateDetail, DomainValidation, KeyAlgorithm } from "@aws-sdk/client-acm";
import { createHash } from "node:crypto";
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import type { ReadTx } from "../../store/store.ts";
import { fault, notFound } from "./faults.ts";
import type { Authority } from "./authority.ts";
import { parsedCertificate } from "./pem.ts";
import { findCertificate, type CertificateRow, type Place } from "./tables.ts";

export interface AcmDeps extends Deps {
  authority: Authority;
}

export const arnOf = ({ account, region, id }: Place & { id: string }): string =>
  formatArn({ service: "acm", region, account, resource: `certificate/${id}` });

/** The id in an ARN of the caller's own. */
export function idIn(arn: string, { account, region }: Place): string {
  const parsed = parseArn(arn);
  if (parsed?.service !== "acm" || !parsed.resource.startsWith("certificate/")) {
    throw fault("InvalidArnException", `Invalid ARN: ${arn}`);
  }
  if (parsed.account !== account || parsed.region !== region) throw notFound(arn);
  return parsed.resource.slice("certificate/".length);
}

export async function existing(tx: ReadTx, arn: string, call: Call): Promise<CertificateRow> {
  const row = await findCertificate(tx, call, idIn(arn, call));
  if (row === undefined) throw notFound(arn);
  return row;
}

/** What seals a certificate's private key. */
export const keyContext = ({ account, region, id }: Place & { id: string }) =>
  `acm:private-key:${account}:${region}:${id}`;

export const statusOf = (row: CertificateRow, now: number) => (row.not_after_ms <= now ? "EXPIRED" : "ISSUED");

/** The first 16 bytes, as ACM's records for DNS validation begin and end. */
const label = (domain: string, purpose: string) =>
  `_${createHash("sha256").update(`${purpose} ${domain}`).digest("hex").slice(0, 32)}`;

function validationOf(domain: string, method: string | null): DomainValidation {
  const base = domain.replace(/^\*\./, "");
  return {
    DomainName: domain,
    ValidationDomain: base,
    ValidationStatus: "SUCCESS",
    ...(method === "DNS"
      ? {
          ValidationMethod: "DNS" as const,
          ResourceRecord: {
            Name: `${label(base, "name")}.${base}.`,
            Type: "CNAME" as const,
            Value: `${label(base, "value")}.acm-validations.aws.`,
          },
        }
      : { ValidationMethod: "EMAIL" as const }),
  };
}

/** A row as DescribeCertificate shows it; `users` are the ARNs of what uses it. */
export function detailOf(row: CertificateRow, users: readonly string[], now: number): CertificateDetail {
  const { serialNumber, subject, issuer, signature } = parsedCertificate(row.certificate);
  const isImported = row.type === "IMPORTED";
  const validations = row.names.map((name) => validationOf(name, row.validation));
  return {
    CertificateArn: arnOf(row),
    DomainName: row.domain,
    SubjectAlternativeNames: row.names,
    Serial: serialNumber.match(/../g)?.join(":").toLowerCase(),
    Subject: subject,
    Issuer: issuer,
    CreatedAt: new Date(row.created_ms),
    ...(isImported ? { ImportedAt: new Date(row.issued_ms) } : { IssuedAt: new Date(row.issued_ms) }),
    Status: statusOf(row, now),
    NotBefore: new Date(row.not_before_ms),
    NotAfter: new Date(row.not_after_ms),
    // Written by this service, by ACM's names.
    KeyAlgorithm: row.key_algorithm as KeyAlgorithm,
    SignatureAlgorithm: signature,
    InUseBy: [...users],
    Type: isImported ? "IMPORTED" : "AMAZON_ISSUED",
    KeyUsages: [{ Name: "DIGITAL_SIGNATURE" }, { Name: "KEY_ENCIPHERMENT" }],
    ExtendedKeyUsages: [
      { Name: "TLS_WEB_SERVER_AUTHENTICATION", OID: "1.3.6.1.5.5.7.3.1" },
      { Name: "TLS_WEB_CLIENT_AUTHENTICATION", OID: "1.3.6.1.5.5.7.3.2" },
    ],
    RenewalEligibility: !isImported && (users.length > 0 || row.exported) ? "ELIGIBLE" : "INELIGIBLE",
    Options: {
      CertificateTransparencyLoggingPreference: row.options.transparency,
      ...(isImported ? {} : { Export: row.options.exportable ? "ENABLED" : "DISABLED" }),
    },
    ...(isImported ? {} : { DomainValidationOptions: validations }),
    ...(row.renewed_ms === null
      ? {}
      : {
          RenewalSummary: {
            RenewalStatus: "SUCCESS",
            DomainValidationOptions: validations,
            UpdatedAt: new Date(row.renewed_ms),
          },
        }),
  };
}
