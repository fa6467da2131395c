/** Long polling under a clock that stands still. */
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "vitest";
import { startMikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { bodies, withQueues } from "./node.suite.ts";

describe("a receive that waits", () => {
  it("ends when the node does", async () => {
    const mikan = await startMikan({ log: silentLog });
    const sqs = new SQSClient({ ...mikan.clientConfig(), maxAttempts: 1 });
    try {
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "orders" }));
      const waiting = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
      const metrics = async () => (await fetch(`${mikan.url}/_mikan/metrics`)).text();
      await expect.poll(metrics).toMatch(/sqs_waiting_receives\S* 1/);
      await mikan.reset();
      expect((await waiting).Messages).toBeUndefined();
    } finally {
      sqs.destroy();
      await mikan.close(0);
    }
  });

  it("wakes a waiting receive by a send, and by a message that falls due", () =>
    withQueues(async ({ create, send, receive, clock }) => {
      const url = await create("orders", { VisibilityTimeout: "7" });
      const waiting = receive(url, { WaitTimeSeconds: 20 });
      await clock.advance(0);
      await send(url, "sent");
      expect(bodies(await waiting)).toEqual(["sent"]);
      const due = receive(url, { WaitTimeSeconds: 20 });
      await clock.advance(6_999);
      let isOver = false;
      void due.then(() => (isOver = true));
      await clock.advance(0);
      expect(isOver).toBe(false);
      await clock.advance(1);
      expect(bodies(await due)).toEqual(["sent"]);
    }));
});
