/** Patterns of fields between spaces. Source: CloudWatch Logs guide, "Using filter patterns to match terms in space-delimited log events". */
import type { Extracted, Pattern } from "./pattern.ts";
import { readComparison, type Scalar } from "./pattern-comparison.ts";
import {
  accept,
  acceptEnd,
  malformed,
  readExpression,
  sourceOf,
  take,
  type Source,
  type Test,
} from "./pattern-source.ts";

interface Field {
  /** Undefined for one that is only counted. */
  name: string | undefined;
  test: Test<Scalar> | undefined;
}

interface Fields {
  before: readonly Field[];
  /** After an ellipsis, which takes any number of fields; undefined without one. */
  after: readonly Field[] | undefined;
}

/** A field of a message, and where it begins there. */
interface Word {
  text: string;
  start: number;
}

const name = /[A-Za-z_][\w-]*|-/y;

export function fieldsPattern(pattern: string): Pattern {
  const fields = readFields(sourceOf(pattern));
  return (message) => {
    const words = wordsOf(message);
    const placed = place(fields, words, message);
    if (placed === undefined || !placed.every(([word, field]) => field?.test?.(word) ?? true)) return undefined;
    const extracted: Record<string, string> = {};
    for (const [i, [word, field]] of placed.entries()) extracted[`$${field?.name ?? i + 1}`] = word;
    return extracted satisfies Extracted;
  };
}

function readFields(source: Source): Fields {
  const before: Field[] = [];
  let after: Field[] | undefined;
  accept(source, "[");
  if (!accept(source, "]")) {
    do {
      if (!accept(source, "...")) (after ?? before).push(readField(source));
      else if (after === undefined) after = [];
      else throw malformed();
    } while (accept(source, ","));
    if (!accept(source, "]")) throw malformed();
  } else after = [];
  acceptEnd(source);
  const names = [...before, ...(after ?? [])].flatMap((field) => field.name ?? []);
  if (new Set(names).size < names.length) throw malformed();
  return { before, after };
}

const ends = /(?=[,\]])/y;

/** A name, conditions on it, or nothing at all. */
function readField(source: Source): Field {
  const start = source.at;
  const alone = take(source, name);
  if (take(source, ends) !== undefined) return { name: alone === "-" ? undefined : alone, test: undefined };
  source.at = start;
  let subject: string | undefined;
  const test = readExpression<Scalar>(source, () => {
    const own = take(source, name);
    subject ??= own;
    // A condition can only be on the field that it stands in.
    if (own === undefined || own !== subject) throw malformed();
    return readComparison(source);
  });
  return { name: subject === "-" ? undefined : subject, test };
}

/** What is between spaces, in quotes, or in brackets. */
const words = /"([^"]*)"(?=\s|$)|\[([^\]]*)\](?=\s|$)|\S+/gy;
const gap = /\s*/y;

function wordsOf(message: string): Word[] {
  const found: Word[] = [];
  let at = 0;
  for (;;) {
    gap.lastIndex = at;
    at += gap.exec(message)?.[0].length ?? 0;
    words.lastIndex = at;
    const match = words.exec(message);
    if (match === null) return found;
    const [whole, quoted, bracketed] = match;
    found.push({ text: quoted ?? bracketed ?? whole, start: at });
    at += whole.length;
  }
}

/** Fields beside what they stand for; undefined where there are too few. Without an ellipsis the last one takes the rest. */
function place({ before, after }: Fields, found: readonly Word[], message: string) {
  const least = before.length + (after?.length ?? 0);
  if (found.length < least) return undefined;
  const texts = found.map(({ text }) => text);
  if (after === undefined) {
    const last = found[least - 1];
    const kept = texts.slice(0, least);
    if (found.length > least && last !== undefined) kept[least - 1] = message.slice(last.start).trimEnd();
    return kept.map((text, i): readonly [string, Field | undefined] => [text, before[i]]);
  }
  const behind = texts.length - after.length;
  return texts.map((text, i): readonly [string, Field | undefined] => [
    text,
    i < before.length ? before[i] : after[i - behind],
  ]);
}
