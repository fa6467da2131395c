/** Pipes by name and ARN. */
import { formatArn, parseArn } from "../../base/arn.ts";
import { fault } from "./faults.ts";

export interface PipeRef {
  account: string;
  region: string;
  name: string;
}

export const pipeArn = ({ account, region, name }: PipeRef) =>
  formatArn({ service: "pipes", region, account, resource: `pipe/${name}` });

export function pipeOfArn(arn: string): PipeRef {
  const { service, account = "", region = "", resource = "" } = parseArn(arn) ?? {};
  const [, name] = /^pipe\/([.\-_A-Za-z0-9]+)$/.exec(resource) ?? [];
  if (service !== "pipes" || name === undefined) throw fault("NotFoundException", `There is no resource ${arn}.`);
  return { account, region, name };
}
