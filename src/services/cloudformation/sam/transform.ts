/** `Transform: AWS::Serverless-2016-10-31`. */
import type { JsonObject } from "../json.ts";
import type { ParameterValue } from "../parameters.ts";
import { unsupported } from "../faults.ts";

export const samTransform = "AWS::Serverless-2016-10-31";

export function expandSam(_source: JsonObject, _parameters: ReadonlyMap<string, ParameterValue>): JsonObject {
  throw unsupported(samTransform);
}
