/**
 * Many patterns as one automaton: a tree of fields in the order of their paths, in which patterns share what they have
 * in common. What an event costs depends on the event and on what it matches, not on how many patterns there are.
 */
import { fieldsOf, restricted, type Fields, type FieldValues, type Interest, type Scope } from "./fields.ts";
import type { Branch, Condition, EventPattern } from "./pattern.ts";
import { ValueMatcher } from "./value-matcher.ts";

export interface Matcher<T> {
  /** Adds a pattern under a value; a value may have several, and matches by any. */
  add(pattern: EventPattern, value: T): void;
  /** Takes one pattern of a value away: the same object that was added. */
  remove(pattern: EventPattern, value: T): void;
  /** Values whose patterns match the event (parsed JSON), each once, in the order in which they were found. */
  match(event: unknown): T[];
  /** Patterns that there are. */
  readonly size: number;
}

/** Where patterns stand that agree in the fields so far. */
interface State<T> {
  /** The next field of each pattern that goes on. */
  fields: Map<string, Field<T>>;
  /** Those of them that need not be there. */
  optional: Map<string, Field<T>>;
  /** Patterns that end here. */
  ends: Entry<T>[];
}

/** What patterns ask of one field: a way on for each set of conditions. */
interface Field<T> {
  ways: Map<string, Way<T>>;
  values: ValueMatcher<Way<T>>;
  /** Ways that are open where the field is not there. */
  absent: Way<T>[];
}

interface Way<T> {
  to: State<T>;
  /** Of this field's path, so many characters lead to arrays whose elements later fields must agree on. */
  shared: number;
}

interface Entry<T> {
  pattern: EventPattern;
  value: T;
  isGone: boolean;
}

const newState = <T>(): State<T> => ({ fields: new Map(), optional: new Map(), ends: [] });

/**
 * A matcher over patterns that come and go.
 *
 * @example
 * const matcher = createMatcher<string>();
 * matcher.add(parsePattern('{"source": ["shop"]}', { charsMax: 2048 }), "rule-1");
 * matcher.match({ source: "shop" }); // ["rule-1"]
 */
export function createMatcher<T>(): Matcher<T> {
  let automaton = newAutomaton<T>();
  let entries: Entry<T>[] = [];
  const byPattern = new Map<EventPattern, Entry<T>[]>();
  let gone = 0;

  /** Where half of the automaton is of patterns that are gone, it is made anew. */
  const tidy = () => {
    if (gone * 2 <= entries.length) return;
    entries = entries.filter(({ isGone }) => !isGone);
    gone = 0;
    automaton = newAutomaton();
    for (const entry of entries) automaton.add(entry);
  };

  return {
    get size() {
      return entries.length - gone;
    },
    add(pattern, value) {
      const entry = { pattern, value, isGone: false };
      entries.push(entry);
      byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), entry]);
      automaton.add(entry);
    },
    remove(pattern, value) {
      const added = byPattern.get(pattern) ?? [];
      const entry = added.find((other) => other.value === value);
      if (entry === undefined) return;
      const rest = added.filter((other) => other !== entry);
      if (rest.length === 0) byPattern.delete(pattern);
      else byPattern.set(pattern, rest);
      entry.isGone = true;
      gone += 1;
      tidy();
    },
    match: (event) => [...automaton.match(event)],
  };
}

interface Automaton<T> {
  add(entry: Entry<T>): void;
  match(event: unknown): ReadonlySet<T>;
}

