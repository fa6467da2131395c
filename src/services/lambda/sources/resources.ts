/** `AWS::Lambda::EventSourceMapping`. */
import type { Call } from "../../../kit/call.ts";
import { asProperties, pairsOf, type Json, type JsonObject, type Resource } from "../../../kit/resource.ts";
import { checkInput } from "../../../wire/check-input.ts";
import { invalid } from "../faults.ts";
import { ownFunction } from "../names.ts";
import { integer, isObject, required, text, texts, unlessGone } from "../template-values.ts";
import { queueBatchDefault, streamBatchDefault } from "./limits.ts";
import { mappingArn, mappingChange, mappingCreation, mappingDeletion, shown, type MappingDeps } from "./mappings.ts";
import type { SourceInput } from "./settings.ts";
import { mappingTags } from "./tags.ts";
import { findSource, type EventSourceRow, type SourceKey } from "./tables.ts";

/** Numbers, by their names in the operation; templates call them the same. */
const numbers = [
  "BatchSize",
  "MaximumBatchingWindowInSeconds",
  "ParallelizationFactor",
  "MaximumRecordAgeInSeconds",
  "MaximumRetryAttempts",
  "TumblingWindowInSeconds",
] as const;
/** Structures whose members are those of the operation; it checks what is in them. */
const structures = [
  "AmazonManagedKafkaEventSourceConfig",
  "DestinationConfig",
  "DocumentDBEventSourceConfig",
  "FilterCriteria",
  "LoggingConfig",
  "MetricsConfig",
  "ProvisionedPollerConfig",
  "ScalingConfig",
  "SelfManagedEventSource",
  "SelfManagedKafkaEventSourceConfig",
  "SourceAccessConfigurations",
] as const;

/** Numbers in structures, which templates may give as text. */
function withNumbers(value: Json): Json {
  if (!isObject(value)) return value;
  const names = ["MaximumConcurrency", "MaximumPollers", "MinimumPollers"];
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, names.includes(name) ? Number(member) : member]),
  );
}

function truth(properties: JsonObject, name: string): boolean | undefined {
  const value = text(properties[name]);
  if (value === undefined) return undefined;
  if (value !== "true" && value !== "false") throw invalid(`Property ${name} must be true or false.`);
  return value === "true";
}

function timestampOf(properties: JsonObject): Date | undefined {
  const seconds = text(properties["StartingPositionTimestamp"]);
  if (seconds === undefined) return undefined;
  if (!Number.isFinite(Number(seconds)))
    throw invalid("Property StartingPositionTimestamp must be a number of seconds.");
  return new Date(Number(seconds) * 1_000);
}

function inputOf(properties: JsonObject): SourceInput {
  const given = {
    ...Object.fromEntries(numbers.map((name) => [name, integer(properties, name)])),
    ...Object.fromEntries(
      structures.map((name) => {
        const value = properties[name];
        return [name, value === undefined ? undefined : withNumbers(value)];
      }),
    ),
    EventSourceArn: text(properties["EventSourceArn"]),
    Enabled: truth(properties, "Enabled"),
    BisectBatchOnFunctionError: truth(properties, "BisectBatchOnFunctionError"),
    FunctionResponseTypes: texts(properties, "FunctionResponseTypes"),
    KMSKeyArn: text(properties["KmsKeyArn"]),
    Queues: texts(properties, "Queues"),
    StartingPosition: text(properties["StartingPosition"]),
    StartingPositionTimestamp: timestampOf(properties),
    Topics: texts(properties, "Topics"),
  };
  // The template's JSON in the operation's own form, which `checkInput` holds to what AWS models.
  return given as SourceInput;
}

