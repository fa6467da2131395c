/** Physical names that CloudFormation makes up: `stack-logical-SUFFIX`. Source: user guide, "Name type". */
import type { Ids } from "../../base/ids.ts";
import type { Resource } from "../../kit/resource.ts";

const suffixLength = 12;
/** For types that need no name of their own; their token is one all the same. */
const plainLengthMax = 255;

export interface NameParts {
  stackName: string;
  logicalId: string;
  rule: Resource["name"];
}

/** A new name within the type's length: the suffix stays whole, the two others share what is left. */
export function physicalName({ stackName, logicalId, rule }: NameParts, ids: Ids): string {
  const room = (rule?.lengthMax ?? plainLengthMax) - suffixLength - 1;
  const prefix = fitted(stackName, logicalId, room);
  const name = `${prefix}-${ids.suffix(suffixLength)}`;
  return rule?.lowerCase === true ? name.toLowerCase() : name;
}

function fitted(stackName: string, logicalId: string, room: number): string {
  const whole = `${stackName}-${logicalId}`;
  if (whole.length <= room) return whole;
  const half = Math.floor((room - 1) / 2);
  const logicalLength = Math.max(half, room - 1 - stackName.length);
  const logical = logicalId.slice(0, logicalLength);
  const stack = stackName.slice(0, room - 1 - logical.length).replace(/-+$/, "");
  return `${stack}-${logical}`;
}
