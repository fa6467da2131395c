/**
 * Answers of functions that stream, as responses of their URLs: passed on as they come.
 * Source: Lambda guide, "Invoking a response streaming enabled function using Lambda function URLs".
 */
import type { HttpResponse } from "../../base/http.ts";
import { headerOf } from "../../base/http.ts";
import { wholeAnswer, type ResponseStream } from "./response-streams.ts";
import { BadAnswer, jsonOf, responseHead } from "./url-requests.ts";

/** The answer begins with a head of its own: JSON, and eight zero bytes. */
const httpType = "application/vnd.awslambda.http-integration-response";
const separator = Buffer.alloc(8);
/** What a head may hold; AWS's own limit is not documented, and its load balancers take 32 KB of fields. */
const headBytesMax = 128 * 1024;

/** Throws {@link BadAnswer}, and what the invocation itself was refused with. */
export async function streamedResponse(stream: ResponseStream): Promise<HttpResponse> {
  const contentType = await stream.contentType;
  const parts = wholeAnswer(stream);
  if (contentType === httpType) return withOwnHead(stream, parts);
  // A function that answers at once has failed or not by now; one that streams has not ended.
  if (contentType === undefined && (await stream.result).error !== undefined)
    throw new BadAnswer("the function failed");
  const headers = ["Content-Type", contentType ?? "application/json"];
  return { status: 200, headers, body: untilTheEnd(stream, new Uint8Array(0), parts) };
}

async function withOwnHead(stream: ResponseStream, parts: AsyncGenerator<Uint8Array>): Promise<HttpResponse> {
  try {
    let gathered = Buffer.alloc(0);
    for (;;) {
      const end = gathered.indexOf(separator);
      if (end >= 0) {
        const { status, headers } = responseHead(jsonOf(gathered.toString("utf8", 0, end)));
        if (headerOf(headers, "content-type") === undefined) headers.push("Content-Type", "application/octet-stream");
        const first = gathered.subarray(end + separator.length);
        return { status, headers, body: untilTheEnd(stream, first, parts) };
      }
      if (gathered.length > headBytesMax) throw new BadAnswer("the head of the answer does not end");
      const next = await parts.next();
      if (next.done === true) break;
      gathered = Buffer.concat([gathered, next.value]);
    }
    if (gathered.length > 0 || (await stream.result).error !== undefined)
      throw new BadAnswer("it ended within its head");
    return { status: 200, headers: ["Content-Type", "application/octet-stream"], body: undefined };
  } catch (error) {
    await parts.return(undefined);
    throw error;
  }
}

/** What breaks off midstream breaks off the response: its client must not take it for whole. */
async function* untilTheEnd(
  stream: ResponseStream,
  first: Uint8Array,
  parts: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.byteLength > 0) yield first;
    yield* parts;
  } finally {
    await parts.return(undefined);
  }
  const { error, payload } = await stream.result;
  if (error !== undefined) throw new Error(`the function failed midstream: ${Buffer.from(payload).toString()}`);
}
