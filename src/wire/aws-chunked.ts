/**
 * `aws-chunked` bodies, decoded as they stream: sizes, signatures of chunks, trailers.
 * Source: S3 API reference, "Signature calculations ... transferring payload in multiple chunks", and "... trailing headers".
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Fault } from "../base/errors.ts";
import { chunkLineBytesMax, chunkTrailersMax } from "./limits.ts";

/** How the chunks of a body are signed. */
export interface ChunkSigning {
  key: Uint8Array;
  /** Of the request: the first chunk's signature goes on from it. */
  seed: string;
  timestamp: string;
  scope: string;
  /** The fault for a signature that is not right. */
  mismatch: () => Fault;
}

export interface ChunkedBody {
  source: AsyncIterable<Uint8Array>;
  /** `x-amz-decoded-content-length`, where it came. */
  decodedBytes: number | undefined;
  /** Verification is on, and the chunks are signed. */
  signing: ChunkSigning | undefined;
  /** Told of the trailers, in lower case, before the stream ends. */
  onTrailers(trailers: ReadonlyMap<string, string>): void;
}

const emptyHash = createHash("sha256").digest("hex");
const incomplete = (message = "The request body terminated unexpectedly") => new Fault("IncompleteBody", message);
const malformed = () => new Fault("InvalidRequest", "The aws-chunked body is not well-formed");

/** The bytes that the client meant to send. Throws a fault at the first thing that is wrong. */
export async function* decodeChunked(body: ChunkedBody): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(body.source);
  try {
    yield* chunks(body, reader);
  } finally {
    await reader.close();
  }
}

async function* chunks(body: ChunkedBody, reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  let previous = body.signing?.seed ?? "";
  let total = 0;
  for (;;) {
    const { size, signature } = chunkHead(await reader.line());
    total += size;
    if (body.decodedBytes !== undefined && total > body.decodedBytes) throw incomplete();
    const hash = body.signing === undefined ? undefined : createHash("sha256");
    for (let left = size; left > 0;) {
      const piece = await reader.upTo(left);
      hash?.update(piece);
      left -= piece.byteLength;
      yield piece;
    }
    if (body.signing !== undefined && hash !== undefined) {
      previous = verifyChunk(body.signing, previous, hash.digest("hex"), signature);
    }
    if (size === 0) break;
    if ((await reader.line()) !== "") throw malformed();
  }
  if (body.decodedBytes !== undefined && total !== body.decodedBytes) {
    throw incomplete(
      "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header",
    );
  }
  body.onTrailers(await readTrailers(reader, body.signing, previous));
}

function chunkHead(line: string): { size: number; signature: string | undefined } {
  const [, digits, signature] = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line) ?? [];
  if (digits === undefined) throw malformed();
  return { size: Number.parseInt(digits, 16), signature };
}

function sign({ key, timestamp, scope }: ChunkSigning, algorithm: string, previous: string, hashes: string[]): string {
  const text = [algorithm, timestamp, scope, previous, ...hashes].join("\n");
  return createHmac("sha256", key).update(text).digest("hex");
}

function expectSignature(signing: ChunkSigning, expected: string, found: string | undefined): void {
  if (found === undefined || !/^[0-9a-f]{64}$/.test(found)) throw signing.mismatch();
  if (!timingSafeEqual(Buffer.from(expected, "hex"), Buffer.from(found, "hex"))) throw signing.mismatch();
}

function verifyChunk(signing: ChunkSigning, previous: string, hash: string, found: string | undefined): string {
  const expected = sign(signing, "AWS4-HMAC-SHA256-PAYLOAD", previous, [emptyHash, hash]);
  expectSignature(signing, expected, found);
  return expected;
}

const trailerSignature = "x-amz-trailer-signature";

async function readTrailers(
  reader: ByteReader,
  signing: ChunkSigning | undefined,
  previous: string,
): Promise<ReadonlyMap<string, string>> {
  const trailers = new Map<string, string>();
  let signed = "";
  for (;;) {
    // A body without trailers may end right here, or after one more line end.
    const line = await reader.lineOrEnd();
    if (line === undefined || line === "") break;
    const colon = line.indexOf(":");
    if (colon < 1 || trailers.size >= chunkTrailersMax) throw malformed();
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name !== trailerSignature) signed += `${name}:${value}\n`;
    trailers.set(name, value);
  }
  if (signing !== undefined && signed !== "") {
    const hash = createHash("sha256").update(signed).digest("hex");
    expectSignature(
      signing,
      sign(signing, "AWS4-HMAC-SHA256-TRAILER", previous, [hash]),
      trailers.get(trailerSignature),
    );
  }
  trailers.delete(trailerSignature);
  return trailers;
}

/** Lines and runs of bytes out of a stream of pieces; holds one piece, and the line under way. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /** Lets the source go, wherever the reader stands. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.byteLength === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      this.#piece = next.value;
    }
    return true;
  }

  /** At least one byte, at most `count`. */
  async upTo(count: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw incomplete();
    const taken = this.#piece.subarray(0, count);
    this.#piece = this.#piece.subarray(taken.byteLength);
    return taken;
  }

  /** A line without its CRLF. */
  async line(): Promise<string> {
    const line = await this.lineOrEnd();
    if (line === undefined) throw incomplete();
    return line;
  }

  /** A line, or undefined where the stream ends before one begins. */
  async lineOrEnd(): Promise<string | undefined> {
    let line = "";
    for (;;) {
      if (!(await this.#fill())) {
        if (line === "") return undefined;
        throw incomplete();
      }
      const end = this.#piece.indexOf(0x0a);
      const part = end === -1 ? this.#piece : this.#piece.subarray(0, end + 1);
      if (line.length + part.byteLength > chunkLineBytesMax) throw malformed();
      line += Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("latin1");
      this.#piece = this.#piece.subarray(part.byteLength);
      if (end === -1) continue;
      if (!line.endsWith("\r\n")) throw malformed();
      return line.slice(0, -2);
    }
  }
}
