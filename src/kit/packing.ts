/** An operation's input as bytes in a row, and back: JSON in which bytes and dates keep their kind. */

const bytesTag = "$bytes";
const dateTag = "$date";

function tag(this: unknown, key: string, value: unknown): unknown {
  const original: unknown = typeof this === "object" && this !== null ? Reflect.get(this, key) : value;
  if (original instanceof Uint8Array) return { [bytesTag]: Buffer.from(original).toString("base64") };
  if (original instanceof Date) return { [dateTag]: original.getTime() };
  return value;
}

function untag(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (bytesTag in value && typeof value[bytesTag] === "string")
    return new Uint8Array(Buffer.from(value[bytesTag], "base64"));
  if (dateTag in value && typeof value[dateTag] === "number") return new Date(value[dateTag]);
  return value;
}

export function packInput(input: object): Uint8Array {
  return Buffer.from(JSON.stringify(input, tag));
}

export function unpackInput(packed: Uint8Array): object {
  return JSON.parse(Buffer.from(packed).toString(), untag) as object;
}
