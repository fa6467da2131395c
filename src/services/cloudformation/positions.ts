/** Where the parts of a template stand in its text: asked for when there is something to say of them. */
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type YAMLMap } from "yaml";
import { longForms } from "./short-forms.ts";
import type { Path } from "./spec/finding.ts";

/** Of the first character, from 1; `length` to the end of the name or value, or of its first line. */
export interface Position {
  line: number;
  column: number;
  length: number;
}

export interface Place {
  path: Path;
  /** The name that the path ends in, or what it has there. */
  at: "name" | "value";
}

/**
 * The positions of the places, JSON or YAML: each as near as the text has it, since a transform may have made what is
 * spoken of. Undefined for all where the text is no template.
 */
export function positionsOf(given: string, places: readonly Place[]): readonly (Position | undefined)[] {
  const text = given.replace(/^\uFEFF/, "");
  const lines = new LineCounter();
  // JSON is YAML, as far as positions go.
  const document = parseDocument(text, { version: "1.1", schema: "failsafe", lineCounter: lines, logLevel: "silent" });
  const top = document.contents;
  if (!isMap(top)) return places.map(() => undefined);
  return places.map(({ path, at }) => {
    const { key, value } = nearest(top, path);
    const node = (at === "name" ? (key ?? value) : (value ?? key)) ?? top;
    const [start, end] = node.range ?? [0, 0];
    const { line, col } = lines.linePos(start);
    const length = text.slice(start, end).split("\n", 1)[0]?.trimEnd().length ?? 0;
    return { line, column: col, length: Math.max(1, length) };
  });
}

interface Reached {
  key?: Node;
  value: Node | null;
  /** How many steps of the path were found. */
  steps: number;
}

const samPrefix = "AWS::Serverless::";

function nearest(top: YAMLMap<Node, Node | null>, path: Path): Reached {
  const reached = walk(top, path);
  const [section, id, ...rest] = path;
  if (reached.steps === path.length || section !== "Resources" || typeof id !== "string") return reached;
  const owner = reached.steps === 1 ? ownerOf(walk(top, ["Resources"]).value, id) : id;
  if (owner === undefined) return { ...reached, value: null };
  const own = walk(top, ["Resources", owner, ...rest]);
  const name = rest[1];
  if (own.steps > 3 || rest[0] !== "Properties" || name === undefined) return own;
  // What a SAM function does not have itself it has from `Globals`.
  const type = textOf(walk(top, ["Resources", owner, "Type"]).value) ?? "";
  if (!type.startsWith(samPrefix)) return own;
  const shared: Path = ["Globals", type.slice(samPrefix.length), ...rest.slice(1)];
  const global = walk(top, shared);
  return global.steps > 2 ? global : own;
}

/** The SAM resource of which a transform made this one: its logical id begins with that one's. */
function ownerOf(resources: Node | null, id: string): string | undefined {
  if (!isMap<Node, Node | null>(resources)) return undefined;
  const ids = resources.items.flatMap(({ key }) => textOf(key) ?? []);
  return ids.filter((owner) => id.startsWith(owner)).toSorted((a, b) => b.length - a.length)[0];
}

function walk(top: Node, path: Path): Reached {
  let reached: Reached = { value: top, steps: 0 };
  for (const step of path) {
    const next = stepInto(reached, step);
    if (next === undefined) return reached;
    reached = { ...next, steps: reached.steps + 1 };
  }
  return reached;
}

function stepInto({ key, value }: Reached, step: string | number): Omit<Reached, "steps"> | undefined {
  if (value === null) return undefined;
  const { tag } = value as { tag?: string };
  // `!Sub x` is what `Fn::Sub: x` is.
  if (tag !== undefined && longForms.get(tag) === step) return { ...(key === undefined ? {} : { key }), value };
  if (isSeq<Node>(value)) {
    const item = typeof step === "number" ? value.items[step] : undefined;
    return item === undefined ? undefined : { value: item };
  }
  if (!isMap<Node, Node | null>(value)) return undefined;
  const pair = value.items.find((item) => textOf(item.key) === String(step));
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function textOf(node: Node | null): string | undefined {
  return isScalar(node) ? String(node.value) : undefined;
}
