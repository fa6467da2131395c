/** Messages to HTTP and HTTPS endpoints. Source: developer guide, "Parsing message formats" and "Message delivery retries". */
import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { asError } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { SnsDeps } from "./deps.ts";
import type { Delivered, Shipment } from "./endpoints.ts";
import { documentOf } from "./envelopes.ts";
import { fault } from "./faults.ts";
import { httpAnswerBytesMax, httpTimeoutMs } from "./limits.ts";
import { arnOf, topicArn } from "./names.ts";
import { httpPolicyOf } from "./retries.ts";

/** The beginning of an answer; the rest is read, so that the connection can be used again, within the same time. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (bytes < httpAnswerBytesMax) chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  return Buffer.concat(chunks).subarray(0, httpAnswerBytesMax).toString();
}

function exchange(url: URL, options: RequestOptions, body: string): Promise<Delivered> {
  return new Promise((resolve, reject) => {
    const begin = url.protocol === "https:" ? requestHttps : requestHttp;
    const outgoing: ClientRequest = begin(url, options, (answer) => {
      // A redirection is an answer like any other: it is not followed.
      beginningOf(answer).then((response) => resolve({ status: answer.statusCode ?? 0, response }), reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** `https://user:password@host`: the URL without them, and their field. */
function authorized(endpoint: string): { url: URL; authorization: Record<string, string> } {
  const url = new URL(endpoint);
  const { username, password } = url;
  if (username === "") return { url, authorization: {} };
  url.username = "";
  url.password = "";
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url, authorization: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}

/** Posts it; throws `EndpointFailed` where there is no answer in time, or no connection. */
export async function post(deps: SnsDeps, { row, facts, isRaw, parcel }: Shipment, call: Call): Promise<Delivered> {
  const topic = await deps.topics.find({ ...parcel, name: parcel.topic });
  const { contentType } = httpPolicyOf(row.attributes["DeliveryPolicy"], topic?.row.attributes["DeliveryPolicy"]);
  const body = isRaw ? parcel.message.text : documentOf(facts);
  const { url, authorization } = authorized(row.endpoint);
  const isQuestion = parcel.type === "SubscriptionConfirmation";
  const headers = {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "user-agent": "Amazon Simple Notification Service Agent",
    "x-amz-sns-message-type": parcel.type,
    "x-amz-sns-message-id": parcel.message.id,
    "x-amz-sns-topic-arn": topicArn({ ...parcel, name: parcel.topic }),
    ...(isQuestion ? {} : { "x-amz-sns-subscription-arn": arnOf(row) }),
    ...(isRaw ? { "x-amz-sns-rawdelivery": "true" } : {}),
    ...authorization,
  };
  const late = new AbortController();
  const timer = deps.clock.after(httpTimeoutMs, () => late.abort(new Error(`no answer within ${httpTimeoutMs} ms`)));
  const signal = AbortSignal.any([late.signal, call.signal]);
  try {
    return await exchange(url, { method: "POST", headers, signal }, body);
  } catch (cause) {
    const reason = late.signal.aborted ? asError(late.signal.reason) : asError(cause);
    throw fault("EndpointFailed", reason.message, {}, { cause });
  } finally {
    timer.cancel();
  }
}
