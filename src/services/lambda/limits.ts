/** What Lambda enforces and the SDK's schemas do not carry. Source: Lambda guide, "Lambda quotas", where no other is named. */

/** Source: API reference, CreateFunction, FunctionName. The model allows 140, which is an ARN's length. */
export const nameLengthMax = 64;
export const timeoutSecondsMax = 900;
export const timeoutSecondsDefault = 3;
export const memoryMiBMin = 128;
export const memoryMiBMax = 10_240;
export const ephemeralMiBDefault = 512;
/** All environment variables together, as JSON. */
export const environmentBytesMax = 4 * 1024;
export const tagsMax = 50;

/** A zip in the request itself. */
export const zipBytesMax = 52_428_800;
/** All files of the zip together; a zip from S3 may be no larger either. */
export const unzippedBytesMax = 262_144_000;
/** Source code in a template (`Code.ZipFile`), 4 MiB. Source: CloudFormation, AWS::Lambda::Function Code. */
export const inlineSourceBytesMax = 4 * 1024 * 1024;
/** Layers of a function. */
export const layersMax = 5;
/** Code of all functions and versions of an account in a region: 75 GB. */
export const codeStorageBytesMax = 80_530_636_800;

/** CreateFunction waits this long for its image; one that is fetched for longer leaves the function `Pending`. */
export const imageLookUpMs = 3_000;

export const requestPayloadBytesMax = 6 * 1024 * 1024;
/** 256 KB until October 2025. */
export const eventPayloadBytesMax = 1024 * 1024;

/** Executions at once of an account in a region, unless the node's `lambdaConcurrency` says otherwise. */
export const accountConcurrencyDefault = 1_000;
/** A function may grow by this many environments at once, and by so many more each second: 1,000 in 10 seconds. */
export const environmentsBurst = 1_000;
export const environmentsPerSecond = 100;
/** What reservations must leave for the functions that have none. */
export const unreservedConcurrencyMin = 100;

/** A function's resource policy, as JSON. */
export const policyBytesMax = 20_480;

/** ListFunctions, ListVersionsByFunction and ListAliases give this many, whatever more is asked for. */
export const pageSizeMax = 50;

/** Attempts two and three of an event whose function failed. Source: Lambda guide, "Asynchronous invocation". */
export const eventRetryDelaysMs: readonly number[] = [60_000, 120_000];
/** Of a function's answer that the record of an event carries; the answer itself may have 6 MB, and the outbox's intents 2. */
export const recordedResponseBytesMax = 256 * 1024;
/** An event that was throttled until then is given up. */
export const eventAgeMsMax = 6 * 3600_000;

/** Runtimes in which functions may be created and updated. Source: Lambda guide, "Lambda runtimes", 2026. */
export const runtimes: readonly string[] = [
  "nodejs16.x",
  "nodejs18.x",
  "nodejs20.x",
  "nodejs22.x",
  "nodejs24.x",
  "python3.8",
  "python3.9",
  "python3.10",
  "python3.11",
  "python3.12",
  "python3.13",
  "python3.14",
  "java8.al2",
  "java11",
  "java17",
  "java21",
  "java25",
  "dotnet6",
  "dotnet8",
  "dotnet10",
  "ruby3.2",
  "ruby3.3",
  "ruby3.4",
  "ruby4.0",
  "provided.al2",
  "provided.al2023",
];

/** Runtimes that once were. */
export const retiredRuntimes: readonly string[] = [
  "nodejs",
  "nodejs4.3",
  "nodejs4.3-edge",
  "nodejs6.10",
  "nodejs8.10",
  "nodejs10.x",
  "nodejs12.x",
  "nodejs14.x",
  "python2.7",
  "python3.6",
  "python3.7",
  "java8",
  "dotnetcore1.0",
  "dotnetcore2.0",
  "dotnetcore2.1",
  "dotnetcore3.1",
  "go1.x",
  "ruby2.5",
  "ruby2.7",
  "provided",
];

/** Variables that the runtime sets itself. Source: Lambda guide, "Defined runtime environment variables". */
export const reservedVariables: readonly string[] = [
  "AWS_ACCESS_KEY",
  "AWS_ACCESS_KEY_ID",
  "AWS_DEFAULT_REGION",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_FUNCTION_VERSION",
  "AWS_LAMBDA_INITIALIZATION_TYPE",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "AWS_LAMBDA_RUNTIME_API",
  "AWS_REGION",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "LAMBDA_RUNTIME_DIR",
  "LAMBDA_TASK_ROOT",
];
