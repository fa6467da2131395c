/** A response on its way through: lines that stay as they are go over in runs, as slices of the head's text. */
import { field, fieldIds, hopByHop } from "./fields.ts";
import type { ResponseHead } from "./response.ts";
import { idMask, loose, spanSize } from "./scan.ts";
import { reasonOf } from "./status.ts";

const keep = 0;
const drop = 1;

const responseDrops = new Uint8Array(fieldIds);
for (const id of hopByHop) responseDrops[id] = drop;

/** How the body goes to the client. */
export type ClientFraming = "none" | "length" | "chunked" | "eof";

/** How the body of `head` is framed for a client of HTTP/1.`minor`. */
export function clientFraming(head: ResponseHead, minor: number): ClientFraming {
  if (head.framing === "none" || head.framing === "length") return head.framing;
  return minor === 0 ? "eof" : "chunked";
}

/** The response's status line and fields, without `Date` where it lacks one, `Connection` and the empty line. */
export function responseLines(head: ResponseHead, framing: ClientFraming): string {
  const { text, spans, count, status, connectionOptions } = head;
  const lineEnd = count === 0 ? text.length - 2 : (spans[1] as number);
  // From the status on it can be copied; a reason phrase that is not there at all is put in.
  let out =
    text.charCodeAt(12) === 32 ? `HTTP/1.1 ${text.slice(9, lineEnd)}` : `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`;
  const dropLength = framing !== "length" && (status < 200 || status === 204);
  let run = -1;
  let runEnd = -1;
  for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
    const id = (spans[at] as number) & idMask;
    const named = connectionOptions.length > 0 && isNamed(head, at);
    const kept = (responseDrops[id] as number) === keep && !named && !(dropLength && id === field.contentLength);
    if (kept && ((spans[at] as number) & loose) === 0) {
      if (run < 0) run = spans[at + 1] as number;
      runEnd = (spans[at + 4] as number) + 2;
      continue;
    }
    if (run >= 0) out += text.slice(run, runEnd);
    run = -1;
    if (kept) out += `${text.slice(spans[at + 1], spans[at + 2])}: ${text.slice(spans[at + 3], spans[at + 4])}\r\n`;
  }
  if (run >= 0) out += text.slice(run, runEnd);
  return framing === "chunked" ? `${out}Transfer-Encoding: chunked\r\n` : out;
}

function isNamed({ text, spans, connectionOptions }: ResponseHead, at: number): boolean {
  const id = (spans[at] as number) & idMask;
  if (id === field.contentLength) return false;
  return connectionOptions.includes(text.slice(spans[at + 1], spans[at + 2]).toLowerCase());
}
