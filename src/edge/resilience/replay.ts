/** The body of a request as far as it has come, kept so that it can be sent again. */
import type { Headers } from "../../base/http.ts";
import type { Exchange } from "../exchange.ts";

/** Bytes kept by all requests of a worker together; past it bodies are sent once. */
const keptBytesMax = 64 * 1024 * 1024;

/** What the bodies of a worker take together. */
export interface ReplayMemory {
  bytes: number;
}

const noPieces: readonly Buffer[] = [];

export class Replay {
  /** False once a part of the body is gone: the request can be sent no second time. */
  whole = true;
  readonly #memory: ReplayMemory;
  readonly #bytesMax: number;
  #pieces: Buffer[] | undefined;
  #bytes = 0;
  #trailers: Headers | undefined;

  constructor(memory: ReplayMemory, bytesMax: number) {
    this.#memory = memory;
    this.#bytesMax = bytesMax;
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces ?? noPieces;
  }

  /** The whole request is here. */
  get complete(): boolean {
    return this.#trailers !== undefined;
  }

  add(bytes: Buffer, start: number, end: number): void {
    if (!this.whole) return;
    const length = end - start;
    if (this.#bytes + length > this.#bytesMax || this.#memory.bytes + length > keptBytesMax) {
      this.drop();
      return;
    }
    this.#bytes += length;
    this.#memory.bytes += length;
    (this.#pieces ??= []).push(bytes.subarray(start, end));
  }

  end(trailers: Headers): void {
    this.#trailers = trailers;
  }

  /** Tells `exchange` all that has come. */
  into(exchange: Exchange): void {
    for (const piece of this.pieces) exchange.requestData(piece, 0, piece.length);
    if (this.#trailers !== undefined) exchange.requestEnd(this.#trailers);
    exchange.requestFlush();
  }

  /** Lets go of what was kept. */
  drop(): void {
    this.whole = false;
    this.#memory.bytes -= this.#bytes;
    this.#bytes = 0;
    this.#pieces = undefined;
  }
}
