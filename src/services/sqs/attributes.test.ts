/** Every attribute of a queue: its default, what it takes and what it refuses; and what excludes what. */
import { describe, expect, it } from "vitest";
import { attributeCases } from "./attribute-rules.suite.ts";
import { attributeRules } from "./attributes.ts";
import { withQueues } from "./node.suite.ts";

const invalid = (name: string) => ({
  code: "InvalidAttributeValue",
  message: `Invalid value for the parameter ${name}.`,
});

it("has a row for each attribute", () => {
  const names = attributeCases.map(({ name }) => name);
  expect(["FifoQueue", ...names].toSorted()).toEqual(Object.keys(attributeRules).toSorted());
});

describe.each(attributeCases)("$name", ({ name, fifo, unset, good, bad, with: others = {} }) => {
  it("has its default, is set and read, and refuses what it cannot be", () =>
    withQueues(async ({ create, attributes, peers, call }) => {
      const own = fifo === true ? { FifoQueue: "true" } : {};
      const suffix = fifo === true ? ".fifo" : "";
      const QueueUrl = await create(`plain${suffix}`, own);
      expect(((await attributes(QueueUrl)) as Record<string, string>)[name]).toBe(unset);
      for (const [i, value] of good.entries()) {
        await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { ...others, [name]: value } }, call);
        expect(await attributes(QueueUrl)).toMatchObject({ [name]: value });
        const made = await create(`made-${i}${suffix}`, { ...own, ...others, [name]: value });
        expect(await attributes(made)).toMatchObject({ [name]: value });
      }
      for (const value of bad) {
        const set = peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { [name]: value } }, call);
        if (value !== "" || unset !== undefined) await expect(set, value).rejects.toMatchObject(invalid(name));
        await expect(create(`bad${suffix}`, { ...own, [name]: value }), value).rejects.toMatchObject(invalid(name));
      }
      if (fifo !== true) return;
      const unknown = { code: "InvalidAttributeName", message: `Unknown Attribute ${name}.` };
      await expect(create("standard", { [name]: good[0] ?? "" })).rejects.toMatchObject(unknown);
    }));
});

describe("attributes together", () => {
  it("high throughput needs deduplication by group", () =>
    withQueues(async ({ create }) => {
      const refusal = {
        code: "InvalidAttributeValue",
        message: "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
      };
      const own = { FifoQueue: "true", FifoThroughputLimit: "perMessageGroupId" };
      await expect(create("a.fifo", own)).rejects.toMatchObject(refusal);
      await expect(create("a.fifo", { ...own, DeduplicationScope: "queue" })).rejects.toMatchObject(refusal);
      await create("a.fifo", { ...own, DeduplicationScope: "messageGroup" });
    }));

  it("a key of KMS takes the place of SQS's own, and back", () =>
    withQueues(async ({ create, attributes, peers, call }) => {
      const QueueUrl = await create("a", { KmsMasterKeyId: "alias/own" });
      expect(await attributes(QueueUrl)).toMatchObject({
        KmsMasterKeyId: "alias/own",
        KmsDataKeyReusePeriodSeconds: "300",
        SqsManagedSseEnabled: "false",
      });
      await peers.sqs.SetQueueAttributes({ QueueUrl, Attributes: { SqsManagedSseEnabled: "true" } }, call);
      expect(await attributes(QueueUrl)).not.toHaveProperty("KmsMasterKeyId");
    }));

  it("a dead-letter queue must be there, of the same kind, and willing", () =>
    withQueues(async ({ create, attributes }) => {
      const dead = await create("dead", { RedriveAllowPolicy: JSON.stringify({ redrivePermission: "denyAll" }) });
      const redrive = (deadLetterTargetArn = "") => ({
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: "3" }),
      });
      const refused = (reason: RegExp) => ({ code: "InvalidParameterValue", message: expect.stringMatching(reason) });
      const { QueueArn } = await attributes(dead);
      await expect(create("a", redrive(QueueArn))).rejects.toMatchObject(refused(/not allowed/));
      const absent = "arn:aws:sqs:us-east-1:000000000000:absent";
      await expect(create("a", redrive(absent))).rejects.toMatchObject(refused(/does not exist/));
      const elsewhere = "arn:aws:sqs:eu-west-1:000000000000:dead";
      await expect(create("a", redrive(elsewhere))).rejects.toMatchObject(refused(/same account and region/));
      const fifo = await attributes(await create("dead.fifo", { FifoQueue: "true" }));
      await expect(create("a", redrive(fifo["QueueArn"]))).rejects.toMatchObject(refused(/same type/));
    }));

  it("CreateQueue again gives the queue, unless an attribute differs", () =>
    withQueues(async ({ create }) => {
      const url = await create("a", { VisibilityTimeout: "10" });
      expect(await create("a", { VisibilityTimeout: "10" })).toBe(url);
      expect(await create("a")).toBe(url);
      await expect(create("a", { VisibilityTimeout: "11" })).rejects.toMatchObject({
        code: "QueueNameExists",
        message: "A queue already exists with the same name and a different value for attribute VisibilityTimeout",
      });
    }));
});
