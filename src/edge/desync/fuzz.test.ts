import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agrees, attempts, holds, Llhttp, read } from "./fuzz.suite.ts";
import { answerAttempts, answerHolds, readAnswer } from "./fuzz-response.suite.ts";
import { guardianHeads } from "./wire.suite.ts";

describe("whatever a client sends", () => {
  it("is read the same however it is cut, and goes on in a form that is read in one way", () => {
    fc.assert(
      fc.property(attempts, (attempt) => void holds(attempt)),
      { numRuns: 5_000 },
    );
  });

  it("goes on as one request that llhttp reads as it was meant", async () => {
    const llhttp = new Llhttp();
    await fc.assert(
      fc.asyncProperty(attempts, async (attempt) => {
        await agrees(llhttp, holds(attempt));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("whatever an endpoint answers", () => {
  it("is read the same however it is cut, and goes on as one answer that Node's client reads as it was meant", async () => {
    await fc.assert(fc.asyncProperty(answerAttempts, answerHolds), { numRuns: 3_000 });
  });

  it("is often an answer", () => {
    const answers = fc.sample(answerAttempts, 500).map(({ bytes, method }) => readAnswer(bytes, [], method));
    expect(answers.filter((answer) => "sent" in answer).length).toBeGreaterThan(50);
    expect(answers.filter((answer) => "refused" in answer).length).toBeGreaterThan(50);
  });
});

it("the attempts reach what they are for", () => {
  const counts = { accepted: 0, isolated: 0, refused: 0 };
  for (const text of guardianHeads) {
    const reading = read(Buffer.from(text, "latin1"), [], "defensive");
    if ("refusal" in reading) counts.refused += 1;
    else if ("isolated" in reading && reading.isolated) counts.isolated += 1;
    else counts.accepted += 1;
  }
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(10);
});
