/** The HTTP message that every room speaks: the edge reads and writes it, wire decodes it, function targets answer it. */

/**
 * Header fields as they came, flat: name, value, name, value ... Order, repetition and case are kept;
 * {@link headerOf} ignores case. Values are without surrounding white space.
 */
export type Headers = readonly string[];

/** Bytes at hand, bytes to come (a stream that ends or throws; read at most once), or none. */
export type Body = Uint8Array | AsyncIterable<Uint8Array> | undefined;

/** Who is at the other end of the connection. */
export interface Peer {
  /** IP address without brackets or zone. */
  address: string;
  port: number;
}

export interface HttpRequest {
  /** Upper case as sent; a token of RFC 9110. */
  method: string;
  /** Origin form: path and query as sent, not decoded (RFC 9112 section 3.2.1). Starts with `/`, or is `*`. */
  target: string;
  /** `host[:port]` that the client addressed, lower case. */
  host: string;
  scheme: "http" | "https";
  headers: Headers;
  body: Body;
  /** Asked after the body has ended; absent where nobody looks for them. */
  trailers?: () => Headers;
  client: Peer;
  /** When its head was complete, by the wall clock, in milliseconds. */
  startedAt: number;
  /** Aborts when the client is gone or the time allowed is over. */
  signal: AbortSignal;
}

export interface HttpResponse {
  /** 200-599. */
  status: number;
  /** Reason phrase; the standard one of the status when absent. */
  reason?: string;
  /** Without the hop-by-hop fields; `content-length` is set by the engine for bytes. */
  headers: Headers;
  body: Body;
  /** Asked once, after the body has ended. */
  trailers?: () => Headers;
}

/** Answers a request. A rejection is answered 500 by whoever called it. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

/** The first value of a field, or undefined. `name` in lower case. */
export function headerOf(headers: Headers, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const field = headers[i] as string;
    if (field.length === name.length && field.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/** Every value of a field, in order. `name` in lower case. */
export function headersOf(headers: Headers, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() === name) values.push(headers[i + 1] as string);
  }
  return values;
}

/** A body was longer than its reader allows. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`the body is longer than ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

const noBytes = new Uint8Array(0);

/** The whole body as bytes. Throws {@link BodyTooLarge} past `limitBytes`, and what the stream throws. */
export async function bytesOf(body: Body, limitBytes: number): Promise<Uint8Array> {
  if (body === undefined) return noBytes;
  if (body instanceof Uint8Array) {
    if (body.byteLength > limitBytes) throw new BodyTooLarge(limitBytes);
    return body;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > limitBytes) throw new BodyTooLarge(limitBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, length);
}

/** A response of JSON; `value` must be serialisable. */
export function jsonResponse(status: number, value: unknown, headers: Headers = []): HttpResponse {
  return {
    status,
    headers: ["Content-Type", "application/json", ...headers],
    body: Buffer.from(JSON.stringify(value)),
  };
}
