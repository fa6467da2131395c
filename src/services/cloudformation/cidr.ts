/** `Fn::Cidr`: a block cut into equal smaller ones. Source: user guide, "Fn::Cidr". */
import { isIP } from "node:net";
import { invalid } from "./faults.ts";

const countMax = 256;

/** `count` blocks with `hostBits` bits of host each, from the start of `block`. IPv4 and IPv6. */
export function cidrBlocks(block: string, count: number, hostBits: number): readonly string[] {
  const [address = "", prefix = ""] = block.split("/");
  const version = isIP(address);
  const width = version === 6 ? 128 : 32;
  const size = Number(prefix);
  const fits = Number.isInteger(hostBits) && hostBits >= 1 && hostBits <= width - size;
  if (version === 0 || !/^[0-9]+$/.test(prefix) || size > width || !fits || !isCount(count)) {
    throw invalid(`Template error: Fn::Cidr cannot divide ${block} into ${count} blocks of ${hostBits} bits`);
  }
  const room = 1n << BigInt(width - size);
  const step = 1n << BigInt(hostBits);
  if (step * BigInt(count) > room) {
    throw invalid(`Template error: Fn::Cidr cannot divide ${block} into ${count} blocks of ${hostBits} bits`);
  }
  const base = (numberOf(address, version) / room) * room;
  return Array.from(
    { length: count },
    (_, index) => `${textOf(base + step * BigInt(index), version)}/${width - hostBits}`,
  );
}

function isCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= countMax;
}

function numberOf(address: string, version: number): bigint {
  if (version === 4) return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n);
}

function textOf(value: bigint, version: number): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 65_535n).toString(16));
  // A URL's host is written as RFC 5952 has it, with the longest run of zeros as `::`.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
