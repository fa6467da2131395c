/** Batches of a stream that were given up, told to their destination. Source: Lambda guide, "Capturing discarded batches". */
import { parseArn } from "../../../base/arn.ts";
import type { Call } from "../../../kit/call.ts";
import type { DeliveryPolicy, Intent } from "../../../kit/delivery.ts";
import type { LambdaDeps } from "../deps.ts";
import { notYet } from "../faults.ts";
import { isReachable, sendMessage } from "../outlets.ts";
import { functionArn } from "./invocations.ts";
import type { SourceKind } from "./kinds.ts";
import type { Mapping } from "./pollers.ts";
import { sourceCall } from "./readers.ts";
import type { SourceSettings } from "./tables.ts";

/** A record on its way to a destination. */
export interface SourceParcel {
  /** ARN. */
  destination: string;
  /** JSON. */
  record: string;
  /** JSON of all that the function was given; only buckets take it. */
  payload: string | null;
  uuid: string;
  shardId: string;
  functionName: string;
  functionArn: string;
  roleArn: string;
  requestId: string;
  endedMs: number;
}

/** A destination that is away for a while gets its record when it is back. */
const policy: DeliveryPolicy = {
  retryDelaysMs: Array.from({ length: 20 }, (_, attempt) => Math.min(3600_000, 1_000 * 2 ** attempt)),
  maxAgeMs: 24 * 3600_000,
};

export type GivenUp = "RetryAttemptsExhausted" | "RecordAgeExceeded";

/** What is told of a batch. */
export interface FailedBatch {
  condition: GivenUp;
  requestId: string;
  invokeCount: number;
  /** Absent where it was never run. */
  executedVersion: string | undefined;
  shardId: string;
  firstSequence: string;
  lastSequence: string;
  firstArrivalMs: number;
  lastArrivalMs: number;
  size: number;
  /** JSON. */
  payload: string;
}

const batchInfo: Readonly<Record<Exclude<SourceKind, "sqs">, string>> = {
  kinesis: "KinesisBatchInfo",
  dynamodb: "DDBStreamBatchInfo",
};

const iso = (ms: number) => new Date(ms).toISOString();

function recordOf(mapping: Mapping, kind: Exclude<SourceKind, "sqs">, batch: FailedBatch, nowMs: number): object {
  return {
    requestContext: {
      requestId: batch.requestId,
      functionArn: functionArn(mapping),
      condition: batch.condition,
      approximateInvokeCount: batch.invokeCount,
    },
    ...(batch.executedVersion === undefined
      ? {}
      : {
          responseContext: {
            statusCode: 200,
            executedVersion: batch.executedVersion,
            functionError: "Unhandled",
          },
        }),
    version: "1.0",
    timestamp: iso(nowMs),
    [batchInfo[kind]]: {
      shardId: batch.shardId,
      startSequenceNumber: batch.firstSequence,
      endSequenceNumber: batch.lastSequence,
      approximateArrivalOfFirstRecord: iso(batch.firstArrivalMs),
      approximateArrivalOfLastRecord: iso(batch.lastArrivalMs),
      batchSize: batch.size,
      streamArn: mapping.source.arn,
    },
  };
}

/** The intent to tell of a batch; undefined where nobody is to be told. It is written with the checkpoint behind the batch. */
export function failureIntent(
  mapping: Mapping,
  kind: Exclude<SourceKind, "sqs">,
  batch: FailedBatch,
  call: Call,
  nowMs: number,
): Intent | undefined {
  const { row, roleArn } = mapping;
  const destination = row.settings.DestinationConfig?.OnFailure?.Destination;
  if (destination === undefined || destination === "") return undefined;
  const parcel: SourceParcel = {
    destination,
    record: JSON.stringify(recordOf(mapping, kind, batch, nowMs)),
    payload: parseArn(destination)?.service === "s3" ? batch.payload : null,
    uuid: row.uuid,
    shardId: batch.shardId,
    functionName: row.name,
    functionArn: functionArn(mapping),
    roleArn,
    requestId: batch.requestId,
    endedMs: nowMs,
  };
  return {
    target: { service: "lambda", operation: "SendSourceRecord" },
    input: parcel,
    policy,
    key: `${batch.requestId}:${batch.firstSequence}`,
    call: { account: row.account, region: row.region, trace: call.trace },
    principal: { kind: "service", service: "lambda.amazonaws.com" },
  };
}

/** Refuses by name a destination in a service that is not there. */
export async function checkRecordTaker(
  { peers }: LambdaDeps,
  { DestinationConfig }: SourceSettings,
  call: Call,
): Promise<void> {
  const destination = DestinationConfig?.OnFailure?.Destination;
  const { service } = parseArn(destination ?? "") ?? {};
  if (destination === undefined || service === undefined || service === "s3") return;
  if (!(await isReachable(peers, destination, call))) {
    throw notYet(`DestinationConfig.OnFailure of the service ${service}`);
  }
}

/** `aws/lambda/<mapping>/<shard>/2026/01/31/2026-01-31T09.05.07-<uuid>` */
function keyOf({ uuid, shardId, endedMs, requestId }: SourceParcel): string {
  const [day = "", time = ""] = new Date(endedMs).toISOString().slice(0, 19).split("T");
  return `aws/lambda/${uuid}/${shardId}/${day.replaceAll("-", "/")}/${day}T${time.replaceAll(":", ".")}-${requestId}`;
}

export function recordOperations(deps: LambdaDeps) {
  const { peers } = deps;
  const send = async (parcel: SourceParcel, call: Call): Promise<void> => {
    const { destination: target, record: body } = parcel;
    const { service, resource = "" } = parseArn(target) ?? {};
    if (service !== "s3") return sendMessage(peers, { target, body, source: parcel.functionArn }, call);
    const whole = { ...(JSON.parse(body) as object), payload: parcel.payload };
    const Body = Buffer.from(JSON.stringify(whole));
    await peers.s3.PutObject({ Bucket: resource, Key: keyOf(parcel), Body, ContentType: "application/json" }, call);
  };
  return {
    /** The outbox hands a record over; its calls carry the function's role. */
    async SendSourceRecord(parcel: SourceParcel, call: Call): Promise<object> {
      await send(parcel, sourceCall(deps, call, parcel.roleArn, parcel.functionName, call.signal));
      return {};
    },
  };
}
