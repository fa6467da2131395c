/** The chunked transfer coding, read strictly: hexadecimal size, CRLF everywhere, extensions bounded and dropped. */
import type { Headers } from "../../base/http.ts";
import { CR, LF, flags, isToken, isValue } from "./chars.ts";
import { field, neverTrailer } from "./fields.ts";
import { idMask, needMore, spanSize, type HeadScanner, type Refusal, type ScannerPool } from "./scan.ts";

export interface ChunkedLimits {
  trailerBytesMax: number;
  chunkExtensionBytesMax: number;
}

/** Receives the payload of a body, in slices of the buffers it came in. */
export interface BodySink {
  bodyData(bytes: Buffer, start: number, end: number): void;
}

const atSize = 0;
const inSize = 1;
const inExtension = 2;
const atSizeLf = 3;
const inData = 4;
const atDataCr = 5;
const atDataLf = 6;
const atTrailer = 7;
const atLastLf = 8;
const inTrailers = 9;
const atEnd = 10;

/** 13 hex digits stay below 2^53. */
const sizeDigitsMax = 13;
const trailerFieldsMax = 64;
const SEMICOLON = 59;

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

export class ChunkedReader {
  done = false;
  refusal: Refusal | undefined;
  trailers: Headers = [];

  readonly #scanners: ScannerPool;
  readonly #limits: ChunkedLimits;
  #state = atSize;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #extension = 0;
  #scanner: HeadScanner | undefined;

  constructor(scanners: ScannerPool, limits: ChunkedLimits) {
    this.#scanners = scanners;
    this.#limits = limits;
  }

  /** Reads on in `bytes[start..end)`; gives the position after the last byte used, or sets {@link refusal}. */
  push(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let pos = start;
    while (pos < end && !this.done && this.refusal === undefined) {
      if (this.#state === inData) {
        const stop = Math.min(end, pos + this.#left);
        this.#left -= stop - pos;
        if (this.#left === 0) this.#state = atDataCr;
        sink.bodyData(bytes, pos, stop);
        pos = stop;
      } else if (this.#state === inTrailers) {
        pos = this.#readTrailers(bytes, pos, end);
      } else {
        this.#step(bytes[pos] as number);
        // The first byte of a trailer section is read again, by the scanner of fields.
        if (this.#state !== inTrailers) pos += 1;
      }
    }
    return pos;
  }

  /** Gives back what it holds, when a body ends early. */
  release(): void {
    if (this.#scanner !== undefined) this.#scanners.give(this.#scanner);
    this.#scanner = undefined;
  }

  #refuse(reason: string): void {
    this.refusal = { status: 400, reason };
    this.release();
  }

  #step(byte: number): void {
    switch (this.#state) {
      case atSize:
      case inSize:
        this.#readSize(byte);
        break;
      case inExtension:
        this.#readExtension(byte);
        break;
      case atSizeLf:
        if (byte !== LF) this.#refuse("bad-chunk-size");
        else this.#state = this.#left === 0 ? atTrailer : inData;
        this.#digits = 0;
        break;
      case atDataCr:
        if (byte !== CR) this.#refuse("bad-chunk-end");
        this.#state = atDataLf;
        break;
      case atDataLf:
        if (byte !== LF) this.#refuse("bad-chunk-end");
        this.#state = atSize;
        break;
      case atTrailer:
        this.#state = byte === CR ? atLastLf : inTrailers;
        break;
      default:
        if (byte !== LF) this.#refuse("bare-cr");
        else this.#finish();
    }
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (this.#digits === 0) this.#left = 0;
      this.#digits += 1;
      if (this.#digits > sizeDigitsMax) this.#refuse("chunk-too-large");
      this.#left = this.#left * 16 + digit;
      this.#state = inSize;
    } else if (this.#state === inSize && byte === CR) {
      this.#state = atSizeLf;
    } else if (this.#state === inSize && byte === SEMICOLON) {
      this.#state = inExtension;
      this.#extension = nameStart;
    } else {
      this.#refuse("bad-chunk-size");
    }
  }

  /** `;name` or `;name=value` or `;name="value"`, by the letter: what else stands here was put to be misread. */
  #readExtension(byte: number): void {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > this.#limits.chunkExtensionBytesMax) {
      this.#refuse("chunk-extension-too-large");
      return;
    }
    const next = nextOfExtension(this.#extension, byte);
    if (next === extensionBad) this.#refuse("bad-chunk-extension");
    else if (next === extensionEnd) this.#state = atSizeLf;
    else this.#extension = next;
  }

  #readTrailers(bytes: Buffer, pos: number, end: number): number {
    this.#scanner ??= this.#scanners.take("trailers", {
      requestLineBytesMax: 0,
      fieldLineBytesMax: this.#limits.trailerBytesMax,
      headBytesMax: this.#limits.trailerBytesMax,
      fieldsMax: trailerFieldsMax,
      fieldsTooLargeStatus: 400,
    });
    const scanner = this.#scanner;
    const after = scanner.push(bytes, pos, end);
    if (after === needMore) return end;
    if (after < 0) {
      this.#refuse(scanner.refusal?.reason ?? "bad-trailer");
      return pos;
    }
    if (framesMessage(scanner)) {
      this.#refuse("framing-in-trailers");
      return pos;
    }
    this.trailers = trailersOf(scanner);
    this.#finish();
    return after;
  }

  #finish(): void {
    this.#state = atEnd;
    this.done = true;
    this.release();
  }
}

const nameStart = 0;
const inName = 1;
const valueStart = 2;
const inToken = 3;
const inQuotes = 4;
const escaped = 5;
const afterQuotes = 6;
const extensionEnd = 7;
const extensionBad = 8;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

/** Where a chunk extension stands after `byte`. */
function nextOfExtension(state: number, byte: number): number {
  const isName = ((flags[byte] as number) & isToken) !== 0;
  if (state === inQuotes || state === escaped) {
    if (((flags[byte] as number) & isValue) === 0) return extensionBad;
    if (state === escaped) return inQuotes;
    if (byte === QUOTE) return afterQuotes;
    return byte === BACKSLASH ? escaped : inQuotes;
  }
  if (state === nameStart) return isName ? inName : extensionBad;
  if (state === valueStart) return byte === QUOTE ? inQuotes : isName ? inToken : extensionBad;
  if (byte === CR) return extensionEnd;
  if (byte === SEMICOLON) return nameStart;
  if (state === afterQuotes) return extensionBad;
  if (state === inName && byte === EQUALS) return valueStart;
  return isName ? state : extensionBad;
}

/** A body that says at its end how long it was, or whose it was, says it for somebody who did not believe its head. */
function framesMessage(scanner: HeadScanner): boolean {
  for (let i = 0; i < scanner.count; i += 1) {
    const id = (scanner.spans[i * spanSize] as number) & idMask;
    if (id === field.contentLength || id === field.transferEncoding || id === field.host) return true;
  }
  return false;
}

/** The trailer fields that may be passed on: none that frames, routes or authorises (RFC 9110 section 6.5.1). */
function trailersOf(scanner: HeadScanner): string[] {
  const text = scanner.text();
  const trailers: string[] = [];
  for (let i = 0; i < scanner.count; i += 1) {
    const at = i * spanSize;
    const { spans } = scanner;
    const name = text.slice(spans[at + 1], spans[at + 2]);
    if (!neverTrailer.has(name.toLowerCase())) trailers.push(name, text.slice(spans[at + 3], spans[at + 4]));
  }
  return trailers;
}
