/** Attempts, age and destinations of asynchronous invocations. */
import { describe, expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { account, arn, createFunction, faultOf, type TestNode, withNode } from "./node.suite.ts";

const key = { FunctionName: "tiles" };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const parsed = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;

const send = ({ lambda, call }: TestNode, value: unknown = {}, changes: object = {}) =>
  lambda.Invoke({ ...key, InvocationType: "Event", Payload: json(value), ...changes }, call());

/** Lets everything happen that is due until `forMs` from now. */
async function pass({ clock }: TestNode, forMs: number) {
  for (let at = 0; at < forMs; at += 30_000) {
    await clock.advance(30_000);
    await clock.advance(0);
  }
}

const fail = (node: TestNode) => {
  node.compute.answer = ({ functionName }) =>
    functionName === "tiles" ? { error: "unhandled", payload: json({ errorMessage: "broken" }) } : {};
};
const runsOf = ({ compute }: TestNode, name: string) =>
  compute.invoked.filter(({ spec }) => spec.functionName === name);

describe("an event invoke configuration", () => {
  it("is put, changed, listed, shown and deleted", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles", { Publish: true });
      await createFunction(node, "other");
      const OnFailure = { Destination: arn("other") };
      const put = await lambda.PutFunctionEventInvokeConfig(
        { ...key, MaximumRetryAttempts: 0, DestinationConfig: { OnFailure } },
        call(),
      );
      expect(put).toEqual({
        FunctionArn: arn("tiles:$LATEST"),
        LastModified: expect.any(Date) as Date,
        MaximumRetryAttempts: 0,
        DestinationConfig: { OnSuccess: {}, OnFailure },
      });
      const changed = await lambda.UpdateFunctionEventInvokeConfig({ ...key, MaximumEventAgeInSeconds: 60 }, call());
      expect(changed).toMatchObject({
        MaximumRetryAttempts: 0,
        MaximumEventAgeInSeconds: 60,
        DestinationConfig: { OnFailure },
      });
      await lambda.PutFunctionEventInvokeConfig({ ...key, Qualifier: "1", MaximumRetryAttempts: 1 }, call());
      const listed = await lambda.ListFunctionEventInvokeConfigs(key, call());
      expect(listed.FunctionEventInvokeConfigs?.map(({ FunctionArn }) => FunctionArn)).toEqual([
        arn("tiles:$LATEST"),
        arn("tiles:1"),
      ]);
      const again = await lambda.PutFunctionEventInvokeConfig({ ...key, MaximumRetryAttempts: 2 }, call());
      expect(again.MaximumEventAgeInSeconds).toBeUndefined();
      expect(again.DestinationConfig).toEqual({ OnSuccess: {}, OnFailure: {} });
      await lambda.DeleteFunctionEventInvokeConfig(key, call());
      expect(await faultOf(lambda.GetFunctionEventInvokeConfig(key, call()))).toEqual({
        code: "ResourceNotFoundException",
        message: `The function ${arn("tiles:$LATEST")} doesn't have an EventInvokeConfig`,
      });
    }));

  it.each([
    ["nothing", {}, "You must specify at least one of error handling or destination setting."],
    [
      "a queue",
      { DestinationConfig: { OnFailure: { Destination: `arn:aws:sqs:us-east-1:${account}:q` } } },
      "Mikan does not implement DestinationConfig.OnFailure of the service sqs for functions yet.",
    ],
    [
      "a bucket for what went well",
      { DestinationConfig: { OnSuccess: { Destination: "arn:aws:s3:::b" } } },
      "The destination ARN arn:aws:s3:::b is invalid.",
    ],
    [
      "itself",
      { DestinationConfig: { OnSuccess: { Destination: arn("tiles") } } },
      "You can't specify the function as a destination for itself.",
    ],
  ])("is refused with %s", (_what, settings, message) =>
    withNode(async (node) => {
      await createFunction(node, "tiles");
      const answer = node.lambda.PutFunctionEventInvokeConfig({ ...key, ...settings }, node.call());
      expect((await faultOf(answer)).message).toBe(message);
    }),
  );
});

