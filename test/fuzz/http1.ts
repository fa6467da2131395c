/**
 * Tries requests against the HTTP/1.1 engine of the edge for as long as it is told: `node test/fuzz/http1.ts [SECONDS] [SEED]`.
 * Ends with status 1 and the smallest failing attempt; the same seed tries the same.
 */
import * as fc from "fast-check";
import { answerAttempts, answerHolds } from "../../src/edge/desync/fuzz-response.suite.ts";
import { agrees, attempts, holds, Llhttp } from "../../src/edge/desync/fuzz.suite.ts";

const seconds = Number(process.argv[2] ?? 60);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const llhttp = new Llhttp();
const until = performance.now() + seconds * 1000;
let tried = 0;
let accepted = 0;
let answered = 0;

for (let round = 0; performance.now() < until; round += 1) {
  const requests = await fc.check(
    fc.asyncProperty(attempts, async (attempt) => {
      const reading = holds(attempt);
      tried += 1;
      // The oracle costs more than all the rest; a part of the attempts is enough for it.
      if (!("sent" in reading)) return;
      accepted += 1;
      if (tried % 4 === 0) await agrees(llhttp, reading);
    }),
    { numRuns: 2_000, seed: seed + round },
  );
  const answers = await fc.check(fc.asyncProperty(answerAttempts, answerHolds), { numRuns: 500, seed: seed + round });
  answered += answers.numRuns;
  for (const report of [fc.defaultReportMessage(requests), fc.defaultReportMessage(answers)]) {
    if (report === undefined) continue;
    process.stderr.write(`${report}\n`);
    process.exit(1);
  }
}
process.stdout.write(`seed ${seed}: ${tried} requests tried, ${accepted} of them accepted; ${answered} answers\n`);
