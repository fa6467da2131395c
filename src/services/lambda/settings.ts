/** A function's configuration: what is kept, what is checked, and what is refused because it would not be run. */
import type { ApplicationLogLevel, ImageConfig, SystemLogLevel } from "@aws-sdk/client-lambda";
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { InputOf, Received } from "../../kit/handlers.ts";
import { fault, invalid, notYet } from "./faults.ts";
import type { ImageUse } from "./images.ts";
import type { LayerUse } from "./layer-roots.ts";
import {
  environmentBytesMax,
  ephemeralMiBDefault,
  memoryMiBMax,
  memoryMiBMin,
  reservedVariables,
  retiredRuntimes,
  runtimes,
  timeoutSecondsDefault,
  timeoutSecondsMax,
} from "./limits.ts";

type Lambda = typeof import("@aws-sdk/client-lambda");
type CreateInput = Received<InputOf<Lambda, "CreateFunction">>;
type UpdateInput = Received<InputOf<Lambda, "UpdateFunctionConfiguration">>;

export interface Settings {
  runtime: string;
  handler: string;
  role: string;
  description: string;
  timeoutSeconds: number;
  memoryMiB: number;
  /** Absent when none was ever given; AWS's answers tell that from an empty one. */
  environment?: Record<string, string>;
  /** In order; absent for none. */
  layers?: LayerUse[];
  /** The function's own choice; by default `/aws/lambda/<name>`. */
  logGroup?: string;
  /** Of functions that log JSON; absent for text. */
  logging?: Logging;
  /** Of a function that is an image, which has neither runtime nor handler. */
  image?: ImageUse;
  /** What of the image it changes; absent for nothing. */
  imageConfig?: ImageConfig;
  /** ARN of the queue or topic that gets events which were given up. */
  deadLetterArn?: string;
  /** Recorded and shown, not acted on (docs/differences.md). */
  recorded: Recorded;
}

/** Which lines of a function that logs JSON are kept. Source: Lambda guide, "Log-level filtering". */
export interface Logging {
  applicationLevel: ApplicationLogLevel;
  systemLevel: SystemLogLevel;
}

/** Members that change nothing a function on this node could notice, but for the size of its `/tmp`. */
export interface Recorded {
  architectures: ("x86_64" | "arm64")[];
  ephemeralMiB: number;
  tracing: "Active" | "PassThrough";
  snapStart: "PublishedVersions" | "None";
  kmsKeyArn?: string;
  vpc?: { SubnetIds: string[]; SecurityGroupIds: string[]; Ipv6AllowedForDualStack: boolean };
}

/** Both operations' members; the one that creates has some more, which are refused or handled by itself. */
export type SettingsInput = Omit<UpdateInput, "FunctionName" | "RevisionId"> &
  Pick<CreateInput, "Architectures" | "PackageType">;

const isEmpty = (value: unknown) =>
  value === undefined ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === "object" && value !== null && Object.values(value).every(isEmpty));

/** Members of CreateFunction and its kin that would change what runs. An empty one asks for nothing. */
const refusedMembers = ["CapacityProviderConfig", "DurableConfig", "FileSystemConfigs", "PublishTo", "TenancyConfig"];

export function refuseMembers(input: object): void {
  const given = new Map(Object.entries(input));
  for (const member of refusedMembers) {
    if (!isEmpty(given.get(member))) throw notYet(member);
  }
}

function checkRuntime(runtime: string): void {
  if (runtimes.includes(runtime)) return;
  if (retiredRuntimes.includes(runtime)) {
    throw invalid(
      `The runtime parameter of ${runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`,
    );
  }
  throw invalid(
    `Value ${runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${runtimes.join(", ")}] or be a valid ARN`,
  );
}

function checkRole(role: string, call: Call): void {
  if (parseArn(role)?.account !== call.account) {
    throw fault("AccessDeniedException", "Cross-account pass role is not allowed.");
  }
}

