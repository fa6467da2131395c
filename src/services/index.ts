/** Every service of the house, in the order they start: CloudFormation last, since it may take up work with the others. */
import type { ServiceDefinition } from "../kit/service.ts";

export interface ServiceEntry {
  /** AWS's signing name, and the folder: `sqs`. */
  name: string;
  /** Which CloudFormation types it makes, by the first two parts of their names: `AWS::SQS`. */
  types?: string;
  /** Whether it makes access keys, so that it is asked for one that the node does not know. */
  makesKeys?: boolean;
  /** Loaded when the service is first needed: a node has most of them unused. */
  load(): Promise<ServiceDefinition>;
}

export const services: readonly ServiceEntry[] = [
  { name: "sts", makesKeys: true, load: async () => (await import("./sts/service.ts")).sts },
  { name: "iam", makesKeys: true, types: "AWS::IAM", load: async () => (await import("./iam/service.ts")).iam },
  { name: "kms", types: "AWS::KMS", load: async () => (await import("./kms/service.ts")).kms },
  { name: "ssm", types: "AWS::SSM", load: async () => (await import("./ssm/service.ts")).ssm },
  {
    name: "secretsmanager",
    types: "AWS::SecretsManager",
    load: async () => (await import("./secretsmanager/service.ts")).secretsmanager,
  },
  { name: "acm", types: "AWS::CertificateManager", load: async () => (await import("./acm/service.ts")).acm },
  { name: "ec2", types: "AWS::EC2", load: async () => (await import("./ec2/service.ts")).ec2 },
  { name: "s3", types: "AWS::S3", load: async () => (await import("./s3/service.ts")).s3 },
  { name: "logs", types: "AWS::Logs", load: async () => (await import("./logs/service.ts")).logs },
  { name: "sqs", types: "AWS::SQS", load: async () => (await import("./sqs/service.ts")).sqs },
  { name: "sns", types: "AWS::SNS", load: async () => (await import("./sns/service.ts")).sns },
  { name: "events", types: "AWS::Events", load: async () => (await import("./events/service.ts")).events },
  { name: "lambda", types: "AWS::Lambda", load: async () => (await import("./lambda/service.ts")).lambda },
  {
    name: "scheduler",
    types: "AWS::Scheduler",
    load: async () => (await import("./scheduler/service.ts")).scheduler,
  },
  { name: "pipes", types: "AWS::Pipes", load: async () => (await import("./pipes/service.ts")).pipes },
  {
    name: "elasticloadbalancing",
    types: "AWS::ElasticLoadBalancingV2",
    load: async () => (await import("./elasticloadbalancing/service.ts")).elasticloadbalancing,
  },
  {
    name: "cloudformation",
    types: "AWS::CloudFormation",
    load: async () => (await import("./cloudformation/service.ts")).cloudformation,
  },
];
