/** The same receive, delete and send with few messages waiting, with a million, and with ten thousand queues beside. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { prefill } from "./prefill.ts";
import { takeTurns, type SqsFigures } from "./rounds.ts";
import { body, send, take } from "./shapes.ts";
import { createQueue, startMikan, stopAll, type Subject } from "./subjects.ts";

const few = 1_000;
const besideName = (number: number) => `beside-${number}`;

export interface Crowd {
  /** Messages that wait in the long queue. */
  messages: number;
  /** Queues that are used in turn. */
  queues: number;
}

export async function backlog(built: string, parent: string, { messages, queues }: Crowd): Promise<SqsFigures[]> {
  const running: Subject[] = [];
  const crowded = join(parent, "crowded");
  const start = async (directory: string) => {
    const subject = await startMikan("mikan", built, directory);
    running.push(subject);
    return subject;
  };
  try {
    await mkdir(crowded);
    // Its tables and the first queues are made by the node itself, all others by thousands.
    const first = await start(crowded);
    for (const name of ["short", "long"]) await createQueue(first, name);
    await stopAll(running.splice(0));
    await prefill(crowded, {
      messages: { short: few, long: messages },
      like: { pattern: "short", queues, nameOf: besideName },
      body,
    });
    const [alone, full] = [await start(join(parent, "alone")), await start(crowded)];
    const short = await createQueue(alone, "short");
    for (let i = 0; i < few; i += 1) await send(alone, short);
    const cycle = (subject: Subject, url: () => string) => async () => {
      const QueueUrl = url();
      await take(subject, QueueUrl);
      await send(subject, QueueUrl);
    };
    const [fullShort, long] = [await createQueue(full, "short"), await createQueue(full, "long")];
    let turn = 0;
    const next = () => long.replace(/long$/, besideName(((turn += 1) % queues) + 1));
    const entrant = (name: string, subject: Subject, url: () => string) => ({
      name: `cycle, ${name}`,
      subject,
      messages: 1,
      work: cycle(subject, url),
    });
    return await takeTurns([
      entrant(`${few} waiting, alone`, alone, () => short),
      entrant(`${few} waiting, beside the others`, full, () => fullShort),
      entrant(`${messages} waiting`, full, () => long),
      entrant(`${queues} queues in turn`, full, next),
    ]);
  } finally {
    await stopAll(running);
  }
}
