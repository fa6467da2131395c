/** Where events can go, by ARN: what a target of each kind needs. */
import { parseArn, type Arn } from "../../base/arn.ts";
import { invalid, notYet } from "./faults.ts";
import { parsePath } from "./json-path.ts";
import { placeholdersOf, reserved } from "./input.ts";
import type { Target } from "./tables.ts";

export const kinds = ["lambda", "sqs", "sns", "logs", "bus", "apiDestination"] as const;
export type Kind = (typeof kinds)[number];

const services: Readonly<Partial<Record<string, Kind>>> = { lambda: "lambda", sqs: "sqs", sns: "sns", logs: "logs" };

/** Undefined for targets that this node does not run. */
export function kindOf({ service, resource }: Arn): Kind | undefined {
  if (service !== "events") return services[service];
  if (resource.startsWith("event-bus/")) return "bus";
  return resource.startsWith("api-destination/") ? "apiDestination" : undefined;
}

const badArn = (arn: string) =>
  invalid(`Parameter ${arn} is not valid. Reason: Provided Arn is not in correct format.`);

/** Parameters of targets in services that are not here. */
const elsewhere = [
  "KinesisParameters",
  "RunCommandParameters",
  "EcsParameters",
  "BatchParameters",
  "RedshiftDataParameters",
  "SageMakerPipelineParameters",
  "AppSyncParameters",
] as const;

/** Throws AWS's words for a target that is none, and refuses by name one that this node does not run. */
export function checkTarget(target: Target): void {
  const { Id, Arn, RoleArn } = target;
  const arn = parseArn(Arn);
  if (arn === undefined) throw badArn(Arn);
  const kind = kindOf(arn);
  if (kind === undefined) throw notYet(`targets of the service ${arn.service}`);
  const foreign = elsewhere.find((name) => target[name] !== undefined);
  if (foreign !== undefined) throw invalid(`Parameter(s) ${foreign} not valid for target: ${Id}.`);
  const isFifo = kind === "sqs" && arn.resource.endsWith(".fifo");
  if (isFifo && target.SqsParameters?.MessageGroupId === undefined) {
    throw invalid(`Parameter(s) SqsParameters must be specified for target: ${Id}.`);
  }
  if (kind === "apiDestination" && RoleArn === undefined) throw invalid(`RoleArn is required for target ${Arn}.`);
  const deadLetter = target.DeadLetterConfig?.Arn;
  if (deadLetter !== undefined && parseArn(deadLetter)?.service !== "sqs") throw badArn(deadLetter);
  checkInput(target);
}

function checkInput({ Id, Input, InputPath, InputTransformer }: Target): void {
  if ([Input, InputPath, InputTransformer].filter((given) => given !== undefined).length > 1) {
    throw invalid(`Only one of Input, InputPath, or InputTransformer must be provided for target ${Id}.`);
  }
  if (Input !== undefined && !isJson(Input)) throw invalid(`JSON syntax error in input for target ${Id}.`);
  if (InputPath !== undefined && parsePath(InputPath) === undefined) {
    throw invalid(`Invalid InputPath for target ${Id}.`);
  }
  if (InputTransformer === undefined) return;
  const { InputTemplate } = InputTransformer;
  const InputPathsMap: Readonly<Record<string, string>> = InputTransformer.InputPathsMap ?? {};
  for (const [name, path] of Object.entries(InputPathsMap)) {
    if (name.toLowerCase().startsWith("aws")) {
      throw invalid(`InputPathsMap for target ${Id} contains reserved key ${name}.`);
    }
    if (parsePath(path) === undefined) throw invalid(`InputPathsMap for target ${Id} contains invalid path ${path}.`);
  }
  const unknown = placeholdersOf(InputTemplate).find(
    (name) => !Object.hasOwn(InputPathsMap, name) && !reserved.has(name),
  );
  if (unknown !== undefined) throw invalid(`InputTemplate for target ${Id} contains invalid placeholder ${unknown}.`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
