/** A node inside a test's process: from `startMikan()` to the first answer, and fifty at once. `node bench/embedded.ts` */
import { CreateBucketCommand, ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { startMikan } from "../src/mikan.ts";
import type { Kept } from "./measure.ts";

const starts = 31;
const atOnce = 50;

export interface EmbeddedFigures {
  /** The process has loaded Mikan and the client; the first of all is not counted. */
  firstAnswerMs: number;
  firstAnswerMsWorst: number;
  /** All of them started, and a bucket made in each. */
  fiftyMs: number;
  residentMiB: number;
}

async function firstAnswer(): Promise<number> {
  const startedMs = performance.now();
  await using mikan = await startMikan();
  const sts = new STSClient(mikan.clientConfig());
  await sts.send(new GetCallerIdentityCommand({}));
  const tookMs = performance.now() - startedMs;
  sts.destroy();
  return tookMs;
}

/** Each makes a bucket of its own, and then sees that one and no other. */
async function fifty(): Promise<Pick<EmbeddedFigures, "fiftyMs" | "residentMiB">> {
  const startedMs = performance.now();
  const nodes = await Promise.all(
    Array.from({ length: atOnce }, async (_, index) => {
      const mikan = await startMikan();
      const s3 = new S3Client(mikan.clientConfig());
      const bucket = `bucket-${index}`;
      await s3.send(new CreateBucketCommand({ Bucket: bucket }));
      return { mikan, s3, bucket };
    }),
  );
  const fiftyMs = performance.now() - startedMs;
  const residentMiB = process.memoryUsage.rss() / 2 ** 20;
  for (const { mikan, s3, bucket } of nodes) {
    const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
    if (Buckets.length !== 1 || Buckets[0]?.Name !== bucket) throw new Error("nodes see one another's buckets");
    s3.destroy();
    await mikan.close(0);
  }
  return { fiftyMs, residentMiB };
}

/** Measures, prints a table, and gives its figures. */
export async function run(): Promise<EmbeddedFigures> {
  const tookMs: number[] = [];
  for (let count = 0; count <= starts; count += 1) {
    const ms = await firstAnswer();
    if (count > 0) tookMs.push(ms);
  }
  tookMs.sort((a, b) => a - b);
  const figures: EmbeddedFigures = {
    firstAnswerMs: tookMs[Math.floor(starts / 2)] ?? Number.NaN,
    firstAnswerMsWorst: tookMs.at(-1) ?? Number.NaN,
    ...(await fifty()),
  };
  process.stdout.write(`a node in a running process, median of ${starts} starts; then ${atOnce} at once\n`);
  // oxlint-disable-next-line no-console -- a bench prints its table
  console.table(Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value)])));
  return figures;
}

export function promises({ firstAnswerMs }: EmbeddedFigures): Kept[] {
  return [{ what: "a node in a running process, to its first answer", value: firstAnswerMs, unit: "ms", atMost: 150 }];
}

if (import.meta.main) await run();
