/** A stream as a mapping sees it: shards that split, and records in them. Of Kinesis, and of DynamoDB in its own words. */
import type { FakeClock } from "../../../base/clock.ts";
import { Fault } from "../../../base/errors.ts";
import type { Operation } from "../../../kit/service.ts";
import { account, region } from "../node.suite.ts";

interface Kept {
  sequence: number;
  key: string;
  data: string;
  arrivalMs: number;
}

interface Shard {
  id: string;
  parent: string | undefined;
  records: Kept[];
  isClosed: boolean;
}

export interface FakeStream {
  arn: string;
  operations: Readonly<Record<string, Operation>>;
  open(id: string, parent?: string): void;
  close(id: string): void;
  put(id: string, ...data: readonly (string | { key: string; data: string })[]): void;
  /** The next read with an iterator fails, as one that is too old. */
  expire(): void;
}

interface IteratorInput {
  ShardId: string;
  ShardIteratorType: string;
  SequenceNumber?: string;
  Timestamp?: Date;
}

export function fakeStream(clock: FakeClock, kind: "kinesis" | "dynamodb" = "kinesis"): FakeStream {
  const shards = new Map<string, Shard>();
  let sequence = 1_000;
  let isExpired = false;

  const shardOf = (id: string): Shard => {
    const shard = shards.get(id);
    if (shard === undefined) throw new Fault("ResourceNotFoundException", `no shard ${id}`);
    return shard;
  };
  const first = ({ records }: Shard, { ShardIteratorType: type, SequenceNumber, Timestamp }: IteratorInput): number => {
    if (type === "TRIM_HORIZON") return 0;
    if (type === "LATEST") return records.length;
    const isAfter = (record: Kept) =>
      type === "AT_TIMESTAMP"
        ? record.arrivalMs >= (Timestamp?.getTime() ?? 0)
        : record.sequence > Number(SequenceNumber);
    const index = records.findIndex(isAfter);
    return index === -1 ? records.length : index;
  };
  const listed = () => [...shards.values()].map(({ id, parent }) => ({ ShardId: id, ParentShardId: parent }));
  const arn =
    kind === "kinesis"
      ? `arn:aws:kinesis:${region}:${account}:stream/clicks`
      : `arn:aws:dynamodb:${region}:${account}:table/orders/stream/2026-01-01T00:00:00.000`;
  const recordOf = ({ sequence: number, key, data, arrivalMs }: Kept) =>
    kind === "kinesis"
      ? {
          SequenceNumber: String(number),
          PartitionKey: key,
          Data: Buffer.from(data),
          ApproximateArrivalTimestamp: new Date(arrivalMs),
        }
      : {
          eventID: `e${number}`,
          eventName: "INSERT",
          eventVersion: "1.1",
          dynamodb: {
            ApproximateCreationDateTime: new Date(arrivalMs),
            Keys: { id: { S: key } },
            NewImage: { id: { S: key }, data: { S: data }, raw: { B: Buffer.from(data) } },
            SequenceNumber: String(number),
            StreamViewType: "NEW_IMAGE",
          },
        };

  return {
    arn,
    open: (id, parent) => void shards.set(id, { id, parent, records: [], isClosed: false }),
    close(id) {
      shardOf(id).isClosed = true;
    },
    put(id, ...data) {
      for (const one of data) {
        const { key, data: text } = typeof one === "string" ? { key: one, data: one } : one;
        shardOf(id).records.push({ sequence: (sequence += 1), key, data: text, arrivalMs: clock.now() });
      }
    },
    expire() {
      isExpired = true;
    },
    operations: {
      DescribeStreamSummary: async () => ({}),
      ListShards: async () => ({ Shards: listed() }),
      DescribeStream: async () => ({ StreamDescription: { Shards: listed() } }),
      GetShardIterator: async (input: IteratorInput) => ({
        ShardIterator: `${input.ShardId}@${first(shardOf(input.ShardId), input)}`,
      }),
      async GetRecords({ ShardIterator, Limit }: { ShardIterator: string; Limit: number }) {
        if (isExpired) {
          isExpired = false;
          throw new Fault("ExpiredIteratorException", "Iterator expired.");
        }
        const [id = "", index = "0"] = ShardIterator.split("@");
        const { records, isClosed } = shardOf(id);
        const found = records.slice(Number(index), Number(index) + Limit);
        const next = Number(index) + found.length;
        const isEnd = isClosed && next === records.length;
        return { Records: found.map(recordOf), ...(isEnd ? {} : { NextShardIterator: `${id}@${next}` }) };
      },
    },
  };
}
