/**
 * The scanner of heads: a byte at a time, each byte once, in place where a head came in one read. It knows where lines,
 * names and values begin and end, and refuses every form that two implementations have been seen to read differently.
 */
import { COLON, CR, HTAB, LF, SP, flags, isDigit, isPlainName, isTarget, isToken, isValue } from "./chars.ts";
import { isLookalike } from "../desync/lookalike.ts";
import type { Verdict } from "../desync/verdict.ts";
import { field, fieldId } from "./fields.ts";

/** Why a message was refused, and with which status. */
export interface Refusal {
  status: number;
  /** `bare-lf`, `head-too-large`; for logs and counts. */
  reason: string;
  /** The request's class, where it was judged. */
  verdict?: Verdict;
}

export interface ScanLimits {
  requestLineBytesMax: number;
  fieldLineBytesMax: number;
  headBytesMax: number;
  fieldsMax: number;
  fieldsTooLargeStatus: number;
}

export type ScanKind = "request" | "response" | "trailers";

/** {@link HeadScanner.push}: the head goes on in the next read. */
export const needMore = -1;
/** {@link HeadScanner.push}: see {@link HeadScanner.refusal}. */
export const refused = -2;

/** A span is: id, start of the name, its end, start of the value, its end; all relative to the head's first byte. */
export const spanSize = 5;
/** Set in a span's id where the line is not exactly `Name: value`, so that it cannot be passed on as it is. */
export const loose = 0x100;
export const idMask = 0xff;

const methodBytesMax = 64;
const carryBytesMin = 4 * 1024;
const spansMin = 32;
const versionPattern = Buffer.from("HTTP/1.1", "latin1");

// States, in the order of a head. Numbers, not names, because the loop below switches on them for every piece.
const atBlank = 0;
const atBlankLf = 1;
const inMethod = 2;
const inTarget = 3;
const inVersion = 4;
const atLineLf = 5;
const atField = 6;
const inName = 7;
const inSpace = 8;
const inValue = 9;
const atValueLf = 10;
const atEndLf = 11;
const inStatus = 12;
const inReason = 13;

const firstState: Record<ScanKind, number> = { request: atBlank, response: inVersion, trailers: atField };

export class HeadScanner {
  /** The bytes the head lies in, from {@link base}; valid until the next push or reset. */
  bytes: Buffer = Buffer.alloc(0);
  base = 0;
  /** Length of the complete head, with the empty line at its end. */
  length = 0;
  spans = new Int32Array(spansMin * spanSize);
  count = 0;
  /** Request: where method and target end (the target starts one after). */
  methodStart = 0;
  methodEnd = 0;
  targetEnd = 0;
  /** HTTP/1.`minor`. */
  minor = 1;
  /** Response. */
  status = 0;
  refusal: Refusal | undefined;
  /** A field has a name that could be taken for one that frames. */
  lookalike = false;
  /** No field has a name with other characters than `-A-Za-z0-9`. */
  plainNames = true;

  #kind: ScanKind = "request";
  #limits: ScanLimits;
  #state = atBlank;
  #pos = 0;
  #mark = 0;
  #carry: Buffer | undefined;
  #carried = 0;
  #available = 0;
  /** Of the bytes it has, how many came before the last push. */
  seenBefore = 0;

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  /** Bytes kept of a head that is not complete. */
  get heldBytes(): number {
    return this.#carry?.length ?? 0;
  }

