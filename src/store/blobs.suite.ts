/** Conformance: blobs. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BodyTooLarge } from "../base/http.ts";
import type { Bench } from "./fixture.suite.ts";
import { BlobMissing } from "./errors.ts";

const hour = 60 * 60 * 1000;

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export function blobSuite(bench: Bench): void {
  describe("blobs", () => {
    const content = Buffer.alloc(1_000_003, "0123456789abcdef\u00e9");

    it("keep bytes and streams, with their size and hashes", async () => {
      const { blobs } = bench.store;
      for (const body of [content, inPieces(content, 70_001), inPieces(content, 400_000)]) {
        const stored = await blobs.put(body, content.byteLength);
        expect(stored).toEqual({
          id: expect.stringMatching(/^[0-9a-f]{32}$/),
          sizeBytes: content.byteLength,
          md5Hex: createHash("md5").update(content).digest("hex"),
          sha256Base64: createHash("sha256").update(content).digest("base64"),
        });
        expect((await bytesOf(blobs.read(stored.id))).equals(content)).toBe(true);
      }
    });

    it("keep nothing at all as well", async () => {
      const { blobs } = bench.store;
      const stored = await blobs.put(new Uint8Array(0), 0);
      expect(stored.sizeBytes).toBe(0);
      expect(await bytesOf(blobs.read(stored.id))).toHaveLength(0);
    });

    it.each([
      [0, 1],
      [262_143, 262_146],
      [131_072, 262_144],
      [999_999, 2_000_000],
      [1_000_003, 1_000_004],
      [5, 5],
      [700_000, undefined],
    ])("give the bytes %s to %s", async (start, end) => {
      const { blobs } = bench.store;
      const { id } = await blobs.put(content, content.byteLength);
      expect((await bytesOf(blobs.read(id, start, end))).equals(content.subarray(start, end))).toBe(true);
    });

    it("outlive the store that wrote them", async () => {
      const { id } = await bench.store.blobs.put(content, content.byteLength);
      const { blobs } = await bench.reopen();
      expect((await bytesOf(blobs.read(id))).equals(content)).toBe(true);
    });

    it("are refused when too large or when their stream breaks, and leave nothing", async () => {
      const { blobs } = bench.store;
      await expect(blobs.put(inPieces(content, 1000), content.byteLength - 1)).rejects.toThrow(BodyTooLarge);
      let closed = false;
      async function* breaking() {
        try {
          yield content.subarray(0, 300_000);
          throw new Error("the client went away");
        } finally {
          closed = true;
        }
      }
      await expect(blobs.put(breaking(), content.byteLength)).rejects.toThrow("the client went away");
      expect(closed).toBe(true);
      bench.clock.shift(2 * hour);
      expect(await blobs.sweep(async () => false)).toBe(0);
    });

    it("that are missing are named, whatever was asked for", async () => {
      const { blobs } = bench.store;
      for (const id of ["0".repeat(32), "../../etc/passwd", ""]) {
        await expect(bytesOf(blobs.read(id))).rejects.toThrow(BlobMissing);
        await blobs.delete(id);
      }
      const { id } = await blobs.put(content, content.byteLength);
      await blobs.delete(id);
      await blobs.delete(id);
      await expect(bytesOf(blobs.read(id))).rejects.toThrow(BlobMissing);
    });

    it("may be read in part and left", async () => {
      const { blobs } = bench.store;
      const { id } = await blobs.put(content, content.byteLength);
      for await (const chunk of blobs.read(id)) {
        expect(chunk.byteLength).toBeGreaterThan(0);
        break;
      }
      await blobs.delete(id);
    });

    it("that nobody names are swept after an hour", async () => {
      const { blobs } = bench.store;
      const [named, unnamed] = [await blobs.put(content, 2e6), await blobs.put(content, 2e6)];
      const isNamed = async (id: string) => id === named.id;
      expect(await blobs.sweep(isNamed)).toBe(0);
      bench.clock.shift(2 * hour);
      const young = await blobs.put(content, 2e6);
      expect(await blobs.sweep(isNamed)).toBe(1);
      await expect(bytesOf(blobs.read(unnamed.id))).rejects.toThrow(BlobMissing);
      expect(await bytesOf(blobs.read(named.id))).toHaveLength(content.byteLength);
      expect(await bytesOf(blobs.read(young.id))).toHaveLength(content.byteLength);
    });
  });
}
