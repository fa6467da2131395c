/** Message attributes: what AWS takes, and how they are kept. Source: developer guide, "Amazon SNS message attributes". */
import { fault } from "./faults.ts";
import { attributeNameLengthMax } from "./limits.ts";

/** As it is kept: `String`, `String.Array` and `Number` with their text, `Binary` in base64. */
export interface MessageAttribute {
  type: string;
  value: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** As it comes in. */
export interface AttributeValue {
  DataType: string;
  StringValue?: string | undefined;
  BinaryValue?: Uint8Array | undefined;
}

const namePattern = /^[A-Za-z0-9_.-]+$/;
const typePattern = /^(?:String|Number|Binary)(?:\.|$)/;
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
export const arrayType = "String.Array";
export const isBinary = (type: string) => type.startsWith("Binary");

const refused = (message: string) => fault("InvalidParameterValueException", message);

function checkName(name: string): void {
  if (name === "") throw refused("The request must contain non-empty message attribute name.");
  if (name.length > attributeNameLengthMax) {
    throw refused(`Length of message attribute name must be less than ${attributeNameLengthMax} bytes.`);
  }
  if (/^(?:aws|amazon)\./i.test(name)) {
    throw refused(
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon.' because these strings are reserved for internal use.",
    );
  }
  if (!namePattern.test(name) || name.startsWith(".") || name.endsWith(".") || name.includes("..")) {
    throw refused(
      `Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.`,
    );
  }
}

/** The elements of an array: texts, numbers, truth values and null. Undefined for what is none. */
export function elementsOf(text: string): readonly (string | number | boolean | null)[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
  if (!Array.isArray(parsed)) return undefined;
  const elements = parsed.filter(
    (element): element is string | number | boolean | null => element === null || typeof element !== "object",
  );
  return elements.length === parsed.length ? elements : undefined;
}

function taken(name: string, { DataType: type, StringValue: text, BinaryValue: bytes }: AttributeValue) {
  if (type === "") throw refused(`The message attribute '${name}' must contain non-empty message attribute type.`);
  if (!typePattern.test(type)) {
    throw refused(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
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
  if (type.startsWith("Number") && !numberPattern.test(value)) {
    throw refused(`Could not cast message attribute '${name}' value to number.`);
  }
  if (type === arrayType && elementsOf(value) === undefined) {
    throw refused(
      `The message attribute '${name}' with type '${arrayType}' must be a JSON array of strings, numbers, booleans, or nulls.`,
    );
  }
  return { type, value };
}

/** Undefined for none, as an empty map is none. */
export function takeAttributes(
  given: Readonly<Record<string, AttributeValue>> | undefined,
): MessageAttributes | undefined {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return undefined;
  return Object.fromEntries(
    entries.map(([name, value]) => {
      checkName(name);
      return [name, taken(name, value)];
    }),
  );
}

const valueBytes = ({ type, value }: MessageAttribute) =>
  isBinary(type) ? Buffer.byteLength(value, "base64") : Buffer.byteLength(value);

/** Name, type and value count. */
export function attributeBytes(attributes: MessageAttributes | undefined): number {
  return Object.entries(attributes ?? {}).reduce(
    (bytes, [name, attribute]) =>
      bytes + Buffer.byteLength(name) + Buffer.byteLength(attribute.type) + valueBytes(attribute),
    0,
  );
}
