/** Reads the heads of a connection's requests, one after another: strictly, and where that ends as the mode says. */
import { DoubtfulHead } from "../desync/doubt.ts";
import type { DesyncMode } from "../ports.ts";
import { emptyRequestHead, readRequest, type RequestHead } from "./request.ts";
import { needMore, type HeadScanner, type Refusal, type ScanLimits, type ScannerPool } from "./scan.ts";

/** What reading takes from the listener. */
export interface HeadRules {
  readonly limits: ScanLimits;
  readonly scanners: ScannerPool;
  /** How requests are taken that are not compliant; where it is undefined they are refused. */
  readonly desync?: DesyncMode;
}

export class HeadReader {
  /** The last one read. Its text and spans are good until {@link release}. */
  readonly head: RequestHead = emptyRequestHead();
  readonly #rules: HeadRules;
  #scanner: HeadScanner | undefined;
  #doubt: DoubtfulHead | undefined;

  constructor(rules: HeadRules) {
    this.#rules = rules;
  }

  /** A part of a head has come; empty lines before it are none. */
  get begun(): boolean {
    return this.#doubt !== undefined || this.#scanner?.begun === true;
  }

  /** Bytes of a head that is not complete. */
  get heldBytes(): number {
    return this.#scanner?.heldBytes ?? 0;
  }

  /** Reads on in `chunk[pos..end)`: the position after the head, {@link needMore}, or why it is refused. */
  push(chunk: Buffer, pos: number, end: number): number | Refusal {
    if (this.#doubt !== undefined) return this.#doubt.push(chunk, pos, end);
    const { desync, limits, scanners } = this.#rules;
    const scanner = (this.#scanner ??= scanners.take("request", limits));
    const after = scanner.push(chunk, pos, end);
    if (after === needMore) return after;
    const refusal = after < 0 ? scanner.refusal : readRequest(scanner, this.head);
    if (refusal === undefined && this.head.verdict === undefined) return after;
    if (desync === undefined) return refusal ?? after;
    this.#doubt = new DoubtfulHead(desync, limits, scanner, this.head);
    return this.#doubt.open(refusal, pos, after);
  }

  /** Gives back what it holds: the head was dispatched, or will never be. */
  release(): void {
    if (this.#scanner !== undefined) this.#rules.scanners.give(this.#scanner);
    this.#scanner = undefined;
    this.#doubt = undefined;
  }
}
