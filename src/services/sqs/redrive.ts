/** Redrive policies: which queue takes what could not be processed, and whose dead letters a queue takes. */
import { receiveCountMax, sourceQueuesMax } from "./limits.ts";
import { refOfArn } from "./names.ts";

export interface RedrivePolicy {
  /** The dead-letter queue. */
  arn: string;
  /** A message that is received more often than this is moved there. */
  receivesMax: number;
}

export interface RedriveAllowPolicy {
  permission: "allowAll" | "denyAll" | "byQueue";
  sources: readonly string[];
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Undefined for what is none. */
export function readRedrivePolicy(text: string): RedrivePolicy | undefined {
  const { deadLetterTargetArn: arn, maxReceiveCount, ...others } = objectOf(text) ?? {};
  const receivesMax = typeof maxReceiveCount === "string" ? Number(maxReceiveCount) : maxReceiveCount;
  if (typeof arn !== "string" || refOfArn(arn) === undefined || Object.keys(others).length > 0) return undefined;
  if (typeof receivesMax !== "number" || !Number.isInteger(receivesMax)) return undefined;
  return receivesMax < 1 || receivesMax > receiveCountMax ? undefined : { arn, receivesMax };
}

export function readRedriveAllowPolicy(text: string): RedriveAllowPolicy | undefined {
  const { redrivePermission: permission, sourceQueueArns: sources } = objectOf(text) ?? {};
  if (permission !== "allowAll" && permission !== "denyAll" && permission !== "byQueue") return undefined;
  if (permission !== "byQueue") return sources === undefined ? { permission, sources: [] } : undefined;
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > sourceQueuesMax) return undefined;
  const arns = sources.filter((arn): arn is string => typeof arn === "string" && refOfArn(arn) !== undefined);
  return arns.length === sources.length ? { permission, sources: arns } : undefined;
}
