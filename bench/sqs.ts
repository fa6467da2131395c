/**
 * SQS side by side: sends, receives, batches, the wake-up of a waiting receive, a long queue and many queues.
 * `node bench/sqs.ts [waiting messages] [queues]`; about four minutes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildMikan } from "./built.ts";
import { printTable, type Kept } from "./measure.ts";
import { backlog } from "./sqs/backlog.ts";
import { takeTurns, type SqsFigures } from "./sqs/rounds.ts";
import { shapes } from "./sqs/shapes.ts";
import { closeConnections, createQueue, startAll, stopAll, type Subject } from "./sqs/subjects.ts";
import { wakeUp } from "./sqs/wake-up.ts";

export { skippedPeers } from "./sqs/subjects.ts";

const messagesDefault = 1_000_000;
const queuesDefault = 10_000;

/** Mikan has every message on disk before it answers, the peers none. */
const promised = {
  /** Of single sends: times the peer. */
  peers: { elasticmq: 2, moto: 20, ministack: 20 },
  /** Of single sends: share of the same handler without a store. */
  floor: 0.5,
  /** MB, to ElasticMQ's. */
  memory: 1,
  wakeUpMs: 2,
  /** With a million messages, and with ten thousand queues, to a short queue. */
  flat: 0.8,
};

export function promises(figures: readonly SqsFigures[]): Kept[] {
  const of = (measure: string, subject: string) =>
    figures.find((figure) => figure.measure === measure && figure.subject === subject);
  const kept: Kept[] = [];
  const keep = (what: string, value: number | undefined, bound: Pick<Kept, "unit" | "atLeast" | "atMost">) => {
    if (value !== undefined && Number.isFinite(value)) kept.push({ what, value, ...bound });
  };
  for (const [peer, atLeast] of Object.entries(promised.peers)) {
    keep(`single sends, on disk, to ${peer}`, 1 / (of("send", peer)?.rate ?? Number.NaN), { unit: "x", atLeast });
  }
  const toFloor = 1 / (of("send", "floor")?.rate ?? Number.NaN);
  keep("single sends, on disk, to the same handler without a store", toFloor, { unit: "x", atLeast: promised.floor });
  const memory = (of("send", "mikan")?.["RAM MB"] ?? Number.NaN) / (of("send", "elasticmq")?.["RAM MB"] ?? Number.NaN);
  keep("memory, to elasticmq", memory, { unit: "x", atMost: promised.memory });
  keep("wake-up of a waiting receive, p50", of("wake-up", "mikan")?.["p50 ms"], {
    unit: "ms",
    atMost: promised.wakeUpMs,
  });
  for (const { measure, rate } of figures.filter((figure) => figure.measure.startsWith("cycle,")).slice(1)) {
    keep(`receive, delete, send: ${measure.slice(7)}`, rate, { unit: "x", atLeast: promised.flat });
  }
  return kept;
}

async function wakeUps(subjects: readonly Subject[]): Promise<SqsFigures[]> {
  const figures: SqsFigures[] = [];
  for (const subject of subjects) figures.push(await wakeUp(subject));
  return figures;
}

export async function run(messages = messagesDefault, queues = queuesDefault): Promise<SqsFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-bench-sqs-"));
  await using built = await buildMikan();
  const subjects: Subject[] = [];
  try {
    await startAll(built.directory, directory, subjects);
    const figures: SqsFigures[] = [];
    for (const { name, messages: each, run: work } of shapes) {
      const entrants = [];
      for (const subject of subjects) {
        // It takes a tenth of a second for each batch, and the callers are many.
        if (each > 1 && subject.name === "moto") continue;
        const url = await createQueue(subject, name.replaceAll(/\W+/g, "-"));
        entrants.push({ name, subject, messages: each, work: () => work(subject, url) });
      }
      figures.push(...(await takeTurns(entrants)));
    }
    figures.push(...(await wakeUps(subjects)));
    await stopAll(subjects.splice(0));
    figures.push(...(await backlog(built.directory, directory, { messages, queues })));
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
  const figures = await run(messages, queues);
  const titles = [
    "measure",
    "subject",
    "durable",
    "per second",
    "CPU us",
    "p50 ms",
    "p99 ms",
    "rate",
    "RAM MB",
  ] as const;
  printTable(
    titles,
    figures.map((figure) => titles.map((title) => String(figure[title]))),
  );
  const rows = promises(figures).map(({ what, value, unit, atLeast, atMost }) => [
    what,
    `${value.toPrecision(3)} ${unit}`,
    atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`,
  ]);
  printTable(["promise", "measured", "bound"], rows);
}
