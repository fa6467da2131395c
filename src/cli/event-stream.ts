/** AWS's event stream as bytes arrive: frames of headers and a payload. Source: Smithy, "Amazon Event Stream specification". */

export interface StreamEvent {
  /** `PayloadChunk`, `InvokeComplete` ... */
  type: string;
  payload: Uint8Array;
}

/** Total length, length of the headers, and a checksum; after the payload another checksum. */
const preludeBytes = 12;
const checksumBytes = 4;
const stringType = 7;

/** The headers whose values are text, which is all that events of Lambda have. */
function headersOf(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    const name = bytes.toString("utf8", at + 1, nameEnd);
    if (bytes.readUInt8(nameEnd) !== stringType) throw new Error(`the header ${name} of an event is no text`);
    const valueAt = nameEnd + 3;
    at = valueAt + bytes.readUInt16BE(nameEnd + 1);
    headers.set(name, bytes.toString("utf8", valueAt, at));
  }
  return headers;
}

/** The events of a response, each as soon as it is whole. Checksums are TCP's business on the way from a node. */
export async function* eventsIn(body: AsyncIterable<unknown>): AsyncGenerator<StreamEvent> {
  let waiting = Buffer.alloc(0);
  for await (const chunk of body) {
    waiting = Buffer.concat([waiting, chunk as Buffer]);
    while (waiting.length >= preludeBytes && waiting.length >= waiting.readUInt32BE(0)) {
      const end = waiting.readUInt32BE(0);
      const payloadAt = preludeBytes + waiting.readUInt32BE(4);
      const headers = headersOf(waiting.subarray(preludeBytes, payloadAt));
      const type = headers.get(":event-type") ?? headers.get(":exception-type") ?? "";
      yield { type, payload: waiting.subarray(payloadAt, end - checksumBytes) };
      waiting = waiting.subarray(end);
    }
  }
}
