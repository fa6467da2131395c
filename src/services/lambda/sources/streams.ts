/** Streams of Kinesis and of DynamoDB as one: shards, places in them, and records. */
import type { Call } from "../../../kit/call.ts";
import { readMax } from "./limits.ts";
import { streamPeers, type StreamShard } from "./readers.ts";
import type { LambdaDeps } from "../deps.ts";
import type { Mapping } from "./pollers.ts";
import { dynamoRecord, kinesisRecord, type StreamRecord } from "./stream-events.ts";

/** Where in a shard to read. */
export type Place =
  | { type: "TRIM_HORIZON" | "LATEST" }
  | { type: "AT_TIMESTAMP"; ms: number }
  | { type: "AFTER_SEQUENCE_NUMBER"; sequence: string };

export interface ReadRecords {
  records: readonly StreamRecord[];
  /** Undefined at the end of a shard that is closed. */
  next: string | undefined;
}

export interface Stream {
  shards(call: Call): Promise<readonly StreamShard[]>;
  iterator(shardId: string, place: Place, call: Call): Promise<string | undefined>;
  read(shardId: string, iterator: string, call: Call): Promise<ReadRecords>;
}

/** Pages of a listing; a stream has no more shards than that many pages. */
const pagesMax = 100;

const placed = (place: Place) => ({
  ShardIteratorType: place.type,
  ...(place.type === "AT_TIMESTAMP" ? { Timestamp: new Date(place.ms) } : {}),
  ...(place.type === "AFTER_SEQUENCE_NUMBER" ? { SequenceNumber: place.sequence } : {}),
});

export function streamOf(deps: LambdaDeps, { source, roleArn }: Mapping): Stream {
  const { kinesis, dynamodbstreams } = streamPeers(deps.peers);
  const { arn, region } = source;
  const contextOf = (shardId: string) => ({ shardId, streamArn: arn, region, roleArn });
  if (source.kind === "kinesis") {
    return {
      async shards(call) {
        const shards: StreamShard[] = [];
        let NextToken: string | undefined;
        for (let page = 0; page < pagesMax; page += 1) {
          const answer = await kinesis.ListShards(NextToken === undefined ? { StreamARN: arn } : { NextToken }, call);
          shards.push(...(answer.Shards ?? []));
          NextToken = answer.NextToken;
          if (NextToken === undefined) break;
        }
        return shards;
      },
      async iterator(ShardId, place, call) {
        return (await kinesis.GetShardIterator({ StreamARN: arn, ShardId, ...placed(place) }, call)).ShardIterator;
      },
      async read(shardId, ShardIterator, call) {
        const answer = await kinesis.GetRecords({ ShardIterator, Limit: readMax.kinesis, StreamARN: arn }, call);
        const records = (answer.Records ?? []).map((record) => kinesisRecord(record, contextOf(shardId)));
        return { records, next: answer.NextShardIterator };
      },
    };
  }
  return {
    async shards(call) {
      const shards: StreamShard[] = [];
      let from: string | undefined;
      for (let page = 0; page < pagesMax; page += 1) {
        const start = from === undefined ? {} : { ExclusiveStartShardId: from };
        const { StreamDescription } = await dynamodbstreams.DescribeStream({ StreamArn: arn, ...start }, call);
        shards.push(...(StreamDescription?.Shards ?? []));
        from = StreamDescription?.LastEvaluatedShardId;
        if (from === undefined) break;
      }
      return shards;
    },
    async iterator(ShardId, place, call) {
      const input = { StreamArn: arn, ShardId, ...placed(place) };
      return (await dynamodbstreams.GetShardIterator(input, call)).ShardIterator;
    },
    async read(shardId, ShardIterator, call) {
      const answer = await dynamodbstreams.GetRecords({ ShardIterator, Limit: readMax.dynamodb }, call);
      const records = (answer.Records ?? []).map((record) => dynamoRecord(record, contextOf(shardId)));
      return { records, next: answer.NextShardIterator };
    },
  };
}
