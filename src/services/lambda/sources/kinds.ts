/** What a function can be fed from, and what AWS lets each kind be set to. */
import { parseArn } from "../../../base/arn.ts";
import { invalid, notYet } from "../faults.ts";

export type SourceKind = "sqs" | "kinesis" | "dynamodb";

export interface Source {
  arn: string;
  kind: SourceKind;
  /** A queue's or a Kinesis stream's name; the ARN of a table's stream. */
  name: string;
  isFifo: boolean;
  account: string;
  region: string;
}

/** Kinds that AWS has and Mikan has not, by the service in the ARN. */
const awaited: Readonly<Record<string, string>> = { kafka: "Amazon MSK", mq: "Amazon MQ", rds: "Amazon DocumentDB" };

/** @throws Fault for what is no event source, and by name for one that Mikan has not */
export function sourceOf(arn: string | undefined): Source {
  const parsed = arn === undefined ? undefined : parseArn(arn);
  if (arn === undefined || parsed === undefined) throw invalid("Unrecognized event source.");
  const { service, account, region, resource } = parsed;
  const common = { arn, account, region };
  if (service === "sqs") return { ...common, kind: "sqs", name: resource, isFifo: resource.endsWith(".fifo") };
  if (service === "kinesis" && resource.startsWith("stream/")) {
    if (resource.includes("/consumer/")) throw notYet("event sources with enhanced fan-out");
    return { ...common, kind: "kinesis", name: resource.slice("stream/".length), isFifo: false };
  }
  if (service === "dynamodb" && resource.includes("/stream/")) {
    return { ...common, kind: "dynamodb", name: arn, isFifo: false };
  }
  const missing = awaited[service];
  if (missing !== undefined) throw notYet(`event sources of ${missing}`);
  throw invalid("Unrecognized event source.");
}

export const isStream = (kind: SourceKind): kind is "kinesis" | "dynamodb" => kind !== "sqs";
