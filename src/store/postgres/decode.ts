/** Rows from PostgreSQL's text form, each column by its type; what an expression gives is the same as on SQLite. */
import type { FieldDef } from "pg";
import { Bug } from "../../base/errors.ts";
import { wholeNumber } from "../values.ts";

type Decode = (text: string) => unknown;

/** Type numbers: PostgreSQL's pg_type.dat. */
const oid = { bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, json: 114, float4: 700, float8: 701, numeric: 1700 };
/** The modifier of numeric(19,0): the digits in the upper half, and an offset of 4. */
const bigModifier = (19 << 16) + 4;

function bytes(text: string): Uint8Array {
  if (!text.startsWith("\\x")) throw new Bug("bytea_output is not hex");
  const buffer = Buffer.from(text.slice(2), "hex");
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** A sum of whole numbers is a numeric, an average has a fraction. */
const number: Decode = (text) => (text.includes(".") ? Number(text) : wholeNumber(text));
const truth: Decode = (text) => text === "t";
/** SQLite has no truth values in expressions. */
const truthNumber: Decode = (text) => (text === "t" ? 1 : 0);

function decoderOf({ dataTypeID, dataTypeModifier, tableID }: FieldDef): Decode | undefined {
  // Kinds are those of columns; an expression is a number, text or bytes, as it is on SQLite.
  const isColumn = tableID !== 0;
  switch (dataTypeID) {
    case oid.bool:
      return isColumn ? truth : truthNumber;
    case oid.bytea:
      return bytes;
    case oid.int8:
    case oid.int4:
    case oid.int2:
      return wholeNumber;
    case oid.json:
      return isColumn ? (text) => JSON.parse(text) as unknown : undefined;
    case oid.float4:
    case oid.float8:
      return Number;
    case oid.numeric:
      return isColumn && dataTypeModifier === bigModifier ? BigInt : number;
    default:
      return undefined;
  }
}

/** The rows of a result whose cells are still text, in order. */
export function decodeRows(fields: readonly FieldDef[], rows: readonly (readonly (string | null)[])[]): object[] {
  const decoders = fields.map(decoderOf);
  return rows.map((cells) => {
    const row: Record<string, unknown> = {};
    for (let i = 0; i < fields.length; i += 1) {
      const cell = cells[i] ?? null;
      const decode = decoders[i];
      row[(fields[i] as FieldDef).name] = cell === null || decode === undefined ? cell : decode(cell);
    }
    return row;
  });
}
