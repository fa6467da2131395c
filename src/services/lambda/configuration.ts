/** A version as clients see it. */
import { unqualifiedArn, arnOf } from "./names.ts";
import type { VersionRow } from "./tables.ts";

/** `2026-01-01T00:00:00.000+0000` */
export const lastModified = (timeMs: number) => new Date(timeMs).toISOString().replace("Z", "+0000");

export const logGroupOf = ({ name, settings }: Pick<VersionRow, "name" | "settings">) =>
  settings.logGroup ?? `/aws/lambda/${name}`;

function loggingConfig(row: VersionRow) {
  const { logging } = row.settings;
  const LogGroup = logGroupOf(row);
  if (logging === undefined) return { LogFormat: "Text" as const, LogGroup };
  const { applicationLevel: ApplicationLogLevel, systemLevel: SystemLogLevel } = logging;
  return { LogFormat: "JSON" as const, ApplicationLogLevel, SystemLogLevel, LogGroup };
}

/** Everything but the states, which AWS leaves out of listings. */
export function listed(row: VersionRow, functionArn: string) {
  const { settings } = row;
  const { recorded } = settings;
  return {
    FunctionName: row.name,
    FunctionArn: functionArn,
    ...(settings.image === undefined ? { Runtime: settings.runtime as "nodejs24.x", Handler: settings.handler } : {}),
    Role: settings.role,
    CodeSize: row.code_bytes,
    Description: settings.description,
    Timeout: settings.timeoutSeconds,
    MemorySize: settings.memoryMiB,
    LastModified: lastModified(row.modified_ms),
    CodeSha256: row.code_sha256,
    Version: row.version,
    TracingConfig: { Mode: recorded.tracing },
    RevisionId: row.revision_id,
    PackageType: settings.image === undefined ? ("Zip" as const) : ("Image" as const),
    ...(settings.imageConfig === undefined ? {} : { ImageConfigResponse: { ImageConfig: settings.imageConfig } }),
    Architectures: recorded.architectures,
    EphemeralStorage: { Size: recorded.ephemeralMiB },
    SnapStart: { ApplyOn: recorded.snapStart, OptimizationStatus: "Off" as const },
    LoggingConfig: loggingConfig(row),
    ...(settings.deadLetterArn === undefined ? {} : { DeadLetterConfig: { TargetArn: settings.deadLetterArn } }),
    ...(settings.environment === undefined ? {} : { Environment: { Variables: settings.environment } }),
    ...(recorded.vpc === undefined ? {} : { VpcConfig: recorded.vpc }),
    ...(settings.layers === undefined
      ? {}
      : { Layers: settings.layers.map(({ arn, sizeBytes }) => ({ Arn: arn, CodeSize: sizeBytes })) }),
    ...(recorded.kmsKeyArn ? { KMSKeyArn: recorded.kmsKeyArn } : {}),
  };
}

function stateOf({ settings: { image } }: VersionRow) {
  if (image === undefined || image.id !== undefined) return { State: "Active" as const };
  if (image.failure !== undefined) {
    const { code: StateReasonCode, reason: StateReason } = image.failure;
    return { State: "Failed" as const, StateReason, StateReasonCode };
  }
  const StateReason = "The function is being created.";
  return { State: "Pending" as const, StateReason, StateReasonCode: "Creating" as const };
}

/** A version with its states: code and settings are in force once they are stored, but for an image that is fetched. */
export function configured(row: VersionRow, functionArn: string) {
  return { ...listed(row, functionArn), ...stateOf(row), LastUpdateStatus: "Successful" as const };
}

/** The ARN that answers show for a version: a published one always has its number. */
export const versionArn = (row: VersionRow) =>
  row.number === 0 ? unqualifiedArn(row) : arnOf({ ...row, qualifier: row.version });
