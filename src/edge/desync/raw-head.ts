/**
 * A request head as it came, taken apart the way lenient servers do: lines end with LF, the version is behind the last
 * space. Nothing is decided here, and nothing of it is acted on before the strict scanner has read what it became.
 */
import { LF, flags, isToken } from "../h1/chars.ts";
import type { VerdictReason } from "./verdict.ts";

export interface RawField {
  /** Up to the colon, or the whole line where there is none. */
  name: string;
  value: string;
  /** The line begins with white space; `name` is that of the field it goes on where it has no colon of its own. */
  fold: boolean;
  /** Without the line's end. */
  line: string;
}

/** All texts have a character per byte. */
export interface RawHead {
  method: string;
  target: string;
  /** Empty where there is none, as in HTTP/0.9. */
  version: string;
  fields: readonly RawField[];
  /** What is wrong with the lines themselves, in their order. */
  faults: readonly VerdictReason[];
}

/** Finds the end of a head that comes in pieces: the first empty line behind the request line. */
export class HeadEnd {
  #at = 0;
  #lineStart = 0;

  /** The length of the head in `bytes[0..available)`, which begins with what was given before; -1 when it goes on. */
  find(bytes: Buffer, available: number): number {
    for (let at = bytes.indexOf(LF, this.#at); at >= 0 && at < available; at = bytes.indexOf(LF, this.#at)) {
      const length = at - this.#lineStart;
      const empty = length === 0 || (length === 1 && bytes[this.#lineStart] === 13);
      // One empty line before the request line is forgiven; it is the strict scanner's rule too.
      const forgiven = empty && this.#lineStart === 0;
      this.#at = at + 1;
      this.#lineStart = at + 1;
      if (empty && !forgiven) return at + 1;
    }
    this.#at = available;
    return -1;
  }
}

/** Takes the complete head `text` apart. */
export function readRawHead(text: string): RawHead {
  const faults: VerdictReason[] = [];
  const lines = text.replace(/^\r?\n/, "").split("\n");
  const ended = lines.slice(0, -1).map((line) => {
    if (line.endsWith("\r")) return line.slice(0, -1);
    faults.push("NonCrLfLineTermination");
    return line;
  });
  const [first = "", ...rest] = ended;
  const request = readRequestLine(first, faults);
  return { ...request, fields: readFields(rest.slice(0, -1), faults), faults };
}

function readRequestLine(line: string, faults: VerdictReason[]): Pick<RawHead, "method" | "target" | "version"> {
  const afterMethod = line.indexOf(" ") + 1;
  const method = afterMethod === 0 ? line : line.slice(0, afterMethod - 1);
  const rest = afterMethod === 0 ? "" : line.slice(afterMethod);
  // What follows the version and can be no part of one is counted to it.
  let last = rest.length - 1;
  while (last >= 0 && ((flags[rest.charCodeAt(last)] as number) & isToken) === 0) last -= 1;
  const space = rest.lastIndexOf(" ", Math.max(last, 0));
  const version = rest.slice(space + 1);
  if (rest === "" || (space < 0 && version.startsWith("HTTP/1."))) {
    faults.push("MissingUri");
    return { method, target: "", version };
  }
  if (space < 0) return { method, target: rest, version: "" };
  return { method, target: rest.slice(0, space), version };
}

function readFields(lines: readonly string[], faults: VerdictReason[]): RawField[] {
  let before: string | undefined;
  let mediaType = false;
  return lines.map((line) => {
    const fold = line.startsWith(" ") || line.startsWith("\t");
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1);
    if (fold) {
      // RFC 7230 section 3.2.4 lets `message/http` fold; it is told by nothing else than the field.
      if (!mediaType) faults.push("MultilineHeader");
      if (before !== undefined && (mediaType || colon < 0)) return { name: before, value: line, fold, line };
    } else if (colon < 0) {
      faults.push("MissingHeaderColon");
    } else {
      before = name;
      mediaType = name.toLowerCase() === "content-type";
    }
    return { name, value, fold, line };
  });
}
