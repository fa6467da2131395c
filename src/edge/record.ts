/** One request on its way through a worker: what is known of it, who answers it, and what ends with it. */
import type { AccessEntry } from "./access-log/recorder.ts";
import { pageOf, type OwnAnswer } from "./answers.ts";
import type { SetsCookie } from "./balance/cookies.ts";
import type { Cluster, Endpoint } from "./cluster.ts";
import type { CompiledListener, CompiledRoute } from "./compile.ts";
import { answered, type ClientStream, type Exchange } from "./exchange.ts";
import type { RequestHead } from "./h1/request.ts";
import { hostnameOf, type Subject } from "./match.ts";

export class RequestRecord implements Subject {
  readonly listener: CompiledListener;
  readonly client: ClientStream;
  readonly head: RequestHead;
  readonly path: string;
  readonly query: string;
  readonly hostname: string;
  readonly address: string;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  /** When an endpoint got it, and when its answer began; 0 while neither has happened. */
  sentMs = 0;
  answeredMs = 0;
  /** Its line to come, where there is an access log. */
  readonly log: AccessEntry | undefined;
  /** What answers it, as far as that is decided. */
  route: CompiledRoute | undefined;
  cluster: Cluster | undefined;
  endpoint: Endpoint | undefined;
  /** Lines that the answer of an endpoint gets beside its own, each with its end. */
  responseLines: string;
  /** Looks at the head of an endpoint's answer before it goes on, and may yet add to {@link responseLines}. */
  answering: ((setsCookie: SetsCookie) => void) | undefined;
  /** What the client sent, where the head was rewritten since. */
  sent: { target: string; host: string } | undefined;
  /** Of the answer that the client gets; 0 while there is none. */
  status = 0;
  /** Of the answer that the endpoint gave; 0 while there is none. */
  endpointStatus = 0;
  /** Why the edge answers itself, or why there is no proper answer. */
  reason: string | undefined;
  /** A try of another request, which is counted itself. */
  readonly #isTry: boolean;
  #releases: (() => void)[] | undefined;
  #ended = false;
  #inEpoch = true;

  /** @param of The request that this is a try of: they have one line in the access log. */
  constructor(listener: CompiledListener, client: ClientStream, of?: Pick<RequestRecord, "log">) {
    const { head } = client;
    const { target } = head;
    const mark = target.indexOf("?");
    this.listener = listener;
    this.client = client;
    this.head = head;
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.query = mark < 0 ? "" : target.slice(mark + 1);
    this.hostname = hostnameOf(head.host);
    this.address = client.client.address;
    this.responseLines = listener.setFields?.lines ?? "";
    this.startedMs = listener.plane.clock.monotonicMs();
    listener.epoch.active += 1;
    this.#isTry = of !== undefined;
    this.log = of === undefined ? listener.accessLog?.begin(this) : of.log;
  }

  /** Runs `release` when the request is over, however it ends. */
  onEnd(release: () => void): void {
    (this.#releases ??= []).push(release);
  }

  /** Answers without an endpoint. */
  answer(answer: OwnAnswer, reason?: string): Exchange {
    const { client, listener } = this;
    this.status = answer.status;
    this.reason = reason;
    if (!this.#isTry) listener.counts.answered(answer.status);
    const reply = listener.answerer.reply(answer, this.head.method);
    // Over before the client can know that it is.
    this.end();
    client.reply(reply);
    return answered;
  }

  /** Answers with the page of `status`. */
  refuse(status: number, reason: string): Exchange {
    return this.answer(pageOf(status), reason);
  }

  /** It needs nothing of its epoch any more, which may go before it ends. */
  leaveEpoch(): void {
    if (!this.#inEpoch) return;
    this.#inEpoch = false;
    this.listener.epoch.end();
  }

  #count(): void {
    const { counts, config } = this.listener;
    if (this.cluster !== undefined) {
      counts.forwarded();
      if (!this.head.plainNames)
        counts.add(config.forwarded.dropInvalidNames ? "invalidFieldsDropped" : "invalidFieldsForwarded", 1);
      if (this.cluster.config.protocol === "grpc") counts.add("grpcRequests", 1);
      if (this.address.includes(":")) counts.add("ipv6Requests", 1);
    }
    if (this.head.verdict !== undefined) counts.add("desyncRequests", 1);
    // Nobody gets this answer.
    if (this.status === 0 && this.reason === "client-closed") counts.answered(460);
  }

  /** The request is over. Later calls do nothing. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#isTry) this.#count();
    if (this.#releases !== undefined) for (const release of this.#releases) release();
    this.leaveEpoch();
  }
}
