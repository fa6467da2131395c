/**
 * 200,000 invocations with random timeouts, crashes, memory overruns and throttles, each accounted for, with functions
 * isolated as processes and in the sandbox. Ends by itself, with 1 where something is wrong.
 *
 *     node bench/soak-lambda.ts [invocations] [process|sandbox ...]
 */
import { buildMikan, startBuilt } from "./built.ts";
import { printTable } from "./measure.ts";
import { complaints, fates, soak, type Mark } from "../test/lambda-soak.ts";

const [count = "200000", ...chosen] = process.argv.slice(2);
const isolations = chosen.length > 0 ? chosen : ["process", "sandbox"];
const atOnce = 16;
/** Of the memory at half of the way: what grows with invocations would be a third more by then. */
const growthMax = 1.15;

function grows(marks: readonly Mark[]): string[] {
  const [, half, , whole] = marks;
  if (half === undefined || whole === undefined) return ["memory was not measured"];
  if (whole.residentMB <= half.residentMB * growthMax) return [];
  return [`${half.residentMB.toFixed(0)} MB at half of the way became ${whole.residentMB.toFixed(0)} MB`];
}

const built = await buildMikan();
try {
  for (const isolation of isolations) {
    const node = await startBuilt(built, "", ["--ephemeral", "--isolation", isolation]);
    try {
      const startedMs = performance.now();
      const onMark = (mark: Mark) => process.stdout.write(`${isolation}: ${JSON.stringify(mark)}\n`);
      const report = await soak({ node, invocations: Number(count), atOnce, seed: 5, onMark });
      const seconds = (performance.now() - startedMs) / 1_000;
      process.stdout.write(`${isolation}: ${count} invocations in ${seconds.toFixed(0)} s\n`);
      printTable(
        ["", "asked", "met"],
        fates.map((fate) => [fate, String(report.asked[fate]), String(report.met[fate])]),
      );
      const wrong = [...complaints(report), ...(Number(count) >= 20_000 ? grows(report.marks) : [])];
      for (const line of wrong) process.stdout.write(`${isolation}: WRONG: ${line}\n`);
      if (wrong.length > 0) process.exitCode = 1;
    } finally {
      await node[Symbol.asyncDispose]();
    }
  }
} finally {
  await built[Symbol.asyncDispose]();
}
