/** An answer that a function gives in parts: passed on as they come, or gathered for a caller who wants it whole. */
import { payloadOf } from "../answers.ts";
import { responseBytesMax, streamedBytesMax } from "../limits.ts";
import type { ResponseSink } from "../ports.ts";

export interface StreamedAnswer {
  /** It went to the caller's sink; what is left is at most an error. */
  readonly passedOn: boolean;
  /** The promise, if there is one, resolves when more is welcome. What exceeds the limit is dropped. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** What was gathered. */
  payload(): Uint8Array;
  /** The error in the place of an answer that was too long. */
  tooLarge(): Uint8Array | undefined;
}

export function openAnswer(sink: ResponseSink | undefined, contentType: string): StreamedAnswer {
  const bytesMax = sink === undefined ? responseBytesMax : streamedBytesMax;
  const gathered: Uint8Array[] = [];
  let bytes = 0;
  sink?.begin(contentType);
  return {
    passedOn: sink !== undefined,
    write(chunk) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) return undefined;
      if (sink !== undefined) return sink.write(chunk);
      // A frame's payload is a view of a buffer that may be much longer.
      gathered.push(Uint8Array.from(chunk));
      return undefined;
    },
    payload: () => Buffer.concat(gathered),
    tooLarge() {
      if (bytes <= bytesMax) return undefined;
      const errorMessage = `Response payload size exceeded maximum allowed payload size (${bytesMax} bytes).`;
      return payloadOf({ errorType: "Function.ResponseSizeTooLarge", errorMessage });
    },
  };
}
