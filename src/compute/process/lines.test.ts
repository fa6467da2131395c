import { expect, it } from "vitest";
import { logLineLengthMax } from "../limits.ts";
import { createLineCutter } from "./lines.ts";

it("gives out a line when it ends, however its bytes came", () => {
  const lines: string[] = [];
  const cutter = createLineCutter((text) => lines.push(text));
  for (const byte of Buffer.from("one\ntwö\r\n\nthr")) cutter.push(Buffer.from([byte]));
  expect(lines).toEqual(["one", "twö"]);
  cutter.flush();
  cutter.flush();
  expect(lines).toEqual(["one", "twö", "thr"]);
});

it("holds no more than one event of a line without end", () => {
  const lines: string[] = [];
  const cutter = createLineCutter((text) => lines.push(text));
  for (let i = 0; i < 10; i += 1) cutter.push(Buffer.alloc(logLineLengthMax / 2 + 1, "x"));
  expect(lines.map(({ length }) => length)).toEqual(Array.from({ length: 5 }, () => logLineLengthMax));
});
