/** What an event source mapping may be set to. Source: API reference, CreateEventSourceMapping and UpdateEventSourceMapping. */
import type { CreateEventSourceMappingRequest, DestinationConfig, EventSourcePosition } from "@aws-sdk/client-lambda";
import { parseArn } from "../../../base/arn.ts";
import { fault, invalid, notYet } from "../faults.ts";
import { filterOf } from "./filters.ts";
import { isStream, type Source, type SourceKind } from "./kinds.ts";
import { queueBatchDefault, queueBatchUnwindowedMax, recordAgeSecondsMin, streamBatchDefault } from "./limits.ts";
import type { SourceSettings } from "./tables.ts";

export type SourceInput = Omit<CreateEventSourceMappingRequest, "FunctionName">;

const ofStreams = [
  "ParallelizationFactor",
  "DestinationConfig",
  "MaximumRecordAgeInSeconds",
  "BisectBatchOnFunctionError",
  "MaximumRetryAttempts",
  "TumblingWindowInSeconds",
] as const;
const ofQueues = ["ScalingConfig", "ProvisionedPollerConfig"] as const;
const ofBoth = ["FunctionResponseTypes", "FilterCriteria", "KMSKeyArn", "MetricsConfig", "LoggingConfig"] as const;
/** Of Kafka, MQ and DocumentDB. */
const ofOthers = [
  "Topics",
  "Queues",
  "SourceAccessConfigurations",
  "SelfManagedEventSource",
  "AmazonManagedKafkaEventSourceConfig",
  "SelfManagedKafkaEventSourceConfig",
  "DocumentDBEventSourceConfig",
] as const;

/** Members that are changed. */
export type SettingName =
  | "BatchSize"
  | "MaximumBatchingWindowInSeconds"
  | (typeof ofStreams | typeof ofQueues | typeof ofBoth)[number];

const kindNames: Readonly<Record<SourceKind, string>> = { sqs: "SQS", kinesis: "Kinesis", dynamodb: "DynamoDB" };

/** The settings that `input` makes of those there are; a member that is absent stays. */
export function settingsOf(source: Source, input: SourceInput, former?: SourceSettings): SourceSettings {
  if (input.SelfManagedEventSource !== undefined) throw notYet("self-managed event sources");
  refuse(source, input, ofOthers);
  refuse(source, input, isStream(source.kind) ? ofQueues : ofStreams);
  const settings: SourceSettings = { ...(former ?? defaultsOf(source.kind)) };
  const names = ["BatchSize", "MaximumBatchingWindowInSeconds", ...ofBoth, ...ofQueues, ...ofStreams] as const;
  for (const name of names) take(settings, input, name);
  check(source, settings);
  return settings;
}

function take<K extends SettingName>(settings: SourceSettings, input: SourceInput, name: K): void {
  const given = input[name] as SourceSettings[K] | undefined;
  if (given !== undefined) settings[name] = given;
}

function refuse(source: Source, input: SourceInput, names: readonly (keyof SourceInput)[]): void {
  const given = names.filter((name) => input[name] !== undefined);
  if (given.length === 0) return;
  throw invalid(`${given.join(", ")} is not supported for ${kindNames[source.kind]} event sources.`);
}

function defaultsOf(kind: SourceKind): SourceSettings {
  const common = { MaximumBatchingWindowInSeconds: 0, FunctionResponseTypes: [] };
  if (!isStream(kind)) return { ...common, BatchSize: queueBatchDefault };
  return {
    ...common,
    BatchSize: streamBatchDefault,
    ParallelizationFactor: 1,
    DestinationConfig: { OnFailure: {} },
    MaximumRecordAgeInSeconds: -1,
    BisectBatchOnFunctionError: false,
    MaximumRetryAttempts: -1,
    TumblingWindowInSeconds: 0,
  };
}

function check(source: Source, settings: SourceSettings): void {
  filterOf(settings.FilterCriteria);
  if (isStream(source.kind)) checkStream(settings);
  else checkQueue(source, settings);
}

function checkQueue({ isFifo }: Source, { BatchSize, MaximumBatchingWindowInSeconds }: SourceSettings): void {
  if (isFifo && MaximumBatchingWindowInSeconds > 0) {
    throw invalid("Batching window is not supported for FIFO queues.");
  }
  if (BatchSize <= queueBatchUnwindowedMax) return;
  if (isFifo) throw invalid("The batch size of FIFO queues must not be greater than 10.");
  if (MaximumBatchingWindowInSeconds === 0) {
    throw invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10");
  }
}

function checkStream(settings: SourceSettings): void {
  const { MaximumRecordAgeInSeconds: age = -1, DestinationConfig, TumblingWindowInSeconds = 0 } = settings;
  if (age !== -1 && age < recordAgeSecondsMin) {
    throw invalid("MaximumRecordAgeInSeconds must be -1, or between 60 and 604800.");
  }
  if (TumblingWindowInSeconds > 0 && (settings.ParallelizationFactor ?? 1) > 1) {
    throw notYet("TumblingWindowInSeconds with a ParallelizationFactor above 1");
  }
  checkDestinations(DestinationConfig);
}

/** Services that take the record of a batch that failed. */
const recordTakers = ["sqs", "sns", "s3"];

function checkDestinations(config: DestinationConfig | undefined): void {
  if (config?.OnSuccess?.Destination) throw invalid("DestinationConfig.OnSuccess is not supported for event sources.");
  const destination = config?.OnFailure?.Destination;
  if (destination === undefined || destination === "") return;
  const service = parseArn(destination)?.service;
  if (service === "kafka") throw notYet("DestinationConfig.OnFailure of Kafka");
  if (service === undefined || !recordTakers.includes(service)) {
    throw invalid(`The destination ARN ${destination} is invalid.`);
  }
}

export interface StartingPosition {
  position: EventSourcePosition | null;
  ms: number | null;
}

/** Where a stream is read from at first. */
export function startingPositionOf(source: Source, input: SourceInput): StartingPosition {
  const { StartingPosition: position, StartingPositionTimestamp: timestamp } = input;
  if (!isStream(source.kind)) {
    if (position === undefined && timestamp === undefined) return { position: null, ms: null };
    throw invalid("StartingPosition is not supported for SQS event sources.");
  }
  if (position === undefined) {
    throw fault(
      "ValidationException",
      "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
    );
  }
  if (position === "AT_TIMESTAMP") {
    if (source.kind === "dynamodb") throw invalid(`Unsupported starting position for arn type: ${source.arn}`);
    if (timestamp === undefined) throw invalid("StartingPositionTimestamp must be specified with AT_TIMESTAMP.");
    return { position, ms: timestamp.getTime() };
  }
  if (timestamp !== undefined) throw invalid("StartingPositionTimestamp is only supported with AT_TIMESTAMP.");
  return { position, ms: null };
}
