/** Records of a stream as a function gets them. Source: Lambda guide, "Using Lambda with Kinesis Data Streams" and "with DynamoDB". */
import { filterable } from "./filters.ts";
import type { DynamoRecord, KinesisRecord } from "./readers.ts";

export interface StreamRecord {
  sequence: string;
  /** Milliseconds since the epoch; of a table's record in whole seconds. */
  arrivalMs: number;
  /** About as many bytes as it has in an event. */
  bytes: number;
  /** Records with the same key stay in order. */
  orderKey: string;
  /** As the function gets it. */
  event: object;
  /** As filters see it. */
  filtered: object;
}

/** What a record of Kinesis has beside its data. */
const frameBytes = 500;

export interface RecordContext {
  shardId: string;
  streamArn: string;
  region: string;
  roleArn: string;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

export function kinesisRecord(
  record: KinesisRecord,
  { shardId, streamArn, region, roleArn }: RecordContext,
): StreamRecord {
  const { SequenceNumber, PartitionKey, Data, ApproximateArrivalTimestamp } = record;
  const arrivalMs = ApproximateArrivalTimestamp?.getTime() ?? 0;
  const kinesis = {
    kinesisSchemaVersion: "1.0",
    partitionKey: PartitionKey,
    sequenceNumber: SequenceNumber,
    data: base64(Data),
    approximateArrivalTimestamp: arrivalMs / 1_000,
  };
  const rest = {
    eventSource: "aws:kinesis",
    eventVersion: "1.0",
    eventID: `${shardId}:${SequenceNumber}`,
    eventName: "aws:kinesis:record",
    invokeIdentityArn: roleArn,
    awsRegion: region,
    eventSourceARN: streamArn,
  };
  return {
    sequence: SequenceNumber,
    arrivalMs,
    bytes: kinesis.data.length + frameBytes,
    orderKey: PartitionKey,
    event: { kinesis, ...rest },
    filtered: { ...rest, ...kinesis, data: filterable(Buffer.from(Data).toString()) },
  };
}

export function dynamoRecord(record: DynamoRecord, { streamArn, region }: RecordContext): StreamRecord {
  const { dynamodb = {}, userIdentity } = record;
  const arrivalMs = dynamodb.ApproximateCreationDateTime?.getTime() ?? 0;
  const change = { ...dynamodb, ApproximateCreationDateTime: Math.floor(arrivalMs / 1_000) };
  const event = {
    eventID: record.eventID,
    eventName: record.eventName,
    eventVersion: record.eventVersion ?? "1.1",
    eventSource: "aws:dynamodb",
    awsRegion: region,
    dynamodb: plain(change),
    ...(userIdentity === undefined
      ? {}
      : { userIdentity: { type: userIdentity.Type, principalId: userIdentity.PrincipalId } }),
    eventSourceARN: streamArn,
  };
  const orderKey = JSON.stringify(plain(dynamodb.Keys ?? {}));
  const bytes = JSON.stringify(event).length;
  return { sequence: dynamodb.SequenceNumber ?? "", arrivalMs, bytes, orderKey, event, filtered: event };
}

/** Attribute values as JSON has them: bytes in base64, what is undefined left out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}
