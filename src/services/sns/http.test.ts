/** HTTP endpoints on loopback: the handshake, what they are sent, and when they are tried again, by a clock that the tests move. */
import { describe, expect, it } from "vitest";
import { startEndpoint, type TestEndpoint } from "./endpoint.suite.ts";
import { anyTopic, withTopics, type TestTopics } from "./node.suite.ts";
import { retryDelaysMs, type RetryPolicy } from "./retries.ts";

interface Question {
  Type: string;
  Token: string;
  TopicArn: string;
  SubscribeURL: string;
}

const questionIn = (endpoint: TestEndpoint) => JSON.parse(endpoint.deliveries.at(-1)?.body ?? "") as Question;

/** A topic and an endpoint that has confirmed, with this delivery policy. */
async function confirmed(node: TestTopics, endpoint: TestEndpoint, attributes: Record<string, string> = {}) {
  const { create, subscribe, deliver, peers, call } = node;
  const topic = await create("orders");
  const arn = await subscribe(topic, "http", endpoint.url, attributes);
  await deliver();
  const { Token } = questionIn(endpoint);
  await peers.sns.ConfirmSubscription({ TopicArn: topic, Token }, call);
  endpoint.deliveries.length = 0;
  return { topic, arn };
}

/** Delivers until nothing waits, moving the clock; gives the seconds at which the endpoint was asked. */
async function attemptSeconds({ clock, deliver }: TestTopics, endpoint: TestEndpoint, untilSeconds: number) {
  const startMs = clock.now();
  for (let second = 0; second <= untilSeconds; second += 1) {
    await deliver();
    await clock.advance(1_000);
  }
  return endpoint.deliveries.map(({ atMs }) => (atMs - startMs) / 1_000);
}

const policyOf = (healthyRetryPolicy: object) => ({ DeliveryPolicy: JSON.stringify({ healthyRetryPolicy }) });

it("an endpoint confirms with its token, and is sent messages from then on", () =>
  withTopics(async (node) => {
    const { create, subscribe, publish, deliver, peers, call } = node;
    await using endpoint = await startEndpoint();
    const topic = await create("orders");
    const arn = await subscribe(topic, "http", endpoint.url);
    await publish(topic, "too early");
    await deliver();
    expect(endpoint.deliveries).toHaveLength(1);
    expect(endpoint.deliveries[0]?.headers).toMatchObject({
      "x-amz-sns-message-type": "SubscriptionConfirmation",
      "x-amz-sns-topic-arn": topic,
      "content-type": "text/plain; charset=UTF-8",
      "user-agent": "Amazon Simple Notification Service Agent",
    });
    expect(endpoint.deliveries[0]?.headers).not.toHaveProperty("x-amz-sns-subscription-arn");
    const question = questionIn(endpoint);
    expect(question).toMatchObject({
      Type: "SubscriptionConfirmation",
      TopicArn: topic,
      SubscribeURL: expect.stringMatching(/\/\?Action=ConfirmSubscription&TopicArn=arn%3A.*&Token=[0-9a-f]{128}$/),
    });
    const wrong = peers.sns.ConfirmSubscription({ TopicArn: topic, Token: "f".repeat(128) }, call);
    await expect(wrong).rejects.toMatchObject({
      code: "InvalidParameterException",
      message: "Invalid parameter: Token",
    });
    const answer = await peers.sns.ConfirmSubscription({ TopicArn: topic, Token: question.Token }, call);
    expect(answer).toEqual({ SubscriptionArn: arn });
    const id = await publish(topic, "hello");
    await deliver();
    expect(endpoint.deliveries[1]?.headers).toMatchObject({
      "x-amz-sns-message-type": "Notification",
      "x-amz-sns-message-id": id,
      "x-amz-sns-subscription-arn": arn,
    });
    expect(JSON.parse(endpoint.deliveries[1]?.body ?? "")).toMatchObject({ Type: "Notification", Message: "hello" });
  }));

it("a question is open for three days", () =>
  withTopics(async (node) => {
    const { create, subscribe, deliver, peers, call, clock, runJob } = node;
    await using endpoint = await startEndpoint();
    const topic = await create("orders");
    await subscribe(topic, "http", endpoint.url);
    await deliver();
    await clock.advance(3 * 24 * 3_600_000);
    const late = peers.sns.ConfirmSubscription({ TopicArn: topic, Token: questionIn(endpoint).Token }, call);
    await expect(late).rejects.toMatchObject({ message: "Token has expired" });
    await runJob("sns:sweep");
    expect((await peers.sns.ListSubscriptionsByTopic({ TopicArn: topic }, call)).Subscriptions).toEqual([]);
  }));

it("raw messages come as they were published", () =>
  withTopics(async (node) => {
    await using endpoint = await startEndpoint();
    const { topic } = await confirmed(node, endpoint, {
      RawMessageDelivery: "true",
      DeliveryPolicy: JSON.stringify({ requestPolicy: { headerContentType: "application/json" } }),
    });
    await node.publish(topic, '{"a":1}');
    await node.deliver();
    expect(endpoint.deliveries).toMatchObject([
      { body: '{"a":1}', headers: { "x-amz-sns-rawdelivery": "true", "content-type": "application/json" } },
    ]);
  }));

