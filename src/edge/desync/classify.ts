/**
 * Puts a request into its class. The order of the questions is part of the answer: of several reasons in the worst class
 * the first counts (facts of `aws/http-desync-guardian`, whose public tests `guardian.suite.ts` holds).
 */
import { flags, isDigit, isToken, isValue } from "../h1/chars.ts";
import { framingNameOf } from "./lookalike.ts";
import type { RawField, RawHead } from "./raw-head.ts";
import { worstOf, type Verdict, type VerdictReason } from "./verdict.ts";

/** Codings that a Transfer-Encoding may name. */
export const knownCodings: ReadonlySet<string> = new Set(["chunked", "compress", "deflate", "gzip", "identity"]);

/** 2^64 and beyond is no length to anybody. */
const lengthMax = 2n ** 64n - 1n;
const lengthDigitsMax = 20;

/** The verdict on a head; undefined when it is compliant. */
export function classify(head: RawHead): Verdict | undefined {
  // Another protocol is not judged by the rules of this one.
  if (/^HTTP\/[2-9]/.test(head.version)) return undefined;
  const version = trimmed(head.version) === "" ? "HTTP/0.9" : head.version;
  return worstOf([
    ...head.faults,
    ...head.fields.flatMap(fieldFaults),
    ...framingFaults(head, version),
    ...(textHas(head.method, (byte) => ((flags[byte] as number) & isToken) === 0) ? (["BadMethod"] as const) : []),
    ...versionFaults(version),
    ...targetFaults(head.target),
  ]);
}

/** `text` without the white space of RFC 9110 around it. */
export function trimmed(text: string): string {
  // By hand: a pattern would look at every run of white space within once for each of its characters.
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9;
}

function textHas(text: string, test: (byte: number) => boolean): boolean {
  for (let i = 0; i < text.length; i += 1) if (test(text.charCodeAt(i))) return true;
  return false;
}

/** NUL, CR and LF: a parser has failed before us, or somebody wants the next one to. */
function isPoison(byte: number): boolean {
  return byte === 0 || byte === 10 || byte === 13;
}

function isPoisoned({ name, value }: RawField): boolean {
  return textHas(name, isPoison) || textHas(value, isPoison);
}

/** The framing field whose exact name it has, or that it looks like. */
function framingOf(field: RawField): { name: string; exact: boolean } | undefined {
  const name = framingNameOf(field.name);
  return name === undefined ? undefined : { name, exact: field.name.toLowerCase() === name };
}

function fieldFaults(field: RawField): VerdictReason[] {
  const faults: VerdictReason[] = [];
  const { name, value } = field;
  const poisoned = isPoisoned(field);
  if (poisoned) faults.push("BadHeader");
  else if (
    textHas(name, (byte) => ((flags[byte] as number) & isToken) === 0) ||
    textHas(value, (byte) => ((flags[byte] as number) & isValue) === 0)
  )
    faults.push("NonCompliantHeader");
  const bare = trimmed(name);
  if (bare === "" || bare.startsWith(":")) faults.push("EmptyHeader");
  else if (!poisoned && framingOf(field)?.exact === false) faults.push("SuspiciousHeader");
  return faults;
}

function framingFaults({ method, fields }: RawHead, version: string): VerdictReason[] {
  const framing = fields.map((field) => ({ value: field.value, poisoned: isPoisoned(field), as: framingOf(field) }));
  const valuesOf = (name: string) =>
    framing.flatMap(({ value, poisoned, as }) => (as?.name === name && (as.exact || !poisoned) ? [value] : []));
  const codings = valuesOf("transfer-encoding");
  const lengths = valuesOf("content-length");
  if (codings.length > 0 && version <= "HTTP/1.0") return ["UndefinedTransferEncodingSemantics"];
  if (lengths.length > 0 && version < "HTTP/1.0") return ["UndefinedContentLengthSemantics"];
  const { faults, length } = lengthFaults(lengths);
  const bodiless = method === "GET" || method === "HEAD";
  const all: VerdictReason[] = [...codingFaults(codings), ...faults];
  if (bodiless && codings.length > 0) all.push("UndefinedTransferEncodingSemantics");
  if (bodiless && length !== undefined)
    all.push(length === 0n ? "GetHeadZeroContentLength" : "UndefinedContentLengthSemantics");
  if (length !== undefined && codings.length > 0) all.push("BothTeClPresent");
  return all;
}

function codingFaults(values: readonly string[]): VerdictReason[] {
  const faults: VerdictReason[] = [];
  let chunked = false;
  for (const coding of values.flatMap(codingsOf)) {
    if (!knownCodings.has(coding)) {
      faults.push("BadTransferEncoding");
      continue;
    }
    if (chunked && coding === "chunked") faults.push("MultipleTransferEncodingChunked");
    chunked = coding === "chunked";
  }
  return faults;
}

/** The members of a Transfer-Encoding in lower case, without their parameters. */
export function codingsOf(value: string): string[] {
  return value.split(",").map((member) => trimmed(member.split(";", 1)[0] ?? "").toLowerCase());
}

function lengthFaults(values: readonly string[]): { faults: VerdictReason[]; length: bigint | undefined } {
  const faults: VerdictReason[] = [];
  let length: bigint | undefined;
  for (const value of values) {
    const next = lengthOf(value);
    if (next === undefined) faults.push("BadContentLength");
    else if (length === undefined) length = next;
    else faults.push(length === next ? "DuplicateContentLength" : "MultipleContentLength");
  }
  return { faults, length };
}

/** A Content-Length; undefined for what is none. An empty one is none either, where the library reads 0. */
function lengthOf(value: string): bigint | undefined {
  const text = trimmed(value);
  if (text === "" || textHas(text, (byte) => ((flags[byte] as number) & isDigit) === 0)) return undefined;
  const digits = withoutZeros(text);
  if (digits.length > lengthDigitsMax) return undefined;
  const length = BigInt(digits);
  return length <= lengthMax ? length : undefined;
}

/** The digits of a number as it is usually written. */
export function withoutZeros(digits: string): string {
  return digits.replace(/^0+(?=.)/, "");
}

function versionFaults(version: string): VerdictReason[] {
  const bare = trimmed(version);
  if (bare === "HTTP/0.9") return ["NonCompliantVersion"];
  if (!/^HTTP\/1\.[0-9]$/.test(bare)) return ["BadVersion"];
  return bare !== version || bare > "HTTP/1.1" ? ["NonCompliantVersion"] : [];
}

function targetFaults(target: string): VerdictReason[] {
  const faults: VerdictReason[] = [];
  for (let i = 0; i < target.length; i += 1) {
    const byte = target.charCodeAt(i);
    if (isPoison(byte)) faults.push("BadUri");
    else if (byte === 32) faults.push("SpaceInUri");
    else if (byte < 32 || byte === 127) faults.push("AmbiguousUri");
  }
  return faults;
}
