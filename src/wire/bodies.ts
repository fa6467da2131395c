/** Bodies that are read to their end, up to the limit of their operation. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { Fault, isFault } from "../base/errors.ts";
import { BodyTooLarge, bytesOf, type Body } from "../base/http.ts";
import { sliceBytes } from "./limits.ts";
import type { HeaderMap } from "./message.ts";
import { sha256Hex } from "./sigv4-verify.ts";

/** The whole body; throws `RequestEntityTooLarge`, what a stream of ours refused, or `IncompleteBody` when it broke. */
export async function readBody(body: Body, limitBytes: number, operation: string): Promise<Uint8Array> {
  try {
    return await bytesOf(body, limitBytes);
  } catch (cause) {
    if (isFault(cause)) throw cause;
    if (cause instanceof BodyTooLarge) throw tooLarge(limitBytes, operation, cause);
    throw new Fault("IncompleteBody", "The request body ended before it was complete", {}, { cause });
  }
}

/** Refuses by its `Content-Length` what would be too long, before a byte is read. */
export function admitLength(headers: HeaderMap, limitBytes: number, operation: string): void {
  const text = headers.get("content-length");
  if (text !== undefined && Number(text) > limitBytes) throw tooLarge(limitBytes, operation);
}

function tooLarge(limitBytes: number, operation: string, cause?: unknown): Fault {
  const name = operation === "Invoke" ? "InvokeFunction" : operation;
  const code = operation.startsWith("Invoke") ? "RequestTooLargeException" : "RequestEntityTooLarge";
  const message = `Request must be smaller than ${limitBytes} bytes for the ${name} operation`;
  return new Fault(code, message, {}, { cause });
}

/** SHA-256 in hex; of large bodies without holding the event loop. */
export async function payloadHashOf(bytes: Uint8Array): Promise<string> {
  if (bytes.byteLength <= sliceBytes) return sha256Hex(bytes);
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) {
    hash.update(bytes.subarray(at, at + sliceBytes));
    await setImmediate();
  }
  return hash.digest("hex");
}