describe("an endpoint that fails", () => {
  it.each([
    { what: "by default", attributes: {}, seconds: [0, 20, 40, 60] },
    {
      what: "with all four phases",
      attributes: policyOf({
        minDelayTarget: 2,
        maxDelayTarget: 8,
        numRetries: 8,
        numNoDelayRetries: 1,
        numMinDelayRetries: 2,
        numMaxDelayRetries: 2,
      }),
      // At once; 2, 2; 2, 5, 8; 8, 8.
      seconds: [0, 1, 3, 5, 7, 12, 20, 28, 36],
    },
  ])("is tried again $what", ({ attributes, seconds }) =>
    withTopics(async (node) => {
      await using endpoint = await startEndpoint(() => node.clock.now());
      const { topic } = await confirmed(node, endpoint, attributes);
      endpoint.answers.push(...seconds.map(() => 500), 500);
      await node.publish(topic, "hello");
      expect(await attemptSeconds(node, endpoint, (seconds.at(-1) ?? 0) + 10)).toEqual(seconds);
    }),
  );

  it.each([
    [404, 1],
    [403, 1],
    [429, 4],
    [302, 4],
    [503, 4],
  ])("with status %i is asked %i times, and the message ends in the dead-letter queue", (status, times) =>
    withTopics(async (node) => {
      await using endpoint = await startEndpoint(() => node.clock.now());
      const dead = await node.queue("dead", { Policy: anyTopic });
      const { topic } = await confirmed(node, endpoint, {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn }),
        ...policyOf({ numRetries: 3, minDelayTarget: 1, maxDelayTarget: 1 }),
      });
      endpoint.answers.push(status, status, status, status);
      await node.publish(topic, "hello");
      expect(await attemptSeconds(node, endpoint, 8)).toHaveLength(times);
      const [body = "{}"] = await node.received(dead.url);
      expect(JSON.parse(body)).toMatchObject({ Type: "Notification", Message: "hello" });
    }),
  );

  it("is not in the way of others", () =>
    withTopics(async (node) => {
      await using endpoint = await startEndpoint();
      const { topic } = await confirmed(node, endpoint);
      const queue = await node.queue("q");
      await node.subscribe(topic, "sqs", queue.arn, { RawMessageDelivery: "true" });
      endpoint.answers.push(500);
      await node.publish(topic, "hello");
      expect(await node.received(queue.url)).toEqual(["hello"]);
    }));
});

it("an endpoint that nobody listens on is a failure like any other", () =>
  withTopics(async (node) => {
    const gone = await startEndpoint();
    const { topic } = await confirmed(node, gone, policyOf({ numRetries: 1, minDelayTarget: 1, maxDelayTarget: 1 }));
    await gone[Symbol.asyncDispose]();
    await node.publish(topic, "hello");
    await attemptSeconds(node, gone, 4);
    expect(node.logged.filter((line) => line.includes("ECONNREFUSED"))).toHaveLength(1);
  }));

it("a throttle policy bounds how many an endpoint gets in a second", () =>
  withTopics(async (node) => {
    await using endpoint = await startEndpoint(() => node.clock.now());
    const throttle = { throttlePolicy: { maxReceivesPerSecond: 2 } };
    const { topic } = await confirmed(node, endpoint, { DeliveryPolicy: JSON.stringify(throttle) });
    for (let n = 0; n < 6; n += 1) await node.publish(topic, String(n));
    const seconds = await attemptSeconds(node, endpoint, 6);
    expect(seconds).toHaveLength(6);
    expect(seconds.filter((second) => second === 0).length).toBeLessThanOrEqual(2);
  }));

it("deliveries are logged where the topic asks for it", () =>
  withTopics(async (node) => {
    await using endpoint = await startEndpoint();
    const { topic } = await confirmed(node, endpoint, policyOf({ numRetries: 0 }));
    const role = "arn:aws:iam::000000000000:role/feedback";
    const set = (AttributeName: string, AttributeValue: string) =>
      node.peers.sns.SetTopicAttributes({ TopicArn: topic, AttributeName, AttributeValue }, node.call);
    await set("HTTPSuccessFeedbackRoleArn", role);
    await set("HTTPSuccessFeedbackSampleRate", "100");
    await set("HTTPFailureFeedbackRoleArn", role);
    await node.publish(topic, "fine");
    await node.deliver();
    endpoint.answers.push(404);
    await node.publish(topic, "refused");
    for (let round = 0; round < 3; round += 1) await node.deliver();
    const logged = async (logGroupName: string) => {
      const { events = [] } = await node.peers.logs.FilterLogEvents({ logGroupName }, node.call);
      return events.map(({ message = "" }): unknown => JSON.parse(message));
    };
    const group = "sns/us-east-1/000000000000/orders";
    expect(await logged(group)).toMatchObject([
      { status: "SUCCESS", delivery: { destination: endpoint.url, statusCode: 200 } },
    ]);
    expect(await logged(`${group}/Failure`)).toMatchObject([{ status: "FAILURE", delivery: { statusCode: 404 } }]);
  }));

describe("the backoff phase", () => {
  const phase = (backoffFunction: RetryPolicy["backoffFunction"]) =>
    retryDelaysMs({
      minDelayTarget: 1,
      maxDelayTarget: 16,
      numRetries: 5,
      numNoDelayRetries: 0,
      numMinDelayRetries: 0,
      numMaxDelayRetries: 0,
      backoffFunction,
    });
  it.each([
    ["linear", [1000, 4750, 8500, 12250, 16000]],
    ["arithmetic", [1000, 3344, 6625, 10844, 16000]],
    ["geometric", [1000, 1938, 4750, 9438, 16000]],
    ["exponential", [1000, 2000, 4000, 8000, 16000]],
  ] as const)("grows by a %s function from the least delay to the greatest", (name, delays) => {
    expect(phase(name)).toEqual(delays);
  });
});
