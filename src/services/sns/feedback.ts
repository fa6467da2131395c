/** The log of deliveries, where a topic asks for it. Source: developer guide, "Amazon SNS message delivery status". */
import type { Fault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { SnsDeps } from "./deps.ts";
import type { Delivered, Shipment } from "./endpoints.ts";
import type { Topic } from "./lookup.ts";
import { md5Of } from "./messages.ts";
import { protocols } from "./protocols.ts";

/** How an attempt ended. */
export interface Outcome {
  startedMs: number;
  delivered?: Delivered;
  failure?: Fault;
}

/** As a share of 100; by the message, so that a message is in the log for all its endpoints or none. */
function isSampled(rate: string | undefined, messageId: string): boolean {
  return Number.parseInt(md5Of(messageId).slice(0, 8), 16) % 100 < Number(rate ?? "0");
}

function isWanted({ row }: Topic, kind: string, messageId: string, isSuccess: boolean): boolean {
  const of = (name: string) => row.attributes[`${kind}${name}`];
  if (!isSuccess) return of("FailureFeedbackRoleArn") !== undefined;
  return of("SuccessFeedbackRoleArn") !== undefined && isSampled(of("SuccessFeedbackSampleRate"), messageId);
}

const retries = { retryDelaysMs: { retriesMax: 10, firstMs: 1_000, maxMs: 60_000 }, maxAgeMs: 3600_000 };

/** Writes what became of an attempt to the topic's log group, by the outbox. */
export async function recordDelivery(
  deps: SnsDeps,
  { row, topic, parcel, facts, protocol }: Shipment & { topic: Topic },
  { startedMs, delivered, failure }: Outcome,
  call: Call,
): Promise<void> {
  const kind = protocols[protocol].feedback;
  const isSuccess = failure === undefined;
  if (kind === undefined || !isWanted(topic, kind, parcel.message.id, isSuccess)) return;
  const now = deps.clock.now();
  const status = delivered?.status ?? Number(failure?.members["status"] ?? 500);
  const response = delivered?.response ?? failure?.message ?? "";
  const entry = {
    notification: {
      messageMD5Sum: md5Of(parcel.message.text),
      messageId: parcel.message.id,
      topicArn: facts.TopicArn,
      timestamp: facts.Timestamp.replace("T", " ").replace("Z", ""),
    },
    delivery: {
      deliveryId: deps.ids.uuid(),
      destination: row.endpoint,
      providerResponse: response,
      dwellTimeMs: now - parcel.message.atMs,
      ...(isSuccess ? {} : { attemptMs: now - startedMs }),
      statusCode: status,
    },
    status: isSuccess ? "SUCCESS" : "FAILURE",
  };
  const { account, region, name } = topic.row;
  const line = {
    account,
    region,
    logGroup: `sns/${region}/${account}/${name}${isSuccess ? "" : "/Failure"}`,
    // One for each topic: AWS's are any UUIDs.
    logStream: topic.row.uid,
    timeMs: now,
    text: JSON.stringify(entry),
  };
  await deps.store.tx((tx) =>
    deps.delivery.enqueue(tx, {
      target: { service: "logs", operation: "Ingest" },
      input: { lines: [line] },
      policy: retries,
      key: entry.delivery.deliveryId,
      call: { account, region, trace: call.trace },
      principal: { kind: "service", service: "sns.amazonaws.com", sourceArn: facts.TopicArn, sourceAccount: account },
    }),
  );
}