  /** Starts a new head. */
  reset(kind: ScanKind, limits: ScanLimits): void {
    this.#kind = kind;
    this.#limits = limits;
    this.#state = firstState[kind];
    this.#pos = 0;
    this.#mark = 0;
    this.#carried = 0;
    // A buffer that grew for one long head is not kept for the next.
    if (this.#carry !== undefined && this.#carry.length > carryBytesMin) this.#carry = undefined;
    this.count = 0;
    this.minor = 1;
    this.status = 0;
    this.refusal = undefined;
    this.lookalike = false;
    this.plainNames = true;
  }

  /** What it has of the head, up to the end of the last push: for who wants to read it otherwise. */
  get seen(): Buffer {
    return this.bytes.subarray(this.base, this.base + this.#available);
  }

  /** True between the first byte of a head and its end; an empty line before a request does not count. */
  get begun(): boolean {
    return this.#state > atBlankLf && this.#pos > 0;
  }

  /** Reads on in `chunk[start..end)`. Gives the position after the head, {@link needMore} or {@link refused}. */
  push(chunk: Buffer, start: number, end: number): number {
    this.seenBefore = this.#carried;
    if (this.#carried === 0) {
      this.#available = end - start;
      this.bytes = chunk;
      this.base = start;
      const scanned = this.#scan(end - start);
      if (scanned !== needMore) return scanned < 0 ? scanned : start + scanned;
      this.#carryOver(chunk, start, end);
      return needMore;
    }
    const before = this.#carried;
    this.#carryOver(chunk, start, end);
    const scanned = this.#scan(this.#carried);
    return scanned < 0 ? scanned : start + scanned - before;
  }

  /** The head as text, a character per byte. */
  text(): string {
    return this.bytes.toString("latin1", this.base, this.base + this.length);
  }

  #carryOver(chunk: Buffer, start: number, end: number): void {
    // More than a head may have would be refused before its last byte was looked at; nothing beyond is kept.
    const wanted = this.#carried + Math.min(end - start, this.#limits.headBytesMax + 4);
    let carry = this.#carry;
    if (carry === undefined || carry.length < wanted) {
      const grown = Buffer.allocUnsafeSlow(Math.max(carryBytesMin, 2 ** Math.ceil(Math.log2(wanted))));
      if (carry !== undefined) carry.copy(grown, 0, 0, this.#carried);
      carry = grown;
      this.#carry = grown;
    }
    chunk.copy(carry, this.#carried, start, start + wanted - this.#carried);
    this.#carried = wanted;
    this.#available = wanted;
    this.bytes = carry;
    this.base = 0;
  }

  #refuse(status: number, reason: string): number {
    this.refusal = { status, reason };
    return refused;
  }

  /** What a byte means that may not stand where it stands. */
  #refuseByte(byte: number, reason: string): number {
    if (byte === LF) return this.#refuse(400, "bare-lf");
    if (byte === CR) return this.#refuse(400, "bare-cr");
    if (byte === 0) return this.#refuse(400, "nul");
    return this.#refuse(400, reason);
  }

  #tooLong(): number {
    return this.#state < atLineLf
      ? this.#refuse(414, "request-line-too-large")
      : this.#refuse(this.#limits.fieldsTooLargeStatus, "fields-too-large");
  }

