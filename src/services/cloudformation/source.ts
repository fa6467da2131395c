/** The text of a template, JSON or YAML with CloudFormation's short forms, as plain JSON. */
import {
  isAlias,
  isMap as isYamlMap,
  isScalar as isYamlScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Node,
} from "yaml";
import { invalid } from "./faults.ts";
import { jsonErrorOffset } from "./json-error.ts";
import type { Json, JsonObject } from "./json.ts";
import { nestingMax } from "./limits.ts";
import { longForms } from "./short-forms.ts";
import { plainScalar } from "./yaml-scalars.ts";

/** Reads a template's text. Throws AWS's `Template format error` where it is none. */
export function parseSource(given: string): JsonObject {
  // A byte order mark is no part of the template.
  const text = given.replace(/^\uFEFF/, "");
  const value = text.trimStart().startsWith("{") ? parseJson(text) : parseYaml(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("Template format error: unsupported structure.");
  }
  checkValues(value, "", 0);
  return value as JsonObject;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const before = text.slice(0, jsonErrorOffset(text)).split("\n");
    const column = (before.at(-1) ?? "").length + 1;
    throw invalid(`Template format error: JSON not well-formed. (line ${before.length}, column ${column})`, { cause });
  }
}

const coreTag = "tag:yaml.org,2002:";

interface YamlContext {
  lines: LineCounter;
}

function notWellFormed(line: number, column: number, cause?: Error) {
  const message = `Template format error: YAML not well-formed. (line ${line}, column ${column})`;
  return invalid(message, cause === undefined ? {} : { cause });
}

function notWellFormedAt(node: Node, { lines }: YamlContext) {
  const { line, col } = lines.linePos(node.range?.[0] ?? 0);
  return notWellFormed(line, col);
}

function parseYaml(text: string): Json {
  const lines = new LineCounter();
  // Scalars stay text here: `failsafe` knows no numbers or dates, and plainScalar() reads them as AWS's parser does.
  const options = { version: "1.1", schema: "failsafe", merge: false, lineCounter: lines, prettyErrors: true } as const;
  const document = readYaml(text, options);
  const [error] = document.errors;
  if (error !== undefined) throw notWellFormed(error.linePos?.[0].line ?? 1, error.linePos?.[0].col ?? 1, error);
  return document.contents === null ? null : fromNode(document.contents, { lines }, 0);
}

function readYaml(text: string, options: NonNullable<Parameters<typeof parseDocument>[1]>) {
  try {
    return parseDocument(text, options);
  } catch (cause) {
    // The parser recurses into flow collections: thousands of open brackets end its stack.
    if (!(cause instanceof RangeError)) throw cause;
    throw invalid("Template format error: unsupported structure.", { cause });
  }
}

function fromNode(node: Node, context: YamlContext, depth: number): Json {
  if (depth > nestingMax) throw invalid("Template format error: unsupported structure.");
  if (isAlias(node)) throw invalid("Template error: YAML aliases are not allowed in CloudFormation templates");
  const value = contentOf(node, context, depth);
  const { tag } = node as { tag?: string };
  if (tag === undefined || tag.startsWith(coreTag)) return value;
  const name = longForms.get(tag);
  if (name === undefined) throw notWellFormedAt(node, context);
  return { [name]: name === "Fn::GetAtt" && typeof value === "string" ? attributePath(value) : value };
}

function contentOf(node: Node, context: YamlContext, depth: number): Json {
  if (isSeq<Node>(node)) return node.items.map((item) => fromNode(item, context, depth + 1));
  if (isYamlMap<Node, Node | null>(node)) {
    const entries = node.items.map(({ key, value }): [string, Json] => {
      if (!isYamlScalar(key)) throw notWellFormedAt(node, context);
      return [String(key.value), value === null ? null : fromNode(value, context, depth + 1)];
    });
    return Object.fromEntries(entries);
  }
  if (!isYamlScalar(node)) throw notWellFormedAt(node, context);
  const text = typeof node.value === "string" ? node.value : "";
  return node.type === "PLAIN" && node.tag === undefined ? plainScalar(text) : text;
}

/** `Logical.Attribute.Nested` -> `["Logical", "Attribute.Nested"]`. */
function attributePath(text: string): Json {
  const dot = text.indexOf(".");
  return dot < 0 ? [text] : [text.slice(0, dot), text.slice(dot + 1)];
}

/** No nulls, and no deeper than evaluation may go. */
function checkValues(value: Json, path: string, depth: number): void {
  if (value === null) throw invalid(`[${path}] 'null' values are not allowed in templates`);
  if (typeof value !== "object") return;
  if (depth > nestingMax) throw invalid("Template format error: unsupported structure.");
  for (const [name, inner] of Object.entries<Json>(value)) checkValues(inner, `${path}/${name}`, depth + 1);
}
