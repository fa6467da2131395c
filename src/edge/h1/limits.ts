/** Every bound of the HTTP/1.1 engine, by the class of the listener it serves. */

/** `public`: anybody; `api`: the node's own endpoints; `runtime`: functions that wait for work, so no idle timeout; `egress`: callers on their way out. */
export type ListenerClass = "public" | "api" | "runtime" | "egress";

export interface H1Limits {
  /** The request line, its end not counted. Longer: 414. */
  requestLineBytesMax: number;
  /** One field line. Longer: {@link fieldsTooLargeStatus}. */
  fieldLineBytesMax: number;
  /** The whole head. Longer: {@link fieldsTooLargeStatus}. */
  headBytesMax: number;
  /** Fields in one head. More: {@link fieldsTooLargeStatus}. */
  fieldsMax: number;
  /** 431 as RFC 6585 says, or 400 as ALB answers. */
  fieldsTooLargeStatus: 400 | 431;
  /** All trailer lines of a body. */
  trailerBytesMax: number;
  /** All chunk extensions of a body; they carry nothing that anybody reads, so more is an attack. */
  chunkExtensionBytesMax: number;
  /** From a connection's first byte of a request to the end of its head. Later: 408. */
  headTimeoutMs: number;
  /** A connection with a request under way is closed after this long without a byte; 0: never. */
  idleTimeoutMs: number;
  /**
   * A client that takes its answer, or sends a body of known length, slower than this is given up; 0: never. A body of
   * unknown length may be a stream with nothing to say. Kestrel's default.
   */
  bytesPerSecondMin: number;
  /** A body's progress is looked at this often; an answer's once in an idle timeout. */
  progressMs: number;
  /** A connection that rests between requests is closed after this long. */
  keepAliveTimeoutMs: number;
  /** Bytes of a request body that nobody wants which are read and dropped so that the connection can go on. */
  drainBytesMax: number;
  /** A connection being closed on a client that still sends may take this long to read the answer. */
  lingerMs: number;
  /** Bytes of a request body held for a handler that has not asked for them yet. */
  bodyQueueBytesMax: number;
  /**
   * Bytes that may wait on one connection, of all its requests: answers that its client does not take, and what came of
   * its requests. HTTP/1.1 reads no request before the answers to those before it were taken; a request of an HTTP/2
   * session, or the answer of a function on it, is refused with 503. Streams of 128 requests, each held back by its
   * receiver, come to 10 MB.
   */
  connectionBytesMax: number;
  /** Connections of one listener in one thread; one more is closed at once. */
  connectionsMax: number;
}

/** A response head from an upstream: ALB answers 502 past 32 K. */
export const responseHeadBytesMax = 32 * 1024;
/** Informational responses before the final one. */
export const interimMax = 16;

const common: H1Limits = {
  requestLineBytesMax: 16 * 1024,
  fieldLineBytesMax: 16 * 1024,
  headBytesMax: 64 * 1024,
  fieldsMax: 512,
  fieldsTooLargeStatus: 431,
  trailerBytesMax: 16 * 1024,
  chunkExtensionBytesMax: 16 * 1024,
  headTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  bytesPerSecondMin: 0,
  progressMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  drainBytesMax: 256 * 1024,
  lingerMs: 2_000,
  bodyQueueBytesMax: 256 * 1024,
  connectionBytesMax: 16 * 1024 * 1024,
  connectionsMax: 20_000,
};

const byClass: Record<ListenerClass, Partial<H1Limits>> = {
  public: { fieldsTooLargeStatus: 400, bytesPerSecondMin: 240 },
  // An API call may take long to answer (a long poll, an invocation): its own deadline ends it, not silence.
  api: { idleTimeoutMs: 0 },
  // Callers are of this machine; their connections cost little, and to make one costs them a port.
  egress: { keepAliveTimeoutMs: 3_600_000 },
  runtime: { idleTimeoutMs: 0, headTimeoutMs: 60_000, keepAliveTimeoutMs: 3_600_000 },
};

/** The limits of a class, with `changes` on top. */
export function limitsOf(listenerClass: ListenerClass, changes: Partial<H1Limits> = {}): H1Limits {
  return { ...common, ...byClass[listenerClass], ...changes };
}
