/** Message attributes: what AWS takes, how they are kept, and their MD5. Source: developer guide, "Amazon SQS message metadata". */
import { hash } from "node:crypto";
import { fault } from "./faults.ts";
import { attributeNameLengthMax, attributesMax, attributeTypeLengthMax } from "./limits.ts";

/** As it is kept: `String` and `Number` with their text, `Binary` in base64; each may have a label, `Number.int`. */
export interface MessageAttribute {
  type: string;
  value: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** As it comes in and goes out. */
export interface AttributeValue {
  DataType: string;
  StringValue?: string | undefined;
  BinaryValue?: Uint8Array | undefined;
  StringListValues?: readonly string[] | undefined;
  BinaryListValues?: readonly Uint8Array[] | undefined;
}

const namePattern = /^[A-Za-z0-9_.-]+$/;
const reservedPattern = /^(?:aws|amazon)\./i;
/** 38 digits, and -10^128 to 10^126: the guide's word on the precision and the range of numbers. */
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const typePattern = /^(?:String|Number|Binary)(?:\.|$)/;
/** Everything that XML 1.0 and AWS allow in a text. */
const badCharacter = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

const refused = (message: string) => fault("InvalidParameterValue", message);
const isBinary = (type: string) => type.startsWith("Binary");

export function checkCharacters(text: string): void {
  if (!badCharacter.test(text)) return;
  throw fault(
    "InvalidMessageContents",
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
  );
}

function checkName(name: string): void {
  if (name === "") throw refused("The request must contain non-empty message attribute name.");
  if (name.length > attributeNameLengthMax) {
    throw refused(`Length of message attribute name must be less than ${attributeNameLengthMax} bytes.`);
  }
  if (!namePattern.test(name) || name.startsWith(".") || name.endsWith(".") || name.includes("..")) {
    throw refused(
      `The message attribute name '${name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.`,
    );
  }
  if (reservedPattern.test(name)) {
    throw refused(
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon.' because these strings are reserved for internal use.",
    );
  }
}

function checkType(name: string, type: string): void {
  if (type === "") throw refused(`The message attribute '${name}' must contain non-empty message attribute type.`);
  if (!typePattern.test(type)) {
    throw refused(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
  if (type.length > attributeTypeLengthMax) {
    throw refused(`The length of message attribute type must be less than ${attributeTypeLengthMax} bytes.`);
  }
}

/** The attribute as it is kept; throws AWS's words on what is wrong with it. */
function taken(name: string, given: AttributeValue): MessageAttribute {
  const { DataType: type, StringValue: text, BinaryValue: bytes, StringListValues, BinaryListValues } = given;
  if ((StringListValues?.length ?? 0) > 0 || (BinaryListValues?.length ?? 0) > 0) {
    throw fault("UnsupportedOperation", "Message attribute list values in SendMessage operation are not supported.");
  }
  checkType(name, type);
  const field = isBinary(type) ? "Binary" : "String";
  if (isBinary(type) ? bytes === undefined && text !== undefined : text === undefined && bytes !== undefined) {
    throw refused(`The message attribute '${name}' with type '${type}' must use field '${field}'.`);
  }
  const value = isBinary(type) ? Buffer.from(bytes ?? []).toString("base64") : (text ?? "");
  if (value === "") {
    throw refused(
      `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
    );
  }
  if (!isBinary(type)) checkCharacters(value);
  if (type.startsWith("Number") && !numberPattern.test(value)) {
    throw refused(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  }
  return { type, value };
}

/** Undefined for none, as an empty map is none. */
export function takeAttributes(
  given: Readonly<Record<string, AttributeValue>> | undefined,
): MessageAttributes | undefined {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return undefined;
  if (entries.length > attributesMax) {
    throw refused(`Number of message attributes [${entries.length}] exceeds the allowed maximum [${attributesMax}].`);
  }
  return Object.fromEntries(
    entries.map(([name, value]) => {
      checkName(name);
      return [name, taken(name, value)];
    }),
  );
}

/** The only system attribute that a sender may set. */
export function takeTraceHeader(
  given: Readonly<Record<string, AttributeValue>> | undefined,
): MessageAttribute | undefined {
  const entries = Object.entries(given ?? {});
  for (const [name, value] of entries) {
    if (name !== "AWSTraceHeader") throw refused(`Message system attribute name '${name}' is invalid.`);
    if (value.DataType !== "String") {
      throw refused(
        `The message system attribute '${name}' has an invalid message attribute type, the set of supported types is String.`,
      );
    }
    return taken(name, value);
  }
  return undefined;
}

const bytesOf = ({ type, value }: MessageAttribute): Buffer =>
  isBinary(type) ? Buffer.from(value, "base64") : Buffer.from(value);

/** Name, type and value count. */
export function attributeBytes(attributes: MessageAttributes | undefined): number {
  if (attributes === undefined) return 0;
  let bytes = 0;
  for (const [name, attribute] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.type) + bytesOf(attribute).byteLength;
  }
  return bytes;
}

function withLength(bytes: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return [length, bytes];
}

const storedAs = { text: Buffer.from([1]), binary: Buffer.from([2]) };

/** Source: developer guide, "Calculating the MD5 message digest for message attributes". Undefined for none. */
export function attributesMd5(attributes: MessageAttributes | undefined): string | undefined {
  const entries = Object.entries(attributes ?? {});
  if (entries.length === 0) return undefined;
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const parts = sorted.flatMap(([name, attribute]) => [
    ...withLength(Buffer.from(name)),
    ...withLength(Buffer.from(attribute.type)),
    isBinary(attribute.type) ? storedAs.binary : storedAs.text,
    ...withLength(bytesOf(attribute)),
  ]);
  return hash("md5", Buffer.concat(parts));
}

export function shownAttribute(
  attribute: MessageAttribute,
): Pick<AttributeValue, "DataType" | "StringValue" | "BinaryValue"> {
  const { type: DataType, value } = attribute;
  return isBinary(DataType) ? { DataType, BinaryValue: bytesOf(attribute) } : { DataType, StringValue: value };
}

/** Those that a receive asks for: by name, `All`, `.*`, or `prefix.*`. */
export function askedAttributes(
  attributes: MessageAttributes | undefined,
  asked: readonly string[] | undefined,
): MessageAttributes | undefined {
  if (attributes === undefined || asked === undefined || asked.length === 0) return undefined;
  if (asked.includes("All") || asked.includes(".*")) return attributes;
  const prefixes = asked.filter((name) => name.endsWith(".*")).map((name) => name.slice(0, -1));
  const found = Object.entries(attributes).filter(
    ([name]) => asked.includes(name) || prefixes.some((prefix) => name.startsWith(prefix)),
  );
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
