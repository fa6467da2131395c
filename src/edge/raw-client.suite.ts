/** A client that sends exactly the bytes it is told, for tests; and a reader of what comes back that trusts nothing. */
import { connect, type Socket } from "node:net";

export interface RawResponse {
  status: number;
  /** `name: value`, names in lower case, in order. */
  fields: [string, string][];
  body: Buffer;
}

export class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  closed = false;
  error: Error | undefined;
  #changed: () => void = () => {};

  constructor(port: number, host = "127.0.0.1") {
    this.socket = connect({ port, host, noDelay: true });
    this.socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#changed();
    });
    this.socket.on("error", (error) => {
      this.error = error;
    });
    this.socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  send(bytes: string | Uint8Array): this {
    if (typeof bytes === "string") this.socket.write(bytes, "latin1");
    else this.socket.write(bytes);
    return this;
  }

  /** Sends a byte at a time, each in a turn of its own. */
  async trickle(text: string): Promise<void> {
    for (const char of text) {
      this.socket.write(char, "latin1");
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  /** Waits until `done` holds for what came, or the connection is closed. */
  async until(done: (received: string) => boolean): Promise<string> {
    for (;;) {
      const text = this.received.toString("latin1");
      if (done(text) || this.closed) return text;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Everything until the other side closes. */
  all(): Promise<string> {
    return this.until(() => false);
  }

  /** Until the other side closes, or is seen to wait for more; then it is closed from here. */
  async quiet(): Promise<void> {
    // Turns of the loop, not time: a busy machine is slow, not quiet.
    for (let turns = 0, seen = -1; turns < 20 && !this.closed; turns += 1) {
      if (seen !== this.received.length) turns = 0;
      seen = this.received.length;
      await new Promise((resolve) => {
        setTimeout(resolve, 8);
      });
    }
    this.destroy();
  }

  /** The next complete response; `headOnly` when it answers HEAD. Rejects when the connection closes before its end. */
  async response(headOnly = false): Promise<RawResponse> {
    await this.until(() => takeResponse(this.received, headOnly, this.closed) !== undefined);
    const taken = takeResponse(this.received, headOnly, this.closed);
    if (taken === undefined) {
      throw new Error(`closed in the middle of a response: ${JSON.stringify(this.received.toString("latin1"))}`);
    }
    this.received = this.received.subarray(taken.length);
    return taken.response;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function takeResponse(
  bytes: Buffer,
  headOnly: boolean,
  closed: boolean,
): { response: RawResponse; length: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const of = (name: string) => fields.find(([field]) => field === name)?.[1];
  const start = headEnd + 4;
  if (headOnly || status < 200 || status === 204 || status === 304) {
    return { response: { status, fields, body: Buffer.alloc(0) }, length: start };
  }
  if (of("transfer-encoding") === "chunked") {
    const chunked = takeChunked(bytes, start);
    return chunked === undefined
      ? undefined
      : { response: { status, fields, body: chunked.body }, length: chunked.end };
  }
  const length = of("content-length");
  if (length === undefined) {
    return closed ? { response: { status, fields, body: bytes.subarray(start) }, length: bytes.length } : undefined;
  }
  const end = start + Number(length);
  return bytes.length < end
    ? undefined
    : { response: { status, fields, body: bytes.subarray(start, end) }, length: end };
}

function takeChunked(bytes: Buffer, from: number): { body: Buffer; end: number } | undefined {
  const pieces: Buffer[] = [];
  let pos = from;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", pos);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", pos, lineEnd), 16);
    pos = lineEnd + 2;
    if (size === 0) {
      const end = bytes.indexOf("\r\n", pos) === pos ? pos : bytes.indexOf("\r\n\r\n", pos) + 2;
      return end < pos || bytes.length < end + 2 ? undefined : { body: Buffer.concat(pieces), end: end + 2 };
    }
    if (bytes.length < pos + size + 2) return undefined;
    pieces.push(bytes.subarray(pos, pos + size));
    pos += size + 2;
  }
}

/** The value of a field, or undefined. */
export function fieldOf(response: RawResponse, name: string): string | undefined {
  return response.fields.find(([field]) => field === name)?.[1];
}
