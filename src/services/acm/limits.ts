/** What ACM enforces and the SDK's schemas do not carry. Source: ACM user guide, "Quotas", unless another is named. */

/** ImportCertificate, "Prerequisites": the body of a certificate, and of a chain, in bytes. */
export const certificateBytesMax = 32_768;
export const chainBytesMax = 2_097_152;
export const privateKeyBytesMax = 5_120;
export const certificatesMax = 2_500;
/** Of one certificate, its domain among them. */
export const namesMax = 100;
export const tagsMax = 50;
/** Of a requested domain without its first labels (RequestCertificate, "DomainName"). */
export const firstNameLengthMax = 64;
/** ListCertificates, "MaxItems". */
export const pageDefault = 1_000;
/** ExportCertificate: the passphrase, in bytes. */
export const passphraseBytesMin = 4;
export const passphraseBytesMax = 128;

export const dayMs = 24 * 3_600_000;
/** An issued certificate is valid this long ("ACM certificate characteristics"). */
export const validityMs = 198 * dayMs;
/** It is renewed this long before it expires. */
export const renewalMs = 45 * dayMs;
/** The authority of the node. */
export const authorityMs = 20 * 365 * dayMs;
/** Certificates renewed in a round of the job. */
export const renewalsMax = 20;
