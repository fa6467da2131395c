/** A receive that waits: from the sender's answer to the first byte of the receiver's, on an idle server. */
import { setTimeout as sleep } from "node:timers/promises";
import { figuresOf, latencyOf, type SqsFigures } from "./rounds.ts";
import { body } from "./shapes.ts";
import { call, createQueue, timedCall, type Subject } from "./subjects.ts";

const wakeUps = 100;
/** Until the receive surely waits. */
const restMs = 15;

export async function wakeUp(subject: Subject): Promise<SqsFigures> {
  const QueueUrl = await createQueue(subject, "wake-up");
  const times: number[] = [];
  for (let i = 0; i < wakeUps; i += 1) {
    const waiting = timedCall(subject, "ReceiveMessage", { QueueUrl, WaitTimeSeconds: 20 });
    await sleep(restMs);
    const sent = await timedCall(subject, "SendMessage", { QueueUrl, MessageBody: body });
    const { output, firstByteMs } = await waiting;
    // The receiver may have it before the sender hears that it was taken.
    times.push(Math.max(0, firstByteMs - sent.firstByteMs));
    const [message] = output["Messages"] as { ReceiptHandle: string }[];
    await call(subject, "DeleteMessage", { QueueUrl, ReceiptHandle: message?.ReceiptHandle });
  }
  const round = { perSecond: 0, cpuUs: 0, ...latencyOf(times) };
  return { ...(await figuresOf("wake-up", subject, [round], [round])), rate: 0 };
}
