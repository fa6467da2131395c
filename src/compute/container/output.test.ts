import { expect, it } from "vitest";
import { createOutputReader } from "./output.ts";

function part(fd: number, text: string): Buffer {
  const head = Buffer.alloc(8);
  head[0] = fd;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

it("gives both streams out, wherever their parts are cut", () => {
  const whole = Buffer.concat([part(1, "one\n"), part(2, "zwölf\n"), part(1, ""), part(1, "three")]);
  for (let size = 1; size <= whole.length; size += 1) {
    const texts: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
    const read = createOutputReader((fd, chunk) => texts[fd].push(Buffer.from(chunk)));
    for (let at = 0; at < whole.length; at += size) read(whole.subarray(at, at + size));
    expect(Buffer.concat(texts[1]).toString()).toBe("one\nthree");
    expect(Buffer.concat(texts[2]).toString()).toBe("zwölf\n");
  }
});
