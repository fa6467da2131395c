/** The services that sources are of, as a mapping calls them: as the function's role, at no client's wish. */
import { isFault } from "../../../base/errors.ts";
import { serviceCall, type Call } from "../../../kit/call.ts";
import type { PeerOf } from "../../../kit/handlers.ts";
import type { Peers } from "../../../kit/peers.ts";
import type { LambdaDeps } from "../deps.ts";
import { fault, invalid } from "../faults.ts";
import type { Source } from "./kinds.ts";

export type Sqs = PeerOf<typeof import("@aws-sdk/client-sqs")>;

/** A shard, as both kinds of streams list it. */
export interface StreamShard {
  ShardId?: string | undefined;
  ParentShardId?: string | undefined;
  AdjacentParentShardId?: string | undefined;
}

export interface KinesisRecord {
  SequenceNumber: string;
  ApproximateArrivalTimestamp?: Date | undefined;
  Data: Uint8Array;
  PartitionKey: string;
}

export interface DynamoRecord {
  eventID?: string | undefined;
  eventName?: string | undefined;
  eventVersion?: string | undefined;
  dynamodb?:
    | {
        ApproximateCreationDateTime?: Date | undefined;
        Keys?: object | undefined;
        SequenceNumber?: string | undefined;
        [member: string]: unknown;
      }
    | undefined;
  userIdentity?: { PrincipalId?: string | undefined; Type?: string | undefined } | undefined;
}

interface Records<R> {
  Records?: R[] | undefined;
  NextShardIterator?: string | undefined;
}

/** The operations of Kinesis that a mapping needs. */
export interface KinesisReader {
  DescribeStreamSummary(input: { StreamARN: string }, call: Call): Promise<object>;
  ListShards(
    input: { StreamARN?: string; NextToken?: string },
    call: Call,
  ): Promise<{ Shards?: StreamShard[] | undefined; NextToken?: string | undefined }>;
  GetShardIterator(input: object, call: Call): Promise<{ ShardIterator?: string | undefined }>;
  GetRecords(
    input: { ShardIterator: string; Limit: number; StreamARN: string },
    call: Call,
  ): Promise<Records<KinesisRecord>>;
}

/** The operations of DynamoDB Streams that a mapping needs. */
export interface DynamoStreamsReader {
  DescribeStream(
    input: { StreamArn: string; ExclusiveStartShardId?: string },
    call: Call,
  ): Promise<{
    StreamDescription?:
      | {
          Shards?: StreamShard[] | undefined;
          LastEvaluatedShardId?: string | undefined;
          StreamStatus?: string | undefined;
        }
      | undefined;
  }>;
  GetShardIterator(input: object, call: Call): Promise<{ ShardIterator?: string | undefined }>;
  GetRecords(input: { ShardIterator: string; Limit: number }, call: Call): Promise<Records<DynamoRecord>>;
}

export interface StreamPeers {
  kinesis: KinesisReader;
  dynamodbstreams: DynamoStreamsReader;
}

/** Peers are looked up by name when they are called; these services have no clients among the house's types yet. */
export const streamPeers = (peers: Peers): StreamPeers => peers as Peers & StreamPeers;

/** Calls of a mapping. */
export function sourceCall(
  deps: LambdaDeps,
  { account, region }: { account: string; region: string },
  roleArn: string,
  session: string,
  signal?: AbortSignal,
): Call {
  const principal = { kind: "service", service: "lambda.amazonaws.com" } as const;
  const call = serviceCall(deps, account, region, principal, signal === undefined ? {} : { signal });
  return { ...call, principal: { kind: "role", account, roleArn, session } };
}

/**
 * Is the source there, and may it feed a function that runs so long?
 *
 * @throws Fault in the words of the source's service, as AWS hands them on
 */
export async function checkSource(
  deps: LambdaDeps,
  source: Source,
  functionTimeoutSeconds: number,
  call: Call,
): Promise<void> {
  if (source.region !== call.region) {
    throw invalid(`The event source ${source.arn} is not in the region of the function, ${call.region}.`);
  }
  const { kinesis, dynamodbstreams } = streamPeers(deps.peers);
  if (source.kind === "sqs") return checkQueue(deps.peers.sqs, source, functionTimeoutSeconds, call);
  try {
    if (source.kind === "kinesis") await kinesis.DescribeStreamSummary({ StreamARN: source.arn }, call);
    else await dynamodbstreams.DescribeStream({ StreamArn: source.arn }, call);
  } catch (error) {
    if (!isFault(error, "ResourceNotFoundException")) throw error;
    throw invalid(`Stream not found: ${source.arn}`, { cause: error });
  }
}

async function checkQueue(sqs: Sqs, source: Source, timeoutSeconds: number, call: Call): Promise<void> {
  try {
    const QueueUrl = await queueUrlOf(sqs, source, call);
    const { Attributes = {} } = await sqs.GetQueueAttributes({ QueueUrl, AttributeNames: ["VisibilityTimeout"] }, call);
    const visibility = Number(Attributes["VisibilityTimeout"]);
    if (visibility >= timeoutSeconds) return;
    throw invalid(
      `Queue visibility timeout: ${visibility} seconds is less than Function timeout: ${timeoutSeconds} seconds`,
    );
  } catch (error) {
    if (!isFault(error, "QueueDoesNotExist")) throw error;
    throw fault(
      "InvalidParameterValueException",
      `Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: ${error.message}`,
      {},
      { cause: error },
    );
  }
}

export async function queueUrlOf(sqs: Sqs, { name, account }: Source, call: Call): Promise<string> {
  const { QueueUrl } = await sqs.GetQueueUrl({ QueueName: name, QueueOwnerAWSAccountId: account }, call);
  if (QueueUrl === undefined) throw invalid(`The queue ${name} has no URL.`);
  return QueueUrl;
}
