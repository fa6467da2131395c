/** What schedules do as time goes on: their occurrences, what was missed, what fails. On either engine. */
import { describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { queueArn, type TestSchedules } from "./node.suite.ts";

export type WithSchedules = <T>(body: (node: TestSchedules) => Promise<T>) => Promise<T>;

const bodies = (messages: readonly { Body?: string | undefined }[]) => messages.map(({ Body = "" }) => Body);
const scheduledTime = "<aws.scheduler.scheduled-time>";

export function runningSuite(withNode: WithSchedules): void {
  describe("occurrences", () => {
    it("run once each, and a one-time schedule once in all", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        await node.create({ Name: "once", ScheduleExpression: "at(2026-01-01T00:10:00)" }, { Input: "once" });
        await node.create(
          { Name: "often", ScheduleExpression: "rate(5 minutes)" },
          { Input: `often ${scheduledTime}` },
        );
        await node.until("2026-01-01T00:12:00Z");
        expect(bodies(await node.receive(url)).toSorted()).toEqual([
          "often 2026-01-01T00:00:00Z",
          "often 2026-01-01T00:05:00Z",
          "often 2026-01-01T00:10:00Z",
          "once",
        ]);
        await node.until("2026-01-01T00:20:00Z");
        expect(await node.receive(url)).toHaveLength(2);
        const { State } = await node.peers.scheduler.GetSchedule({ Name: "once" }, node.call);
        expect(State).toBe("ENABLED");
      }));

    it("are taken up by one of several nodes", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        for (let n = 0; n < 20; n += 1) {
          await node.create({ Name: `job-${n}`, ScheduleExpression: "at(2026-01-01T00:01:00)" }, { Input: String(n) });
        }
        await node.clock.advance(60_000);
        await Promise.all(Array.from({ length: 4 }, () => node.runJob("scheduler:due")));
        await node.deliver();
        await node.deliver();
        expect(await node.receive(url)).toHaveLength(20);
      }));

    it("lie between StartDate and EndDate, and the schedule may go after the last", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        await node.create(
          {
            ScheduleExpression: "rate(10 minutes)",
            StartDate: new Date("2026-01-01T00:15:00Z"),
            EndDate: new Date("2026-01-01T00:40:00Z"),
            ActionAfterCompletion: "DELETE",
          },
          { Input: scheduledTime },
        );
        await node.until("2026-01-01T00:30:00Z");
        expect((await node.peers.scheduler.GetSchedule({ Name: "job" }, node.call)).Name).toBe("job");
        await node.until("2026-01-01T01:00:00Z");
        expect(bodies(await node.receive(url))).toEqual([
          "2026-01-01T00:15:00Z",
          "2026-01-01T00:25:00Z",
          "2026-01-01T00:35:00Z",
        ]);
        await expect(node.peers.scheduler.GetSchedule({ Name: "job" }, node.call)).rejects.toMatchObject({
          code: "ResourceNotFoundException",
        });
      }));

    it("fall anywhere in a flexible window, at the same time for the same occurrence", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        const FlexibleTimeWindow = { Mode: "FLEXIBLE", MaximumWindowInMinutes: 30 } as const;
        for (let n = 0; n < 12; n += 1) {
          const Name = `job-${n}`;
          await node.create({ Name, FlexibleTimeWindow, ScheduleExpression: "at(2026-01-01T01:00:00)" });
        }
        const arrived: number[] = [];
        for (let minute = 0; minute <= 32; minute += 1) {
          await node.until(new Date(Date.UTC(2026, 0, 1, 1, minute)).toISOString());
          arrived.push((await node.receive(url)).length);
        }
        expect(arrived.reduce((sum, count) => sum + count)).toBe(12);
        expect(arrived.filter((count) => count > 0).length).toBeGreaterThan(3);
        expect(arrived[31]).toBe(0);
      }));
  });

  describe("what was missed", () => {
    it("is made up once, and not while it was down", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        await node.create({ Name: "once", ScheduleExpression: "at(2026-01-01T03:00:00)" }, { Input: "once" });
        await node.create({ Name: "often", ScheduleExpression: "cron(* * * * ? *)" }, { Input: scheduledTime });
        await node.clock.advance(6 * 3600_000 + 30_000);
        for (let turn = 0; turn < 3; turn += 1) await node.round();
        expect(bodies(await node.receive(url)).toSorted()).toEqual(["2026-01-01T06:00:00Z", "once"]);
        await node.until("2026-01-01T06:02:00Z");
        expect(bodies(await node.receive(url))).toEqual(["2026-01-01T06:01:00Z", "2026-01-01T06:02:00Z"]);
      }));

    it("is too old after a while, which the dead-letter queue hears of", () =>
      withNode(async (node) => {
        const [url, dead] = [await node.queue("work"), await node.queue("dead")];
        await node.create(
          { Name: "once", ScheduleExpression: "at(2026-01-01T03:00:00)" },
          { RetryPolicy: { MaximumEventAgeInSeconds: 3600 }, DeadLetterConfig: { Arn: queueArn("dead") } },
        );
        await node.clock.advance(6 * 3600_000);
        for (let turn = 0; turn < 3; turn += 1) await node.round();
        expect(await node.receive(url)).toEqual([]);
        const [letter] = await node.receive(dead);
        expect(letter?.MessageAttributes?.["EXHAUSTED_RETRY_CONDITION"]?.StringValue).toBe("MaximumEventAgeInSeconds");
      }));

    it("keeps the occurrence whose window is still open", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        const FlexibleTimeWindow = { Mode: "FLEXIBLE", MaximumWindowInMinutes: 60 } as const;
        await node.create({
          FlexibleTimeWindow,
          ScheduleExpression: "rate(1 day)",
          StartDate: new Date("2026-01-01T01:00:00Z"),
        });
        await node.clock.advance(3 * 24 * 3600_000 + 3600_000);
        await node.round();
        await node.until("2026-01-04T02:01:00Z");
        expect(await node.receive(url)).toHaveLength(1);
      }));
  });

  describe("a target", () => {
    it("that is not there ends in the dead-letter queue at once", () =>
      withNode(async (node) => {
        const dead = await node.queue("dead");
        const arn = await node.create(
          { ScheduleExpression: "at(2026-01-01T00:10:00)" },
          { DeadLetterConfig: { Arn: queueArn("dead") }, Input: `{"at":"${scheduledTime}"}` },
        );
        await node.until("2026-01-01T00:10:00Z");
        await node.deliver();
        const [letter] = await node.receive(dead);
        expect(letter?.Body).toBe('{"at":"2026-01-01T00:10:00Z"}');
        const attributes = Object.entries(letter?.MessageAttributes ?? {}).map(([name, value]) => [
          name,
          value.StringValue,
        ]);
        expect(Object.fromEntries(attributes)).toEqual({
          ERROR_CODE: "QueueDoesNotExist",
          ERROR_MESSAGE: "The specified queue does not exist.",
          EXECUTION_ID: expect.stringMatching(/^[0-9a-f]{16}$/),
          IS_PAYLOAD_TRUNCATED: "false",
          RETRY_ATTEMPTS: "0",
          SCHEDULED_TIME: "2026-01-01T00:10:00Z",
          SCHEDULE_ARN: arn,
          TARGET_ARN: queueArn("work"),
        });
      }));

    it("that fails is tried again, as often as it may be, and told which attempt it is", () =>
      withNode(async (node) => {
        const dead = await node.queue("dead");
        const payloads: string[] = [];
        node.standIn("lambda", {
          Invoke: async ({ Payload }: { Payload: Uint8Array }) => {
            payloads.push(Buffer.from(Payload).toString());
            throw new Error("broken");
          },
        });
        await node.create(
          { ScheduleExpression: "at(2026-01-01T00:10:00)" },
          {
            Arn: "arn:aws:lambda:us-east-1:000000000000:function:work",
            Input: '"<aws.scheduler.attempt-number>"',
            RetryPolicy: { MaximumRetryAttempts: 2 },
            DeadLetterConfig: { Arn: queueArn("dead") },
          },
        );
        await node.until("2026-01-01T00:15:00Z", 5_000);
        expect(payloads).toEqual(['"1"', '"2"', '"3"']);
        const [letter] = await node.receive(dead);
        const { ERROR_CODE, RETRY_ATTEMPTS, EXHAUSTED_RETRY_CONDITION } = must(letter?.MessageAttributes, "attributes");
        expect([ERROR_CODE, RETRY_ATTEMPTS, EXHAUSTED_RETRY_CONDITION].map((value) => value?.StringValue)).toEqual([
          "InternalFailure",
          "2",
          "MaximumRetryAttempts",
        ]);
      }));

    it("without Input gets a default event", () =>
      withNode(async (node) => {
        const url = await node.queue("work");
        const arn = await node.create({ ScheduleExpression: "at(2026-01-01T00:10:00)" }, { Input: undefined });
        await node.until("2026-01-01T00:10:00Z");
        const [message] = await node.receive(url);
        expect(JSON.parse(message?.Body ?? "")).toMatchObject({
          "detail-type": "Scheduled Event",
          source: "aws.scheduler",
          time: "2026-01-01T00:10:00Z",
          resources: [arn],
          detail: "{}",
        });
      }));

    it("can be any operation of the house", () =>
      withNode(async (node) => {
        await node.create(
          { ScheduleExpression: "at(2026-01-01T00:10:00)" },
          {
            Arn: "arn:aws:scheduler:::aws-sdk:sqs:createQueue",
            Input: '{"queueName":"made","Attributes":{"DelaySeconds":"3"}}',
          },
        );
        await node.until("2026-01-01T00:10:00Z");
        const { QueueUrl } = await node.peers.sqs.GetQueueUrl({ QueueName: "made" }, node.call);
        expect(QueueUrl).toContain("made");
      }));
  });

  it("a change leaves what is under way alone, and a schedule that is off runs nothing", () =>
    withNode(async (node) => {
      const url = await node.queue("work");
      const { scheduler } = node.peers;
      await node.create({ ScheduleExpression: "rate(10 minutes)" }, { Input: scheduledTime });
      await node.until("2026-01-01T00:05:00Z");
      const shown = await scheduler.GetSchedule({ Name: "job" }, node.call);
      const input = {
        Name: "job",
        ScheduleExpression: "rate(10 minutes)",
        FlexibleTimeWindow: { Mode: "OFF" },
        Target: shown.Target,
      } as const;
      await scheduler.UpdateSchedule({ ...input, Description: "changed" }, node.call);
      await node.until("2026-01-01T00:10:00Z");
      expect(bodies(await node.receive(url))).toEqual(["2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z"]);
      await scheduler.UpdateSchedule({ ...input, State: "DISABLED" }, node.call);
      await node.until("2026-01-01T00:45:00Z");
      expect(await node.receive(url)).toEqual([]);
      await scheduler.UpdateSchedule(input, node.call);
      await node.until("2026-01-01T01:00:00Z");
      expect(bodies(await node.receive(url))).toEqual(["2026-01-01T00:50:00Z", "2026-01-01T01:00:00Z"]);
    }));

  it("a group that is deleted takes its schedules with it", () =>
    withNode(async (node) => {
      const { scheduler } = node.peers;
      await scheduler.CreateScheduleGroup({ Name: "night" }, node.call);
      for (const Name of ["a", "b"]) await node.create({ Name, GroupName: "night", ScheduleExpression: "rate(1 day)" });
      await node.create({ Name: "c", ScheduleExpression: "rate(1 day)" });
      await scheduler.DeleteScheduleGroup({ Name: "night" }, node.call);
      expect((await scheduler.GetScheduleGroup({ Name: "night" }, node.call)).State).toBe("DELETING");
      await expect(node.create({ GroupName: "night", ScheduleExpression: "rate(1 day)" })).rejects.toMatchObject({
        code: "ConflictException",
      });
      await node.runJob("scheduler:groups");
      await expect(scheduler.GetScheduleGroup({ Name: "night" }, node.call)).rejects.toMatchObject({
        code: "ResourceNotFoundException",
      });
      const { Schedules } = await scheduler.ListSchedules({}, node.call);
      expect(Schedules?.map(({ Name }) => Name)).toEqual(["c"]);
    }));
}

