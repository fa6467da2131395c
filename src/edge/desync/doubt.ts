/**
 * A request head that the strict scanner refused, or found odd: gathered to its end as lenient servers see it, judged,
 * and handled as the listener's mode says. Compliant heads never come here.
 */
import type { DesyncMode } from "../ports.ts";
import { readRequest, type RequestHead } from "../h1/request.ts";
import { needMore, type HeadScanner, type Refusal, type ScanLimits } from "../h1/scan.ts";
import { classify } from "./classify.ts";
import { blocks, isolates } from "./mode.ts";
import { HeadEnd, readRawHead } from "./raw-head.ts";
import { repair } from "./repair.ts";
import { verdictOf, type Verdict } from "./verdict.ts";

/** Refusals that no mode changes: of size, and of what is understood but not done. */
const finalReasons: ReadonlySet<string> = new Set(["request-line-too-large", "fields-too-large", "too-many-fields"]);
const doubtfulStatuses: ReadonlySet<number> = new Set([400, 501, 505]);

const bytesMin = 4 * 1024;

export class DoubtfulHead {
  readonly #mode: DesyncMode;
  readonly #limits: ScanLimits;
  readonly #scanner: HeadScanner;
  readonly #head: RequestHead;
  readonly #end = new HeadEnd();
  #bytes = Buffer.alloc(0);
  #length = 0;

  /** Takes over from `scanner`, which it uses again in the end to fill `head`. */
  constructor(mode: DesyncMode, limits: ScanLimits, scanner: HeadScanner, head: RequestHead) {
    this.#mode = mode;
    this.#limits = limits;
    this.#scanner = scanner;
    this.#head = head;
  }

  /**
   * The scanner stopped in the chunk that it got from `start` on, with `refusal`; or without one, at `after`, behind a
   * head that is complete and odd. Gives what {@link push} gives.
   */
  open(refusal: Refusal | undefined, start: number, after: number): number | Refusal {
    const { verdict } = this.#head;
    if (refusal === undefined && verdict !== undefined && verdict.reason !== "SuspiciousHeader") {
      return this.#settle(verdict, false) ?? after;
    }
    if (refusal?.reason === "bad-method") return { ...refusal, verdict: verdictOf("BadMethod") };
    if (refusal !== undefined && (!doubtfulStatuses.has(refusal.status) || finalReasons.has(refusal.reason))) {
      return refusal;
    }
    const { seen, seenBefore } = this.#scanner;
    const length = this.#gather(seen, 0, seen.length);
    return typeof length === "number" && length >= 0 ? start + length - seenBefore : length;
  }

  /** Reads on in `chunk[start..end)`: the position after the head, {@link needMore}, or why the request is refused. */
  push(chunk: Buffer, start: number, end: number): number | Refusal {
    const before = this.#length;
    const length = this.#gather(chunk, start, end);
    return typeof length === "number" && length >= 0 ? start + length - before : length;
  }

  /** The head's length once it is whole. */
  #gather(chunk: Buffer, start: number, end: number): number | Refusal {
    const { headBytesMax, fieldsTooLargeStatus } = this.#limits;
    const wanted = Math.min(this.#length + end - start, headBytesMax + 1);
    if (wanted > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(bytesMin, 2 ** Math.ceil(Math.log2(wanted))));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    chunk.copy(this.#bytes, this.#length, start, start + wanted - this.#length);
    this.#length = wanted;
    const length = this.#end.find(this.#bytes, wanted);
    if (length < 0) {
      return wanted > headBytesMax ? { status: fieldsTooLargeStatus, reason: "fields-too-large" } : needMore;
    }
    return this.#judge(this.#bytes.toString("latin1", 0, length)) ?? length;
  }

  #judge(text: string): Refusal | undefined {
    const raw = readRawHead(text);
    const verdict = classify(raw);
    if (verdict !== undefined && blocks(this.#mode, verdict)) return { status: 400, reason: "desync", verdict };
    const repaired = repair(raw);
    if ("status" in repaired) return withVerdict(repaired, verdict);
    const bytes = Buffer.from(repaired.text, "latin1");
    const scanner = this.#scanner;
    scanner.reset("request", this.#limits);
    const after = scanner.push(bytes, 0, bytes.length);
    const refusal =
      after < 0 ? (scanner.refusal ?? { status: 400, reason: "not-canonical" }) : readRequest(scanner, this.#head);
    if (refusal !== undefined) return withVerdict(refusal, verdict);
    if (repaired.chunked) this.#head.framing = "chunked";
    return this.#settle(verdict, true);
  }

  /** Applies the mode to a head that is filled. */
  #settle(verdict: Verdict | undefined, repaired: boolean): Refusal | undefined {
    const head = this.#head;
    head.verdict = verdict;
    if (verdict === undefined) return undefined;
    if (blocks(this.#mode, verdict)) return { status: 400, reason: "desync", verdict };
    if (isolates(this.#mode, verdict, repaired)) {
      head.isolated = true;
      head.keepAlive = false;
    }
    return undefined;
  }
}

function withVerdict(refusal: Refusal, verdict: Verdict | undefined): Refusal {
  return verdict === undefined ? refusal : { ...refusal, verdict };
}
