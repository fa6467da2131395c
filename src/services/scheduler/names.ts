/** Schedules and groups by name and ARN. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { invalid } from "./faults.ts";
import type { Place } from "./tables.ts";

/** The group that every account has, and none can delete. */
export const defaultGroup = "default";

export interface GroupRef extends Place {
  name: string;
}

export interface ScheduleRef extends Place {
  group: string;
  name: string;
}

export const groupArn = ({ account, region, name }: GroupRef) =>
  formatArn({ service: "scheduler", region, account, resource: `schedule-group/${name}` });

export const scheduleArn = ({ account, region, group, name }: ScheduleRef) =>
  formatArn({ service: "scheduler", region, account, resource: `schedule/${group}/${name}` });

/** Only groups have tags. */
export function groupOfArn(arn: string): GroupRef {
  const { service, account = "", region = "", resource = "" } = parseArn(arn) ?? {};
  const [, name] = /^schedule-group\/([0-9A-Za-z_.-]+)$/.exec(resource) ?? [];
  if (service !== "scheduler" || name === undefined) throw invalid(`Invalid ResourceArn: ${arn}`);
  return { account, region, name };
}