describe("an event", () => {
  it.each([0, 1, 2])("is tried again %i times, as configured, and its failure is told to a function", (retries) =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles");
      await createFunction(node, "told");
      const DestinationConfig = { OnFailure: { Destination: arn("told") } };
      const settings = { MaximumRetryAttempts: retries, DestinationConfig };
      await lambda.PutFunctionEventInvokeConfig({ ...key, ...settings }, call());
      fail(node);
      await send(node, { n: 1 });
      await pass(node, 10 * 60_000);
      await expect.poll(() => runsOf(node, "told").length).toBe(1);
      expect(runsOf(node, "tiles")).toHaveLength(retries + 1);
      const record = parsed(must(runsOf(node, "told")[0], "the record").invocation.payload);
      expect(record).toMatchObject({
        version: "1.0",
        requestContext: {
          requestId: runsOf(node, "tiles")[0]?.invocation.requestId,
          functionArn: arn("tiles:$LATEST"),
          condition: "RetriesExhausted",
          approximateInvokeCount: retries + 1,
        },
        requestPayload: { n: 1 },
        responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
        responsePayload: { errorMessage: "broken" },
      });
    }),
  );

  it("that grew too old while it was throttled is told as such, and was never run", () =>
    withNode(async (node) => {
      const { lambda, call, compute } = node;
      await createFunction(node, "tiles");
      await createFunction(node, "told");
      await lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 1 }, call());
      const DestinationConfig = { OnFailure: { Destination: arn("told") } };
      const settings = { MaximumEventAgeInSeconds: 60, DestinationConfig };
      await lambda.PutFunctionEventInvokeConfig({ ...key, ...settings }, call());
      compute.hold = true;
      const busy = lambda.Invoke(key, call());
      await expect.poll(() => compute.held.length).toBe(1);
      compute.hold = false;
      await send(node, { n: 1 });
      await pass(node, 15 * 60_000);
      await expect.poll(() => runsOf(node, "told").length).toBe(1);
      expect(runsOf(node, "tiles")).toHaveLength(1);
      const record = parsed(must(runsOf(node, "told")[0], "the record").invocation.payload);
      expect(record["requestContext"]).toMatchObject({ condition: "EventAgeExceeded", approximateInvokeCount: 0 });
      compute.held[0]?.end();
      await busy;
    }));

  it("of a function that may not run at all is given up at once where somebody is told, and waits where nobody is", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles");
      await createFunction(node, "told");
      await lambda.PutFunctionConcurrency({ ...key, ReservedConcurrentExecutions: 0 }, call());
      await send(node, { n: 1 });
      await pass(node, 60_000);
      const DestinationConfig = { OnFailure: { Destination: arn("told") } };
      await lambda.PutFunctionEventInvokeConfig({ ...key, MaximumRetryAttempts: 2, DestinationConfig }, call());
      await send(node, { n: 2 });
      await pass(node, 30_000);
      await expect.poll(() => runsOf(node, "told").length).toBeGreaterThan(0);
      const records = runsOf(node, "told").map(({ invocation }) => parsed(invocation.payload));
      expect(records).toContainEqual(
        expect.objectContaining({
          requestPayload: { n: 2 },
          requestContext: expect.objectContaining({ condition: "ZeroReservedConcurrency" }) as unknown,
        }),
      );
      expect(runsOf(node, "tiles")).toEqual([]);
    }));

  it("that went well is told to the destination of the alias that it was sent to", () =>
    withNode(async (node) => {
      const { lambda, call } = node;
      await createFunction(node, "tiles", { Publish: true });
      await createFunction(node, "told");
      await lambda.CreateAlias({ ...key, Name: "live", FunctionVersion: "1" }, call());
      const DestinationConfig = { OnSuccess: { Destination: arn("told") } };
      await lambda.PutFunctionEventInvokeConfig({ ...key, Qualifier: "live", DestinationConfig }, call());
      await send(node, { n: 1 });
      await send(node, { n: 2 }, { Qualifier: "live" });
      await pass(node, 60_000);
      await expect.poll(() => runsOf(node, "told").length).toBe(1);
      expect(parsed(must(runsOf(node, "told")[0], "the record").invocation.payload)).toMatchObject({
        requestContext: { functionArn: arn("tiles:live"), condition: "Success", approximateInvokeCount: 1 },
        requestPayload: { n: 2 },
        responseContext: { statusCode: 200, executedVersion: "1" },
        responsePayload: { n: 2 },
      });
    }));

  it("leaves its record in a bucket, and tries until that takes it", () => {
    const puts: { Bucket?: string | undefined; Key?: string | undefined; Body?: unknown }[] = [];
    const s3 = {
      async PutObject(input: object) {
        puts.push(input);
        if (puts.length === 1) throw new Error("the bucket is away");
        return {};
      },
    };
    return withNode(
      async (node) => {
        await createFunction(node, "tiles");
        const DestinationConfig = { OnFailure: { Destination: "arn:aws:s3:::failed" } };
        const settings = { MaximumRetryAttempts: 0, DestinationConfig };
        await node.lambda.PutFunctionEventInvokeConfig({ ...key, ...settings }, node.call());
        fail(node);
        await send(node);
        await pass(node, 5 * 60_000);
        await expect.poll(() => puts.length).toBe(2);
        expect(puts[1]).toEqual(puts[0]);
        expect(puts[1]?.Bucket).toBe("failed");
        const id = runsOf(node, "tiles")[0]?.invocation.requestId;
        expect(puts[1]?.Key).toMatch(
          new RegExp(String.raw`^aws/lambda/async/tiles/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-${id}$`),
        );
      },
      { s3 },
    );
  });
});
