/** What goes out on a socket: heads and small pieces gathered into one write, large pieces handed on as they are. */
import type { Socket } from "node:net";
import type { Headers } from "../../base/http.ts";
import { trailerText } from "./write.ts";

/** Pieces up to this size become text behind the head they follow: one write of one string beats a writev of two. */
const textBytesMax = 8 * 1024;
/** Those up to this size are copied behind it; larger ones get memory of their own. */
const copiedBytesMax = 32 * 1024;

/**
 * Where heads and pieces are put together, by all connections of a thread: mostly the kernel takes a write at once, and
 * then nobody needs its bytes any more. Were each write given memory of its own, the collector would mark the whole heap
 * tens of times a second, for that memory counts as the heap's.
 */
let scratch = Buffer.alloc(0);
const scratchBytes = copiedBytesMax + 4 * 1024;

export class Output {
  readonly #socket: Socket;
  /** Bytes that went out. */
  sent = 0;
  #text = "";
  #corked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Latin-1 text, a byte per character. */
  text(text: string): void {
    this.#text += text;
  }

  /** Bytes `[start..end)`; `owned` when nobody will write into `bytes` again. */
  bytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    const size = end - start;
    if (size <= textBytesMax) {
      this.#text += bytes.toString("latin1", start, end);
      return;
    }
    const fits = size <= copiedBytesMax && this.#text.length + size <= scratchBytes;
    if (fits && !this.#corked && this.#socket.writableLength === 0) {
      this.#writeCopied(bytes, start, end);
      return;
    }
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
    }
    this.#writeText();
    this.sent += size;
    this.#socket.write(owned ? bytes.subarray(start, end) : Buffer.from(bytes.subarray(start, end)));
  }

  /** The same as a chunk of a body without a length. */
  chunk(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.#text += `${(end - start).toString(16)}\r\n`;
    // With the line that ends it, a piece that is not text would take a write more.
    if (end - start <= copiedBytesMax) this.#text += bytes.toString("latin1", start, end);
    else this.bytes(bytes, start, end, owned);
    this.#text += "\r\n";
  }

  /** Ends a body without a length. */
  lastChunk(trailers: Headers): void {
    this.#text += `0\r\n${trailerText(trailers)}\r\n`;
  }

  /** Sends what was gathered; false when the socket has enough for now and will say `drain`. */
  flush(): boolean {
    this.#writeText();
    if (this.#corked) {
      this.#corked = false;
      this.#socket.uncork();
    }
    return !this.#socket.writableNeedDrain;
  }

  #writeCopied(bytes: Buffer, start: number, end: number): void {
    if (scratch.length === 0) scratch = Buffer.allocUnsafeSlow(scratchBytes);
    const text = this.#text;
    this.#text = "";
    let used = text === "" ? 0 : scratch.write(text, 0, "latin1");
    used += bytes.copy(scratch, used, start, end);
    this.sent += used;
    this.#socket.write(scratch.subarray(0, used));
    // The kernel has not taken all of it: the memory is the socket's until it has.
    if (this.#socket.writableLength > 0) scratch = Buffer.alloc(0);
  }

  #writeText(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    this.sent += text.length;
    this.#socket.write(text, "latin1");
  }
}