function checkSizes({ Timeout, MemorySize }: SettingsInput): void {
  if (Timeout !== undefined && Timeout > timeoutSecondsMax) {
    throw fault(
      "ValidationException",
      `1 validation error detected: Value '${Timeout}' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to ${timeoutSecondsMax}`,
    );
  }
  if (MemorySize !== undefined && MemorySize > memoryMiBMax) {
    throw invalid(
      `'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to ${memoryMiBMax}`,
    );
  }
}

/** Source: Lambda guide, "Environment variables"; the messages are those of the service. */
export function checkEnvironment(variables: Readonly<Record<string, string>>): void {
  const unable = "Lambda was unable to configure your environment variables because the environment variables you have";
  const reserved = Object.keys(variables).filter((name) => reservedVariables.includes(name));
  if (reserved.length > 0) {
    throw invalid(
      `${unable} provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(", ")}`,
    );
  }
  const measured = JSON.stringify(variables);
  if (Buffer.byteLength(measured) > environmentBytesMax) {
    throw invalid(`${unable} provided exceeded the 4KB limit. String measured: ${measured}`);
  }
}

/** Source: Lambda guide, "Container image settings". */
function checkPackage({ Runtime, Handler, Layers, ImageConfig: config }: SettingsInput, isImage: boolean): void {
  if (isImage && !isEmpty([Runtime, Handler, Layers].filter((given) => !isEmpty(given)))) {
    throw invalid("Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.");
  }
  if (!isImage && !isEmpty(config)) {
    throw invalid("Please don't provide ImageConfig when the intended function PackageType is Zip.");
  }
}

/** The image's settings after a change: given ones replace all of the former, and empty ones are none. */
function imageConfigOf(base: Settings, { ImageConfig: config }: SettingsInput): ImageConfig | undefined {
  if (config === undefined) return base.imageConfig;
  const { EntryPoint, Command, WorkingDirectory } = config;
  const given = {
    ...(isEmpty(EntryPoint) ? {} : { EntryPoint: [...(EntryPoint ?? [])] }),
    ...(isEmpty(Command) ? {} : { Command: [...(Command ?? [])] }),
    ...(isEmpty(WorkingDirectory) ? {} : { WorkingDirectory }),
  };
  return isEmpty(Object.keys(given)) ? undefined : given;
}

/** The logging after a change; undefined for text. Levels go with JSON alone. */
function loggingOf(base: Logging | undefined, input: SettingsInput["LoggingConfig"]): Logging | undefined {
  const { LogFormat = base === undefined ? "Text" : "JSON", ApplicationLogLevel, SystemLogLevel } = input ?? {};
  if (LogFormat === "JSON") {
    return {
      applicationLevel: ApplicationLogLevel ?? base?.applicationLevel ?? "INFO",
      systemLevel: SystemLogLevel ?? base?.systemLevel ?? "INFO",
    };
  }
  if (ApplicationLogLevel !== undefined || SystemLogLevel !== undefined) {
    throw invalid("ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.");
  }
  return undefined;
}

/** Standard queues and topics take what was given up. Source: Lambda guide, "Adding a dead-letter queue". */
export function deadLetterOf(base: string | undefined, input: SettingsInput["DeadLetterConfig"]): string | undefined {
  const target = input?.TargetArn;
  if (target === undefined) return base;
  if (target === "") return undefined;
  const service = parseArn(target)?.service;
  if ((service !== "sqs" && service !== "sns") || target.endsWith(".fifo")) {
    throw invalid(
      `The dead letter target ${target} is invalid: it must be the ARN of a standard SQS queue or SNS topic.`,
    );
  }
  return target;
}

