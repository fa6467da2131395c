import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify } from "./classify.ts";
import { agrees, attempts, holds, Llhttp, read } from "./fuzz.suite.ts";
import { answerAttempts, answerHolds, readAnswer } from "./fuzz-response.suite.ts";
import { readRawHead } from "./raw-head.ts";
import { repair } from "./repair.ts";
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

it.each([
  ["white space within a name", `Transfer${" ".repeat(60_000)}x: 1`],
  ["controls within a name", `Content${"\x01 ".repeat(30_000)}x: 1`],
  ["hyphens within a name", `Transfer${"-_".repeat(30_000)}x: 1`],
  ["white space within a value", `X: a${" ".repeat(60_000)}b`],
  ["white space within a coding", `Transfer-Encoding: chunked${"\t".repeat(60_000)}x`],
  ["commas", `Transfer-Encoding: ${",".repeat(60_000)}`],
  ["digits", `Content-Length: ${"9".repeat(60_000)}`],
  ["folds", `X: a\r\n${" \r\n".repeat(20_000)}Y: b`],
  ["lines that are no fields", "x\n".repeat(30_000)],
])("a head that is full of %s is judged in passing", (_, line) => {
  const text = `POST / HTTP/1.1\nHost: a\n${line}\r\n\r\n`;
  for (let i = 0; i < 20; i += 1) {
    const raw = readRawHead(text);
    classify(raw);
    expect(repair(raw)).toBeDefined();
  }
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
