/** Who may use a queue: its owner, AWS services and other accounts only by its policy; and how many messages at once. */
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import type { Call, Principal } from "../../kit/call.ts";
import { createFlights } from "./flights.ts";
import { inFlightMax } from "./limits.ts";
import { queueOf } from "./lookup.ts";
import { bodies, withQueues } from "./node.suite.ts";

const topic = "arn:aws:sns:us-east-1:000000000000:orders";
const service = (sourceArn: string): Principal => ({
  kind: "service",
  service: "sns.amazonaws.com",
  sourceArn,
  sourceAccount: "000000000000",
});
const stranger: Principal = { kind: "user", account: "111122223333", accessKeyId: "111122223333" };
const denied = { code: "AccessDenied" };

describe("a queue's policy", () => {
  it("lets an AWS service send, for the source that it names", () =>
    withQueues(async ({ create, receive, peers, call, counts }) => {
      const QueueUrl = await create("orders");
      const as = (principal: Principal): Call => ({ ...call, principal });
      const send = (principal: Principal) => peers.sqs.SendMessage({ QueueUrl, MessageBody: "m" }, as(principal));
      await expect(send(service(topic))).rejects.toMatchObject(denied);
      const Policy = JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { Service: "sns.amazonaws.com" },
            Action: "sqs:SendMessage",
            Resource: "arn:aws:sqs:us-east-1:000000000000:orders",
            Condition: { ArnEquals: { "aws:SourceArn": topic } },
          },
        ],
      });
      await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { Policy } }, call);
      await send(service(topic));
      // The permission for one message is that for a batch.
      const Entries = [{ Id: "0", MessageBody: "batch" }];
      await peers.sqs.SendMessageBatch({ QueueUrl, Entries }, as(service(topic)));
      await expect(send(service(`${topic}-2`))).rejects.toMatchObject(denied);
      const received = peers.sqs.ReceiveMessage({ QueueUrl }, as(service(topic)));
      await expect(received).rejects.toMatchObject(denied);
      expect(await counts(QueueUrl)).toEqual([2, 0, 0]);
      expect(bodies(await receive(QueueUrl, { MaxNumberOfMessages: 10 }))).toEqual(["m", "batch"]);
    }));

  it("lets another account in, but not to what is the owner's; and can shut the owner's users out", () =>
    withQueues(async ({ create, peers, call }) => {
      const QueueUrl = await create("orders");
      const foreign: Call = { ...call, account: "111122223333", principal: stranger };
      const url = { QueueName: "orders", QueueOwnerAWSAccountId: "000000000000" };
      await expect(peers.sqs.GetQueueUrl(url, foreign)).rejects.toMatchObject(denied);
      const allow = { Effect: "Allow", Principal: { AWS: "111122223333" }, Action: "sqs:*", Resource: "*" };
      const deny = { Effect: "Deny", Principal: "*", Action: "sqs:PurgeQueue", Resource: "*" };
      const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [allow, deny] });
      await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { Policy } }, call);
      expect((await peers.sqs.GetQueueUrl(url, foreign)).QueueUrl).toBe(QueueUrl);
      await peers.sqs.SendMessage({ QueueUrl, MessageBody: "m" }, foreign);
      await expect(peers.sqs.DeleteQueue({ QueueUrl }, foreign)).rejects.toMatchObject(denied);
      await expect(peers.sqs.PurgeQueue({ QueueUrl }, call)).rejects.toMatchObject(denied);
    }));
});

describe("the bound on messages in flight", () => {
  const queue = queueOf({
    account: "000000000000",
    region: "us-east-1",
    name: "orders",
    uid: "0",
    is_fifo: false,
    attributes: {},
    policy: null,
    tags: {},
    created_ms: 0,
    modified_ms: 0,
    purged_ms: 0,
    dead_letter_arn: null,
    token: null,
  });

  it("is counted again near its end, and not at every receive", async () => {
    const clock = new FakeClock();
    let inFlight = 0;
    let counted = 0;
    const counting = {
      countsOf: async () => ({ visible: 0, inFlight: 0, delayed: 0 }),
      inFlight: async () => {
        counted += 1;
        return inFlight;
      },
    };
    const flights = createFlights(counting, clock);
    while (await flights.hasRoom(queue)) {
      flights.took(queue, 10);
      inFlight += 10;
      if (inFlight > inFlightMax) throw new Error("more in flight than there may be");
    }
    expect([inFlight, counted]).toEqual([inFlightMax, 1]);
    inFlight = 5;
    expect(await flights.hasRoom(queue)).toBe(false);
    await clock.advance(1_000);
    expect(await flights.hasRoom(queue)).toBe(true);
    expect(counted).toBe(2);
  });
});
