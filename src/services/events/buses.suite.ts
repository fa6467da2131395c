/** Events from PutEvents to their targets, on either engine. */
import { expect, it } from "vitest";
import { account, region } from "../services.suite.ts";
import type { WithBuses } from "./node.suite.ts";

export function busSuite(withNode: WithBuses): void {
  it("delivers an event to the targets of the rules that match, and as AWS writes it", async () => {
    await withNode(async ({ queue, rule, put, received }) => {
      const [orders, others] = [await queue("orders"), await queue("others")];
      await rule("orders", { source: ["shop"], detail: { state: ["paid"] } }, [{ Id: "q", Arn: orders }]);
      await rule("others", { source: ["other"] }, [{ Id: "q", Arn: others }]);
      const id = await put("shop", '{ "state": "paid", "big": 12345678901234567890 }', { Resources: ["arn:1"] });
      await put("shop", { state: "open" });
      expect(await received(orders)).toEqual([
        `{"version":"0","id":"${id}","detail-type":"test","source":"shop","account":"${account}","time":"2026-01-01T00:00:00Z","region":"${region}","resources":["arn:1"],"detail":{"state":"paid","big":12345678901234567890}}`,
      ]);
      expect(await received(others)).toEqual([]);
    });
  });

  it("follows every change of a rule, and of its targets, at once", async () => {
    await withNode(async ({ queue, rule, put, received, peers, call }) => {
      const [a, b] = [await queue("a"), await queue("b")];
      await rule("r", { source: ["one"] }, [{ Id: "q", Arn: a }]);
      await put("one", {});
      expect(await received(a)).toHaveLength(1);
      await rule("r", { source: ["two"] }, [{ Id: "q", Arn: b }]);
      await put("one", {});
      await put("two", {});
      expect([await received(a), await received(b)].map(({ length }) => length)).toEqual([0, 1]);
      await peers.events.DisableRule({ Name: "r" }, call);
      await put("two", {});
      expect(await received(b)).toHaveLength(0);
      await peers.events.EnableRule({ Name: "r" }, call);
      await put("two", {});
      expect(await received(b)).toHaveLength(1);
      await peers.events.RemoveTargets({ Rule: "r", Ids: ["q"] }, call);
      await peers.events.DeleteRule({ Name: "r" }, call);
      await put("two", {});
      expect(await received(b)).toHaveLength(0);
    });
  });

  it("sends an event on to another bus, and no further", async () => {
    await withNode(async ({ queue, rule, put, received, peers, call, deliver }) => {
      const arn = async (Name: string) => (await peers.events.CreateEventBus({ Name }, call)).EventBusArn ?? "";
      const [second, third] = [await arn("second"), await arn("third")];
      const [atSecond, atThird, dead] = [await queue("at-second"), await queue("at-third"), await queue("dead")];
      const all = { source: ["shop"] };
      await rule("on", all, [{ Id: "bus", Arn: second }]);
      const DeadLetterConfig = { Arn: dead };
      await rule(
        "on",
        all,
        [
          { Id: "bus", Arn: third, DeadLetterConfig },
          { Id: "q", Arn: atSecond },
        ],
        "second",
      );
      await rule("on", all, [{ Id: "q", Arn: atThird }], "third");
      const id = await put("shop", { n: 1 });
      const [event = ""] = await received(atSecond);
      expect(JSON.parse(event)).toMatchObject({ id, source: "shop", account, detail: { n: 1 } });
      await deliver();
      expect(await received(atThird)).toEqual([]);
      expect(await received(dead)).toEqual([event]);
    });
  });

  it("tries again for as long as the target's retry policy says, and then tells the dead-letter queue why", async () => {
    await withNode(async ({ queue, rule, put, deliver, peers, call, clock, standIn }) => {
      const dead = await queue("dead");
      let attempts = 0;
      standIn("lambda", {
        Invoke: async () => {
          attempts += 1;
          throw new Error("no function today");
        },
      });
      const RetryPolicy = { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 3600 };
      const target = { Id: "f", Arn: `arn:aws:lambda:${region}:${account}:function:f`, RetryPolicy };
      await rule("r", { source: ["shop"] }, [{ ...target, DeadLetterConfig: { Arn: dead } }]);
      await put("shop", { n: 1 });
      for (let round = 0; round < 8; round += 1) {
        await deliver();
        await clock.advance(60_000);
      }
      expect(attempts).toBe(4);
      const input = { QueueUrl: `${call.publicUrl}/${account}/dead`, MessageAttributeNames: ["All"] };
      const { Messages = [] } = await peers.sqs.ReceiveMessage(input, call);
      const attributes = Object.entries(Messages[0]?.MessageAttributes ?? {});
      expect(Object.fromEntries(attributes.map(([name, { StringValue }]) => [name, StringValue]))).toEqual({
        RULE_ARN: `arn:aws:events:${region}:${account}:rule/r`,
        TARGET_ARN: target.Arn,
        ERROR_CODE: "INTERNAL_ERROR",
        ERROR_MESSAGE: "no function today",
        EXHAUSTED_RETRY_CONDITION: "MaximumRetryAttempts",
        RETRY_ATTEMPTS: "3",
      });
      expect(JSON.parse(Messages[0]?.Body ?? "")).toMatchObject({ detail: { n: 1 } });
    });
  });

  it("gives an event up at once where the target does not let it in", async () => {
    await withNode(async ({ queue, rule, put, received, peers, call }) => {
      const [closed, dead] = [await queue("closed", { Policy: "" }), await queue("dead")];
      await rule("r", { source: ["shop"] }, [{ Id: "q", Arn: closed, DeadLetterConfig: { Arn: dead } }]);
      await put("shop", { n: 1 });
      expect(await received(dead)).toHaveLength(1);
      await peers.events.PutTargets(
        { Rule: "r", Targets: [{ Id: "q", Arn: `${closed}-gone`, DeadLetterConfig: { Arn: dead } }] },
        call,
      );
      await put("shop", { n: 2 });
      expect(await received(dead)).toHaveLength(1);
    });
  });

  it("writes to log groups, and to FIFO queues in the group of the target", async () => {
    await withNode(async ({ queue, rule, put, received, deliver, peers, call }) => {
      const fifo = await queue("steps.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
      await peers.logs.CreateLogGroup({ logGroupName: "/aws/events/all" }, call);
      await rule("r", { source: ["shop"] }, [
        { Id: "log", Arn: `arn:aws:logs:${region}:${account}:log-group:/aws/events/all` },
        { Id: "q", Arn: fifo, SqsParameters: { MessageGroupId: "g" }, InputPath: "$.detail.n" },
      ]);
      await put("shop", { n: 1 });
      expect(await received(fifo)).toEqual(["1"]);
      await deliver();
      const { events = [] } = await peers.logs.FilterLogEvents({ logGroupName: "/aws/events/all" }, call);
      expect(events.map(({ message = "" }) => JSON.parse(message))).toMatchObject([{ detail: { n: 1 } }]);
    });
  });
}
