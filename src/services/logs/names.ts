/** How log groups and streams are named: by name, or by an ARN with or without `:*`. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { fault, invalid } from "./faults.ts";
import type { Place } from "./tables.ts";

/** Without `:*`, as tags and `logGroupArn` use it. */
export const groupArn = ({ account, region, name }: Place & { name: string }) =>
  formatArn({ service: "logs", region, account, resource: `log-group:${name}` });

/** The name inside an ARN of a log group of this account and region; undefined for anything else. */
export function nameOfArn(text: string, { account, region }: Place): string | undefined {
  const arn = parseArn(text);
  if (arn?.service !== "logs" || arn.account !== account || arn.region !== region) return undefined;
  return /^log-group:([^:]+)(:\*)?$/.exec(arn.resource)?.[1];
}

/** The group that `logGroupName` or `logGroupIdentifier` names; exactly one must be there. */
export function groupName(
  given: { logGroupName?: string | undefined; logGroupIdentifier?: string | undefined },
  place: Place,
): string {
  const { logGroupName, logGroupIdentifier } = given;
  if (logGroupName !== undefined && logGroupIdentifier !== undefined) {
    throw invalid("LogGroup name and LogGroup identifier are mutually exclusive parameters.");
  }
  const name = logGroupName ?? logGroupIdentifier;
  if (name === undefined) throw invalid("Exactly one of logGroupName and logGroupIdentifier must be given.");
  if (!name.startsWith("arn:")) return name;
  const inside = nameOfArn(name, place);
  if (inside === undefined) {
    throw fault("ResourceNotFoundException", `The log group ${name} is not one of this account and region.`);
  }
  return inside;
}
