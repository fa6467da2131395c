/** SQS side by side: sends, receives, batches, the wake-up of a waiting receive, and a long queue. `node bench/sqs.ts [backlog]` */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildMikan } from "./built.ts";
import { median, residentMB, treeCpuSeconds, type Kept } from "./measure.ts";
import { call, closeConnections, createQueue, startAll, stopAll, type Subject } from "./sqs/subjects.ts";

export { skippedPeers } from "./sqs/subjects.ts";

const rounds = 3;
const roundMs = 1_500;
const callers = 16;
const body = "m".repeat(256);
/** Warm code, as a server that runs has it. */
const warmMs = 1_000;
const wakeUps = 100;
const backlogDefault = 1_000_000;
const queuesDefault = 10_000;

export interface SqsFigures {
  measure: string;
  subject: string;
  durable: string;
  /** Messages, or calls, per second: medians over the rounds. */
  "per second": number;
  "CPU ms": number;
  "p50 ms": number;
  "p99 ms": number;
  /** Median of each round's ratio to Mikan, durable, in that round. */
  rate: number;
  "RAM MB": number;
}

interface Shape {
  name: string;
  /** Messages of one call. */
  messages: number;
  run(subject: Subject, url: string): Promise<void>;
}

interface Received {
  ReceiptHandle: string;
}

const receive = async (subject: Subject, QueueUrl: string, MaxNumberOfMessages: number) =>
  ((await call(subject, "ReceiveMessage", { QueueUrl, MaxNumberOfMessages }))["Messages"] ?? []) as Received[];
const send = (subject: Subject, QueueUrl: string) => call(subject, "SendMessage", { QueueUrl, MessageBody: body });
const ten = Array.from({ length: 10 }, (_, i) => ({ Id: String(i), MessageBody: body }));
const sendTen = (subject: Subject, QueueUrl: string) => call(subject, "SendMessageBatch", { QueueUrl, Entries: ten });

async function takeTen(subject: Subject, QueueUrl: string): Promise<void> {
  const messages = await receive(subject, QueueUrl, 10);
  const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
  if (Entries.length > 0) await call(subject, "DeleteMessageBatch", { QueueUrl, Entries });
}

const shapes: readonly Shape[] = [
  { name: "send", messages: 1, run: async (subject, url) => void (await send(subject, url)) },
  {
    name: "send, receive, delete",
    messages: 1,
    async run(subject, QueueUrl) {
      await send(subject, QueueUrl);
      for (const { ReceiptHandle } of await receive(subject, QueueUrl, 1)) {
        await call(subject, "DeleteMessage", { QueueUrl, ReceiptHandle });
      }
    },
  },
  { name: "send 10", messages: 10, run: async (subject, url) => void (await sendTen(subject, url)) },
  {
    name: "send, receive, delete 10",
    messages: 10,
    async run(subject, url) {
      await sendTen(subject, url);
      await takeTen(subject, url);
    },
  },
];

