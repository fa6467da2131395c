/** A message body by its framing: none, counted, chunked, or until the connection ends. */
import type { Headers } from "../../base/http.ts";
import { ChunkedReader, type BodySink, type ChunkedLimits } from "./chunked.ts";
import type { Refusal, ScannerPool } from "./scan.ts";

export type Framing = "none" | "length" | "chunked" | "eof";

const noTrailers: Headers = [];

export class BodyReader {
  framing: Framing = "none";
  done = true;
  refusal: Refusal | undefined;
  trailers: Headers = noTrailers;
  /** Payload bytes still to come; `Infinity` where nobody knows. */
  left = 0;
  #chunked: ChunkedReader | undefined;

  /** Starts on a new body; `length` counts for framing `length`. */
  begin(framing: Framing, length: number, scanners: ScannerPool, limits: ChunkedLimits): void {
    this.framing = framing;
    this.refusal = undefined;
    this.trailers = noTrailers;
    this.left = framing === "length" ? length : Infinity;
    this.done = framing === "none" || (framing === "length" && length === 0);
    this.#chunked = framing === "chunked" ? new ChunkedReader(scanners, limits) : undefined;
  }

  /** Hands what belongs to the body to `sink`; the position after it. */
  push(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.done || start === end) return start;
    if (this.#chunked !== undefined) {
      const chunked = this.#chunked;
      const after = chunked.push(bytes, start, end, sink);
      this.refusal = chunked.refusal;
      if (chunked.done) {
        this.done = true;
        this.trailers = chunked.trailers;
        this.#chunked = undefined;
      }
      return after;
    }
    const stop = this.framing === "length" ? Math.min(end, start + this.left) : end;
    this.left -= stop - start;
    if (this.left === 0) this.done = true;
    sink.bodyData(bytes, start, stop);
    return stop;
  }

  /** The connection ended: true when that is a proper end of the body. */
  ended(): boolean {
    if (this.framing === "eof") this.done = true;
    return this.done;
  }

  /** Gives back what it holds. */
  release(): void {
    this.#chunked?.release();
    this.#chunked = undefined;
  }
}
