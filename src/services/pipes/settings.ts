/** What a pipe is set to: checked when it is made or changed, and as it is kept. */
import type { FilterCriteria } from "@aws-sdk/client-pipes";
import { parseArn } from "../../base/arn.ts";
import { filterPatternCharsMax } from "../../kit/event-pattern/limits.ts";
import { createMatcher } from "../../kit/event-pattern/matcher.ts";
import { parsePattern, PatternError } from "../../kit/event-pattern/pattern.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";
import { fault, invalid, notYet } from "./faults.ts";
import { batchSizeDefault, fifoBatchSizeMax, filtersMax, receiveMax } from "./limits.ts";
import { parsedBody } from "./paths.ts";
import { checkTarget } from "./targets.ts";
import { parseTemplate } from "./templates.ts";

type CreateInput = Received<InputOf<typeof import("@aws-sdk/client-pipes"), "CreatePipe">>;

/** Parameters of the sources that there are; `checkSource` refuses the others. */
type SourceParameters = Pick<NonNullable<CreateInput["SourceParameters"]>, "FilterCriteria" | "SqsQueueParameters">;

export type PipeInput = Omit<CreateInput, "SourceParameters"> & { SourceParameters?: SourceParameters | undefined };

/** Members of CreatePipe that a pipe keeps as they are given. */
export type Settings = Pick<
  PipeInput,
  | "Description"
  | "Source"
  | "SourceParameters"
  | "Enrichment"
  | "EnrichmentParameters"
  | "Target"
  | "TargetParameters"
  | "RoleArn"
  | "LogConfiguration"
  | "KmsKeyIdentifier"
>;

/** Sources of AWS that the house has not, by the service in the ARN. */
const awaitedSources: Readonly<Record<string, string>> = {
  dynamodb: "DynamoDB streams as sources",
  kafka: "Amazon MSK as a source",
  kinesis: "Kinesis streams as sources",
  mq: "Amazon MQ as a source",
};
const awaitedEnrichments: Readonly<Record<string, string>> = {
  "execute-api": "API Gateway as an enrichment",
  states: "Step Functions as enrichments",
};

export interface Batching {
  size: number;
  windowMs: number;
}

export function batchingOf({ SourceParameters }: Settings): Batching {
  const { BatchSize = batchSizeDefault, MaximumBatchingWindowInSeconds = 0 } =
    SourceParameters?.SqsQueueParameters ?? {};
  return { size: BatchSize, windowMs: MaximumBatchingWindowInSeconds * 1_000 };
}

function checkSource(settings: Settings): void {
  const arn = parseArn(settings.Source);
  if (settings.Source.startsWith("smk://")) throw notYet("self-managed Kafka as a source");
  if (arn === undefined) throw invalid(`Invalid source: ${settings.Source}`);
  const missing = Object.hasOwn(awaitedSources, arn.service) ? awaitedSources[arn.service] : undefined;
  if (missing !== undefined) throw notYet(missing);
  if (arn.service !== "sqs") throw invalid(`Invalid source: ${settings.Source}`);
  const { FilterCriteria: _, SqsQueueParameters: __, ...others } = settings.SourceParameters ?? {};
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalid(`${other} does not belong to a source that is a queue.`);
  const { size, windowMs } = batchingOf(settings);
  if (arn.resource.endsWith(".fifo")) {
    if (size > fifoBatchSizeMax) throw invalid(`The batch size of a FIFO queue can be at most ${fifoBatchSizeMax}.`);
    if (windowMs > 0) throw invalid("A FIFO queue has no MaximumBatchingWindowInSeconds.");
  } else if (size > receiveMax && windowMs === 0) {
    throw invalid(`A batch size of more than ${receiveMax} needs a MaximumBatchingWindowInSeconds of at least 1.`);
  }
}

function checkEnrichment({ Enrichment, EnrichmentParameters }: Settings): void {
  if (Enrichment === undefined || Enrichment === "") return;
  const { service = "", resource = "" } = parseArn(Enrichment) ?? {};
  const missing = Object.hasOwn(awaitedEnrichments, service) ? awaitedEnrichments[service] : undefined;
  if (missing !== undefined) throw notYet(missing);
  if (service === "events" && resource.startsWith("api-destination/")) return;
  if (service !== "lambda" || !resource.startsWith("function:")) throw invalid(`Invalid enrichment: ${Enrichment}`);
  if (EnrichmentParameters?.HttpParameters !== undefined) {
    throw invalid("HttpParameters do not belong to an enrichment that is a function.");
  }
}

function checkLog({ LogConfiguration }: Settings): void {
  if (LogConfiguration?.S3LogDestination !== undefined) throw notYet("logs in S3");
  if (LogConfiguration?.FirehoseLogDestination !== undefined) throw notYet("logs in Firehose");
}

/** @throws Fault `ValidationException` for what AWS does not take, and `NotImplemented`, by name, for what the house has not */
export function checkSettings(settings: Settings): void {
  checkSource(settings);
  filterOf(settings.SourceParameters?.FilterCriteria);
  checkEnrichment(settings);
  checkTarget(settings);
  checkLog(settings);
  for (const parameters of [settings.EnrichmentParameters, settings.TargetParameters]) {
    if (parameters?.InputTemplate) parseTemplate(parameters.InputTemplate);
  }
}

/** What of the source a pipe takes: an event whose body is JSON is held against patterns as what it says. */
export function filterOf(criteria: FilterCriteria | undefined): (event: { body: string }) => boolean {
  const filters = criteria?.Filters ?? [];
  if (filters.length === 0) return () => true;
  if (filters.length > filtersMax) throw fault("ValidationException", `A pipe can have at most ${filtersMax} filters.`);
  const matcher = createMatcher<true>();
  for (const { Pattern = "{}" } of filters) {
    // An empty pattern is one that everything matches.
    if (/^\s*\{\s*\}\s*$/.test(Pattern)) return () => true;
    matcher.add(patternOf(Pattern), true);
  }
  return (event) => matcher.match({ ...event, body: parsedBody(event.body) }).length > 0;
}

function patternOf(text: string) {
  try {
    return parsePattern(text, { charsMax: filterPatternCharsMax });
  } catch (error) {
    if (error instanceof PatternError) throw invalid(`Invalid filter pattern: ${error.message}`, { cause: error });
    throw error;
  }
}
