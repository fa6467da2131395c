/**
 * Senders and receivers of queues over real SDKs, while the node is killed at any moment: nothing acknowledged is lost,
 * groups keep their order, repetitions are dropped, dead letters are where they belong, moves end. Three deaths each on
 * both engines; `MIKAN_CHAOS=50` for more, `MIKAN_CHAOS_SEED` for those of an earlier run.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Arena } from "./chaos/arena.ts";
import { Orders } from "./chaos/orders.ts";
import { Returns } from "./chaos/returns.ts";
import { Steps } from "./chaos/steps.ts";
import { run } from "./command.ts";
import { startPostgresOrSkip } from "./postgres.ts";

const deaths = Number(process.env["MIKAN_CHAOS"] ?? 3);
const seed = Number(process.env["MIKAN_CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const groups = ["a", "b", "c", "d"];

const postgres = await startPostgresOrSkip("queues on PostgreSQL, killed");
afterAll(() => postgres?.stop());
const hasBoto3 = await run("python3", ["-c", "import boto3"]).then(
  ({ code }) => code === 0,
  () => false,
);
if (!hasBoto3) console.warn("SKIPPED: a sender by boto3: python3 has no boto3 (pip install boto3)");

async function chaos(data: string): Promise<void> {
  const arena = await Arena.open(data, seed);
  try {
    const orders = await Orders.create(arena);
    const steps = await Steps.create(arena, "steps", false);
    const lines = await Steps.create(arena, "lines", true);
    const returns = await Returns.create(arena);
    const sending = [
      orders.sendSingles(),
      orders.sendSingles(),
      orders.sendBatches(),
      ...(hasBoto3 ? [orders.sendByBoto3()] : []),
      ...groups.flatMap((group) => [steps.send(group), lines.send(group)]),
      returns.move(),
    ];
    const receiving = [
      ...[1, 2, 3].flatMap(() => [orders.receive(), steps.receive(), lines.receive()]),
      orders.receiveDead(),
      lines.receiveDead(),
    ];
    await arena.killTimes(deaths);
    arena.isEnding = true;
    await Promise.all(sending);
    await orders.settle();
    await steps.settle();
    await lines.settle();
    arena.isOver = true;
    await Promise.all(receiving);
    const told = `${orders.acknowledged} orders, ${steps.acknowledged} and ${lines.acknowledged} steps, ${returns.tasks} moves`;
    console.info(`MIKAN_CHAOS_SEED=${seed}: ${arena.deaths} deaths, ${told}`);
    expect(arena.problems, `MIKAN_CHAOS_SEED=${seed}`).toEqual([]);
    // Not everybody was idle.
    expect(Math.min(orders.acknowledged, steps.acknowledged, lines.acknowledged, returns.tasks)).toBeGreaterThan(0);
  } finally {
    arena.isEnding = true;
    arena.isOver = true;
    await arena.close();
  }
}

const timeout = 120_000 + deaths * 15_000;

it(`${deaths} deaths on SQLite`, { timeout }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "mikan-chaos-"));
  try {
    await chaos(join(directory, "data"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

it.skipIf(postgres === undefined)(`${deaths} deaths on PostgreSQL`, { timeout }, async () => {
  const database = (await postgres?.createDatabase()) ?? "";
  await chaos(database);
  await postgres?.dropDatabase(database);
});
