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

/** The text of a template with its pieces spliced in, kept for the next time the same pieces come. */
interface Merged {
  /** The strings of each part that was `Sql`; undefined for a value. */
  pieces: readonly (readonly string[] | undefined)[];
  strings: readonly string[];
}

/** One per place in the source. A query runs far more often than its text changes, and splicing costs as much as a read. */
const mergedAt = new WeakMap<TemplateStringsArray, Merged>();

function merge(strings: TemplateStringsArray, parts: readonly (SqlValue | Sql)[]): Merged {
  const texts: string[] = [strings[0] as string];
  const addText = (text: string) => {
    texts[texts.length - 1] += text;
  };
  parts.forEach((part, index) => {
    if (part instanceof Sql) {
      addText(part.strings[0] as string);
      texts.push(...part.strings.slice(1));
    } else {
      texts.push("");
    }
    addText(strings[index + 1] as string);
  });
  return { pieces: parts.map((part) => (part instanceof Sql ? part.strings : undefined)), strings: texts };
}

/**
 * Writes a statement: values become parameters, other `Sql` is spliced in.
 *
 * @example sql`select ${queues.columns} from ${queues.name} where account = ${call.account} limit ${limit}`
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly (SqlValue | Sql)[]): Sql {
  let merged = mergedAt.get(strings);
  const values: SqlValue[] = [];
  let same = merged !== undefined;
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i] as SqlValue | Sql;
    if (part instanceof Sql) {
      if (part.strings !== merged?.pieces[i]) same = false;
      if (part.values.length > 0) values.push(...part.values);
    } else {
      if (merged?.pieces[i] !== undefined) same = false;
      values.push(part);
    }
  }
  if (merged === undefined || !same) {
    merged = merge(strings, parts);
    mergedAt.set(strings, merged);
  }
  return new Sql(merged.strings, values);
}

/** Pieces with `separator` between them; `sql``` for none. */
export function join(pieces: readonly (Sql | SqlValue)[], separator = ", "): Sql {
  return pieces.reduce<Sql>(
    (whole, piece, index) => (index === 0 ? sql`${piece}` : sql`${whole}${raw(separator)}${piece}`),
    raw(""),
  );
}

/** The greatest character there is: a prefix followed by it is greater than every text that begins with the prefix. */
const lastCharacter = "\u{10ffff}";

/** A condition: the text in `column` begins with `prefix`. A range, which both engines find by an index; there is no `like`. */
export function beginsWith(column: string, prefix: string): Sql {
  return sql`${raw(column)} >= ${prefix} and ${raw(column)} < ${prefix + lastCharacter}`;
}
