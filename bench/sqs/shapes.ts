/** What is asked of a queue in the bench: one message at a time, and ten. */
import { call, type Subject } from "./subjects.ts";

export const body = "m".repeat(256);
const ten = Array.from({ length: 10 }, (_, i) => ({ Id: String(i), MessageBody: body }));

interface Received {
  ReceiptHandle: string;
}

export async function receive(subject: Subject, QueueUrl: string, MaxNumberOfMessages = 1): Promise<Received[]> {
  const { Messages } = await call(subject, "ReceiveMessage", { QueueUrl, MaxNumberOfMessages });
  return (Messages ?? []) as Received[];
}

export async function send(subject: Subject, QueueUrl: string): Promise<void> {
  await call(subject, "SendMessage", { QueueUrl, MessageBody: body });
}

export async function take(subject: Subject, QueueUrl: string): Promise<void> {
  for (const { ReceiptHandle } of await receive(subject, QueueUrl)) {
    await call(subject, "DeleteMessage", { QueueUrl, ReceiptHandle });
  }
}

const sendTen = async (subject: Subject, QueueUrl: string) => {
  await call(subject, "SendMessageBatch", { QueueUrl, Entries: ten });
};

async function takeTen(subject: Subject, QueueUrl: string): Promise<void> {
  const messages = await receive(subject, QueueUrl, 10);
  const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
  if (Entries.length > 0) await call(subject, "DeleteMessageBatch", { QueueUrl, Entries });
}

export interface Shape {
  name: string;
  /** Messages of one run. */
  messages: number;
  run(subject: Subject, url: string): Promise<void>;
}

export const shapes: readonly Shape[] = [
  { name: "send", messages: 1, run: send },
  {
    name: "send, receive, delete",
    messages: 1,
    async run(subject, url) {
      await send(subject, url);
      await take(subject, url);
    },
  },
  { name: "send 10", messages: 10, run: sendTen },
  {
    name: "send, receive, delete 10",
    messages: 10,
    async run(subject, url) {
      await sendTen(subject, url);
      await takeTen(subject, url);
    },
  },
];
