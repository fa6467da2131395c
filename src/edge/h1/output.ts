/** What goes out on a socket: heads and small pieces gathered into one write, large pieces handed on as they are. */
import type { Socket } from "node:net";

/**
 * Pieces up to this size are copied behind the head they follow: one write of one string beats a writev of two, and a
 * string is young memory, where a buffer of its own for each piece has the collector mark the whole heap again and again.
 */
const smallBytesMax = 32 * 1024;

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
    if (end - start <= smallBytesMax) {
      this.#text += bytes.toString("latin1", start, end);
      return;
    }
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
    }
    this.#writeText();
    this.sent += end - start;
    this.#socket.write(owned ? bytes.subarray(start, end) : Buffer.from(bytes.subarray(start, end)));
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

  #writeText(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    this.sent += text.length;
    this.#socket.write(text, "latin1");
  }
}
