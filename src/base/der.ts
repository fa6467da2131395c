/** Writes ASN.1's distinguished encoding (ITU-T X.690): as much of it as certificates need. */

/** A tag and what it holds, as bytes. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}

export const sequence = (...items: readonly Uint8Array[]) => der(0x30, ...items);
export const set = (...items: readonly Uint8Array[]) => der(0x31, ...items);
export const octets = (bytes: Uint8Array) => der(0x04, bytes);
export const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]));
export const utf8 = (text: string) => der(0x0c, Buffer.from(text, "utf8"));
/** `[number]` around a value. */
export const explicit = (number: number, ...items: readonly Uint8Array[]) => der(0xa0 + number, ...items);
/** `[number]` in place of the value's own tag. */
export const implicit = (number: number, bytes: Uint8Array) => der(0x80 + number, bytes);

/** An unsigned whole number, of its bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const plain = first < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(first));
  // A leading one would make it negative.
  return (plain[0] as number) > 0x7f ? der(0x02, Buffer.from([0]), plain) : der(0x02, plain);
}

/** @param unused bits at the end that mean nothing; 0-7 */
export function bits(bytes: Uint8Array, unused = 0): Buffer {
  return der(0x03, Buffer.from([unused]), bytes);
}

/** An object identifier, as `1.2.840.113549`. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** To the second; years before 2050 have two digits (RFC 5280 section 4.1.2.5). */
export function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`;
  return text < "2050" ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const plain = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([0x80 + plain.length]), plain]);
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(128 + (left % 128));
  return digits;
}
