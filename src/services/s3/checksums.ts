/** Checksums of objects and parts: which one a request carries, and what those of parts come to. Source: S3, "Checking object integrity". */
import type { Body } from "../../base/http.ts";
import { checksum, type ChecksumAlgorithm } from "../../wire/checksums.ts";
import { fault } from "./faults.ts";

export interface ObjectChecksum {
  algorithm: AlgorithmName;
  /** Base64; of a composite one with `-` and the number of parts. */
  value: string;
  type: "FULL_OBJECT" | "COMPOSITE";
}

/** The names of S3, and the members and wire algorithms that belong to them. */
const algorithms = {
  CRC32: "crc32",
  CRC32C: "crc32c",
  CRC64NVME: "crc64nvme",
  SHA1: "sha1",
  SHA256: "sha256",
  SHA512: "sha512",
  MD5: "md5",
} as const satisfies Record<string, ChecksumAlgorithm>;
export type AlgorithmName = keyof typeof algorithms;
const names = Object.keys(algorithms) as AlgorithmName[];

type ChecksumMembers = { [N in AlgorithmName as `Checksum${N}`]?: string | undefined };

/** The checksum that came with a request; known once its body has been read. */
export function givenChecksum(input: ChecksumMembers): ObjectChecksum | null {
  for (const algorithm of names) {
    const value = input[`Checksum${algorithm}`];
    if (value !== undefined) return { algorithm, value, type: value.includes("-") ? "COMPOSITE" : "FULL_OBJECT" };
  }
  return null;
}

/** The members of an answer that tell a checksum. */
export function checksumMembers(
  sum: ObjectChecksum | null,
): ChecksumMembers & { ChecksumType?: ObjectChecksum["type"] } {
  return sum === null ? {} : { [`Checksum${sum.algorithm}`]: sum.value, ChecksumType: sum.type };
}

/** The same without the type, for the answers about parts. */
export function partChecksumMembers(sum: ObjectChecksum | null): ChecksumMembers {
  return sum === null ? {} : { [`Checksum${sum.algorithm}`]: sum.value };
}

export function algorithmOf(name: string): AlgorithmName {
  const found = names.find((known) => known === name);
  if (found === undefined) {
    throw fault(
      "InvalidRequest",
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  return found;
}

/** Of an object that comes without one. */
export const defaultChecksum = "CRC64NVME" satisfies AlgorithmName;

/** A checksum to be computed while bytes go by. */
export function checksumOf(algorithm: AlgorithmName) {
  return checksum(algorithms[algorithm]);
}

/** The kind of checksum that an upload's object gets. CRC64NVME covers whole objects only, hashes parts only. */
export function uploadChecksum(
  algorithm: string | undefined,
  type: string | undefined,
): Omit<ObjectChecksum, "value"> | null {
  if (algorithm === undefined) {
    if (type === undefined) return null;
    throw fault(
      "InvalidRequest",
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  }
  const name = algorithmOf(algorithm);
  const chosen = type ?? (name === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
  const fits = name === "CRC64NVME" ? chosen === "FULL_OBJECT" : chosen === "COMPOSITE" || name.startsWith("CRC");
  if (!fits) {
    throw fault(
      "InvalidRequest",
      `The ${chosen} checksum type cannot be used with the ${name.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm: name, type: chosen as ObjectChecksum["type"] };
}

export interface PartSum {
  value: string;
  sizeBytes: number;
}

/** The checksum of the whole, of those of its parts. */
export function joinedChecksum(of: Omit<ObjectChecksum, "value">, parts: readonly PartSum[]): ObjectChecksum {
  if (of.type === "FULL_OBJECT") return { ...of, value: combined(of.algorithm, parts) };
  const sum = checksumOf(of.algorithm);
  for (const { value } of parts) sum.update(Buffer.from(value, "base64"));
  return { ...of, value: `${sum.digest()}-${parts.length}` };
}

/** Reflected polynomials of the CRCs, and their widths in bits. */
const polynomials: Partial<Record<AlgorithmName, { polynomial: bigint; width: bigint }>> = {
  CRC32: { polynomial: 0xedb88320n, width: 32n },
  CRC32C: { polynomial: 0x82f63b78n, width: 32n },
  CRC64NVME: { polynomial: 0x9a6c9329ac4bc9b5n, width: 64n },
};

/**
 * The CRC of parts laid end to end: crc(AB) = crc(A) * x^(8 |B|) + crc(B), modulo the polynomial. The initial value and
 * the final inversion of these CRCs cancel out. Source: zlib, crc32_combine.
 */
function combined(algorithm: AlgorithmName, parts: readonly PartSum[]): string {
  const field = polynomials[algorithm];
  if (field === undefined) throw fault("InvalidRequest", `${algorithm} covers no whole object.`);
  const { polynomial, width } = field;
  const top = 1n << (width - 1n);
  /** Bit-reversed: the highest bit is x^0. */
  const times = (a: bigint, b: bigint) => {
    let product = 0n;
    let shifted = b;
    for (let bit = top; bit !== 0n; bit >>= 1n) {
      if ((a & bit) !== 0n) product ^= shifted;
      shifted = (shifted & 1n) === 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
    }
    return product;
  };
  const powers = new Map<number, bigint>();
  const powerOf = (bytes: number) => {
    const seen = powers.get(bytes);
    if (seen !== undefined) return seen;
    let power = top;
    // x^8, then squared for each bit of the number of bytes.
    let square = top >> 8n;
    for (let left = BigInt(bytes); left > 0n; left >>= 1n) {
      if ((left & 1n) === 1n) power = times(power, square);
      square = times(square, square);
    }
    powers.set(bytes, power);
    return power;
  };
  let crc = 0n;
  for (const { value, sizeBytes } of parts) {
    const own = BigInt(`0x${Buffer.from(value, "base64").toString("hex") || "0"}`);
    crc = times(powerOf(sizeBytes), crc) ^ own;
  }
  return Buffer.from(crc.toString(16).padStart(Number(width) / 4, "0"), "hex").toString("base64");
}

/** A body that tells its checksum when it has been read. */
export function summed(body: Body, algorithm: AlgorithmName): { body: Body; sum: () => ObjectChecksum } {
  const running = checksumOf(algorithm);
  const sum = () => ({ algorithm, value: running.digest(), type: "FULL_OBJECT" as const });
  if (body === undefined || body instanceof Uint8Array) {
    if (body !== undefined) running.update(body);
    return { body, sum };
  }
  const reading = (async function* () {
    for await (const piece of body) {
      running.update(piece);
      yield piece;
    }
  })();
  return { body: reading, sum };
}
