/**
 * A doubtful head, written again so that it can be read in one way only. What comes out is read by the strict scanner
 * like any other head; nothing else ever reaches a route or an endpoint.
 *
 * - Lines end in CRLF, folded lines are joined with a space (RFC 9112 section 5.2).
 * - Bytes that may not stand in a target are percent-encoded, but for NUL, which nobody means; an empty target is `/`.
 * - Control characters in a value become spaces (RFC 9110 section 5.5), but not in the fields that the edge acts on: who
 *   sends one there wants it to be read otherwise, and the strict scanner refuses it.
 * - Lines that are no field, and fields that look like Transfer-Encoding or Content-Length without being it, are dropped:
 *   passed on, the next server might read them.
 * - One coding, `chunked`, wins over every length; equal lengths become one (RFC 9112 section 6.3).
 */
import { flags, isTarget, isValue, tokenText } from "../h1/chars.ts";
import { field, fieldIdOf } from "../h1/fields.ts";
import type { Refusal } from "../h1/scan.ts";
import { codingsOf, knownCodings, trimmed, withoutZeros } from "./classify.ts";
import { framingNameOf } from "./lookalike.ts";
import type { RawField, RawHead } from "./raw-head.ts";

export interface Repaired {
  /** The head, as the strict scanner takes it; a character per byte. */
  text: string;
  /** The body is chunked, which a head of HTTP/1.0 cannot say. */
  chunked: boolean;
}

const refusals = {
  noTarget: { status: 400, reason: "missing-target" },
  badTarget: { status: 400, reason: "bad-target" },
  coding: { status: 501, reason: "transfer-encoding-not-supported" },
  repeatedCoding: { status: 400, reason: "repeated-transfer-encoding" },
  length: { status: 400, reason: "bad-content-length" },
  repeatedLength: { status: 400, reason: "repeated-content-length" },
  version: { status: 505, reason: "version-not-supported" },
  badVersion: { status: 400, reason: "bad-version" },
} as const satisfies Record<string, Refusal>;

/** The head in its one form, or why it has none. */
export function repair(head: RawHead): Repaired | Refusal {
  if (head.faults.includes("MissingUri")) return refusals.noTarget;
  if (head.target.includes("\0")) return refusals.badTarget;
  const version = versionOf(head.version);
  if (typeof version !== "string") return version;
  const codings: string[] = [];
  const lengths: string[] = [];
  let lines = "";
  for (const { name, value } of joined(head.fields)) {
    const lower = name.toLowerCase();
    if (lower === "transfer-encoding") codings.push(...codingsOf(value));
    else if (lower === "content-length") lengths.push(trimmed(value));
    else lines += `${name}: ${value}\r\n`;
  }
  const framing = framingLine(codings, lengths, version);
  if ("status" in framing) return framing;
  const first = `${head.method} ${targetOf(head.target)} ${version}\r\n`;
  return { text: `${first}${lines}${framing.line}\r\n`, chunked: framing.chunked };
}

function versionOf(text: string): "HTTP/1.0" | "HTTP/1.1" | Refusal {
  const version = trimmed(text);
  if (version === "" || version === "HTTP/0.9" || version === "HTTP/1.0") return "HTTP/1.0";
  if (/^HTTP\/1\.[1-9]$/.test(version)) return "HTTP/1.1";
  return /^HTTP\/[2-9](?:\.[0-9])?$/.test(version) ? refusals.version : refusals.badVersion;
}

/** The fields that may be passed on, folded lines joined to what they go on. */
function joined(fields: readonly RawField[]): { name: string; value: string }[] {
  const all: { name: string; value: string }[] = [];
  let last: { name: string; value: string } | undefined;
  for (const { name, value, fold, line } of fields) {
    if (fold) {
      const looksLike = framingNameOf(line.split(":", 1)[0] ?? "") !== undefined;
      if (last !== undefined && !looksLike) last.value = trimmed(`${last.value} ${valueOf(last.name, line)}`);
      continue;
    }
    const framing = framingNameOf(name);
    const lookalike = framing !== undefined && name.toLowerCase() !== framing;
    const kept = tokenText(name) && !lookalike && line !== name;
    last = kept ? { name, value: valueOf(name, value) } : undefined;
    if (last !== undefined) all.push(last);
  }
  return all;
}

function valueOf(name: string, value: string): string {
  if (fieldIdOf(name.toLowerCase()) !== field.other) return trimmed(value);
  let text = "";
  for (const char of value) text += ((flags[char.charCodeAt(0)] as number) & isValue) === 0 ? " " : char;
  return trimmed(text);
}

function targetOf(target: string): string {
  let text = "";
  for (const char of trimmed(target)) {
    const byte = char.charCodeAt(0);
    const hex = byte.toString(16).toUpperCase().padStart(2, "0");
    text += ((flags[byte] as number) & isTarget) === 0 ? `%${hex}` : char;
  }
  return text === "" ? "/" : text;
}

/** The one line that frames the body, if it has one. */
function framingLine(
  codings: readonly string[],
  lengths: readonly string[],
  version: string,
): { line: string; chunked: boolean } | Refusal {
  const real = codings.filter((coding) => coding !== "identity");
  if (real.length > 0) {
    if (real.some((coding) => !knownCodings.has(coding) || coding !== "chunked")) return refusals.coding;
    if (real.length > 1) return refusals.repeatedCoding;
    // HTTP/1.0 has no codings: its head goes without, and who reads it is told.
    return { line: version === "HTTP/1.0" ? "" : "Transfer-Encoding: chunked\r\n", chunked: true };
  }
  const [length] = lengths;
  if (length === undefined) return { line: "", chunked: false };
  if (lengths.some((other) => !/^[0-9]+$/.test(other))) return refusals.length;
  if (lengths.some((other) => withoutZeros(other) !== withoutZeros(length))) return refusals.repeatedLength;
  return { line: `Content-Length: ${length}\r\n`, chunked: false };
}
