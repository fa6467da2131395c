/** How queues are named: by name, ARN and URL. */
import { formatArn, parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import { fault } from "./faults.ts";
import { nameLengthMax } from "./limits.ts";
import type { Place } from "./tables.ts";

export const fifoSuffix = ".fifo";

const standardText = `Can only include alphanumeric characters, hyphens, or underscores. 1 to ${nameLengthMax} in length`;
const fifoText = `The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with ${fifoSuffix} suffix and be 1 to ${nameLengthMax} in length`;

export function checkName(name: string, isFifo: boolean): void {
  const stem = isFifo && name.endsWith(fifoSuffix) ? name.slice(0, -fifoSuffix.length) : name;
  const fits = /^[A-Za-z0-9_-]+$/.test(stem) && name.length <= nameLengthMax;
  if (fits && name.endsWith(fifoSuffix) === isFifo) return;
  throw fault("InvalidParameterValue", isFifo ? fifoText : standardText);
}

export interface QueueRef extends Place {
  name: string;
}

export const queueArn = ({ account, region, name }: QueueRef) =>
  formatArn({ service: "sqs", region, account, resource: name });

/** The queue of an ARN, of any account and region; undefined for what is none. */
export function refOfArn(text: string): QueueRef | undefined {
  const arn = parseArn(text);
  if (arn?.service !== "sqs" || !/^\d{12}$/.test(arn.account) || arn.region === "") return undefined;
  return { account: arn.account, region: arn.region, name: arn.resource };
}

export const queueUrl = ({ account, name }: QueueRef, { publicUrl }: Pick<Call, "publicUrl">) =>
  `${publicUrl}/${account}/${name}`;

/** A host and the end of a path: AWS's hosts of all times, and this node by any of its names. */
const urlPattern = /^(?:https?:\/\/[^/]+)?(?:\/[^/]+)*?\/(\d{12})\/([^/?#]+)\/?$/;

/** The queue that a URL names, in the call's region. Throws `InvalidAddress` for what is no queue's URL. */
export function refOfUrl(url: string, { region }: Pick<Call, "region">): QueueRef {
  const [, account, name] = urlPattern.exec(url) ?? [];
  if (account === undefined || name === undefined) {
    throw fault("InvalidAddress", `The address ${url} is not valid for this endpoint.`);
  }
  return { account, region, name };
}
