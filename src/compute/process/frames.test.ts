import { describe, expect, it } from "vitest";
import { BrokenFrame, type Frame, bytesFrame, createFrameReader, frameKind, textFrame } from "./frames.ts";

const plain = ({ kind, value, meta, payload }: Frame) => [kind, value, meta, payload.toString("utf8")];

function readAll(bytes: Buffer, step: number, limit = 1_000_000): unknown[] {
  const frames: unknown[] = [];
  const read = createFrameReader(limit, (frame) => frames.push(plain(frame)));
  for (let at = 0; at < bytes.length; at += step) read(Buffer.from(bytes.subarray(at, at + step)));
  return frames;
}

describe("frames", () => {
  const large = "x".repeat(50_000);
  const bytes = Buffer.concat([
    textFrame(frameKind.log, 0, "héllo"),
    ...bytesFrame(frameKind.invoke, 7, '{"a":"ü"}', Buffer.from("payload")),
    textFrame(frameKind.ready, 4_294_967_295, ""),
    ...bytesFrame(frameKind.invoke, 1, "{}", Buffer.from(large)),
    textFrame(frameKind.answer, 2, "last"),
  ]);

  it.each([1, 2, 13, 14, 100, 65_536, 1_000_000])("are read whole from chunks of %d bytes", (step) => {
    expect(readAll(bytes, step)).toEqual([
      [frameKind.log, 0, "", "héllo"],
      [frameKind.invoke, 7, '{"a":"ü"}', "payload"],
      [frameKind.ready, 4_294_967_295, "", ""],
      [frameKind.invoke, 1, "{}", large],
      [frameKind.answer, 2, "", "last"],
    ]);
  });

  it("of a large payload do not copy it", () => {
    const payload = Buffer.alloc(100_000);
    expect(bytesFrame(frameKind.invoke, 0, "{}", payload)[1]).toBe(payload);
  });

  it("longer than the limit are refused before anything is kept for them", () => {
    expect(() => readAll(textFrame(frameKind.log, 0, "12345"), 100, 5)).not.toThrow();
    expect(() => readAll(textFrame(frameKind.log, 0, "123456"), 100, 5)).toThrow(BrokenFrame);
    expect(() => readAll(Buffer.alloc(13, 0xff), 1)).toThrow(BrokenFrame);
  });
});
