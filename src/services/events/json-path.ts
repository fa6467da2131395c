/**
 * The part of JSONPath that EventBridge knows: names, indices and wildcards.
 * Source: EventBridge user guide, "Input transformation".
 */

type Step = string | number | typeof any;
const any = Symbol("any");

export type JsonPath = readonly Step[];

const stepForm = /\.(\*|[^.[\]*]+)|\[(\*|\d+|'[^']*'|"[^"]*")\]/y;

/** Undefined for what is none: `$`, `$.detail.items[0]`, `$.resources[*]`, `$['detail-type']`. */
export function parsePath(text: string): JsonPath | undefined {
  if (!text.startsWith("$")) return undefined;
  const steps: Step[] = [];
  let at = 1;
  while (at < text.length) {
    stepForm.lastIndex = at;
    const [whole, name, index] = stepForm.exec(text) ?? [];
    if (whole === undefined) return undefined;
    at += whole.length;
    if (name === "*" || index === "*") steps.push(any);
    else if (name !== undefined) steps.push(name);
    else if (index !== undefined) steps.push(/^\d/.test(index) ? Number(index) : index.slice(1, -1));
  }
  return steps;
}

/** What stands there; undefined for nothing. A path with a wildcard gives a list. */
export function valueAt(root: unknown, path: JsonPath): unknown {
  let values: readonly unknown[] = [root];
  for (const step of path) values = values.flatMap((value) => stepInto(value, step));
  return path.includes(any) ? values : values[0];
}

function stepInto(value: unknown, step: Step): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (step === any) return Object.values(value);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return typeof step === "number" && step < items.length ? [items[step]] : [];
  }
  const name = String(step);
  return Object.hasOwn(value, name) ? [Reflect.get(value, name)] : [];
}
