/** Samples of functions with rules of EventBridge. */
import type { Json } from "../json.ts";
import { code, one, runs, type Sample } from "./templates.suite.ts";

const event =
  (Type: string) =>
  (Properties: Record<string, Json>): Json => ({ Type, Properties });
const [rule, watched, timed] = [event("EventBridgeRule"), event("CloudWatchEvent"), event("Schedule")];
const pattern = { Pattern: { source: ["shop"] } };
const hourly = { Schedule: "rate(1 hour)" };
const withEvents = (title: string, Events: Record<string, Json>, more: Record<string, Json> = {}): Sample =>
  one(title, { ...runs, ...code, ...more, Events });

export const goodRules: readonly Sample[] = [
  withEvents("rules and schedules, plain and with everything", {
    Plain: rule(pattern),
    Old: watched({ ...pattern, Enabled: false }),
    Full: rule({
      ...pattern,
      EventBusName: "orders",
      RuleName: "paid",
      InputPath: "$.detail",
      State: "DISABLED",
      Target: { Id: "own" },
      RetryPolicy: { MaximumRetryAttempts: 5 },
      DeadLetterConfig: { Arn: "arn:aws:sqs:us-east-1:0:dead" },
    }),
    Shaped: rule({ ...pattern, InputTransformer: { InputPathsMap: { a: "$.id" }, InputTemplate: "<a>" } }),
    Hourly: timed(hourly),
    Nightly: timed({ ...hourly, Name: "nightly", Description: "at night", Input: "{}", Enabled: true }),
  }),
  withEvents(
    "rules of an alias, with queues that SAM makes",
    {
      Dead: rule({ ...pattern, DeadLetterConfig: { Type: "SQS" } }),
      Named: timed({ ...hourly, DeadLetterConfig: { Type: "SQS", QueueLogicalId: "Lost" } }),
    },
    { AutoPublishAlias: "live" },
  ),
];

export const refusedRules: readonly Sample[] = [
  withEvents("a schedule without its rate", { A: timed({}) }),
  withEvents("a rule with an unknown property", { A: rule({ ...pattern, Bus: "orders" }) }),
  withEvents("a rule with two states", { A: rule({ ...pattern, State: "ENABLED", Enabled: true }) }),
  withEvents("a rule whose pattern is text", { A: rule({ Pattern: "{}" }) }),
  withEvents("a rule with two dead-letter queues", {
    A: rule({ ...pattern, DeadLetterConfig: { Type: "SQS", Arn: "arn:aws:sqs:us-east-1:0:dead" } }),
  }),
  withEvents("a rule with a dead-letter topic", { A: rule({ ...pattern, DeadLetterConfig: { Type: "SNS" } }) }),
  withEvents("a rule with no dead-letter queue", { A: rule({ ...pattern, DeadLetterConfig: {} }) }),
];
