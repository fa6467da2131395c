/** Method and path to operation, for REST services: a tree of path segments, then the query literals decide. */
import { percentDecode, type Pair } from "./form.ts";
import type { Incoming, Located } from "./message.ts";
import type { OperationModel, ServiceModel } from "./model.ts";

/** An operation at the end of a path, and what of the query it insists on. */
export interface Route {
  operation: OperationModel;
  /** Labels of its path, in order. */
  labels: readonly string[];
  literals: readonly Pair[];
  /** Parameters that it requires; with them it is the closer match. */
  required: readonly string[];
}

interface Node {
  literals: Map<string, Node>;
  label: Node | undefined;
  /** Routes whose last label takes all that is left. */
  greedy: Map<string, Route[]>;
  /** Routes that end here, by method. */
  ends: Map<string, Route[]>;
}

const node = (): Node => ({ literals: new Map(), label: undefined, greedy: new Map(), ends: new Map() });

/** `x-id` only tells the operation to readers of logs. */
const decorative = "x-id";

export function routeOf(operation: OperationModel): Route & { path: string } {
  const [, uri] = operation.http;
  const mark = uri.indexOf("?");
  const path = mark === -1 ? uri : uri.slice(0, mark);
  const literals = (mark === -1 ? [] : uri.slice(mark + 1).split("&"))
    .map((pair): Pair => [pair.split("=", 1)[0] ?? "", pair.includes("=") ? pair.slice(pair.indexOf("=") + 1) : ""])
    .filter(([name]) => name !== decorative);
  const required = operation.input.members
    .filter((member) => member.required)
    .flatMap(({ traits }) => traits.httpQuery ?? []);
  const labels = [...path.matchAll(/\{([^}+]+)\+?\}/g)].map(([, name]) => name ?? "");
  return { operation, path, literals, labels, required };
}

/** Finds operations of a service by method, path and query. */
export function restRoutes(model: ServiceModel): (incoming: Incoming) => Located | undefined {
  const root = node();
  for (const name of model.operationNames) {
    const operation = model.operation(name);
    if (operation !== undefined) add(root, operation);
  }
  return ({ request, path, query }) => {
    // Several of Lambda's paths end with a slash in its documentation, and not in the model, or the other way round.
    const segments = path.split("/").slice(1);
    if (segments.at(-1) === "") segments.pop();
    // Clients normalise before they sign: with these, a path would not be the one that was signed.
    if (segments.some((segment) => segment === "." || segment === "..")) return undefined;
    return walk(root, segments, 0, [], { method: request.method, query });
  };
}

function add(root: Node, operation: OperationModel): void {
  const { path, ...route } = routeOf(operation);
  const method = operation.http[0];
  let at = root;
  for (const segment of path.split("/").slice(1)) {
    if (segment.endsWith("+}")) {
      at.greedy.set(method, [...(at.greedy.get(method) ?? []), route]);
      return;
    }
    if (segment.startsWith("{")) {
      at.label ??= node();
      at = at.label;
    } else if (segment !== "") {
      const next = at.literals.get(segment) ?? node();
      at.literals.set(segment, next);
      at = next;
    }
  }
  at.ends.set(method, [...(at.ends.get(method) ?? []), route]);
}

interface Wanted {
  method: string;
  query: readonly Pair[];
}

/** Literal segments before labels before greedy ones; goes back where a branch leads nowhere. */
function walk(at: Node, segments: readonly string[], i: number, values: string[], wanted: Wanted): Located | undefined {
  const segment = segments[i];
  if (segment === undefined) return located(best(at.ends.get(wanted.method), wanted.query), values);
  const literal = at.literals.get(segment);
  const found = literal === undefined ? undefined : walk(literal, segments, i + 1, values, wanted);
  if (found !== undefined) return found;
  if (at.label !== undefined && segment !== "") {
    const below = walk(at.label, segments, i + 1, [...values, segment], wanted);
    if (below !== undefined) return below;
  }
  return located(best(at.greedy.get(wanted.method), wanted.query), [...values, segments.slice(i).join("/")]);
}

function located(route: Route | undefined, values: readonly string[]): Located | undefined {
  if (route === undefined) return undefined;
  const labels: Record<string, string> = {};
  for (const [i, name] of route.labels.entries()) labels[name] = percentDecode(values[i] ?? "");
  return { operation: route.operation, labels };
}

/** Of the routes that the query satisfies, the one that asks the most of it. */
export function best(routes: readonly Route[] | undefined, query: readonly Pair[]): Route | undefined {
  if (routes === undefined) return undefined;
  let chosen: Route | undefined;
  let score = -1;
  for (const route of routes) {
    if (
      !route.literals.every(([name, value]) =>
        query.some(([key, text]) => key === name && (value === "" || text === value)),
      )
    ) {
      continue;
    }
    const asked = route.required.filter((name) => query.some(([key]) => key === name)).length;
    const own = route.literals.length * 16 + asked * 2 - (route.required.length - asked);
    if (own > score || chosen === undefined) {
      chosen = route;
      score = own;
    }
  }
  return chosen;
}
