/** What services tell one another of certificates, beside their public operations. */
import type { Call } from "./call.ts";

/** A certificate with its key, for whoever shows it to clients. */
export interface CertificateMaterial {
  /** PEM: the certificate, then its chain. */
  certificate: string;
  /** PEM, PKCS #8, not encrypted. */
  privateKey: string;
  /** DNS names that it stands for, lower case. */
  names: readonly string[];
}

/** Whoever keeps certificates: ACM, and IAM its server certificates. */
export interface CertificateKeeper {
  /** Nothing when there is no such certificate. */
  ReadCertificate(input: { Arn: string }, call: Call): Promise<{ material?: CertificateMaterial }>;
}

/** Whoever shows certificates to clients: Elastic Load Balancing. */
export interface CertificateUser {
  /** ARNs of what uses a certificate. */
  CertificateUses(input: { Arn: string }, call: Call): Promise<{ users: readonly string[] }>;
  /** A certificate has changed under its ARN. Answered when it is in force. */
  CertificateChanged(input: { Arn: string }, call: Call): Promise<object>;
}
