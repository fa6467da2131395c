/** Event source mappings as clients make them: settings, states, refusals, tags, and the CloudFormation type. */
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { must } from "../../../base/errors.ts";
import { account, arn, createFunction, faultOf, region, withNode, type TestNode } from "../node.suite.ts";
import { fakeQueue } from "./queue.suite.ts";

const streamArn = `arn:aws:kinesis:${region}:${account}:stream/clicks`;
const tableArn = `arn:aws:dynamodb:${region}:${account}:table/orders/stream/2026-01-01T00:00:00.000`;
const noShards = {
  kinesis: { DescribeStreamSummary: async () => ({}), ListShards: async () => ({ Shards: [] }) },
  dynamodbstreams: { DescribeStream: async () => ({ StreamDescription: { Shards: [] } }) },
};

function withQueue(body: (node: TestNode, queue: ReturnType<typeof fakeQueue>) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const queue = fakeQueue(clock);
  return withNode(
    async (node) => {
      await createFunction(node, "tiles", { Timeout: 30 });
      await node.clock.advance(0);
      await body(node, queue);
    },
    { clock, standIns: { sqs: queue.operations, ...noShards } },
  );
}

const mapped = { FunctionName: "tiles", EventSourceArn: `arn:aws:sqs:${region}:${account}:orders` };

async function settled({ lambda, call, clock }: TestNode, UUID: string, state: string) {
  await expect
    .poll(async () => {
      await clock.advance(0);
      return (await lambda.GetEventSourceMapping({ UUID }, call())).State;
    })
    .toBe(state);
}

async function gone({ lambda, call, clock }: TestNode, UUID: string) {
  await expect
    .poll(async () => {
      await clock.advance(0);
      const read = lambda.GetEventSourceMapping({ UUID }, call());
      return read.then(
        ({ State }) => State,
        (error: Error) => error.message,
      );
    })
    .toBe("The resource you requested does not exist.");
}

