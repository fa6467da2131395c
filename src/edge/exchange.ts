/**
 * The two sides of a request under way, whatever protocol each of them speaks: the way back to its client, and what
 * answers it. An exchange knows no framing; a connection knows no endpoints.
 */
import type { Headers, Peer } from "../base/http.ts";
import type { RequestHead } from "./h1/request.ts";
import type { ResponseHead } from "./h1/response.ts";
import type { Refusal } from "./h1/scan.ts";
import type { EdgeErrorReason } from "./stats.ts";
import type { TlsFacts } from "./tls/handshake.ts";

/** A complete answer that the edge has whole. */
export interface Reply {
  status: number;
  /** The reason phrase; the standard one when absent. */
  reason?: string;
  /** Its fields, `Content-Length` among them, each line with its end. */
  lines: string;
  /** A string is Latin-1, a byte for each character. Nobody writes into the buffer again. */
  body: string | Buffer;
}

/** Who is told what a request took: bytes, with its head, as they are on the wire but for the encryption. */
export interface RequestReport {
  /** It was refused while it came, after it had begun. */
  refusal: Refusal | undefined;
  over(receivedBytes: number, sentBytes: number): void;
}

/** A request that came, and the way back: an HTTP/1.1 connection's request under way, or an HTTP/2 stream. */
export interface ClientStream {
  readonly head: RequestHead;
  readonly client: Peer;
  /** What the handshake of its connection settled; undefined in clear text. */
  readonly tls: TlsFacts | undefined;
  /** The whole request has come. */
  readonly requestDone: boolean;
  /** The next step is the client's: its request is not complete, and nobody holds it back. */
  readonly waitsForRequest: boolean;
  /** Bytes that lie on its connection, of all requests there: what its client has not taken yet, at the most. */
  readonly connectionBytes: number;
  /** Told once the request is over and its answer handed to the socket, or cut off. Set when the request begins. */
  report?: RequestReport | undefined;
  /** Stops and restarts the reading of the request body. */
  holdRequest(hold: boolean): void;
  /** Tells a client that waits with its body to send it. */
  sendContinue(): void;
  /** A byte moved on the other side of the exchange. */
  touch(): void;
  /** Answers, whole. The exchange is over. */
  reply(reply: Reply): void;
  /** Passes on an informational response. */
  interim(head: ResponseHead): void;
  /**
   * Begins the answer of an endpoint; `extra` are further lines, each with its end. With 101 the rest is a tunnel: what
   * follows are the bytes of both, the client's until {@link Exchange.requestEnd} and the endpoint's until
   * {@link responseEnd}. Only a client whose head has `upgrade` gets one.
   */
  respond(head: ResponseHead, extra: string): void;
  /** A slice of the body; `bytes` is used again after the call. */
  responseData(bytes: Buffer, start: number, end: number): void;
  /** Ends an answer that {@link respond} began. */
  responseEnd(trailers: Headers): void;
  /** Sends what was gathered; false when the client has enough for now, and {@link Exchange.clientDrained} will come. */
  flush(): boolean;
  /** Cuts the answer off: the client sees that it is not complete. */
  destroy(): void;
}

/** One request and its answer. Its methods are called in order; none after {@link Exchange.clientGone}. */
export interface Exchange {
  /** A slice of the request body; nobody writes into `bytes` again. */
  requestData(bytes: Buffer, start: number, end: number): void;
  /** The request body is complete. Called for requests without a body too. */
  requestEnd(trailers: Headers): void;
  /** All that one read brought has been handed over: the moment to send what was gathered. */
  requestFlush(): void;
  /** The client can take more of the response. */
  clientDrained(): void;
  /** Nobody is there to answer: give up. `refusal` when the body broke the protocol and may still be answered. */
  clientGone(reason: string, refusal?: Refusal): void;
  /** Not a byte from either side for the idle timeout. */
  idle(): void;
  /** The client's listener goes; what would last without end is to think of one. */
  leaving?(): void;
}

/** What an exchange is that was answered before it began. */
export const answered: Exchange = {
  requestData() {},
  requestEnd() {},
  requestFlush() {},
  clientDrained() {},
  clientGone() {},
  idle() {},
};

/** A request's head as it goes out to an endpoint. */
export interface OutgoingHead {
  method: string;
  /** The head as HTTP/1.1 writes it, with its empty line; lines have one space after the colon, and no folding. */
  text: string;
  /** The body has no length. */
  chunked: boolean;
  /** Nothing may follow it on its connection. */
  last?: boolean;
  /** It asks for another protocol: 101 is an answer to it, and what follows a tunnel, each way until its end. */
  upgrade?: boolean;
}

/** The way to an endpoint for one request: a pooled HTTP/1.1 connection, or an HTTP/2 stream. */
export interface UpstreamStream {
  /** Requests that its connection carried before this one. */
  readonly uses: number;
  /** A byte of the response has come. */
  readonly answering: boolean;
  /** Takes a request; what becomes of it goes to `sink`. */
  begin(sink: UpstreamSink, head: OutgoingHead): void;
  data(bytes: Buffer, start: number, end: number): void;
  /** The request is complete. */
  end(trailers: Headers): void;
  /** Sends what was gathered; false when the endpoint has enough for now, and {@link UpstreamSink.upstreamDrained} will come. */
  flush(): boolean;
  /** Stops the reading of the response. */
  pause(): void;
  resume(): void;
  /** Gives up the request under way. The sink hears nothing more. */
  abandon(): void;
}

/** What happens to the request that an upstream stream carries. Each call but the last is followed by another or the end. */
export interface UpstreamSink {
  interim(head: ResponseHead): void;
  response(head: ResponseHead): void;
  /** A slice of the response body; the buffer is used again after the call. */
  responseData(bytes: Buffer, start: number, end: number): void;
  /** The response is complete. */
  responseEnd(trailers: Headers): void;
  /** All that one read brought has been handed over. */
  responseFlush(): void;
  /** The endpoint can take more of the request. */
  upstreamDrained(): void;
  /** Nothing but a head was sent, which may as well go out on another connection. */
  readonly movable: boolean;
  /** Asked before it goes out again where no connection may be free for it: whether it may wait for one. */
  readmitted(): boolean;
  /** The request goes on at `stream`, which is free for it. */
  moved(stream: UpstreamStream): void;
  /** No proper end will come. */
  upstreamFailed(reason: EdgeErrorReason): void;
}