/** What a setting that is taken out of the template goes back to. */
const queueDefaults: SourceInput = {
  Enabled: true,
  BatchSize: queueBatchDefault,
  MaximumBatchingWindowInSeconds: 0,
  FunctionResponseTypes: [],
  FilterCriteria: { Filters: [] },
};
const streamDefaults: SourceInput = {
  ...queueDefaults,
  BatchSize: streamBatchDefault,
  ParallelizationFactor: 1,
  DestinationConfig: { OnFailure: {} },
  MaximumRecordAgeInSeconds: -1,
  BisectBatchOnFunctionError: false,
  MaximumRetryAttempts: -1,
  TumblingWindowInSeconds: 0,
};

/** Without members that are undefined: those say nothing of a default. */
const present = (input: SourceInput): SourceInput =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));

function tagsOf(properties: JsonObject, tags: Readonly<Record<string, string>>): Record<string, string> {
  const own = Array.isArray(properties["Tags"]) ? (properties["Tags"] as readonly Json[]) : [];
  const pairs = own.filter(isObject).map((tag): [string, string] => [text(tag["Key"]) ?? "", text(tag["Value"]) ?? ""]);
  return { ...tags, ...Object.fromEntries(pairs) };
}

export function mappingResource(deps: MappingDeps): Resource {
  const create = mappingCreation(deps);
  const change = mappingChange(deps);
  const remove = mappingDeletion(deps);
  const tagging = mappingTags(deps);
  const keyOf = (uuid: string, { account, region }: Call): SourceKey => ({ account, region, uuid });
  const stateOf = (row: EventSourceRow) => ({
    physicalId: row.uuid,
    attributes: { Id: row.uuid, EventSourceMappingArn: mappingArn(row) },
  });
  return {
    type: "AWS::Lambda::EventSourceMapping",
    properties: [
      ...numbers,
      ...structures,
      "BisectBatchOnFunctionError",
      "Enabled",
      "EventSourceArn",
      "FunctionName",
      "FunctionResponseTypes",
      "KmsKeyArn",
      "Queues",
      "StartingPosition",
      "StartingPositionTimestamp",
      "Tags",
      "Topics",
    ],
    required: ["FunctionName"],
    attributes: ["Id", "EventSourceMappingArn"],
    async create({ properties, tags, token }, call) {
      const FunctionName = required(properties, "FunctionName");
      const input = present({ ...inputOf(properties), Tags: tagsOf(properties, tags) });
      checkInput("lambda", "CreateEventSourceMapping", { FunctionName, ...input });
      return stateOf(
        await create(ownFunction(FunctionName, undefined, call, "CreateEventSourceMapping"), input, call, token),
      );
    },
    replaceOn: ["EventSourceArn", "StartingPosition", "StartingPositionTimestamp"],
    async update({ properties, tags, physicalId }, call) {
      const FunctionName = required(properties, "FunctionName");
      const { StartingPosition, ...given } = present(inputOf(properties));
      const {
        EventSourceArn: _arn,
        StartingPositionTimestamp: _at,
        ...input
      } = {
        ...(StartingPosition === undefined ? queueDefaults : streamDefaults),
        ...given,
      };
      checkInput("lambda", "UpdateEventSourceMapping", { UUID: physicalId, FunctionName, ...input });
      const row = await change(keyOf(physicalId, call), { ...input, FunctionName }, call, true);
      await tagging.change(keyOf(physicalId, call), () => tagsOf(properties, tags));
      return stateOf(row);
    },
    async read({ physicalId }, call) {
      const row = await deps.store.read((tx) => findSource(tx, keyOf(physicalId, call)));
      if (row === undefined) return undefined;
      const { FunctionArn, ...rest } = shown(row);
      const Enabled = row.enabled;
      return asProperties({ ...rest, FunctionName: FunctionArn, Enabled, Tags: pairsOf(row.tags) });
    },
    comparison: { FunctionName: "unread", StartingPositionTimestamp: "unread" },
    delete: ({ physicalId }, call) => unlessGone(remove(keyOf(physicalId, call), true).then(() => undefined)),
  };
}
