/**
 * What must hold of every sequence of bytes that an endpoint may answer with, and the sequences to try. See
 * `fuzz.suite.ts` for those of clients.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import * as fc from "fast-check";
import { BodyReader } from "../h1/body.ts";
import { emptyResponseHead, readResponse } from "../h1/response.ts";
import { clientFraming, responseLines } from "../h1/response-lines.ts";
import { needMore, ScannerPool } from "../h1/scan.ts";
import { limitsOf } from "../h1/limits.ts";
import { trailerText } from "../h1/write.ts";

const limits = { ...limitsOf("public"), fieldLineBytesMax: 150, headBytesMax: 400, fieldsMax: 10 };

/** An answer as it was understood and goes on to a client of HTTP/1.1, or why it does not. */
export type Answer = { refused: string } | { more: true } | { status: number; sent: string; body: string };

/** Reads the answer to a request of `method` in `bytes`, cut at `cuts`, behind which the endpoint closes. */
export function readAnswer(bytes: Buffer, cuts: readonly number[], method: string): Answer {
  const scanners = new ScannerPool(limits);
  const head = emptyResponseHead();
  const body = new BodyReader();
  let scanner = scanners.take("response");
  let sent = "";
  let read = "";
  let inBody = false;
  const framing = () => clientFraming(head, 1);
  const sink = {
    bodyData(data: Buffer, from: number, to: number) {
      const text = data.toString("latin1", from, to);
      read += text;
      sent += framing() === "chunked" ? `${text.length.toString(16)}\r\n${text}\r\n` : text;
    },
  };
  const answer = (): Answer => {
    const end = framing() === "chunked" ? `0\r\n${trailerText(body.trailers)}\r\n` : "";
    return { status: head.status, sent: sent + end, body: read };
  };
  let at = 0;
  for (const cut of [...cuts.filter((place) => place < bytes.length), bytes.length].sort((a, b) => a - b)) {
    // Memory of its own, that is overwritten once it was read; poison behind its end.
    const piece = Buffer.concat([bytes.subarray(at, cut), Buffer.from("\r\n\r\nHTTP/1.1 200 OK\r\n")]);
    const end = cut - at;
    let pos = 0;
    while (pos < end) {
      if (inBody) {
        pos = body.push(piece, pos, end, sink);
        if (body.refusal !== undefined) return { refused: body.refusal.reason };
        if (body.done) return answer();
        continue;
      }
      const after = scanner.push(piece, pos, end);
      if (after === needMore) break;
      const refused = after < 0 ? (scanner.refusal?.reason ?? "") : readResponse(scanner, head, method);
      if (refused !== undefined) return { refused };
      pos = after;
      scanner = scanners.take("response");
      if (head.status === 101) return { refused: "upgrade" };
      if (head.status < 200) continue;
      sent = `${responseLines(head, framing())}\r\n`;
      body.begin(head.framing, head.contentLength, scanners, limits);
      inBody = true;
      if (body.done) return answer();
    }
    piece.fill(0x58);
    at = cut;
  }
  return inBody && body.ended() ? answer() : { more: true };
}

/** What chunks there were is no part of the meaning. */
function meaningOf(answer: Answer): string {
  if (!("sent" in answer)) return JSON.stringify(answer);
  const { status, sent, body } = answer;
  return JSON.stringify([status, sent.slice(0, sent.indexOf("\r\n\r\n")), body]);
}

/** The answer in `sent` as Node's client reads it; undefined when it is none. */
async function readByNode(
  sent: string,
  method: string,
): Promise<{ status: number | undefined; body: string } | undefined> {
  const [near, far] = duplexPair();
  const request = httpRequest({ method, createConnection: () => near, setHost: false });
  far.on("error", () => {});
  request.on("error", () => {});
  far.resume();
  request.end();
  far.end(Buffer.from(sent, "latin1"));
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    return { status: response.statusCode, body: Buffer.concat(parts).toString("latin1") };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Malformed or cut off: what it is called does not matter here.
    return undefined;
  } finally {
    request.destroy();
    near.destroy();
  }
}

const good = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nX-A:1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
  "HTTP/1.1 404 Not Found\r\nConnection: close, X-A\r\nX-A: 1\r\n\r\nhello",
  "HTTP/1.0 200 OK\r\nSet-Cookie: a=b\r\n\r\nhello",
  "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
];
const poison = [
  ..."\r \n \r\n \r\n\r\n \0 \t : ; , 0 1 5 f x \x0b \x7f \xff 204 304 101 chunked HEAD".split(" "),
  ..." ~Content-Length: 3\r\n~Transfer-Encoding: chunked\r\n~Transfer-Encoding: identity\r\n~Set-Cookie: evil=1\r\n~HTTP/1.1 200 OK\r\n~HTTP/1.1 103 X\r\n\r\n~Connection: Content-Length\r\n~ folded\r\n".split(
    "~",
  ),
];
const edit = fc.record({ at: fc.nat(150), remove: fc.nat(3), put: fc.constantFrom("", ...poison) });

export const answerAttempts = fc.record({
  bytes: fc
    .tuple(fc.constantFrom(...good), fc.array(edit, { maxLength: 4 }), fc.constantFrom("", ...good))
    .map(([text, edits, behind]) => {
      const changed = edits.reduce((before, { at, remove, put }) => {
        const place = at % (before.length + 1);
        return before.slice(0, place) + put + before.slice(place + remove);
      }, text);
      return Buffer.from(changed + behind, "latin1");
    }),
  cuts: fc.array(fc.nat(250), { maxLength: 6 }),
  method: fc.constantFrom("GET", "HEAD", "POST"),
});

/** Holds for every attempt: the same however it is cut, and Node's client reads what goes on as it was meant. */
export async function answerHolds(attempt: { bytes: Buffer; cuts: readonly number[]; method: string }): Promise<void> {
  const { bytes, cuts, method } = attempt;
  const answer = readAnswer(bytes, [], method);
  const meaning = meaningOf(answer);
  for (const other of [cuts, Array.from(bytes.keys())]) {
    const again = meaningOf(readAnswer(bytes, other, method));
    if (again !== meaning) throw new Error(`cut at ${other.length} places it is ${again}, not ${meaning}`);
  }
  if (!("sent" in answer)) return;
  const got = await readByNode(answer.sent, method);
  const wanted = { status: answer.status, body: method === "HEAD" ? "" : answer.body };
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    throw new Error(
      `Node reads ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}, in ${JSON.stringify(answer.sent)}`,
    );
  }
}
