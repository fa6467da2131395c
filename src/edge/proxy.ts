/** An exchange that an endpoint with an address answers: bytes go from one socket to the other, counted, both ways. */
import type { Headers } from "../base/http.ts";
import { setsCookieOf } from "./balance/cookies.ts";
import type { Cluster } from "./cluster.ts";
import type { ClientStream, Exchange, OutgoingHead, UpstreamSink, UpstreamStream } from "./exchange.ts";
import type { ResponseHead } from "./h1/response.ts";
import type { Upstream } from "./pool.ts";
import type { RequestRecord } from "./record.ts";
import { goneReason, type EdgeErrorReason } from "./stats.ts";

const statusOf: Partial<Record<EdgeErrorReason, number>> = {
  "connect-timeout": 504,
  "idle-timeout": 504,
  "client-timeout": 408,
  "bad-body": 400,
};

/** The status for a reason that leaves the client without an endpoint's answer (ALB user guide, "Troubleshoot"). */
export function failureStatus(reason: EdgeErrorReason): number {
  return statusOf[reason] ?? 502;
}

/** Methods that may be sent twice: the second time changes nothing (RFC 9110 section 9.2.2). */
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export class ProxyExchange implements Exchange, UpstreamSink {
  readonly #request: RequestRecord;
  readonly #client: ClientStream;
  readonly #cluster: Cluster;
  readonly #upstream: Upstream;
  readonly #head: OutgoingHead;
  readonly #sentMs: number;
  readonly movable: boolean;
  #mayRetry: boolean;
  #stream: UpstreamStream;
  #responded = false;
  #done = false;

  constructor(request: RequestRecord, cluster: Cluster, upstream: Upstream, outgoing: OutgoingHead) {
    const { head, client, listener } = request;
    this.#request = request;
    this.#client = client;
    this.#cluster = cluster;
    this.#upstream = upstream;
    this.#head = outgoing;
    this.movable = head.framing === "none";
    this.#mayRetry = head.framing === "none" && idempotent.has(head.method);
    this.#sentMs = request.sentMs = listener.plane.clock.monotonicMs();
    cluster.stats.begin();
    this.#stream = upstream.take(cluster.config.connectTimeoutMs);
    this.#stream.begin(this, outgoing);
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.#stream.data(bytes, start, end);
  }

  requestEnd(trailers: Headers): void {
    this.#stream.end(trailers);
  }

  requestFlush(): void {
    if (this.#done) return;
    if (!this.#stream.flush() && !this.#client.requestDone) this.#client.holdRequest(true);
  }

  upstreamDrained(): void {
    this.#client.touch();
    this.#client.holdRequest(false);
  }

  interim(head: ResponseHead): void {
    this.#client.interim(head);
  }

  response(head: ResponseHead): void {
    const request = this.#request;
    const { plane, setFields } = request.listener;
    this.#responded = true;
    request.status = head.status;
    request.endpointStatus = head.status;
    request.answeredMs = plane.clock.monotonicMs();
    this.#cluster.stats.answered(head.status, request.answeredMs - this.#sentMs);
    request.answering?.(setsCookieOf(head));
    const date = head.hasDate ? "" : `Date: ${plane.dateText()}\r\n`;
    setFields?.hide(head);
    this.#client.respond(head, date + request.responseLines);
  }

  responseData(bytes: Buffer, start: number, end: number): void {
    this.#client.responseData(bytes, start, end);
  }

  responseFlush(): void {
    this.#client.touch();
    if (!this.#client.flush()) this.#stream.pause();
  }

  clientDrained(): void {
    this.#client.touch();
    this.#stream.resume();
  }

  responseEnd(trailers: Headers): void {
    // Counted before the client can know that it is over.
    this.#end();
    this.#client.responseEnd(trailers);
  }

  upstreamFailed(reason: EdgeErrorReason): void {
    const stream = this.#stream;
    if (this.#mayRetry && reason === "reset" && stream.uses > 0 && !stream.answering) {
      // A connection that had rested was closed as we wrote: the request may be sent again, once, on a new one.
      this.#mayRetry = false;
      if (this.#cluster.guard?.connect(this.#request, this.#upstream) === undefined) {
        this.moved(this.#upstream.open(this.#cluster.config.connectTimeoutMs));
        return;
      }
    }
    this.#fail(reason);
  }

  readmitted(): boolean {
    return this.#cluster.guard?.wait(this.#request, this.#upstream) === undefined;
  }

  moved(stream: UpstreamStream): void {
    this.#stream = stream;
    stream.begin(this, this.#head);
    stream.end([]);
    stream.flush();
  }

  clientGone(why: string, refusal?: { status: number }): void {
    if (this.#done) return;
    const reason = goneReason(why, refusal !== undefined);
    this.#request.reason = reason;
    this.#cluster.stats.failed(reason);
    this.#end();
    this.#stream.abandon();
  }

  idle(): void {
    if (this.#done) return;
    const reason = this.#client.waitsForRequest ? "client-timeout" : "idle-timeout";
    this.#stream.abandon();
    this.#fail(reason);
  }

  #fail(reason: EdgeErrorReason): void {
    if (this.#done) return;
    this.#cluster.stats.failed(reason);
    this.#finish();
    // What has begun as an endpoint's answer cannot end as ours: cut off, it is at least not taken for the whole.
    if (this.#responded) {
      this.#request.reason = reason;
      this.#request.end();
      this.#client.destroy();
    } else {
      this.#request.refuse(failureStatus(reason), reason);
    }
  }

  #end(): void {
    if (this.#done) return;
    this.#finish();
    this.#request.end();
  }

  #finish(): void {
    this.#done = true;
    this.#cluster.stats.end();
  }
}
