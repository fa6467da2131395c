/** Bad input of every kind through the official client, on a whole node: AWS's code and message for each. */
import * as client from "@aws-sdk/client-sns";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { refusals, type Names } from "./refusals.suite.ts";

let mikan: Mikan;
let sns: client.SNSClient;
let names: Names;
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  sns = new client.SNSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
  const topic = must((await sns.send(new client.CreateTopicCommand({ Name: "orders" }))).TopicArn, "TopicArn");
  const ordered = new client.CreateTopicCommand({ Name: "orders.fifo", Attributes: { FifoTopic: "true" } });
  const fifo = must((await sns.send(ordered)).TopicArn, "TopicArn");
  const queue = "arn:aws:sqs:us-east-1:000000000000:q";
  const subscribe = async (Protocol: string, Endpoint: string) =>
    must((await sns.send(new client.SubscribeCommand({ TopicArn: topic, Protocol, Endpoint }))).SubscriptionArn, "ARN");
  names = {
    topic,
    fifo,
    queue,
    fifoQueue: `${queue}.fifo`,
    subscription: await subscribe("sqs", `${queue}2`),
    text: await subscribe("sms", "+15550009999"),
  };
});
afterAll(async () => {
  sns.destroy();
  await mikan.close(0);
});

/** A command by its operation's name: the rows are data. */
function commandOf(operation: string, input: object): Parameters<client.SNSClient["send"]>[0] {
  const Command: unknown = Object.entries(client).find(([name]) => name === `${operation}Command`)?.[1];
  if (typeof Command !== "function") throw new Error(`no command ${operation}`);
  return Reflect.construct(Command, [input]) as Parameters<client.SNSClient["send"]>[0];
}

describe.each(refusals)("$operation with $what", ({ operation, input, code, message }) => {
  it(`is ${code}`, async () => {
    const refused: unknown = await sns.send(commandOf(operation, input(names))).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      name: code,
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });
});
