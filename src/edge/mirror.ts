/**
 * Requests sent a second time, to a cluster whose answer nobody waits for. A tap sees each request of a route, and what
 * becomes of it; this one mirrors. It never delays the request, nor fails it; what it does not mirror it counts.
 */
import type { Clock } from "../base/clock.ts";
import { must } from "../base/errors.ts";
import type { Headers, Peer } from "../base/http.ts";
import type { Cluster } from "./cluster.ts";
import { answered, type ClientStream, type Exchange } from "./exchange.ts";
import type { RequestHead } from "./h1/request.ts";
import { MirrorCounts, type NotMirrored } from "./mirror-counts.ts";
import type { MirrorPolicy } from "./policies.ts";
import { mirrorPool } from "./pools.ts";
import { RequestRecord } from "./record.ts";
import { WheelEntry, type Wheel } from "./wheel.ts";

/** Gives a request to an endpoint of `cluster`. */
export type Forward = (request: RequestRecord, cluster: Cluster) => Exchange;

/** Sees the requests of a route. */
export interface Tap {
  /** A request begins. `head` outlives it; undefined when the rest of it does not matter. */
  begin(request: RequestRecord, head: RequestHead, forward: Forward): TapSession | undefined;
  /** A request of the route that is none of its business. */
  passed(reason: "upgrade"): void;
}

/** Sees one request. */
export interface TapSession {
  /** A slice of its body; nobody writes into `bytes` again. */
  requestData(bytes: Buffer, start: number, end: number): void;
  requestEnd(trailers: Headers): void;
  /** It is answered, or given up for `reason`. */
  over(reason: string | undefined): void;
}

export interface MirrorDeps {
  clock: Clock;
  wheel: Wheel;
  /** The number of this worker. */
  worker: number;
  permits: Readonly<Record<string, SharedArrayBuffer>>;
  /** From 0 to less than 1. */
  random(): number;
}

/** Mirrored requests of one route under way in one worker; one more is not mirrored. */
const shadowsMax = 256;
/** A mirrored request is given up after this long. */
const shadowMsMax = 60_000;
/** Bytes of bodies that one route's mirrored requests keep in one worker. */
const shadowBytesMax = 32 * 1024 * 1024;

/** The mirror of a route. */
export function compileMirror(policy: MirrorPolicy, cluster: Cluster, deps: MirrorDeps): Tap {
  const { percent, methods, bodyBytesMax } = policy;
  const memory = must(deps.permits[mirrorPool(policy.clusterId)], `the counts of the mirror ${policy.clusterId}`);
  const counts = new MirrorCounts(memory, deps.worker);
  const taken = { shadows: 0, bytes: 0 };

  const refusal = (request: RequestRecord, { contentLength }: RequestHead): NotMirrored | undefined => {
    if (!methods.includes(request.head.method)) return "method";
    if (percent < 100 && deps.random() * 100 >= percent) return "sampled-out";
    if (contentLength > bodyBytesMax) return "body-too-large";
    return taken.shadows >= shadowsMax ? "busy" : undefined;
  };

  return {
    begin(request, head, forward) {
      const reason = refusal(request, head);
      if (reason !== undefined) {
        counts.notMirrored(reason);
        return undefined;
      }
      taken.shadows += 1;
      const mirrored = new Mirrored({ request, head, forward, cluster, counts, taken, bodyBytesMax, deps });
      if (head.framing !== "none") return mirrored;
      mirrored.requestEnd([]);
      return undefined;
    },
    passed: (reason) => counts.notMirrored(reason),
  };
}

interface MirroredParts {
  request: RequestRecord;
  head: RequestHead;
  forward: Forward;
  cluster: Cluster;
  counts: MirrorCounts;
  taken: { shadows: number; bytes: number };
  bodyBytesMax: number;
  deps: MirrorDeps;
}

/** One request's second sending: gathers its body, then goes its own way. */
class Mirrored implements TapSession {
  readonly #parts: MirroredParts;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #gathering = true;

  constructor(parts: MirroredParts) {
    this.#parts = parts;
  }

  requestData(bytes: Buffer, start: number, end: number): void {
    if (!this.#gathering) return;
    const { taken, bodyBytesMax } = this.#parts;
    const length = end - start;
    if (this.#bytes + length > bodyBytesMax) this.#refuse("body-too-large");
    else if (taken.bytes + length > shadowBytesMax) this.#refuse("busy");
    else {
      taken.bytes += length;
      this.#bytes += length;
      this.#pieces.push(bytes.subarray(start, end));
    }
  }

  requestEnd(trailers: Headers): void {
    if (!this.#gathering) return;
    this.#gathering = false;
    this.#parts.counts.mirrored();
    const shadow = new Shadow(this.#parts, () => this.#release());
    for (const piece of this.#pieces) shadow.exchange.requestData(piece, 0, piece.length);
    this.#pieces = [];
    shadow.exchange.requestEnd(trailers);
    shadow.exchange.requestFlush();
  }

  over(): void {
    // Answered, or gone, before the whole of it came.
    if (this.#gathering) this.#refuse("incomplete");
  }

  #refuse(reason: NotMirrored): void {
    this.#gathering = false;
    this.#pieces = [];
    this.#parts.counts.notMirrored(reason);
    this.#release();
  }

  #release(): void {
    const { taken } = this.#parts;
    taken.shadows -= 1;
    taken.bytes -= this.#bytes;
    this.#bytes = 0;
  }
}

/** Mirrored requests have no lines in the access log: no client asked for them. */
const unlogged = { log: undefined };

/** The client of a mirrored request: hears the answer, and keeps nothing of it. */
class Shadow implements ClientStream {
  readonly head: RequestHead;
  readonly client: Peer;
  readonly tls: ClientStream["tls"];
  readonly requestDone = true;
  readonly waitsForRequest = false;
  readonly connectionBytes = 0;
  readonly exchange: Exchange;
  readonly #record: RequestRecord;
  readonly #parts: MirroredParts;
  readonly #timer: WheelEntry;
  readonly #done: () => void;
  #over = false;

  constructor(parts: MirroredParts, done: () => void) {
    const { request, head, forward, cluster, deps } = parts;
    this.#parts = parts;
    this.#done = done;
    this.head = head;
    this.client = request.client.client;
    this.tls = request.client.tls;
    this.#timer = new WheelEntry(() => {
      this.exchange.clientGone("request-timeout");
      this.#end("failed");
    });
    deps.wheel.set(this.#timer, deps.clock.monotonicMs(), shadowMsMax);
    this.#record = new RequestRecord(request.listener, this, unlogged);
    this.#record.route = request.route;
    this.exchange = answered;
    this.exchange = forward(this.#record, cluster);
  }

  reply(): void {
    this.#end(this.#record.endpointStatus === 0 ? "failed" : "answered");
  }

  responseEnd(): void {
    this.#end("answered");
  }

  destroy(): void {
    this.#end("failed");
  }

  flush(): boolean {
    return true;
  }

  // What a client would be told, and this one need not know.
  respond(): void {}
  responseData(): void {}
  interim(): void {}
  holdRequest(): void {}
  sendContinue(): void {}
  touch(): void {}

  #end(how: "answered" | "failed"): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts.deps.wheel.remove(this.#timer);
    this.#parts.counts[how]();
    this.#done();
  }
}
