/** Every service of the house, in the order they start: CloudFormation last, since it may take up work with the others. */
import type { ServiceDefinition } from "../kit/service.ts";
import { acm } from "./acm/service.ts";
import { cloudformation } from "./cloudformation/service.ts";
import { ec2 } from "./ec2/service.ts";
import { elasticloadbalancing } from "./elasticloadbalancing/service.ts";
import { iam } from "./iam/service.ts";
import { kms } from "./kms/service.ts";
import { lambda } from "./lambda/service.ts";
import { logs } from "./logs/service.ts";
import { s3 } from "./s3/service.ts";
import { secretsmanager } from "./secretsmanager/service.ts";
import { ssm } from "./ssm/service.ts";
import { sts } from "./sts/service.ts";

export const services: readonly ServiceDefinition[] = [
  sts,
  iam,
  kms,
  ssm,
  secretsmanager,
  acm,
  ec2,
  s3,
  logs,
  lambda,
  elasticloadbalancing,
  cloudformation,
];
