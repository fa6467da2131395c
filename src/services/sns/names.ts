/** How topics and subscriptions are named. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { invalid } from "./faults.ts";
import { nameLengthMax } from "./limits.ts";
import type { Place } from "./tables.ts";

export const fifoSuffix = ".fifo";

export interface TopicRef extends Place {
  name: string;
}

export interface SubscriptionRef extends TopicRef {
  /** A UUID. */
  id: string;
}

export function checkName(name: string, isFifo: boolean): void {
  const stem = isFifo && name.endsWith(fifoSuffix) ? name.slice(0, -fifoSuffix.length) : name;
  if (isFifo && stem === name) {
    throw invalid(
      "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
    );
  }
  if (!/^[A-Za-z0-9_-]+$/.test(stem) || name.length > nameLengthMax) throw invalid("Topic Name");
}

export const topicArn = ({ account, region, name }: TopicRef) =>
  formatArn({ service: "sns", region, account, resource: name });

export const subscriptionArn = (ref: SubscriptionRef) => `${topicArn(ref)}:${ref.id}`;

const elementsOf = (parameter: string, text: string) => {
  const elements = text.split(":");
  if (elements.length < 6) {
    throw invalid(`${parameter} Reason: An ARN must have at least 6 elements, not ${elements.length}`);
  }
  const arn = parseArn(text);
  if (arn?.service !== "sns" || !/^\d{12}$/.test(arn.account) || arn.region === "") throw invalid(parameter);
  return arn;
};

/** The topic of an ARN. Throws AWS's words for what names none. */
export function topicRef(parameter: string, text: string): TopicRef {
  const { account, region, resource } = elementsOf(parameter, text);
  if (!/^[A-Za-z0-9_.-]+$/.test(resource)) throw invalid(parameter);
  return { account, region, name: resource };
}

/** The subscription of an ARN, likewise. */
export function subscriptionRef(parameter: string, text: string): SubscriptionRef {
  const { account, region, resource } = elementsOf(parameter, text);
  const [name = "", id, ...rest] = resource.split(":");
  if (id === undefined || id === "" || rest.length > 0) {
    throw invalid(`${parameter} Reason: An ARN must have at least 7 elements, not ${text.split(":").length}`);
  }
  return { account, region, name, id };
}

/** The ARN of a subscription's row. */
export const arnOf = ({ account, region, topic: name, id }: Place & { topic: string; id: string }) =>
  subscriptionArn({ account, region, name, id });
