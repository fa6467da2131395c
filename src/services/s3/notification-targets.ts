/** Who is told what happens in a bucket: functions, queues and topics, each through its service's API. Source: S3 user guide, "Supported event destinations". */
import { parseArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { DeliveryTarget } from "../../kit/delivery.ts";
import type { Peers } from "../../kit/peers.ts";

export type TargetKind = "lambda" | "sqs" | "sns";

interface Kind {
  target: DeliveryTarget;
  /** What the operation is asked, to hand over these bytes. */
  inputOf(arn: string, payload: string): object;
  /** Whether the target lets S3 in. A queue and a topic are sent AWS's test message. */
  probe(peers: Peers, arn: string, test: string, call: Call): Promise<unknown>;
}

function queueInput(arn: string, MessageBody: string) {
  const { account, resource } = parseArn(arn) ?? { account: "", resource: "" };
  return { QueueUrl: `/${account}/${resource}`, MessageBody };
}

const topicInput = (TopicArn: string, Message: string) => ({
  TopicArn,
  Message,
  Subject: "Amazon S3 Notification",
});

const kinds: Readonly<Record<TargetKind, Kind>> = {
  lambda: {
    target: { service: "lambda", operation: "Invoke" },
    inputOf: (FunctionName, payload) => ({ FunctionName, InvocationType: "Event", Payload: Buffer.from(payload) }),
    probe: ({ lambda }, FunctionName, _test, call) => lambda.Invoke({ FunctionName, InvocationType: "DryRun" }, call),
  },
  sqs: {
    target: { service: "sqs", operation: "SendMessage" },
    inputOf: queueInput,
    probe: ({ sqs }, arn, test, call) => sqs.SendMessage(queueInput(arn, test), call),
  },
  sns: {
    target: { service: "sns", operation: "Publish" },
    inputOf: topicInput,
    probe: ({ sns }, arn, test, call) => sns.Publish(topicInput(arn, test), call),
  },
};

/** By the service in the ARN; undefined for what cannot be told. FIFO queues and topics cannot. */
export function kindOf(arn: string): (Kind & { name: TargetKind }) | undefined {
  const service = parseArn(arn)?.service;
  const name = (["lambda", "sqs", "sns"] as const).find((known) => known === service);
  return name === undefined || (name !== "lambda" && arn.endsWith(".fifo")) ? undefined : { ...kinds[name], name };
}
