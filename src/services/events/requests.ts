/** Requests to other people's endpoints: bounded in time, and in what of an answer is read. */
import type { Clock } from "../../base/clock.ts";
import { asError } from "../../base/errors.ts";
import { fault } from "./faults.ts";
import { invocationTimeoutMs } from "./limits.ts";

export interface OutRequest {
  url: string;
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}

export interface OutAnswer {
  status: number;
  headers: Headers;
  /** The beginning of the body. */
  text: string;
}

/** Throws a fault that another attempt may undo where there is no answer. */
export async function request(clock: Clock, out: OutRequest, bytesMax: number): Promise<OutAnswer> {
  const late = new AbortController();
  const timer = clock.after(invocationTimeoutMs, () => late.abort());
  try {
    const { url, method, headers, body } = out;
    const response = await fetch(url, {
      method,
      headers,
      redirect: "manual",
      signal: late.signal,
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, headers: response.headers, text: await beginningOf(response, bytesMax) };
  } catch (error) {
    const cause = asError(error);
    if (late.signal.aborted) {
      throw fault("Timeout", `No answer within ${invocationTimeoutMs} ms.`, {}, { cause });
    }
    throw fault("Unreachable", `The endpoint could not be reached: ${reasonOf(cause)}.`, {}, { cause });
  } finally {
    timer.cancel();
  }
}

/** What `fetch` hides behind "fetch failed". */
const reasonOf = ({ message, cause }: Error) => (cause instanceof Error ? cause.message || cause.name : message);

async function beginningOf({ body }: Response, bytesMax: number): Promise<string> {
  if (body === null) return "";
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const chunks: AsyncIterable<Uint8Array> = body;
  for await (const piece of chunks) {
    pieces.push(piece);
    bytes += piece.byteLength;
    // Leaving the loop ends the connection: what follows is of no interest.
    if (bytes >= bytesMax) break;
  }
  return Buffer.concat(pieces).subarray(0, bytesMax).toString();
}
