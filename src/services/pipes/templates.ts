/** Input templates: `{"order": <$.body.id>, "pipe": "<aws.pipes.pipe-name>"}`. Source: EventBridge guide, "Pipes input transformation". */
import { fault, invalid } from "./faults.ts";
import { parsePath, valueAt, withParsedBody } from "./paths.ts";

/** What reserved variables stand for. */
export interface PipeVariables {
  pipeArn: string;
  pipeName: string;
  sourceArn: string;
  enrichmentArn: string | undefined;
  targetArn: string;
  /** When the event was received, ISO 8601. */
  ingestionTime: string;
}

/** Makes a target's input of an event: JSON as a value, or text. */
export type Transformer = (event: unknown, variables: PipeVariables) => unknown;

type Read = (event: unknown, variables: PipeVariables) => unknown;

const reserved: Readonly<Record<string, Read>> = {
  "aws.pipes.pipe-arn": (_, { pipeArn }) => pipeArn,
  "aws.pipes.pipe-name": (_, { pipeName }) => pipeName,
  "aws.pipes.source-arn": (_, { sourceArn }) => sourceArn,
  "aws.pipes.enrichment-arn": (_, { enrichmentArn }) => enrichmentArn,
  "aws.pipes.target-arn": (_, { targetArn }) => targetArn,
  "aws.pipes.event.ingestion-time": (_, { ingestionTime }) => ingestionTime,
  "aws.pipes.event": (event) => event,
  "aws.pipes.event.json": (event) => withParsedBody(event),
};

interface Piece {
  /** Before the variable. */
  text: string;
  /** Undefined at the end. */
  read: Read | undefined;
  /** The variable stands within a string of JSON. */
  isQuoted: boolean;
}

function readOf(name: string): Read {
  if (name.startsWith("$")) {
    const path = parsePath(name);
    return (event) => valueAt(event, path);
  }
  const read = Object.hasOwn(reserved, name) ? reserved[name] : undefined;
  if (read === undefined) throw invalid(`Invalid InputTemplate: ${name} is no variable.`);
  return read;
}

function piecesOf(template: string): Piece[] {
  const pieces: Piece[] = [];
  const variable = /<(\$[^<>]*|aws\.pipes\.[^<>]*)>/g;
  let isQuoted = false;
  let from = 0;
  const textUpTo = (end: number) => {
    const text = template.slice(from, end);
    for (const [quote] of text.matchAll(/\\.|"/gs)) if (quote === '"') isQuoted = !isQuoted;
    return text;
  };
  for (const match of template.matchAll(variable)) {
    const text = textUpTo(match.index);
    pieces.push({ text, read: readOf(match[1] ?? ""), isQuoted });
    from = match.index + match[0].length;
  }
  pieces.push({ text: textUpTo(template.length), read: undefined, isQuoted });
  return pieces;
}

const plain = (value: unknown) => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
/** In a string of JSON, as part of it. */
const quoted = (value: unknown) => JSON.stringify(plain(value)).slice(1, -1);
/** As a value of JSON; what is not there is empty text. */
const bare = (value: unknown) => JSON.stringify(value ?? "");

/**
 * Reads a template. One that begins as JSON does makes JSON; another makes text, except that a variable alone makes its value.
 *
 * @throws Fault `ValidationException` for a variable that is none
 */
export function parseTemplate(template: string): Transformer {
  const pieces = piecesOf(template);
  const [only, end] = pieces;
  if (pieces.length === 2 && only?.read !== undefined && only.text.trim() === "" && end?.text.trim() === "") {
    const { read } = only;
    return (event, variables) => read(event, variables) ?? "";
  }
  const isJson = /^\s*[[{"]/.test(template);
  return (event, variables) => {
    const made = pieces.map(({ text, read, isQuoted }) => {
      if (read === undefined) return text;
      const value = read(event, variables);
      return text + (isJson ? (isQuoted ? quoted(value) : bare(value)) : plain(value));
    });
    return isJson ? parsed(made.join("")) : made.join("");
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw fault("TransformationFailed", `The input template made no JSON: ${error.message}`, {}, { cause: error });
  }
}