function recordedOf(base: Recorded, input: SettingsInput): Recorded {
  const { Architectures, EphemeralStorage, TracingConfig, SnapStart, KMSKeyArn, VpcConfig } = input;
  return {
    ...base,
    ...(Architectures === undefined ? {} : { architectures: [...Architectures] }),
    ...(EphemeralStorage === undefined ? {} : { ephemeralMiB: EphemeralStorage.Size }),
    ...(TracingConfig?.Mode === undefined ? {} : { tracing: TracingConfig.Mode }),
    ...(SnapStart?.ApplyOn === undefined ? {} : { snapStart: SnapStart.ApplyOn }),
    ...(KMSKeyArn === undefined ? {} : { kmsKeyArn: KMSKeyArn }),
    ...(VpcConfig === undefined
      ? {}
      : {
          vpc: {
            SubnetIds: [...(VpcConfig.SubnetIds ?? [])],
            SecurityGroupIds: [...(VpcConfig.SecurityGroupIds ?? [])],
            Ipv6AllowedForDualStack: VpcConfig.Ipv6AllowedForDualStack ?? false,
          },
        }),
  };
}

/** What a function may have or not have; undefined is absent. */
interface Optional {
  layers: LayerUse[] | undefined;
  logging: Logging | undefined;
  deadLetterArn: string | undefined;
  imageConfig: ImageConfig | undefined;
}

function withOptional(base: Settings, { layers, logging, deadLetterArn, imageConfig }: Optional): Settings {
  const { layers: _layers, logging: _logging, deadLetterArn: _deadLetter, imageConfig: _imageConfig, ...rest } = base;
  return {
    ...rest,
    ...(layers === undefined || layers.length === 0 ? {} : { layers }),
    ...(logging === undefined ? {} : { logging }),
    ...(deadLetterArn === undefined ? {} : { deadLetterArn }),
    ...(imageConfig === undefined ? {} : { imageConfig }),
  };
}

/**
 * The settings after an update: members that are absent keep their value. `layers` are those of the input, read.
 * Throws AWS's fault for what it would refuse.
 */
export function changedSettings(base: Settings, input: SettingsInput, call: Call, layers?: LayerUse[]): Settings {
  refuseMembers(input);
  checkPackage(input, base.image !== undefined || input.PackageType === "Image");
  if (input.Runtime !== undefined) checkRuntime(input.Runtime);
  if (input.Role !== undefined) checkRole(input.Role, call);
  checkSizes(input);
  const variables = input.Environment?.Variables;
  if (variables !== undefined) checkEnvironment(variables);
  const logging = loggingOf(base.logging, input.LoggingConfig);
  const deadLetterArn = deadLetterOf(base.deadLetterArn, input.DeadLetterConfig);
  return {
    ...withOptional(base, {
      layers: layers ?? base.layers,
      logging,
      deadLetterArn,
      imageConfig: imageConfigOf(base, input),
    }),
    runtime: input.Runtime ?? base.runtime,
    handler: input.Handler ?? base.handler,
    role: input.Role ?? base.role,
    description: input.Description ?? base.description,
    timeoutSeconds: input.Timeout ?? base.timeoutSeconds,
    memoryMiB: input.MemorySize ?? base.memoryMiB,
    ...(input.Environment === undefined ? {} : { environment: { ...variables } }),
    ...(input.LoggingConfig?.LogGroup === undefined ? {} : { logGroup: input.LoggingConfig.LogGroup }),
    recorded: recordedOf(base.recorded, input),
  };
}

const defaults: Settings = {
  runtime: "",
  handler: "",
  role: "",
  description: "",
  timeoutSeconds: timeoutSecondsDefault,
  memoryMiB: memoryMiBMin,
  recorded: {
    architectures: ["x86_64"],
    ephemeralMiB: ephemeralMiBDefault,
    tracing: "PassThrough",
    snapStart: "None",
  },
};

/** The settings of a new function. */
export function newSettings(input: SettingsInput, call: Call, layers?: LayerUse[]): Settings {
  refuseMembers(input);
  if (input.PackageType !== "Image" && (input.Runtime === undefined || input.Handler === undefined)) {
    throw invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.");
  }
  return changedSettings(defaults, input, call, layers);
}
