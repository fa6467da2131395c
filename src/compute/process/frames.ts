/**
 * The framed channel between the node and its own runtimes: kind, number, two lengths, meta (JSON text) and a
 * payload that is carried as it is. The node and the Node.js runtime import this file, and the Python runtime says the
 * same (runtime-python/main.py); it imports nothing of the house.
 */

export const frameKind = {
  /** To the runtime: meta is {@link InvokeMeta}, payload the event. */
  invoke: 1,
  /** From the runtime: the handler is loaded. */
  ready: 2,
  /** Loading failed: payload is the error. The runtime exits. */
  initError: 3,
  /** The handler's answer; the number is the resident memory in KiB. */
  answer: 4,
  /** The handler failed: payload is the error. */
  failure: 5,
  /** As `failure`, and the runtime exits after it. */
  fatal: 6,
  /** The answer was too long: payload is the error. */
  tooLarge: 7,
  /** One event for the log. */
  log: 8,
  /** Bytes for standard output (number 1) or standard error (number 2). */
  output: 9,
  /** The answer is streamed; payload is its content type. Ends with `streamEnd`, `failure` or `fatal`. */
  streamBegin: 10,
  /** A part of the answer. */
  chunk: 11,
  /** The answer is complete; the number is the resident memory in KiB. */
  streamEnd: 12,
  /** To the runtime: the number is how many bytes of parts were taken. */
  credit: 13,
} as const;

export type FrameKind = (typeof frameKind)[keyof typeof frameKind];

/** What a runtime may send of an answer before the node has taken it; then it waits, and so does the function. */
export const creditBytes = 256 * 1024;

/** The file descriptors of the channel in the child: one to read, one to write. */
export const channelFd = { fromNode: 3, toNode: 4 } as const;

export interface InvokeMeta {
  requestId: string;
  invokedArn: string;
  traceHeader: string;
  /** Wall time in milliseconds. */
  deadlineAt: number;
  /** JSON text. */
  clientContext?: string;
}

export interface Frame {
  kind: number;
  value: number;
  /** Text that precedes the payload; empty for most kinds. */
  meta: string;
  payload: Buffer;
}

const headBytes = 13;
/** Payloads up to this length are copied behind their head: one small copy is cheaper than a second buffer to write. */
const copyBytesMax = 16 * 1024;

function writeHead(target: Buffer, kind: FrameKind, value: number, metaBytes: number, payloadBytes: number): void {
  target[0] = kind;
  target.writeUInt32LE(value >>> 0, 1);
  target.writeUInt32LE(metaBytes, 5);
  target.writeUInt32LE(payloadBytes, 9);
}

/** A frame whose payload is text: encoded once, behind its head. */
export function textFrame(kind: FrameKind, value: number, text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headBytes + bytes);
  writeHead(frame, kind, value, 0, bytes);
  frame.write(text, headBytes, bytes, "utf8");
  return frame;
}

/** A frame of bytes, as one buffer or as head and payload to be written one after the other. */
export function bytesFrame(kind: FrameKind, value: number, meta: string, payload: Uint8Array): Uint8Array[] {
  const metaBytes = Buffer.byteLength(meta);
  const copied = payload.byteLength <= copyBytesMax;
  const frame = Buffer.allocUnsafe(headBytes + metaBytes + (copied ? payload.byteLength : 0));
  writeHead(frame, kind, value, metaBytes, payload.byteLength);
  frame.write(meta, headBytes, metaBytes, "utf8");
  if (!copied) return [frame, payload];
  frame.set(payload, headBytes + metaBytes);
  return [frame];
}

/** What came over the channel is no frame, or one longer than allowed. */
export class BrokenFrame extends Error {
  override readonly name = "BrokenFrame";
}

/**
 * Takes the bytes of the channel as they come and calls `onFrame` for each whole frame. A body within one chunk is not
 * copied; a longer one is gathered in a buffer of its exact length. Throws {@link BrokenFrame} past `bodyBytesMax`.
 */
export function createFrameReader(bodyBytesMax: number, onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  const head = Buffer.alloc(headBytes);
  let headFilled = 0;
  let metaBytes = 0;
  let body: Buffer | undefined;
  let bodyFilled = 0;

  const emit = (whole: Buffer) => {
    headFilled = 0;
    onFrame({
      kind: head[0] ?? 0,
      value: head.readUInt32LE(1),
      meta: metaBytes === 0 ? "" : whole.toString("utf8", 0, metaBytes),
      payload: metaBytes === 0 ? whole : whole.subarray(metaBytes),
    });
  };
  /** Reads on from `at`, and gives the place after what it took. */
  const take = (chunk: Buffer, at: number): number => {
    if (body !== undefined) {
      const taken = chunk.copy(body, bodyFilled, at);
      bodyFilled += taken;
      if (bodyFilled === body.length) {
        const whole = body;
        body = undefined;
        emit(whole);
      }
      return at + taken;
    }
    const taken = chunk.copy(head, headFilled, at);
    headFilled += taken;
    const next = at + taken;
    if (headFilled < headBytes) return next;
    metaBytes = head.readUInt32LE(5);
    const bodyBytes = metaBytes + head.readUInt32LE(9);
    if (bodyBytes > bodyBytesMax) throw new BrokenFrame(`a frame of ${bodyBytes} bytes`);
    if (chunk.length - next >= bodyBytes) {
      emit(chunk.subarray(next, next + bodyBytes));
      return next + bodyBytes;
    }
    body = Buffer.allocUnsafeSlow(bodyBytes);
    bodyFilled = 0;
    return next;
  };
  return (chunk) => {
    for (let at = 0; at < chunk.length;) at = take(chunk, at);
  };
}
