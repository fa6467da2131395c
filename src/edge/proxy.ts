/** An exchange that an endpoint with an address answers: bytes go from one socket to the other, counted, both ways. */
import type { Headers } from "../base/http.ts";
import { pageOf } from "./answers.ts";
import type { Cluster } from "./cluster.ts";
import type { CompiledListener } from "./compile.ts";
import type { ClientConnection, Exchange } from "./h1/connection.ts";
import type { RequestHead } from "./h1/request.ts";
import type { ResponseHead } from "./h1/response.ts";
import { trailerText } from "./h1/write.ts";
import type { Upstream } from "./pool.ts";
import { clientFraming, responseLines, type ClientFraming } from "./rewrite.ts";
import type { EdgeErrorReason } from "./stats.ts";
import type { UpstreamConnection, UpstreamSink } from "./upstream.ts";

/** The status for each reason that leaves the client without an endpoint's answer (ALB user guide, "Troubleshoot"). */
const statusOf: Partial<Record<EdgeErrorReason, number>> = {
  "connect-timeout": 504,
  "idle-timeout": 504,
  "client-timeout": 408,
  "bad-body": 400,
};

/** Methods that may be sent twice: the second time changes nothing (RFC 9110 section 9.2.2). */
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export class ProxyExchange implements Exchange, UpstreamSink {
  readonly #client: ClientConnection;
  readonly #listener: CompiledListener;
  readonly #cluster: Cluster;
  readonly #upstream: Upstream;
  readonly #headText: string;
  readonly #method: string;
  readonly #minor: number;
  readonly #chunked: boolean;
  readonly #startedMs: number;
  readonly movable: boolean;
  #mayRetry: boolean;
  #connection: UpstreamConnection;
  #framing: ClientFraming = "none";
  #keepAlive = false;
  #responded = false;
  #done = false;

  constructor(
    client: ClientConnection,
    head: RequestHead,
    headText: string,
    cluster: Cluster,
    upstream: Upstream,
    listener: CompiledListener,
  ) {
    this.#client = client;
    this.#listener = listener;
    this.#cluster = cluster;
    this.#upstream = upstream;
    this.#headText = headText;
    this.#method = head.method;
    this.#minor = head.minor;
    this.#chunked = head.framing === "chunked";
    this.movable = head.framing === "none";
    this.#mayRetry = head.framing === "none" && idempotent.has(head.method);
    this.#startedMs = listener.plane.clock.monotonicMs();
    this.#connection = upstream.take(cluster.config.connectTimeoutMs);
    listener.epoch.active += 1;
    cluster.stats.begin();
    this.#sendHead();
  }

  #sendHead(): void {
    this.#connection.begin(this, this.#method);
    this.#connection.out.text(this.#headText);
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    const { out } = this.#connection;
    if (this.#chunked) out.text(`${(end - start).toString(16)}\r\n`);
    out.bytes(bytes, start, end, true);
    if (this.#chunked) out.text("\r\n");
  }

  requestEnd(trailers: Headers): void {
    if (this.#chunked) this.#connection.out.text(`0\r\n${trailerText(trailers)}\r\n`);
    this.#connection.requestSent();
  }

  requestFlush(): void {
    if (this.#done) return;
    if (!this.#connection.out.flush() && !this.#client.requestDone) this.#client.holdRequest(true);
  }

  upstreamDrained(): void {
    this.#client.touch();
    this.#client.holdRequest(false);
  }

  interim(head: ResponseHead): void {
    if (this.#minor === 0) return;
    this.#client.out.text(`${responseLines(head, "none")}\r\n`);
  }

  response(head: ResponseHead): void {
    const client = this.#client;
    this.#responded = true;
    this.#cluster.stats.answered(head.status, this.#listener.plane.clock.monotonicMs() - this.#startedMs);
    this.#framing = clientFraming(head, this.#minor);
    // An answer that is here before the request is: the rest of the request goes on to the endpoint, but no next one.
    this.#keepAlive = client.persistent && client.requestDone && this.#framing !== "eof";
    client.responseBegun = true;
    let lines = responseLines(head, this.#framing);
    if (!head.hasDate) lines += `Date: ${this.#listener.plane.dateText()}\r\n`;
    client.out.text(`${lines}Connection: ${this.#keepAlive ? "keep-alive" : "close"}\r\n\r\n`);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    const { out } = this.#client;
    if (this.#framing === "chunked") out.text(`${(end - start).toString(16)}\r\n`);
    out.bytes(bytes, start, end, false);
    if (this.#framing === "chunked") out.text("\r\n");
  }

  responseFlush(): void {
    this.#client.touch();
    if (!this.#client.out.flush()) this.#connection.socket.pause();
  }

  clientDrained(): void {
    this.#client.touch();
    if (this.#connection.socket.isPaused()) this.#connection.socket.resume();
  }

  responseEnd(trailers: Headers): void {
    const client = this.#client;
    if (this.#framing === "chunked") client.out.text(`0\r\n${trailerText(trailers)}\r\n`);
    // Counted before the client can know that it is over.
    this.#end();
    client.out.flush();
    client.finish(this.#keepAlive);
  }

  upstreamFailed(reason: EdgeErrorReason): void {
    if (this.#mayRetry && reason === "reset" && this.#connection.uses > 0 && !this.#connection.answering) {
      // A connection that had rested was closed as we wrote: the request may be sent again, once, on a new one.
      this.#mayRetry = false;
      this.moved(this.#upstream.open(this.#cluster.config.connectTimeoutMs));
      return;
    }
    this.#fail(reason);
  }

  moved(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#sendHead();
    connection.requestSent();
    connection.out.flush();
  }

  clientGone(_: string, refusal?: { status: number }): void {
    if (this.#done) return;
    this.#cluster.stats.failed(refusal === undefined ? "client-closed" : "bad-body");
    this.#end();
    this.#connection.abandon();
  }

  idle(): void {
    if (this.#done) return;
    const reason = this.#client.waitsForRequest ? "client-timeout" : "idle-timeout";
    this.#connection.abandon();
    this.#fail(reason);
  }

  #fail(reason: EdgeErrorReason): void {
    if (this.#done) return;
    this.#cluster.stats.failed(reason);
    this.#end();
    // What has begun as an endpoint's answer cannot end as ours: cut off, it is at least not taken for the whole.
    if (this.#responded) this.#client.destroy();
    else this.#listener.answerer.answer(this.#client, pageOf(statusOf[reason] ?? 502));
  }

  #end(): void {
    if (this.#done) return;
    this.#done = true;
    this.#cluster.stats.end();
    this.#listener.epoch.end();
  }
}
