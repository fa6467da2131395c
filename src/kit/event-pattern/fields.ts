/** An event as its fields: paths, the values at each, and the elements of arrays that they lie in. */
import { depthMax } from "./limits.ts";
import type { Scalar } from "./operators.ts";

/** An element of an array, and the elements that it lies in itself. The root of an event is in none. */
export interface Scope {
  parent: Scope | undefined;
  /** Which array, of those of the event. */
  array: number;
  /** How much of the path leads to the array, in characters. */
  pathLength: number;
  depth: number;
}

export interface FieldValue {
  value: Scalar;
  scope: Scope;
}

export const rootScope = (): Scope => ({ parent: undefined, array: -1, pathLength: -1, depth: 0 });

/** The innermost element that both lie in. */
function common(one: Scope, other: Scope): Scope {
  let [a, b]: [Scope | undefined, Scope | undefined] = [one, other];
  while (a !== undefined && b !== undefined && a !== b) {
    if (a.depth >= b.depth) a = a.parent;
    else b = b.parent;
  }
  return a ?? one;
}

/** What later fields, whose paths share `pathLength` characters with this one's, must agree with. */
export function restricted(one: Scope, other: Scope, pathLength: number): Scope {
  let scope = one.depth > other.depth && common(one, other) === other ? one : other;
  while (scope.pathLength > pathLength && scope.parent !== undefined) scope = scope.parent;
  return scope;
}

/** The values of one field, by the elements that they lie in: those that go with an element are found without a look at the others. */
export class FieldValues {
  readonly all: FieldValue[] = [];
  /** By element: the values in it, by the next array on their way; -1 where they lie in no further one. */
  #within: Map<Scope, Map<number, FieldValue[]>> | undefined;

  /** Values that lie in the same elements as `scope`, of all arrays that they share. */
  consistentWith(scope: Scope): readonly FieldValue[] {
    if (scope.depth === 0) return this.all;
    this.#within ??= indexOf(this.all);
    const found: FieldValue[] = [];
    let array: number | undefined;
    for (let element: Scope | undefined = scope; element !== undefined; element = element.parent) {
      for (const [next, values] of this.#within.get(element) ?? []) if (next !== array) found.push(...values);
      array = element.array;
    }
    return found;
  }
}

function indexOf(values: readonly FieldValue[]): Map<Scope, Map<number, FieldValue[]>> {
  const within = new Map<Scope, Map<number, FieldValue[]>>();
  for (const value of values) {
    let next = -1;
    for (let scope: Scope | undefined = value.scope; scope !== undefined; scope = scope.parent) {
      const lists = within.get(scope) ?? new Map<number, FieldValue[]>();
      within.set(scope, lists);
      const list = lists.get(next) ?? [];
      lists.set(next, list);
      list.push(value);
      next = scope.array;
    }
  }
  return within;
}

export type Fields = ReadonlyMap<string, FieldValues>;

/** What of an event is looked at: paths that patterns name, and all that lead to them. */
export interface Interest {
  paths: ReadonlySet<string>;
  leads: ReadonlySet<string>;
}

/** The fields of an event (parsed JSON) that patterns ask for. Arrays and objects that are empty are no fields. */
export function fieldsOf(event: unknown, { paths, leads }: Interest): { fields: Fields; root: Scope } {
  const fields = new Map<string, FieldValues>();
  const root = rootScope();
  let arrays = 0;

  const addValue = (value: Scalar, path: string, scope: Scope) => {
    if (!paths.has(path)) return;
    const values = fields.get(path) ?? new FieldValues();
    fields.set(path, values);
    values.all.push({ value, scope });
  };
  const addArray = (items: readonly unknown[], path: string, scope: Scope, depth: number) => {
    const array = arrays++;
    for (const item of items) {
      const isPlain = typeof item !== "object" || item === null;
      // Plain values side by side in an array may each be matched by another field's condition.
      add(
        item,
        path,
        isPlain ? scope : { parent: scope, array, pathLength: path.length, depth: scope.depth + 1 },
        depth,
      );
    }
  };
  const add = (value: unknown, path: string, scope: Scope, depth: number): void => {
    if (depth > depthMax) return;
    if (Array.isArray(value)) {
      addArray(value, path, scope, depth + 1);
    } else if (typeof value === "object" && value !== null) {
      if (depth > 0 && !leads.has(path)) return;
      for (const [name, member] of Object.entries(value)) {
        const inner = depth === 0 ? name : `${path}.${name}`;
        if (paths.has(inner) || leads.has(inner)) add(member, inner, scope, depth + 1);
      }
    } else if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      addValue(value, path, scope);
    }
  };
  if (typeof event === "object" && event !== null && !Array.isArray(event)) add(event, "", root, 0);
  return { fields, root };
}
