/** Amazon Resource Names: `arn:partition:service:region:account:resource`. Source: AWS General Reference, "ARNs". */

export interface Arn {
  partition: string;
  service: string;
  /** Empty for global services. */
  region: string;
  /** Twelve digits, or empty (S3 buckets). */
  account: string;
  /** Everything after the fifth colon: `function:tiles:7`, `loadbalancer/app/front/50dc6c495c0c9188`. */
  resource: string;
}

/** Writes an ARN; the partition is `aws` unless given. */
export function formatArn(arn: Omit<Arn, "partition"> & { partition?: string }): string {
  return `arn:${arn.partition ?? "aws"}:${arn.service}:${arn.region}:${arn.account}:${arn.resource}`;
}

/** Reads an ARN, or gives undefined when `text` is none. */
export function parseArn(text: string): Arn | undefined {
  const parts = text.split(":");
  const [prefix, partition, service, region, account] = parts;
  if (prefix !== "arn" || !partition || !service || region === undefined || account === undefined) return undefined;
  const resource = parts.slice(5).join(":");
  return resource === "" ? undefined : { partition, service, region, account, resource };
}
