/** Wire: decoding and encoding of SQS SendMessage against a bare JSON.parse and JSON.stringify, and a few others. */
import { systemClock } from "../src/base/clock.ts";
import type { HttpRequest } from "../src/base/http.ts";
import { randomIds } from "../src/base/ids.ts";
import { createWire } from "../src/wire/wire.ts";

const wire = createWire({ clock: systemClock, ids: randomIds });
const verifying = createWire({
  clock: { ...systemClock, now: () => Date.UTC(2026, 0, 1) },
  ids: randomIds,
  verify: { secretOf: async () => ({ secret: "not the one" }) },
});

function request(service: string, headers: string[], body: string, over: Partial<HttpRequest> = {}): HttpRequest {
  const credential = `000000000001/20260101/us-east-1/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date;x-amz-target, Signature=${"0".repeat(64)}`;
  const common = ["host", "127.0.0.1:4566", "x-amz-date", "20260101T000000Z", "authorization", authorization];
  const client = ["user-agent", "aws-sdk-js/3", "amz-sdk-request", "attempt=1", "connection", "keep-alive"];
  return {
    method: "POST",
    target: "/",
    host: "127.0.0.1:4566",
    scheme: "http",
    headers: [...common, ...client, ...headers],
    body: Buffer.from(body),
    client: { address: "127.0.0.1", port: 1 },
    startedAt: 0,
    signal: new AbortController().signal,
    ...over,
  };
}

const message = JSON.stringify({
  QueueUrl: "http://127.0.0.1:4566/000000000000/orders",
  MessageBody: "x".repeat(256),
  DelaySeconds: 1,
  MessageAttributes: { kind: { DataType: "String", StringValue: "order" } },
});
const bytes = Buffer.from(message);
const sendMessage = request(
  "sqs",
  ["x-amz-target", "AmazonSQS.SendMessage", "content-type", "application/x-amz-json-1.0"],
  message,
);
const query = request(
  "elasticloadbalancing",
  ["content-type", "application/x-www-form-urlencoded"],
  "Action=DescribeTargetGroups&Version=2015-12-01&TargetGroupArns.member.1=a&TargetGroupArns.member.2=b",
);
const invoke = request("lambda", ["content-type", "application/octet-stream"], '{"a":1}', {
  target: "/2015-03-31/functions/tiles/invocations",
});
const output = {
  MessageId: "0b1c2d3e-0000-4000-8000-000000000000",
  MD5OfMessageBody: "d41d8cd98f00b204e9800998ecf8427e",
};

export interface WireFigures {
  measure: string;
  /** Of one call: the best of five rounds. */
  microseconds: number;
}

const rounds = 5;
const calls = 20_000;

async function best(work: () => unknown): Promise<number> {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    for (let i = 0; i < calls; i += 1) await work();
    bestMs = Math.min(bestMs, performance.now() - startedMs);
  }
  return (bestMs * 1_000) / calls;
}

/** Measures, prints, and gives the figures. */
export async function run(): Promise<WireFigures[]> {
  const sent = await wire.decode(sendMessage);
  const works: Readonly<Record<string, () => unknown>> = {
    "JSON.parse alone": () => JSON.parse(bytes.toString("utf8")) as unknown,
    "SQS SendMessage, request to call": () => wire.decode(sendMessage),
    "ELB DescribeTargetGroups, request to call": () => wire.decode(query),
    "Lambda Invoke, request to call": () => wire.decode(invoke),
    "SQS SendMessage with a signature looked at (wrong)": () => verifying.decode(sendMessage).catch(() => undefined),
    "JSON.stringify alone": () => Buffer.from(JSON.stringify(output)),
    "SQS SendMessage, output to response": () => sent.encode(output),
  };
  const figures: WireFigures[] = [];
  for (const [measure, work] of Object.entries(works)) {
    const microseconds = await best(work);
    process.stdout.write(`${measure.padEnd(52)} ${microseconds.toFixed(2).padStart(7)} us\n`);
    figures.push({ measure, microseconds });
  }
  return figures;
}

if (import.meta.main) await run();
