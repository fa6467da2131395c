/** The tables of event source mappings on PostgreSQL: a whole node by the official clients. */
import {
  CreateEventSourceMappingCommand,
  CreateFunctionCommand,
  DeleteEventSourceMappingCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  UpdateEventSourceMappingCommand,
} from "@aws-sdk/client-lambda";
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, describe, expect, it } from "vitest";
import { startPostgresOrSkip } from "../../../../test/postgres.ts";
import { startMikan } from "../../../mikan.ts";
import { account, region, role, zipOf } from "../node.suite.ts";

const server = await startPostgresOrSkip("Event source mappings on PostgreSQL");
afterAll(() => server?.stop());

const poll = { timeout: 30_000, interval: 50 };

describe.skipIf(server === undefined)("PostgreSQL", () => {
  it("holds mappings from their making to their end, and feeds functions", { timeout: 90_000 }, async () => {
    await using mikan = await startMikan({ data: (await server?.createDatabase()) ?? "" });
    const lambda = new LambdaClient(mikan.clientConfig());
    const sqs = new SQSClient(mikan.clientConfig());
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "orders" }));
    const ZipFile = await zipOf({ "index.js": "exports.handler = async () => ({});" });
    const settings = { Role: role, Runtime: "nodejs24.x", Handler: "index.handler", Code: { ZipFile } } as const;
    await lambda.send(new CreateFunctionCommand({ FunctionName: "tiles", ...settings }));
    const EventSourceArn = `arn:aws:sqs:${region}:${account}:orders`;
    const { UUID } = await lambda.send(new CreateEventSourceMappingCommand({ FunctionName: "tiles", EventSourceArn }));
    const states = async () =>
      (await lambda.send(new ListEventSourceMappingsCommand({ EventSourceArn }))).EventSourceMappings?.map(
        ({ State }) => State,
      );
    await expect.poll(states, poll).toEqual(["Enabled"]);
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "a" }));
    const left = async () => {
      const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] });
      const { Attributes = {} } = await sqs.send(asked);
      return `${Attributes["ApproximateNumberOfMessages"]}/${Attributes["ApproximateNumberOfMessagesNotVisible"]}`;
    };
    await expect.poll(left, poll).toBe("0/0");
    await lambda.send(new UpdateEventSourceMappingCommand({ UUID, Enabled: false }));
    await expect.poll(states, poll).toEqual(["Disabled"]);
    await lambda.send(new DeleteEventSourceMappingCommand({ UUID }));
    await expect.poll(states, poll).toEqual([]);
  });
});