function newAutomaton<T>(): Automaton<T> {
  const start = newState<T>();
  const paths = new Set<string>();
  const leads = new Set<string>();
  const interest: Interest = { paths, leads };

  const note = (path: string) => {
    if (paths.has(path)) return;
    paths.add(path);
    for (let end = path.indexOf("."); end >= 0; end = path.indexOf(".", end + 1)) leads.add(path.slice(0, end));
  };

  const addBranch = (branch: Branch, entry: Entry<T>) => {
    const steps = inOrder(branch);
    let state = start;
    for (const [index, [path, conditions]] of steps.entries()) {
      note(path);
      const field = state.fields.get(path) ?? { ways: new Map(), values: new ValueMatcher(), absent: [] };
      state.fields.set(path, field);
      if (conditions.some(isAbsence)) state.optional.set(path, field);
      const way = wayOf(field, conditions);
      way.shared = Math.max(way.shared, sharedLength(path, steps[index + 1]?.[0]));
      state = way.to;
    }
    state.ends.push(entry);
  };

  return {
    add(entry) {
      for (const branch of entry.pattern.branches) addBranch(branch, entry);
    },
    match(event) {
      const { fields, root } = fieldsOf(event, interest);
      const walk = new Walk<T>(fields);
      walk.visit(start, root);
      return walk.found;
    },
  };
}

/**
 * The fields of a branch in the order in which they are asked for. AWS's is that of the paths; here a path is followed by
 * those that begin with it. Where a field may not be there, it is the elements of the fields before that count.
 */
export function inOrder(branch: Branch): readonly (readonly [string, readonly Condition[]])[] {
  return [...branch]
    .map((field) => ({ key: field[0].replaceAll(".", "\0"), field }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ field }) => field);
}

function wayOf<T>(field: Field<T>, conditions: readonly Condition[]): Way<T> {
  const key = keyOf(conditions);
  const known = field.ways.get(key);
  if (known !== undefined) return known;
  const way: Way<T> = { to: newState(), shared: -1 };
  field.ways.set(key, way);
  for (const condition of conditions) {
    if (isAbsence(condition)) field.absent.push(way);
    else field.values.add(condition, way);
  }
  return way;
}

const isAbsence = (condition: Condition) => condition.kind === "exists" && !condition.exists;

/** The same for conditions that are the same. */
const keyOf = (conditions: readonly Condition[]): string =>
  conditions
    .map((condition) =>
      JSON.stringify(condition, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
    )
    .toSorted()
    .join();

/**
 * How much of `path`, in whole steps, the next field's path begins with. Paths are in order, so that no later one begins
 * with more.
 */
function sharedLength(path: string, next: string | undefined): number {
  if (next === undefined) return -1;
  let length = 0;
  while (length < path.length && path.charAt(length) === next.charAt(length)) length += 1;
  if (next.charAt(length) === "." && length === path.length) return length;
  return path.lastIndexOf(".", length - 1);
}

/** One event on its way through the automaton. */
class Walk<T> {
  readonly found = new Set<T>();
  readonly #fields: Fields;
  /** The elements in which each state was come to: once is enough. */
  readonly #visited = new Map<State<T>, Set<Scope>>();
  /** What a value of a field opens, found once for all elements. */
  readonly #opened = new Map<Field<T>, Map<object, ReadonlySet<Way<T>>>>();

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  visit(state: State<T>, scope: Scope): void {
    const scopes = this.#visited.get(state) ?? new Set();
    if (scopes.has(scope)) return;
    this.#visited.set(state, scopes.add(scope));
    for (const entry of state.ends) if (!entry.isGone) this.found.add(entry.value);
    if (state.fields.size <= this.#fields.size) {
      for (const [path, field] of state.fields) this.#pass(field, this.#fields.get(path), scope);
      return;
    }
    for (const [path, values] of this.#fields) {
      const field = state.fields.get(path);
      if (field !== undefined) this.#pass(field, values, scope);
    }
    for (const [path, field] of state.optional) if (!this.#fields.has(path)) this.#pass(field, undefined, scope);
  }

  #pass(field: Field<T>, values: FieldValues | undefined, scope: Scope): void {
    const consistent = values?.consistentWith(scope) ?? [];
    if (consistent.length === 0) {
      for (const { to, shared } of field.absent) this.visit(to, restricted(scope, scope, shared));
      return;
    }
    const opened = this.#opened.get(field) ?? new Map<object, ReadonlySet<Way<T>>>();
    this.#opened.set(field, opened);
    for (const value of consistent) {
      const ways = opened.get(value) ?? field.values.match(value.value);
      opened.set(value, ways);
      for (const { to, shared } of ways) this.visit(to, restricted(scope, value.scope, shared));
    }
  }
}
