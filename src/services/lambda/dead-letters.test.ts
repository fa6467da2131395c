/** Events that are given up or went well, told to queues, topics and buses: as stand-ins, by their operations. */
import { describe, expect, it } from "vitest";
import { Fault, must } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Operation } from "../../kit/service.ts";
import { account, arn, createFunction, faultOf, role, withNode, type TestNode } from "./node.suite.ts";

const key = { FunctionName: "tiles" };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const queueArn = `arn:aws:sqs:us-east-1:${account}:dead`;
const topicArn = `arn:aws:sns:us-east-1:${account}:dead`;
const busArn = `arn:aws:events:us-east-1:${account}:event-bus/results`;

interface Sent {
  operation: string;
  input: Record<string, unknown>;
  call: Call;
}

/** A queue, a topic and a bus that keep what they get; each refuses the first. */
function standIns() {
  const sent: Sent[] = [];
  const taking =
    (operation: string, answer: object = {}): Operation =>
    async (input: Record<string, unknown>, call: Call) => {
      const isFirst = sent.every((one) => one.operation !== operation);
      sent.push({ operation, input, call });
      if (isFirst) throw new Fault("ServiceUnavailable", "away");
      return answer;
    };
  return {
    sent,
    services: {
      sqs: {
        GetQueueUrl: async ({ QueueName }: { QueueName: string }) => ({ QueueUrl: `http://queue/${QueueName}` }),
        SendMessage: taking("SendMessage"),
      },
      sns: { GetTopicAttributes: async () => ({}), Publish: taking("Publish") },
      events: {
        DescribeEventBus: async () => ({}),
        PutEvents: taking("PutEvents", { FailedEntryCount: 0, Entries: [{ EventId: "1" }] }),
      },
    },
  };
}

const send = ({ lambda, call }: TestNode, value: unknown) =>
  lambda.Invoke({ ...key, InvocationType: "Event", Payload: json(value) }, call());

/** Lets everything happen that is due until `forMs` from now. */
async function pass({ clock }: TestNode, forMs: number) {
  for (let at = 0; at < forMs; at += 30_000) {
    await clock.advance(30_000);
    await clock.advance(0);
  }
}

describe("a dead letter queue", () => {
  it.each([
    ["a queue", queueArn, "SendMessage", { QueueUrl: "http://queue/dead", MessageBody: '{"n":1}' }],
    ["a topic", topicArn, "Publish", { TopicArn: topicArn, Message: '{"n":1}' }],
  ])("that is %s gets the event as it came, and why, until it takes it", (_what, TargetArn, operation, input) => {
    const { sent, services } = standIns();
    return withNode(
      async (node) => {
        const made = await createFunction(node, "tiles", { DeadLetterConfig: { TargetArn } });
        expect(made.DeadLetterConfig).toEqual({ TargetArn });
        node.compute.answer = () => ({ error: "unhandled", payload: json({ errorMessage: "broken" }) });
        await send(node, { n: 1 });
        await pass(node, 10 * 60_000);
        await expect.poll(() => sent.length).toBe(2);
        const requestId = node.compute.invoked[0]?.invocation.requestId;
        expect(node.compute.invoked).toHaveLength(3);
        expect(sent[1]).toMatchObject({
          operation,
          input: {
            ...input,
            MessageAttributes: {
              RequestID: { DataType: "String", StringValue: requestId },
              ErrorCode: { DataType: "Number", StringValue: "200" },
              ErrorMessage: { DataType: "String", StringValue: "broken" },
            },
          },
          call: { principal: { kind: "role", roleArn: role } },
        });
        await node.lambda.UpdateFunctionConfiguration({ ...key, DeadLetterConfig: { TargetArn: "" } }, node.call());
        expect((await node.lambda.GetFunctionConfiguration(key, node.call())).DeadLetterConfig).toBeUndefined();
      },
      { standIns: services },
    );
  });

  it("gets what a function may not run at all, beside its destination", () => {
    const { sent, services } = standIns();
    return withNode(
      async (node) => {
        await createFunction(node, "tiles", { DeadLetterConfig: { TargetArn: queueArn } });
        const DestinationConfig = { OnFailure: { Destination: topicArn } };
        await node.lambda.PutFunctionEventInvokeConfig({ ...key, DestinationConfig }, node.call());
        await node.lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 0 }, node.call());
        await send(node, { n: 1 });
        await pass(node, 60_000);
        await expect
          .poll(() => sent.map(({ operation }) => operation).toSorted())
          .toEqual(["Publish", "Publish", "SendMessage", "SendMessage"]);
        const letter = sent.find(({ operation }) => operation === "SendMessage");
        expect(letter?.input["MessageAttributes"]).toMatchObject({ ErrorCode: { StringValue: "429" } });
        expect(node.compute.invoked).toEqual([]);
      },
      { standIns: services },
    );
  });

  it("of a service that this node does not have is refused by name", () =>
    withNode(async (node) => {
      const TargetArn = queueArn;
      expect(await faultOf(createFunction(node, "tiles", { DeadLetterConfig: { TargetArn } }))).toEqual({
        code: "NotImplemented",
        message: "Mikan does not implement DeadLetterConfig of the service sqs for functions yet.",
      });
    }));
});

describe("a destination", () => {
  it.each([
    ["a queue", queueArn, "SendMessage", "MessageBody"],
    ["a topic", topicArn, "Publish", "Message"],
  ])("that is %s gets the record", (_what, Destination, operation, member) => {
    const { sent, services } = standIns();
    return withNode(
      async (node) => {
        await createFunction(node, "tiles");
        const DestinationConfig = { OnSuccess: { Destination } };
        await node.lambda.PutFunctionEventInvokeConfig({ ...key, DestinationConfig }, node.call());
        await send(node, { n: 1 });
        await pass(node, 60_000);
        await expect.poll(() => sent.length).toBe(2);
        expect(sent[1]?.operation).toBe(operation);
        expect(JSON.parse(String(sent[1]?.input[member]))).toMatchObject({
          requestContext: { condition: "Success", functionArn: arn("tiles:$LATEST") },
          requestPayload: { n: 1 },
          responsePayload: { n: 1 },
        });
      },
      { standIns: services },
    );
  });

  it("that is a bus gets an event of Lambda's", () => {
    const { sent, services } = standIns();
    return withNode(
      async (node) => {
        await createFunction(node, "tiles");
        node.compute.answer = () => ({ error: "unhandled", payload: json({ errorMessage: "broken" }) });
        const DestinationConfig = { OnFailure: { Destination: busArn } };
        const settings = { MaximumRetryAttempts: 0, DestinationConfig };
        await node.lambda.PutFunctionEventInvokeConfig({ ...key, ...settings }, node.call());
        await send(node, { n: 1 });
        await pass(node, 60_000);
        await expect.poll(() => sent.length).toBe(2);
        const { Entries } = must(sent[1], "the second attempt").input;
        const [entry] = Entries as [Record<string, unknown>];
        expect(entry).toMatchObject({
          EventBusName: busArn,
          Source: "lambda",
          DetailType: "Lambda Function Invocation Result - Failure",
          Resources: [busArn, arn("tiles:$LATEST")],
        });
        expect(JSON.parse(String(entry["Detail"]))).toMatchObject({
          requestContext: { condition: "RetriesExhausted" },
        });
      },
      { standIns: services },
    );
  });
});
