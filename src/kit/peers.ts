/** The other services as one service sees them: their public operations, in-process, typed by the official clients. */
import type { ApiDestinations } from "./api-destinations.ts";
import type { CertificateKeeper, CertificateUser } from "./certificates.ts";
import type { PeerOf } from "./handlers.ts";

export interface Peers {
  acm: PeerOf<typeof import("@aws-sdk/client-acm")> & CertificateKeeper;
  cloudformation: PeerOf<typeof import("@aws-sdk/client-cloudformation")>;
  elasticloadbalancing: PeerOf<typeof import("@aws-sdk/client-elastic-load-balancing-v2")> & CertificateUser;
  /** EventBridge, by its signing name. */
  events: PeerOf<typeof import("@aws-sdk/client-eventbridge")> & ApiDestinations;
  iam: PeerOf<typeof import("@aws-sdk/client-iam")> & CertificateKeeper;
  kms: PeerOf<typeof import("@aws-sdk/client-kms")>;
  lambda: PeerOf<typeof import("@aws-sdk/client-lambda")>;
  logs: PeerOf<typeof import("@aws-sdk/client-cloudwatch-logs")>;
  pipes: PeerOf<typeof import("@aws-sdk/client-pipes")>;
  s3: PeerOf<typeof import("@aws-sdk/client-s3")>;
  scheduler: PeerOf<typeof import("@aws-sdk/client-scheduler")>;
  secretsmanager: PeerOf<typeof import("@aws-sdk/client-secrets-manager")>;
  sns: PeerOf<typeof import("@aws-sdk/client-sns")>;
  sqs: PeerOf<typeof import("@aws-sdk/client-sqs")>;
  ssm: PeerOf<typeof import("@aws-sdk/client-ssm")>;
  sts: PeerOf<typeof import("@aws-sdk/client-sts")>;
}
