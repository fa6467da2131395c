/** Checksums of bodies: `Content-MD5` and `x-amz-checksum-*`, computed while the bytes go by. Source: S3, "Checking object integrity". */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** A checksum in the making. */
export interface Checksum {
  update(bytes: Uint8Array): void;
  /** Base64, as fields carry it. */
  digest(): string;
}

/** Algorithms by the end of their field's name. */
export const checksumAlgorithms = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5"] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
/** Known to clients, and not computed here. */
export const unknownChecksums = ["xxhash64", "xxhash3", "xxhash128"] as const;

/** Bytes of each algorithm's result. */
export const checksumBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  md5: 16,
};

export function checksum(algorithm: ChecksumAlgorithm): Checksum {
  switch (algorithm) {
    case "crc32":
      return crc32Checksum();
    case "crc32c":
      return crc32cChecksum();
    case "crc64nvme":
      return crc64Checksum();
    default: {
      const hash = createHash(algorithm);
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("base64") };
    }
  }
}

function crc32Checksum(): Checksum {
  let value = 0;
  return {
    update(bytes) {
      value = crc32(bytes, value);
    },
    digest: () => base64Of(value),
  };
}

function base64Of(...words: number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  for (const [i, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, i * 4);
  return bytes.toString("base64");
}

/** Eight tables of the reflected Castagnoli polynomial: eight bytes a step. Made on first use (8 KiB). */
let castagnoli: Uint32Array | undefined;

function castagnoliTables(): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let i = 0; i < 256; i += 1) {
    let value = i;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    tables[i] = value;
  }
  for (let i = 256; i < tables.length; i += 1) {
    const before = tables[i - 256] as number;
    tables[i] = (before >>> 8) ^ (tables[before & 255] as number);
  }
  return tables;
}

function crc32cChecksum(): Checksum {
  castagnoli ??= castagnoliTables();
  const tables = castagnoli;
  const at = (table: number, byte: number) => tables[table * 256 + byte] as number;
  let crc = -1;
  return {
    update(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let i = 0;
      for (; i + 8 <= bytes.byteLength; i += 8) {
        const low = view.getUint32(i, true) ^ crc;
        const high = view.getUint32(i + 4, true);
        crc =
          at(7, low & 255) ^
          at(6, (low >>> 8) & 255) ^
          at(5, (low >>> 16) & 255) ^
          at(4, low >>> 24) ^
          at(3, high & 255) ^
          at(2, (high >>> 8) & 255) ^
          at(1, (high >>> 16) & 255) ^
          at(0, high >>> 24);
      }
      for (; i < bytes.byteLength; i += 1) crc = at(0, (crc ^ (bytes[i] as number)) & 255) ^ (crc >>> 8);
    },
    digest: () => base64Of(~crc),
  };
}

/** Eight tables of CRC-64/NVME, reflected: eight bytes a step. High halves, then low halves. Made on first use (16 KiB). */
let nvme: { high: Uint32Array; low: Uint32Array } | undefined;

function nvmeTables() {
  const polynomial = [0x9a6c9329, 0xac4bc9b5] as const;
  const high = new Uint32Array(8 * 256);
  const low = new Uint32Array(8 * 256);
  for (let i = 0; i < 256; i += 1) {
    let h = 0;
    let l = i;
    for (let bit = 0; bit < 8; bit += 1) {
      const odd = l & 1;
      l = (l >>> 1) | ((h & 1) << 31);
      h >>>= 1;
      if (odd === 1) {
        h ^= polynomial[0];
        l ^= polynomial[1];
      }
    }
    high[i] = h;
    low[i] = l;
  }
  for (let i = 256; i < high.length; i += 1) {
    const [h, l] = [high[i - 256] as number, low[i - 256] as number];
    high[i] = (h >>> 8) ^ (high[l & 255] as number);
    low[i] = ((l >>> 8) | (h << 24)) ^ (low[l & 255] as number);
  }
  return { high, low };
}

function crc64Checksum(): Checksum {
  const tables = (nvme ??= nvmeTables());
  /** The remainder of eight bytes, given as two words. */
  const eight = (table: Uint32Array, first: number, second: number) =>
    (table[7 * 256 + (first & 255)] as number) ^
    (table[6 * 256 + ((first >>> 8) & 255)] as number) ^
    (table[5 * 256 + ((first >>> 16) & 255)] as number) ^
    (table[4 * 256 + (first >>> 24)] as number) ^
    (table[3 * 256 + (second & 255)] as number) ^
    (table[2 * 256 + ((second >>> 8) & 255)] as number) ^
    (table[256 + ((second >>> 16) & 255)] as number) ^
    (table[second >>> 24] as number);
  let high = -1;
  let low = -1;
  return {
    update(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let h = high;
      let l = low;
      let i = 0;
      for (; i + 8 <= bytes.byteLength; i += 8) {
        const first = view.getUint32(i, true) ^ l;
        const second = view.getUint32(i + 4, true) ^ h;
        h = eight(tables.high, first, second);
        l = eight(tables.low, first, second);
      }
      for (; i < bytes.byteLength; i += 1) {
        const at = (l ^ (bytes[i] as number)) & 255;
        l = ((l >>> 8) | (h << 24)) ^ (tables.low[at] as number);
        h = (h >>> 8) ^ (tables.high[at] as number);
      }
      high = h;
      low = l;
    },
    digest: () => base64Of(~high, ~low),
  };
}
