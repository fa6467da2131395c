/** Numbers and addresses as AWS's matcher compares them: as whole numbers. */
import { isIPv4, isIPv6 } from "node:net";
import { numberMax } from "./limits.ts";

/** Millionths: numbers are told apart to six digits after the point. */
const unitsPerOne = 1_000_000;

/** A number in millionths, below 2^53; undefined where AWS compares it as text only. */
export function comparable(value: number): number | undefined {
  return Math.abs(value) <= numberMax ? Math.round(value * unitsPerOne) : undefined;
}

export type AddressFamily = 4 | 6;
export interface Address {
  family: AddressFamily;
  bits: bigint;
}

const bitsOf: Readonly<Record<AddressFamily, number>> = { 4: 32, 6: 128 };

/** The address that a text is; undefined where it is none. A zone makes it none. */
export function addressOf(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: joined(text.split(".").map(Number), 8n) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return { family: 6, bits: joined([...before, ...zeros, ...after], 16n) };
}

const joined = (parts: readonly number[], width: bigint) =>
  parts.reduce((bits, part) => (bits << width) | BigInt(part), 0n);

/** Of one side of the `::`; an IPv4 address at the end is two groups. */
function groupsOf(side: string): readonly number[] {
  if (side === "") return [];
  return side.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

export interface AddressRange {
  family: AddressFamily;
  low: bigint;
  high: bigint;
}

/** The addresses of `10.0.0.0/8`; a text is why it is none, in AWS's words. */
export function cidrRange(text: string): AddressRange | string {
  const [address = "", mask, more] = text.split("/");
  if (mask === undefined || mask === "" || more !== undefined) return "Malformed CIDR, one '/' required";
  if (!/^[+-]?\d{1,9}$/.test(mask)) return "Malformed CIDR, mask bits must be an integer";
  const maskBits = Number(mask);
  if (maskBits < 0) return "Malformed CIDR, mask bits must not be negative";
  const base = addressOf(address);
  if (base === undefined) return `Nonstandard IP address: ${address}`;
  const width = bitsOf[base.family];
  if (maskBits >= width) return `IPv${base.family} mask bits must be < ${width}`;
  const free = (1n << BigInt(width - maskBits)) - 1n;
  return { family: base.family, low: base.bits & ~free, high: base.bits | free };
}