interface Round {
  perSecond: number;
  cpuMs: number;
  p50Ms: number;
  p99Ms: number;
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

async function round(subject: Subject, url: string, shape: Shape, ms: number, concurrent = callers): Promise<Round> {
  const times: number[] = [];
  const pid = subject.process.pid ?? 0;
  const cpuBefore = await treeCpuSeconds(pid);
  const startedAt = performance.now();
  const caller = async () => {
    while (performance.now() < startedAt + ms) {
      const before = performance.now();
      await shape.run(subject, url);
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, caller));
  const seconds = (performance.now() - startedAt) / 1000;
  const messages = times.length * shape.messages;
  const cpuMs = (((await treeCpuSeconds(pid)) - cpuBefore) * 1000) / messages;
  const sorted = times.toSorted((a, b) => a - b);
  return { perSecond: messages / seconds, cpuMs, p50Ms: at(sorted, 0.5), p99Ms: at(sorted, 0.99) };
}

const rounded = (value: number) => Number(value.toPrecision(3));

async function figuresOf(
  measure: string,
  subject: Subject,
  own: readonly Round[],
  first: readonly Round[],
): Promise<SqsFigures> {
  const of = (key: keyof Round) => rounded(median(own.map((one) => one[key])));
  const ratios = own.map((one, i) => one.perSecond / (first[i]?.perSecond ?? Number.NaN));
  return {
    measure,
    subject: subject.name,
    durable: subject.durable,
    "per second": of("perSecond"),
    "CPU ms": of("cpuMs"),
    "p50 ms": of("p50Ms"),
    "p99 ms": of("p99Ms"),
    rate: rounded(median(ratios)),
    "RAM MB": rounded(await residentMB(subject.process.pid ?? 0)),
  };
}

async function measure(subjects: readonly Subject[], shape: Shape): Promise<SqsFigures[]> {
  const seen = new Map<Subject, { url: string; own: Round[] }>();
  for (const subject of subjects) {
    const url = await createQueue(subject, shape.name.replaceAll(/\W+/g, "-"));
    seen.set(subject, { url, own: [] });
    await round(subject, url, shape, warmMs);
  }
  for (let i = 0; i < rounds; i += 1) {
    // The order turns, so that none always runs after the same other.
    for (let place = 0; place < subjects.length; place += 1) {
      const subject = subjects[(place + i) % subjects.length];
      const known = subject && seen.get(subject);
      if (subject !== undefined && known !== undefined) known.own.push(await round(subject, known.url, shape, roundMs));
    }
  }
  const first = [...seen.values()][0]?.own ?? [];
  return Promise.all([...seen].map(([subject, { own }]) => figuresOf(shape.name, subject, own, first)));
}

/** From the sender's answer to the waiting receiver's, on an idle server. */
async function wakeUp(subject: Subject): Promise<SqsFigures> {
  const QueueUrl = await createQueue(subject, "wake-up");
  const times: number[] = [];
  for (let i = 0; i < wakeUps; i += 1) {
    let receivedAt = 0;
    const waiting = call(subject, "ReceiveMessage", { QueueUrl, WaitTimeSeconds: 20 }).then((found) => {
      receivedAt = performance.now();
      return found;
    });
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
    await send(subject, QueueUrl);
    const sentAt = performance.now();
    const { Messages } = (await waiting) as { Messages: Received[] };
    // The receiver may have it before the sender hears that it was taken.
    times.push(Math.max(0, receivedAt - sentAt));
    const [message] = Messages;
    await call(subject, "DeleteMessage", { QueueUrl, ReceiptHandle: message?.ReceiptHandle });
  }
  const sorted = times.toSorted((a, b) => a - b);
  const one: Round = { perSecond: 0, cpuMs: 0, p50Ms: at(sorted, 0.5), p99Ms: at(sorted, 0.99) };
  return { ...(await figuresOf("wake-up", subject, [one], [one])), rate: 0 };
}

/** The same receive and delete with few messages waiting, with many, and with many queues beside. */
async function backlog(subject: Subject, messages: number, queues: number): Promise<SqsFigures[]> {
  const url = await createQueue(subject, "backlog");
  const shape: Shape = { name: "receive, delete", messages: 1, run: takeOne };
  const fill = async (count: number) => {
    let left = Math.ceil(count / 10);
    const filler = async () => {
      while ((left -= 1) >= 0) await sendTen(subject, url);
    };
    await Promise.all(Array.from({ length: callers }, filler));
  };
  const runs: [string, Round[]][] = [];
  const run = async (name: string) => {
    const own: Round[] = [];
    for (let i = 0; i < rounds; i += 1) own.push(await round(subject, url, shape, roundMs));
    runs.push([name, own]);
  };
  await fill(50_000);
  await round(subject, url, shape, warmMs);
  await run("receive, delete of 50,000 or less");
  await fill(messages);
  await run(`receive, delete of ${messages}`);
  let next = 0;
  const creator = async () => {
    while ((next += 1) <= queues) await send(subject, await createQueue(subject, `beside-${next}`));
  };
  await Promise.all(Array.from({ length: callers }, creator));
  await run(`receive, delete beside ${queues} queues`);
  const first = runs[0]?.[1] ?? [];
  return Promise.all(runs.map(([name, own]) => figuresOf(name, subject, own, first)));
}

async function takeOne(subject: Subject, QueueUrl: string): Promise<void> {
  for (const { ReceiptHandle } of await receive(subject, QueueUrl, 1)) {
    await call(subject, "DeleteMessage", { QueueUrl, ReceiptHandle });
  }
}

/** Mikan has every message on disk before it answers, the peers none: the goals of the issue are beside the promises. */
export function promises(figures: readonly SqsFigures[]): Kept[] {
  const of = (measure: string, subject: string) =>
    figures.find((figure) => figure.measure.startsWith(measure) && figure.subject === subject);
  const kept: Kept[] = [];
  for (const [peer, atLeast] of [
    ["elasticmq", 1],
    ["moto", 20],
  ] as const) {
    const rate = of("send", peer)?.rate;
    if (rate !== undefined)
      kept.push({ what: `single sends, on disk, to ${peer}`, value: 1 / rate, unit: "x", atLeast });
  }
  const wake = of("wake-up", "mikan")?.["p50 ms"];
  if (wake !== undefined) kept.push({ what: "wake-up of a waiting receive, p50", value: wake, unit: "ms", atMost: 2 });
  for (const figure of figures.filter(({ measure }) => measure.startsWith("receive, delete"))) {
    kept.push({ what: `${figure.measure}, to a short queue`, value: figure.rate, unit: "x", atLeast: 0.8 });
  }
  return kept;
}

export async function run(messages = backlogDefault, queues = queuesDefault): Promise<SqsFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-sqs-"));
  await using built = await buildMikan();
  const subjects: Subject[] = [];
  try {
    await startAll(built.directory, directory, subjects);
    const figures: SqsFigures[] = [];
    for (const shape of shapes) figures.push(...(await measure(subjects, shape)));
    for (const subject of subjects) figures.push(await wakeUp(subject));
    const [mikan] = subjects;
    if (mikan !== undefined) figures.push(...(await backlog(mikan, messages, queues)));
    return figures;
  } finally {
    closeConnections();
    await stopAll(subjects);
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { skippedPeers } = await import("./sqs/subjects.ts");
  for (const line of await skippedPeers()) process.stdout.write(`${line}\n`);
  const [messages, queues] = process.argv.slice(2).map(Number);
  console.table(await run(messages, queues));
}