  /** Scans `bytes[base..base+available)` on from where it stopped; the length of the head, or the two negatives. */
  #scan(available: number): number {
    const { bytes, base } = this;
    const limits = this.#limits;
    let pos = this.#pos;
    // Reading stops one past what a head may have, so no loop below has to look at two bounds.
    const stop = Math.min(available, limits.headBytesMax + 1);
    while (pos < stop) {
      const byte = bytes[base + pos] as number;
      switch (this.#state) {
        case inValue: {
          let at = base + pos;
          const last = base + Math.min(stop, this.#mark + limits.fieldLineBytesMax + 1);
          while (at < last && ((flags[bytes[at] as number] as number) & isValue) !== 0) at += 1;
          pos = at - base;
          if (pos - this.#mark > limits.fieldLineBytesMax) return this.#tooLong();
          if (pos === stop) break;
          if (bytes[at] !== CR) return this.#refuseByte(bytes[at] as number, "bad-field-value");
          this.#endValue(pos);
          this.#state = atValueLf;
          pos += 1;
          break;
        }
        case inName: {
          let at = base + pos;
          const last = base + Math.min(stop, this.#mark + limits.fieldLineBytesMax + 1);
          let seen = isPlainName;
          let of = 0;
          while (at < last && ((of = flags[bytes[at] as number] as number) & isToken) !== 0) {
            seen &= of;
            at += 1;
          }
          if (seen === 0) this.plainNames = false;
          pos = at - base;
          if (pos - this.#mark > limits.fieldLineBytesMax) return this.#tooLong();
          if (pos === stop) break;
          const next = bytes[at] as number;
          if (next !== COLON) {
            return this.#refuseByte(next, next === SP || next === HTAB ? "space-before-colon" : "bad-field-name");
          }
          if (!this.#endName(pos)) return this.#refuse(limits.fieldsTooLargeStatus, "too-many-fields");
          this.#state = inSpace;
          pos += 1;
          break;
        }
        case inSpace:
          if (byte !== SP && byte !== HTAB) {
            this.spans[this.count * spanSize + 3] = pos;
            this.#state = inValue;
            break;
          }
          pos += 1;
          if (pos - this.#mark > limits.fieldLineBytesMax) return this.#tooLong();
          break;
        case atValueLf:
          if (byte !== LF) return this.#refuse(400, "bare-cr");
          this.count += 1;
          this.#state = atField;
          pos += 1;
          break;
        case atField:
          this.#mark = pos;
          if (byte === CR) {
            this.#state = atEndLf;
            pos += 1;
          } else if (((flags[byte] as number) & isToken) !== 0) {
            this.#state = inName;
          } else {
            return this.#refuseByte(byte, byte === SP || byte === HTAB ? "obs-fold" : "bad-field-name");
          }
          break;
        case atEndLf:
          if (byte !== LF) return this.#refuse(400, "bare-cr");
          this.length = pos + 1;
          this.#pos = pos + 1;
          return pos + 1;
        default: {
          const next = this.#scanFirstLine(pos, stop);
          if (next < 0) return next;
          pos = next;
        }
      }
    }
    this.#pos = pos;
    if (pos > limits.headBytesMax) return this.#tooLong();
    return needMore;
  }

  /** The states of the first line; the position reached, or {@link refused}. */
  #scanFirstLine(from: number, stop: number): number {
    const { bytes, base } = this;
    let pos = from;
    const byte = bytes[base + pos] as number;
    switch (this.#state) {
      case atBlank:
        // One empty line before a request is forgiven (RFC 9112 section 2.2); it is not part of the request line.
        this.#mark = pos;
        this.methodStart = pos;
        if (byte === CR && pos === 0) {
          this.#state = atBlankLf;
          return pos + 1;
        }
        this.#state = inMethod;
        return pos;
      case atBlankLf:
        if (byte !== LF) return this.#refuse(400, "bare-cr");
        this.#state = atBlank;
        return pos + 1;
      case inMethod:
        while (pos < stop && ((flags[bytes[base + pos] as number] as number) & isToken) !== 0) pos += 1;
        if (pos - this.#mark > methodBytesMax) return this.#refuse(400, "bad-method");
        if (pos === stop) return pos;
        if (bytes[base + pos] !== SP || pos === this.#mark) {
          return this.#refuseByte(bytes[base + pos] as number, "bad-method");
        }
        this.methodEnd = pos;
        this.#state = inTarget;
        return pos + 1;
      case inTarget:
        return this.#scanTarget(pos, stop);
      case inVersion:
        return this.#scanVersion(pos);
      case inStatus:
        return this.#scanStatus(pos);
      case inReason:
        while (pos < stop && ((flags[bytes[base + pos] as number] as number) & isValue) !== 0) pos += 1;
        if (pos === stop) return pos;
        if (bytes[base + pos] !== CR) return this.#refuseByte(bytes[base + pos] as number, "bad-reason");
        this.#state = atLineLf;
        return pos + 1;
      default:
        if (byte !== LF) return this.#refuse(400, "bare-cr");
        this.#state = atField;
        return pos + 1;
    }
  }

  #scanTarget(from: number, stop: number): number {
    const { bytes, base } = this;
    const lineMax = this.#limits.requestLineBytesMax;
    let pos = from;
    const last = Math.min(stop, this.methodStart + lineMax + 1);
    while (pos < last && ((flags[bytes[base + pos] as number] as number) & isTarget) !== 0) pos += 1;
    if (pos - this.methodStart > lineMax) return this.#tooLong();
    if (pos === stop) return pos;
    const next = bytes[base + pos] as number;
    if (next !== SP || pos === this.methodEnd + 1) {
      // A line that ends here is HTTP/0.9, which has no versions, no fields and no place on a shared connection.
      return this.#refuseByte(next, "bad-target");
    }
    this.targetEnd = pos;
    this.#state = inVersion;
    this.#mark = pos + 1;
    return pos + 1;
  }

  /** One byte of `HTTP/1.x`, and what follows it. */
  #scanVersion(pos: number): number {
    const byte = this.bytes[this.base + pos] as number;
    const index = pos - this.#mark;
    if (index < 5 || index === 6) {
      return byte === versionPattern[index] ? pos + 1 : this.#refuseByte(byte, "bad-version");
    }
    if (index === 5) {
      if (((flags[byte] as number) & isDigit) === 0) return this.#refuseByte(byte, "bad-version");
      return byte === 49 ? pos + 1 : this.#refuse(505, "version-not-supported");
    }
    if (index === 7) {
      if (((flags[byte] as number) & isDigit) === 0) return this.#refuseByte(byte, "bad-version");
      if (byte > 49) return this.#refuse(505, "version-not-supported");
      this.minor = byte - 48;
      return pos + 1;
    }
    if (this.#kind === "response") {
      if (byte !== SP) return this.#refuseByte(byte, "bad-version");
      this.#state = inStatus;
      this.#mark = pos + 1;
      return pos + 1;
    }
    if (byte !== CR) return this.#refuseByte(byte, "bad-version");
    this.#state = atLineLf;
    return pos + 1;
  }

  #scanStatus(pos: number): number {
    const byte = this.bytes[this.base + pos] as number;
    if (pos - this.#mark < 3) {
      if (((flags[byte] as number) & isDigit) === 0) return this.#refuseByte(byte, "bad-status");
      this.status = this.status * 10 + (byte - 48);
      return pos + 1;
    }
    if (this.status < 100 || this.status > 599) return this.#refuse(400, "bad-status");
    // Servers leave out the space before an empty reason phrase; nothing can be misread by that.
    if (byte === CR) {
      this.#state = atLineLf;
      return pos + 1;
    }
    if (byte !== SP) return this.#refuseByte(byte, "bad-status");
    this.#state = inReason;
    return pos + 1;
  }

  #endName(pos: number): boolean {
    if (this.count === this.#limits.fieldsMax) return false;
    const at = this.count * spanSize;
    if (at === this.spans.length) {
      const grown = new Int32Array(Math.min(this.spans.length * 2, this.#limits.fieldsMax * spanSize));
      grown.set(this.spans);
      this.spans = grown;
    }
    const { spans } = this;
    const id = fieldId(this.bytes, this.base + this.#mark, this.base + pos);
    if (id === field.other && isLookalike(this.bytes, this.base + this.#mark, this.base + pos)) this.lookalike = true;
    spans[at] = id;
    spans[at + 1] = this.#mark;
    spans[at + 2] = pos;
    return true;
  }

  #endValue(pos: number): void {
    const { spans, bytes, base } = this;
    const at = this.count * spanSize;
    const start = spans[at + 3] as number;
    let end = pos;
    while (end > start && (bytes[base + end - 1] === SP || bytes[base + end - 1] === HTAB)) end -= 1;
    spans[at + 4] = end;
    const nameEnd = spans[at + 2] as number;
    if (end !== pos || start !== nameEnd + 2 || bytes[base + nameEnd + 1] !== SP) {
      spans[at] = (spans[at] as number) | loose;
    }
  }
}

/** Scanners at rest: a connection holds one only while a head is being read, so an idle one costs no buffers. */
export class ScannerPool {
  readonly #limits: ScanLimits;
  readonly #free: HeadScanner[] = [];
  static readonly #freeMax = 64;

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  take(kind: ScanKind, limits: ScanLimits = this.#limits): HeadScanner {
    const scanner = this.#free.pop() ?? new HeadScanner(limits);
    scanner.reset(kind, limits);
    return scanner;
  }

  give(scanner: HeadScanner): void {
    if (this.#free.length < ScannerPool.#freeMax) this.#free.push(scanner);
  }
}
