/** Bad input of every kind through the official client, on a whole node: AWS's code and message for each. */
import * as client from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { alike } from "./refusals-alike.suite.ts";
import { refusals } from "./refusals.suite.ts";

let mikan: Mikan;
let sqs: client.SQSClient;
let urls: { url: string; fifo: string };
beforeAll(async () => {
  mikan = await startMikan({ log: silentLog });
  // The client would refuse bad digests by itself; the node's answer is what is looked at.
  sqs = new client.SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
  const standard = await sqs.send(new client.CreateQueueCommand({ QueueName: "orders" }));
  const fifo = await sqs.send(
    new client.CreateQueueCommand({ QueueName: "orders.fifo", Attributes: { FifoQueue: "true" } }),
  );
  urls = { url: must(standard.QueueUrl, "QueueUrl"), fifo: must(fifo.QueueUrl, "QueueUrl") };
});
afterAll(async () => {
  sqs.destroy();
  await mikan.close(0);
});

/** A command by its operation's name: the rows are data. */
function commandOf(operation: string, input: object): Parameters<client.SQSClient["send"]>[0] {
  const Command: unknown = Object.entries(client).find(([name]) => name === `${operation}Command`)?.[1];
  if (typeof Command !== "function") throw new Error(`no command ${operation}`);
  return Reflect.construct(Command, [input]) as Parameters<client.SQSClient["send"]>[0];
}

describe.each([...refusals, ...alike])("$operation with $what", ({ operation, input, code, message }) => {
  it(`is ${code}`, async () => {
    const refused: unknown = await sqs
      .send(commandOf(operation, { QueueUrl: urls.url, ...input(urls) }))
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({
      name: code,
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });
});
