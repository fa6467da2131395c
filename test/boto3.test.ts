/** The journey by boto3, unmodified, with its waiters, paginators and exceptions. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { startMikan } from "../src/mikan.ts";
import { run } from "./command.ts";
import { freePort, startUpstream } from "./upstream.ts";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const installed = await run("python3", ["-c", "import boto3"]).then(
  ({ code }) => code === 0,
  () => false,
);
if (!installed) console.warn("SKIPPED: the journey by boto3: python3 has no boto3 (pip install boto3)");

it.skipIf(!installed)("makes the journey", { timeout: 120_000 }, async () => {
  await using mikan = await startMikan();
  await using monolith = await startUpstream();
  const listenerPort = await freePort();
  const args = [
    path("boto3-journey.py"),
    path("../examples/map-tiles/front.yaml"),
    path("../examples/map-tiles/peeled-app.yaml"),
    String(listenerPort),
    String(monolith.port),
  ];
  const env = {
    AWS_ENDPOINT_URL: mikan.url,
    AWS_ACCESS_KEY_ID: "111122223333",
    AWS_SECRET_ACCESS_KEY: "any",
    AWS_DEFAULT_REGION: "eu-west-1",
    AWS_CONFIG_FILE: "/nonexistent",
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  };
  const { code, out, err } = await run("python3", args, { env, msMax: 110_000 });
  expect(code, err).toBe(0);
  expect(JSON.parse(out)).toEqual({
    account: "111122223333",
    front: { StackStatus: "CREATE_COMPLETE", Tags: [{ Key: "team", Value: "map" }] },
    outputs: {
      Url: `http://127.0.0.1:${listenerPort}`,
      ListenerArn: expect.stringMatching(/^arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener\/app\/front-/),
    },
    exports: ["front-listener"],
    before: [200, "monolith"],
    object: true,
    listed: ["apps/map.zip"],
    head: [3 << 20, "text/plain", { from: "boto3" }],
    range: true,
    "no key": ["NoSuchKey", "NoSuchKey", 404, "The specified key does not exist."],
    "no bucket": ["NoSuchBucket", "NoSuchBucket", 404, "The specified bucket does not exist"],
    app: "CREATE_COMPLETE",
    peeled: [200, "function"],
    resources: {
      Function: "AWS::Lambda::Function",
      FunctionRole: "AWS::IAM::Role",
      InvokePermission: "AWS::Lambda::Permission",
      Rule: "AWS::ElasticLoadBalancingV2::ListenerRule",
      TargetGroup: "AWS::ElasticLoadBalancingV2::TargetGroup",
    },
    statuses: ["CREATE_COMPLETE", "CREATE_IN_PROGRESS"],
    invoked: [200, "$LATEST", false, { statusCode: 200, body: "function", echo: { a: "ü" } }],
    failed: [200, "Unhandled", "RangeError"],
    event: [202, ""],
    dry: [204, ""],
    configuration: ["nodejs24.x", "index.handler", "Active", "Successful", "Zip"],
    concurrency: 4,
    policy: [{ Service: "elasticloadbalancing.amazonaws.com" }],
    role: { Service: ["lambda.amazonaws.com"] },
    "no function": [
      "ResourceNotFoundException",
      "ResourceNotFoundException",
      404,
      "Function not found: arn:aws:lambda:eu-west-1:111122223333:function:nobody",
    ],
    "bad value": [
      "InvalidParameterValueException",
      "InvalidParameterValueException",
      400,
      expect.stringMatching(/decreases account's UnreservedConcurrentExecution below its minimum value of \[100\]\.$/),
    ],
    groups: ["ip", "lambda"],
    rules: ["10", "default"],
    "no balancer": [
      "LoadBalancerNotFoundException",
      "LoadBalancerNotFound",
      400,
      expect.stringMatching(/nobody|not found/),
    ],
    // The load balancer's own, two invocations, and the asynchronous one.
    lines: [false, false, false, true],
    after: [200, "monolith"],
    gone: ["ClientError", "ValidationError", 400, "Stack with id front does not exist"],
    left: [0, 0, 0],
  });
});