/** On the nights when clocks are changed; the engine has no part in it. */
export function changingClocksSuite(withNode: WithSchedules): void {
  it.each([
    // 02:30 does not exist on March 29th; on October 25th it comes twice.
    ["Europe/Berlin", "cron(30 2 * * ? *)", "2026-03-28T00:00:00", "2026-03-30T00:00:00Z", ["2026-03-28T01:30:00Z"]],
    ["Europe/Berlin", "cron(30 2 * * ? *)", "2026-10-25T00:00:00", "2026-10-26T00:00:00Z", ["2026-10-25T00:30:00Z"]],
    ["America/New_York", "cron(15 2 * * ? *)", "2026-03-08T05:00:00", "2026-03-09T05:00:00Z", []],
    [
      "America/New_York",
      "cron(15 1 1 11 ? *)",
      "2026-11-01T00:00:00",
      "2026-11-02T00:00:00Z",
      ["2026-11-01T05:15:00Z"],
    ],
    [
      "Australia/Lord_Howe",
      "cron(45 1 * * ? *)",
      "2026-04-04T12:00:00",
      "2026-04-05T12:00:00Z",
      ["2026-04-04T14:45:00Z"],
    ],
  ])("in %s: %s from %s to %s", (ScheduleExpressionTimezone, ScheduleExpression, from, to, times) =>
    withNode(async (node) => {
      const url = await node.queue("work");
      await node.clock.advance(Date.parse(`${from}Z`) - node.clock.now());
      await node.create({ ScheduleExpression, ScheduleExpressionTimezone }, { Input: scheduledTime });
      await node.until(to, 600_000);
      expect(bodies(await node.receive(url))).toEqual(times);
    }),
  );
}
