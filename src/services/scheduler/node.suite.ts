/** Scheduler with SQS behind it, on the real store, dispatcher and outbox, under a clock that tests move. */
import type { CreateScheduleInput } from "@aws-sdk/client-scheduler";
import type { Message } from "@aws-sdk/client-sqs";
import { must } from "../../base/errors.ts";
import { services } from "../index.ts";
import { account, region, withServices, type TestServices } from "../services.suite.ts";

export const roleArn = `arn:aws:iam::${account}:role/scheduler`;
export const queueArn = (name: string) => `arn:aws:sqs:${region}:${account}:${name}`;

export interface TestSchedules extends TestServices {
  /** A schedule that sends `{"n":1}` to the queue of that name, unless the target says more. */
  create(input: Partial<CreateScheduleInput> & { ScheduleExpression: string }, target?: object): Promise<string>;
  queue(name: string): Promise<string>;
  /** All that is in the queue, with attributes. */
  receive(url: string): Promise<Message[]>;
  /** Runs what is due, and delivers it. */
  round(): Promise<void>;
  /** Moves the clock to a time, in steps of the longest pause, and runs what falls due on the way. */
  until(time: string, stepMs?: number): Promise<void>;
}

export async function withSchedules<T>(body: (node: TestSchedules) => Promise<T>, data?: string): Promise<T> {
  const wanted = ["sqs", "scheduler"].map((name) =>
    must(
      services.find((entry) => entry.name === name),
      name,
    ),
  );
  const definitions = await Promise.all(wanted.map(async (entry) => entry.load()));
  return withServices(
    definitions,
    async (node) => {
      const { peers, call, clock } = node;
      const round = async () => {
        await node.runJob("scheduler:due");
        await node.deliver();
      };
      return body({
        ...node,
        round,
        async create(input, target = {}) {
          const Target = { Arn: queueArn("work"), RoleArn: roleArn, Input: '{"n":1}', ...target };
          const { ScheduleArn } = await peers.scheduler.CreateSchedule(
            { Name: "job", FlexibleTimeWindow: { Mode: "OFF" }, ...input, Target },
            call,
          );
          return must(ScheduleArn, "ScheduleArn");
        },
        queue: async (QueueName) => must((await peers.sqs.CreateQueue({ QueueName }, call)).QueueUrl, "QueueUrl"),
        async receive(QueueUrl) {
          const all: Message[] = [];
          for (;;) {
            const { Messages = [] } = await peers.sqs.ReceiveMessage(
              { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 43_200, MessageAttributeNames: ["All"] },
              call,
            );
            all.push(...Messages);
            if (Messages.length === 0) return all;
          }
        },
        async until(time, stepMs = 60_000) {
          const untilMs = Date.parse(time);
          while (clock.now() < untilMs) {
            await clock.advance(Math.min(stepMs, untilMs - clock.now()));
            await round();
          }
        },
      });
    },
    data,
  );
}
