/** Messages of a queue as a function gets them. Source: Lambda guide, "Using Lambda with Amazon SQS". */
import type { Message, MessageAttributeValue } from "@aws-sdk/client-sqs";
import { filterable } from "./filters.ts";
import type { Source } from "./kinds.ts";

export interface QueueRecord {
  messageId: string;
  receiptHandle: string;
  body: string;
  attributes: Record<string, string>;
  messageAttributes: Record<string, object>;
  md5OfMessageAttributes?: string;
  md5OfBody: string;
  eventSource: "aws:sqs";
  eventSourceARN: string;
  awsRegion: string;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

function attributeOf({ StringValue, BinaryValue, DataType = "String" }: MessageAttributeValue) {
  return {
    ...(StringValue === undefined ? {} : { stringValue: StringValue }),
    ...(BinaryValue === undefined ? {} : { binaryValue: base64(BinaryValue) }),
    stringListValues: [],
    binaryListValues: [],
    dataType: DataType,
  };
}

export function recordOf(message: Message, { arn, region }: Source): QueueRecord {
  const { MessageId = "", ReceiptHandle = "", Body = "", MD5OfBody = "", MD5OfMessageAttributes } = message;
  const attributes = Object.entries(message.MessageAttributes ?? {});
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: { ...message.Attributes },
    messageAttributes: Object.fromEntries(attributes.map(([name, value]) => [name, attributeOf(value)])),
    ...(MD5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes: MD5OfMessageAttributes }),
    md5OfBody: MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: arn,
    awsRegion: region,
  };
}

/** What filters are held against: the record, with a body that is JSON as what it says. */
export const filteredRecord = (record: QueueRecord): object => ({ ...record, body: filterable(record.body) });
