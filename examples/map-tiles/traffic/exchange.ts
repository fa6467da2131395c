/** One request and its answer, timed. It never rejects: what went wrong is part of the answer. */
import { request, type Agent, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

export interface Exchange {
  /** Undefined when no complete answer came; then `error` says why. */
  status?: number;
  /** The answer's `X-Served-By`; a load balancer's own answers have none. */
  servedBy?: string;
  contentType?: string;
  bytes: number;
  /** From the sending to the last byte, or to the error. */
  ms: number;
  /** `ECONNRESET: socket hang up`, `timeout after 10000 ms` ... */
  error?: string;
  /** Whether the connection had served before: a reset there is a server that closes what it kept alive. */
  reusedConnection: boolean;
}

export interface ExchangeOptions {
  origin: URL;
  path: string;
  timeoutMs: number;
  /** Keeps connections; or `socket`, one that is connected already. */
  via: { agent: Agent } | { socket: Socket };
}

/** More than any answer here has; a longer one is an error and is cut off. */
export const answerBytesMax = 4 * 1024 * 1024;

export function exchange({ origin, path, timeoutMs, via }: ExchangeOptions): Promise<Exchange> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const connection = "agent" in via ? { agent: via.agent } : { createConnection: () => via.socket };
    const outgoing = request(new URL(path, origin), connection);
    const timer = setTimeout(() => outgoing.destroy(new Error(`timeout after ${timeoutMs} ms`)), timeoutMs);
    const settle = (answer: Pick<Exchange, "bytes"> & Partial<Exchange>) => {
      clearTimeout(timer);
      resolve({ ms: performance.now() - startedAt, reusedConnection: outgoing.reusedSocket, ...answer });
    };
    // Also for an error after the head: a promise settles once, and the first word counts.
    outgoing.on("error", (error) => settle({ bytes: 0, error: describe(error) }));
    outgoing.on("response", (incoming) => {
      read(incoming).then(settle, (error: unknown) => settle({ bytes: 0, error: describe(error) }));
    });
    outgoing.end();
  });
}

async function read(incoming: IncomingMessage): Promise<Pick<Exchange, "bytes"> & Partial<Exchange>> {
  let bytes = 0;
  // An answer that ends before its Content-Length is an error of this loop ("aborted").
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`);
  }
  const servedBy = incoming.headers["x-served-by"];
  const contentType = incoming.headers["content-type"];
  return {
    status: incoming.statusCode ?? 0,
    bytes,
    ...(typeof servedBy === "string" && { servedBy }),
    ...(contentType !== undefined && { contentType }),
  };
}

/** A system error by its code, any other by its message. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? `${error.code}: ${error.message}` : error.message;
}
