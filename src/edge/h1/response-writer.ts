/** Writes the answers of a connection, one after another: head, framed body, end. */
import type { Headers } from "../../base/http.ts";
import type { Reply } from "../exchange.ts";
import type { Output } from "./output.ts";
import type { ResponseHead } from "./response.ts";
import { clientFraming, responseLines, type ClientFraming } from "./response-lines.ts";
import { reasonOf } from "./status.ts";

function connectionLine(keepAlive: boolean): string {
  return keepAlive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
}

export class ResponseWriter {
  /** The connection can go on after the answer that {@link begin} began. */
  keepAlive = false;
  readonly #out: Output;
  #framing: ClientFraming = "none";

  constructor(out: Output) {
    this.#out = out;
  }

  /** An answer that is here whole. */
  reply({ status, reason, lines, body }: Reply, keepAlive: boolean): void {
    const out = this.#out;
    out.text(`HTTP/1.1 ${status} ${reason ?? reasonOf(status)}\r\n${lines}${connectionLine(keepAlive)}\r\n`);
    if (typeof body === "string") out.text(body);
    else if (body.length > 0) out.bytes(body, 0, body.length, true);
    out.flush();
  }

  /** An informational response; `lines` are further ones, each with its end. */
  interim(head: ResponseHead, lines = ""): void {
    this.#out.text(`${responseLines(head, "none")}${lines}\r\n`);
  }

  /** What follows are bytes of a tunnel, as they are. */
  openTunnel(head: ResponseHead, lines: string): void {
    this.#framing = "none";
    this.interim(head, lines);
    this.#out.flush();
  }

  /** Begins the answer of an endpoint to a client of HTTP/1.`minor`, after which the connection goes on if it can. */
  begin(head: ResponseHead, lines: string, minor: number, keepAlive: boolean): void {
    this.#framing = clientFraming(head, minor);
    this.keepAlive = keepAlive && this.#framing !== "eof";
    this.#out.text(`${responseLines(head, this.#framing)}${lines}${connectionLine(this.keepAlive)}\r\n`);
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#framing === "chunked") this.#out.chunk(bytes, start, end, false);
    else this.#out.bytes(bytes, start, end, false);
  }

  end(trailers: Headers): void {
    if (this.#framing === "chunked") this.#out.lastChunk(trailers);
    this.#out.flush();
  }
}