describe("an event source mapping", () => {
  it("of a queue goes from Creating to Enabled, is changed, disabled, listed and deleted", () =>
    withQueue(async (node, queue) => {
      const { lambda, call } = node;
      const made = await lambda.CreateEventSourceMapping({ ...mapped, Tags: { team: "a" } }, call());
      const UUID = must(made.UUID, "uuid");
      expect(made).toEqual({
        UUID,
        BatchSize: 10,
        MaximumBatchingWindowInSeconds: 0,
        FunctionResponseTypes: [],
        EventSourceArn: queue.arn,
        FunctionArn: arn("tiles"),
        LastModified: expect.any(Date) as Date,
        State: "Creating",
        StateTransitionReason: "USER_INITIATED",
        EventSourceMappingArn: `arn:aws:lambda:${region}:${account}:event-source-mapping:${UUID}`,
      });
      await settled(node, UUID, "Enabled");
      const changed = await lambda.UpdateEventSourceMapping(
        { UUID, BatchSize: 5, ScalingConfig: { MaximumConcurrency: 2 } },
        call(),
      );
      expect(changed).toMatchObject({ State: "Updating", BatchSize: 5, ScalingConfig: { MaximumConcurrency: 2 } });
      expect(await faultOf(lambda.DeleteEventSourceMapping({ UUID }, call()))).toEqual({
        code: "ResourceInUseException",
        message: "Cannot delete the event source mapping because it is in use.",
      });
      await settled(node, UUID, "Enabled");
      expect((await lambda.UpdateEventSourceMapping({ UUID, Enabled: false }, call())).State).toBe("Disabling");
      await settled(node, UUID, "Disabled");
      expect((await lambda.UpdateEventSourceMapping({ UUID, Enabled: true }, call())).State).toBe("Enabling");
      await settled(node, UUID, "Enabled");
      const listed = await lambda.ListEventSourceMappings({ EventSourceArn: queue.arn }, call());
      expect(listed.EventSourceMappings?.map((mapping) => mapping.UUID)).toEqual([UUID]);
      expect((await lambda.ListEventSourceMappings({ EventSourceArn: streamArn }, call())).EventSourceMappings).toEqual(
        [],
      );

      const Resource = must(made.EventSourceMappingArn, "arn");
      await lambda.TagResource({ Resource, Tags: { cost: "b" } }, call());
      await lambda.UntagResource({ Resource, TagKeys: ["team"] }, call());
      expect(await lambda.ListTags({ Resource }, call())).toEqual({ Tags: { cost: "b" } });

      expect((await lambda.DeleteEventSourceMapping({ UUID }, call())).State).toBe("Deleting");
      await gone(node, UUID);
    }));

  it("of a stream has its settings", () =>
    withQueue(async ({ lambda, call }) => {
      const stream = { FunctionName: arn("tiles"), EventSourceArn: streamArn, StartingPosition: "LATEST" } as const;
      expect(await lambda.CreateEventSourceMapping(stream, call())).toMatchObject({
        StartingPosition: "LATEST",
        BatchSize: 100,
        ParallelizationFactor: 1,
        DestinationConfig: { OnFailure: {} },
        MaximumRecordAgeInSeconds: -1,
        BisectBatchOnFunctionError: false,
        MaximumRetryAttempts: -1,
        TumblingWindowInSeconds: 0,
        LastProcessingResult: "No records processed",
      });
    }));

  it("begins to poll as soon as it is made", () =>
    withQueue(async (node, queue) => {
      const { UUID = "" } = await node.lambda.CreateEventSourceMapping(mapped, node.call());
      await settled(node, UUID, "Enabled");
      queue.send("a");
      await expect.poll(() => node.compute.invoked.length).toBe(1);
    }));

  const stream = { EventSourceArn: streamArn, StartingPosition: "LATEST" };
  const conflict = "already exists. Please update or delete the existing mapping with UUID";
  it.each([
    ["no source", { EventSourceArn: undefined }, "Unrecognized event source."],
    ["a bucket", { EventSourceArn: "arn:aws:s3:::b" }, "Unrecognized event source."],
    [
      "a broker",
      { EventSourceArn: `arn:aws:mq:${region}:${account}:broker:b` },
      "Mikan does not implement event sources of Amazon MQ for functions yet.",
    ],
    ["no function", { FunctionName: "nobody" }, "Function does not exist"],
    [
      "no queue",
      { EventSourceArn: `${mapped.EventSourceArn}-2` },
      "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
    ],
    [
      "a batch without its window",
      { BatchSize: 11 },
      "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
    ],
    [
      "a position of a queue",
      { StartingPosition: "LATEST" },
      "StartingPosition is not supported for SQS event sources.",
    ],
    [
      "a stream's settings",
      { ParallelizationFactor: 2 },
      "ParallelizationFactor is not supported for SQS event sources.",
    ],
    [
      "a bad filter",
      { FilterCriteria: { Filters: [{ Pattern: '{"body": 1}' }] } },
      "Invalid filter pattern definition.",
    ],
    [
      "too many filters",
      { FilterCriteria: { Filters: Array.from({ length: 6 }, () => ({ Pattern: '{"body": [1]}' })) } },
      "FilterCriteria has 6 filters; the most that are allowed are 5.",
    ],
    [
      "no position",
      { EventSourceArn: streamArn },
      "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
    ],
    [
      "a time of a table",
      { EventSourceArn: tableArn, StartingPosition: "AT_TIMESTAMP", StartingPositionTimestamp: new Date(0) },
      `Unsupported starting position for arn type: ${tableArn}`,
    ],
    [
      "a queue's settings",
      { ...stream, ScalingConfig: { MaximumConcurrency: 2 } },
      "ScalingConfig is not supported for Kinesis event sources.",
    ],
    [
      "a short age",
      { ...stream, MaximumRecordAgeInSeconds: 59 },
      "MaximumRecordAgeInSeconds must be -1, or between 60 and 604800.",
    ],
    [
      "a destination that is none",
      { ...stream, DestinationConfig: { OnFailure: { Destination: arn("tiles") } } },
      `The destination ARN ${arn("tiles")} is invalid.`,
    ],
    [
      "a destination that is not there yet",
      { ...stream, DestinationConfig: { OnFailure: { Destination: `arn:aws:sns:${region}:${account}:failed` } } },
      "Mikan does not implement DestinationConfig.OnFailure of the service sns for functions yet.",
    ],
    [
      "another region",
      { EventSourceArn: `arn:aws:sqs:eu-west-1:${account}:orders` },
      "is not in the region of the function",
    ],
  ])("is refused with %s", (_what, changes, message) =>
    withQueue(async ({ lambda, call }) => {
      const input = { ...mapped, ...changes } as Parameters<typeof lambda.CreateEventSourceMapping>[0];
      expect((await faultOf(lambda.CreateEventSourceMapping(input, call()))).message).toContain(message);
    }),
  );

  it("is there once for a source and a function, and waits long enough", () =>
    withQueue(async (node) => {
      const { lambda, call } = node;
      const { UUID = "" } = await lambda.CreateEventSourceMapping(mapped, call());
      expect(await faultOf(lambda.CreateEventSourceMapping(mapped, call()))).toEqual({
        code: "ResourceConflictException",
        message: `An event source mapping with SQS arn (" ${mapped.EventSourceArn} ") and function (" tiles ") ${conflict} ${UUID}`,
      });
      await createFunction(node, "slow", { Timeout: 31 });
      expect(
        (await faultOf(lambda.CreateEventSourceMapping({ ...mapped, FunctionName: "slow" }, call()))).message,
      ).toBe("Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds");
    }));

  it("is a resource of a template", () =>
    withQueue(async (node, queue) => {
      const resource = node.resource("AWS::Lambda::EventSourceMapping");
      const properties = {
        FunctionName: "tiles",
        EventSourceArn: queue.arn,
        BatchSize: "5",
        Tags: [{ Key: "a", Value: "b" }],
      };
      const base = { stackId: "s", stackName: "s", logicalId: "L", physicalName: "", metadata: {}, tags: {} };
      const request = { ...base, token: "t", properties };
      const made = await resource.create(request, node.call());
      expect(await resource.create(request, node.call())).toEqual(made);
      expect(made.attributes["EventSourceMappingArn"]).toContain(made.physicalId);
      const changed = {
        FunctionName: "tiles",
        EventSourceArn: queue.arn,
        Enabled: false,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
      };
      const former = { properties, metadata: {}, tags: {} };
      await resource.update?.({ ...base, ...made, token: "u", properties: changed, former }, node.call());
      const read = await resource.read?.({ ...base, ...made, token: "u", properties: changed }, node.call());
      expect(read).toMatchObject({ ...changed, FunctionName: arn("tiles"), BatchSize: 10, Tags: [] });
      const gone = { ...base, ...made, token: "u", properties: changed };
      await resource.delete(gone, node.call());
      await resource.delete(gone, node.call());
    }));
});
