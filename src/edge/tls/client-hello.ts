/**
 * Reads the server name out of a client's first message (RFC 8446 section 4.1.2, RFC 6066 section 3), before OpenSSL
 * does: Node lets a callback add one certificate to those that a connection began with, and a client that can use
 * another kind of key would be shown one of a wrong name. What is not understood here is OpenSSL's to refuse.
 */

/** A longer first message is not looked into. */
export const helloBytesMax = 16 * 1024;

const recordOfHandshake = 22;
const recordHeadBytes = 5;
const clientHello = 1;
const messageHeadBytes = 4;
const extensionServerName = 0;
const nameIsHost = 0;

/** The name that `bytes`, all that came so far, ask for; "" for none; undefined when more must come. */
export function serverNameOf(bytes: Buffer): string | undefined {
  const message = messageOf(bytes);
  return message === undefined ? undefined : (nameIn(new Cursor(message)) ?? "");
}

/** The first handshake message, out of its records; nothing of what is something else. */
function messageOf(bytes: Buffer): Buffer | undefined {
  const pieces: Buffer[] = [];
  let gathered = 0;
  let wanted = messageHeadBytes;
  let at = 0;
  while (gathered < wanted) {
    if (at < bytes.length && bytes[at] !== recordOfHandshake) return empty;
    if (at + recordHeadBytes > bytes.length) return bytes.length > helloBytesMax ? empty : undefined;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return empty;
    const end = at + recordHeadBytes + length;
    const piece = bytes.subarray(at + recordHeadBytes, end);
    pieces.push(piece);
    gathered += piece.length;
    at = end;
    if (wanted === messageHeadBytes && gathered >= messageHeadBytes) {
      const [first] = pieces;
      const head = first !== undefined && first.length >= messageHeadBytes ? first : Buffer.concat(pieces);
      if (head[0] !== clientHello) return empty;
      wanted += head.readUIntBE(1, 3);
      if (wanted > helloBytesMax) return empty;
    }
    if (gathered < wanted && at > bytes.length) return undefined;
  }
  return Buffer.concat(pieces).subarray(messageHeadBytes, wanted);
}

const empty = Buffer.alloc(0);

function nameIn(hello: Cursor): string | undefined {
  // Version and random; then session id, cipher suites, compression methods.
  hello.skip(2 + 32);
  hello.skip(hello.number(1));
  hello.skip(hello.number(2));
  hello.skip(hello.number(1));
  const extensions = hello.part(hello.number(2));
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const value = extensions.part(extensions.number(2));
    if (type !== extensionServerName) continue;
    const names = value.part(value.number(2));
    return names.number(1) === nameIsHost ? names.text(names.number(2)) : undefined;
  }
  return undefined;
}

/** Reads on in bytes, and finds zeros and nothing behind their end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2): number {
    const at = this.#at;
    this.skip(size);
    if (this.#at > this.#bytes.length) return 0;
    return this.#bytes.readUIntBE(at, size);
  }

  skip(size: number): void {
    this.#at += size;
  }

  part(size: number): Cursor {
    return new Cursor(this.#take(size));
  }

  text(size: number): string {
    return this.#take(size).toString("latin1");
  }

  #take(size: number): Buffer {
    const at = Math.min(this.#at, this.#bytes.length);
    this.skip(size);
    return this.#bytes.subarray(at, at + size);
  }
}
