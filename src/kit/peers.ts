/** The other services as one service sees them: their public operations, in-process, typed by the official clients. */
import type { CertificateKeeper, CertificateUser } from "./certificates.ts";
import type { PeerOf } from "./handlers.ts";

export interface Peers {
  acm: PeerOf<typeof import("@aws-sdk/client-acm")> & CertificateKeeper;
  cloudformation: PeerOf<typeof import("@aws-sdk/client-cloudformation")>;
  elasticloadbalancing: PeerOf<typeof import("@aws-sdk/client-elastic-load-balancing-v2")> & CertificateUser;
  iam: PeerOf<typeof import("@aws-sdk/client-iam")> & CertificateKeeper;
  kms: PeerOf<typeof import("@aws-sdk/client-kms")>;
  lambda: PeerOf<typeof import("@aws-sdk/client-lambda")>;
  logs: PeerOf<typeof import("@aws-sdk/client-cloudwatch-logs")>;
  s3: PeerOf<typeof import("@aws-sdk/client-s3")>;
  secretsmanager: PeerOf<typeof import("@aws-sdk/client-secrets-manager")>;
  ssm: PeerOf<typeof import("@aws-sdk/client-ssm")>;
  sts: PeerOf<typeof import("@aws-sdk/client-sts")>;
}
