import { expect, it } from "vitest";
import { createBundle } from "./bundles.ts";

const turn = () => new Promise(setImmediate);

it("sends what a turn brought in one message, in order, and nothing when nothing came", async () => {
  const sent: number[][] = [];
  const give = createBundle<number>((numbers) => sent.push(numbers));
  give(1);
  give(2);
  await Promise.resolve();
  give(3);
  expect(sent).toEqual([]);
  await turn();
  await turn();
  expect(sent).toEqual([[1, 2, 3]]);
  give(4);
  await turn();
  expect(sent).toEqual([[1, 2, 3], [4]]);
});
