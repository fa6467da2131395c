/** SQL as a value: text with placeholders and the values for them, written once for both engines. */

/** What a placeholder may hold; each maps to one column kind (tables.ts). `json` columns take {@link json}`(value)`. */
export type SqlValue = string | number | bigint | boolean | Uint8Array | null | JsonValue;

/** Marks a value as JSON text for a `json` column. */
export class JsonValue {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value for a `json` column; must be serialisable. */
export function json(value: unknown): JsonValue {
  return new JsonValue(JSON.stringify(value));
}

/** A statement or a piece of one. `strings` has one element more than `values`. */
export class Sql {
  readonly strings: readonly string[];
  readonly values: readonly SqlValue[];

  constructor(strings: readonly string[], values: readonly SqlValue[]) {
    this.strings = strings;
    this.values = values;
  }
}

/** Text that goes into the statement as it is. Never for anything that came from outside. */
export function raw(text: string): Sql {
  return new Sql([text], []);
}

/**
 * Writes a statement: values become parameters, other `Sql` is spliced in.
 *
 * @example sql`select ${queues.columns} from ${queues.name} where account = ${call.account} limit ${limit}`
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly (SqlValue | Sql)[]): Sql {
  const texts: string[] = [strings[0] as string];
  const values: SqlValue[] = [];
  const addText = (text: string) => {
    texts[texts.length - 1] += text;
  };
  parts.forEach((part, index) => {
    if (part instanceof Sql) {
      addText(part.strings[0] as string);
      part.values.forEach((value, inner) => {
        values.push(value);
        texts.push(part.strings[inner + 1] as string);
      });
    } else {
      values.push(part);
      texts.push("");
    }
    addText(strings[index + 1] as string);
  });
  return new Sql(texts, values);
}

/** Pieces with `separator` between them; `sql``` for none. */
export function join(pieces: readonly (Sql | SqlValue)[], separator = ", "): Sql {
  return pieces.reduce<Sql>(
    (whole, piece, index) => (index === 0 ? sql`${piece}` : sql`${whole}${raw(separator)}${piece}`),
    raw(""),
  );
}
