/** Many requests at the same moment, each on a connection of its own: what a concurrency cap is for. */
import { connect, type Socket } from "node:net";
import { describe, exchange, type Exchange } from "./exchange.ts";

export interface BurstOptions {
  origin: string;
  path: string;
  /** 1 to {@link burstMax}. */
  count: number;
  /** For each, to connect and then to be answered; 15,000 unless told. */
  timeoutMs?: number;
}

/** Connections that a process may open without raising its limit of files (1,024 by default). */
export const burstMax = 900;

/**
 * Connects first, then sends all at once, so that `ms` is the answer's time alone. The answers are in the order of
 * the requests. A connection that fails is an answer with `error`.
 */
export async function burst({ origin, path, count, timeoutMs = 15_000 }: BurstOptions): Promise<Exchange[]> {
  if (!Number.isInteger(count) || count < 1 || count > burstMax)
    throw new RangeError(`count must be 1 to ${burstMax}.`);
  const url = httpOrigin(origin);
  const opened = await Promise.allSettled(Array.from({ length: count }, () => open(url, timeoutMs)));
  const sockets = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const send = async (result: PromiseSettledResult<Socket>): Promise<Exchange> =>
    result.status === "fulfilled"
      ? exchange({ origin: url, path, timeoutMs, via: { socket: result.value } })
      : { bytes: 0, ms: 0, error: describe(result.reason), reusedConnection: false };
  try {
    return await Promise.all(opened.map(send));
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** `http://host:port` as a URL; throws for anything but clear HTTP, which is all that the visitors speak. */
export function httpOrigin(origin: string): URL {
  const url = new URL(origin);
  if (url.protocol !== "http:") throw new Error(`Visitors speak http, not ${url.protocol.slice(0, -1)}.`);
  return url;
}

function open(url: URL, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // An IPv6 address has brackets in a URL and none in a socket's address.
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(url.port || 80) });
    const timer = setTimeout(() => socket.destroy(new Error(`no connection after ${timeoutMs} ms`)), timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
