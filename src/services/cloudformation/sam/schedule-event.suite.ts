/** Samples of functions with schedules. */
import type { Json } from "../json.ts";
import { code, one, runs, type Sample } from "./templates.suite.ts";

const scheduled = (Properties: Record<string, Json>): Json => ({ Type: "ScheduleV2", Properties });
const hourly = { ScheduleExpression: "rate(1 hour)" };
const withEvents = (title: string, Events: Record<string, Json>, more: Record<string, Json> = {}): Sample =>
  one(title, { ...runs, ...code, ...more, Events });

export const goodSchedules: readonly Sample[] = [
  withEvents("schedules, plain and with everything", {
    Plain: scheduled(hourly),
    Full: scheduled({
      ...hourly,
      Name: "nightly",
      State: "DISABLED",
      Description: "at night",
      FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 5 },
      StartDate: "2026-01-01T00:00:00Z",
      EndDate: "2027-01-01T00:00:00Z",
      ScheduleExpressionTimezone: "Europe/Berlin",
      GroupName: { Ref: "AWS::StackName" },
      KmsKeyArn: "arn:aws:kms:us-east-1:0:key/k",
      Input: '{"a":1}',
      PermissionsBoundary: "arn:aws:iam::0:policy/b",
      RetryPolicy: { MaximumRetryAttempts: 5 },
      DeadLetterConfig: { Arn: "arn:aws:sqs:us-east-1:0:dead" },
    }),
    Own: scheduled({ ...hourly, RoleArn: "arn:aws:iam::0:role/r", OmitName: true }),
  }),
  withEvents(
    "schedules of an alias, with queues that SAM makes",
    {
      Dead: scheduled({ ...hourly, DeadLetterConfig: { Type: "SQS" } }),
      Named: scheduled({ ...hourly, DeadLetterConfig: { Type: "SQS", QueueLogicalId: "Lost" } }),
    },
    { AutoPublishAlias: "live" },
  ),
];

export const refusedSchedules: readonly Sample[] = [
  withEvents("a schedule without its expression", { A: scheduled({}) }),
  withEvents("a schedule with an unknown property", { A: scheduled({ ...hourly, Zone: "UTC" }) }),
  withEvents("a schedule that is named and not", { A: scheduled({ ...hourly, Name: "n", OmitName: true }) }),
  withEvents("a schedule with a wrong window", { A: scheduled({ ...hourly, FlexibleTimeWindow: "OFF" }) }),
  withEvents("a schedule with two dead-letter queues", {
    A: scheduled({ ...hourly, DeadLetterConfig: { Type: "SQS", Arn: "arn:aws:sqs:us-east-1:0:dead" } }),
  }),
  withEvents("a schedule with a dead-letter topic", { A: scheduled({ ...hourly, DeadLetterConfig: { Type: "SNS" } }) }),
  withEvents("a schedule with no dead-letter queue", { A: scheduled({ ...hourly, DeadLetterConfig: {} }) }),
];
