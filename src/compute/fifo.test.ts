import { expect, it } from "vitest";
import { Fifo } from "./fifo.ts";

it("gives back in the order it was given, whatever the mix", () => {
  const fifo = new Fifo<number>();
  const model: number[] = [];
  for (let i = 0; i < 2_000; i += 1) {
    if ((i * 7919) % 5 < 3) {
      fifo.push(i);
      model.push(i);
    } else expect(fifo.shift()).toBe(model.shift());
    expect([fifo.length, fifo.at(0), fifo.at(3)]).toEqual([model.length, model[0], model[3]]);
  }
  while (model.length > 0) expect(fifo.shift()).toBe(model.shift());
  expect([fifo.shift(), fifo.at(0), fifo.length]).toEqual([undefined, undefined, 0]);
});
