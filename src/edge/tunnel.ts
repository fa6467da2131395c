/**
 * A request that asks for another protocol, as WebSocket does: it is passed on like any other, and where the endpoint
 * agrees (101) the two are joined by a tunnel, byte for byte, until both have ended or neither has anything to say.
 */
import type { Timer } from "../base/clock.ts";
import type { Headers } from "../base/http.ts";
import { setsCookieOf } from "./balance/cookies.ts";
import type { Cluster } from "./cluster.ts";
import type { ClientStream, Exchange, UpstreamSink, UpstreamStream } from "./exchange.ts";
import { field } from "./h1/fields.ts";
import { listOf, type RequestHead } from "./h1/request.ts";
import type { ResponseHead } from "./h1/response.ts";
import { idMask, spanSize } from "./h1/scan.ts";
import type { Upstream } from "./pool.ts";
import { failureStatus } from "./proxy.ts";
import type { RequestRecord } from "./record.ts";
import { goneReason, type EdgeErrorReason } from "./stats.ts";

/**
 * The protocols of a request's `Upgrade` that are passed on, in lower case; none are of a client of HTTP/1.0, which
 * cannot ask (RFC 9110 section 7.8). HTTP itself is never among them: a tunnel of HTTP/2 would carry requests past the
 * routes (known as h2c smuggling), and a proxy need not offer it.
 */
export function protocolsWanted({ upgrade, minor }: RequestHead): string[] {
  if (upgrade === undefined || minor === 0) return [];
  return listOf(upgrade).filter((protocol) => !/^(?:h2|h2c|http(?:\/.*)?)$/.test(protocol));
}

/** The client asks for a WebSocket. */
export function wantsWebSocket(head: RequestHead): boolean {
  return head.upgrade !== undefined && protocolsWanted(head).includes("websocket");
}

export class TunnelExchange implements Exchange, UpstreamSink {
  /** It has a connection of its own: a kept one might close under the handshake. */
  readonly movable = false;
  readonly #request: RequestRecord;
  readonly #client: ClientStream;
  readonly #cluster: Cluster;
  readonly #protocols: readonly string[];
  readonly #stream: UpstreamStream;
  readonly #sentMs: number;
  #state: "asking" | "answering" | "open" | "over" = "asking";
  #clientEnded = false;
  #endpointEnded = false;
  #leaving: Timer | undefined;

  /** @param text the head as an ordinary request's; what asks for `protocols` is put into it here. */
  constructor(
    request: RequestRecord,
    cluster: Cluster,
    upstream: Upstream,
    text: string,
    protocols: readonly string[],
  ) {
    const { head, client, listener } = request;
    this.#request = request;
    this.#client = client;
    this.#cluster = cluster;
    this.#protocols = protocols;
    this.#sentMs = listener.plane.clock.monotonicMs();
    cluster.stats.begin();
    this.#stream = upstream.open(cluster.config.connectTimeoutMs);
    this.#stream.begin(this, {
      method: head.method,
      text: `${text.slice(0, -2)}${upgradeLines(protocols.join(", "))}\r\n`,
      chunked: head.framing === "chunked",
      last: head.isolated,
      upgrade: true,
    });
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    this.#stream.data(bytes, start, end);
  }

  /** The request is complete; of a tunnel: the client sends no more, but may still read. */
  requestEnd(trailers: Headers): void {
    this.#stream.end(trailers);
    if (this.#state !== "open") return;
    this.#clientEnded = true;
    if (this.#endpointEnded) this.#end();
  }

  requestFlush(): void {
    if (this.#state === "over") return;
    const ended = this.#state === "open" ? this.#clientEnded : this.#client.requestDone;
    if (!this.#stream.flush() && !ended) this.#client.holdRequest(true);
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
    const { plane } = request.listener;
    request.answering?.(setsCookieOf(head));
    let lines = head.hasDate ? request.responseLines : `Date: ${plane.dateText()}\r\n${request.responseLines}`;
    if (head.status === 101) {
      const protocol = this.#protocolOf(head);
      if (protocol === undefined) {
        this.#stream.abandon();
        this.#fail("malformed-response");
        return;
      }
      lines += upgradeLines(protocol);
      // A tunnel may outlive many epochs, and needs nothing of its own any more.
      request.leaveEpoch();
    }
    this.#state = head.status === 101 ? "open" : "answering";
    request.status = head.status;
    request.endpointStatus = head.status;
    this.#cluster.stats.answered(head.status, plane.clock.monotonicMs() - this.#sentMs);
    request.listener.setFields?.hide(head);
    this.#client.respond(head, lines);
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

  /** The response is complete; of a tunnel: the endpoint sends no more, but may still read. */
  responseEnd(trailers: Headers): void {
    this.#endpointEnded = true;
    // Over before the client can know that it is.
    if (this.#state !== "open" || this.#clientEnded) this.#end();
    this.#client.responseEnd(trailers);
  }

  readmitted(): boolean {
    return false;
  }

  moved(): void {}

  upstreamFailed(reason: EdgeErrorReason): void {
    this.#fail(reason);
  }

  clientGone(why: string, refusal?: { status: number }): void {
    if (this.#state === "over") return;
    // That a tunnel's client goes is no failure.
    if (this.#state !== "open") {
      const reason = goneReason(why, refusal !== undefined);
      this.#request.reason = reason;
      this.#cluster.stats.failed(reason);
    }
    this.#end();
    this.#stream.abandon();
  }

  idle(): void {
    if (this.#state === "over") return;
    const reason = this.#state === "asking" && this.#client.waitsForRequest ? "client-timeout" : "idle-timeout";
    this.#stream.abandon();
    this.#fail(reason);
  }

  /** The tunnel's listener goes, which ends it as it would its endpoint's: after the same patience. */
  leaving(): void {
    const { plane } = this.#request.listener;
    this.#leaving ??= plane.clock.after(this.#cluster.config.drainMs, () => {
      if (this.#state !== "open") return;
      this.#stream.abandon();
      this.#fail("drained");
    });
  }

  /** What the endpoint changes to; undefined where it may not: it was not asked, or is still being asked. */
  #protocolOf(head: ResponseHead): string | undefined {
    if (!this.#client.requestDone || !head.connectionOptions.includes("upgrade")) return undefined;
    const { text, spans, count } = head;
    for (let i = 0, at = 0; i < count; i += 1, at += spanSize) {
      if (((spans[at] as number) & idMask) !== field.upgrade) continue;
      const protocol = text.slice(spans[at + 3], spans[at + 4]);
      return this.#protocols.includes(protocol.toLowerCase()) ? protocol : undefined;
    }
    return undefined;
  }

  #fail(reason: EdgeErrorReason): void {
    if (this.#state === "over") return;
    this.#cluster.stats.failed(reason);
    if (this.#state === "asking") {
      this.#finish();
      this.#request.refuse(failureStatus(reason), reason);
      return;
    }
    this.#request.reason = reason;
    this.#end();
    this.#client.destroy();
  }

  #end(): void {
    if (this.#state === "over") return;
    this.#finish();
    this.#request.end();
  }

  #finish(): void {
    this.#state = "over";
    this.#leaving?.cancel();
    this.#cluster.stats.end();
  }
}

function upgradeLines(protocols: string): string {
  return `Connection: Upgrade\r\nUpgrade: ${protocols}\r\n`;
}
