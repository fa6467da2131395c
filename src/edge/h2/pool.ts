/** An endpoint that speaks HTTP/2, and the sessions of this thread with it: many requests on each, more when those are full. */
import type { Timer } from "../../base/clock.ts";
import { placeText } from "../peer.ts";
import type { Admission, Lack, Upstream, UpstreamDeps } from "../pool.ts";
import type { TargetTls } from "../tls/dial.ts";
import type { Wheel } from "../wheel.ts";
import { EndpointStream } from "./endpoint-stream.ts";
import { EndpointSession } from "./endpoint-session.ts";
import { sessionsMax, streamsUnsaid } from "./limits.ts";

export class Http2Upstream implements Upstream {
  readonly host: string;
  readonly port: number;
  readonly place: string;
  /** Undefined in clear text, where HTTP/2 is known beforehand (RFC 9113 section 3.3). */
  readonly tls: TargetTls | undefined;
  readonly deps: UpstreamDeps;
  /** Where its requests go once it turns out that it does not speak HTTP/2. */
  readonly instead: Upstream | undefined;
  /** It was asked for HTTP/2, and would not. */
  unspoken = false;
  /** Requests at once that the endpoint took on its last session. */
  streamsMax = streamsUnsaid;
  /** Those that end, and take no more, are among them. */
  readonly #sessions = new Set<EndpointSession>();
  #admitted: Admission | undefined;
  #retired = false;
  #drain: Timer | undefined;

  constructor(host: string, port: number, tls: TargetTls | undefined, deps: UpstreamDeps, instead?: Upstream) {
    this.host = host;
    this.port = port;
    this.place = placeText(host, port);
    this.tls = tls;
    this.deps = deps;
    this.instead = instead;
  }

  get wheel(): Wheel {
    return this.deps.wheel;
  }

  take(connectTimeoutMs: number): EndpointStream {
    return this.takeAgain(connectTimeoutMs, 0);
  }

  /** For a request that went out `moves` times before. */
  takeAgain(connectTimeoutMs: number, moves: number): EndpointStream {
    return this.#stream(this.#next(), connectTimeoutMs, moves);
  }

  open(connectTimeoutMs: number): EndpointStream {
    return this.#stream(undefined, connectTimeoutMs, 0);
  }

  get lack(): Lack {
    const session = this.#next();
    if (session === undefined) return "connection";
    return session.stands && session.room > 0 ? "nothing" : "turn";
  }

  admit(admission: Admission): void {
    this.#admitted = admission;
  }

  /** A session is closed. */
  gone(session: EndpointSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#drain?.cancel();
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const session of this.#sessions) bytes += session.heldBytes;
    return bytes;
  }

  get empty(): boolean {
    return this.#sessions.size === 0;
  }

  retire(drainMs: number): void {
    if (this.#retired) return;
    this.#retired = true;
    for (const session of this.#sessions) session.end();
    if (this.#sessions.size === 0) return;
    this.#drain = this.deps.clock.after(drainMs, () => this.close());
  }

  close(): void {
    this.#drain?.cancel();
    for (const session of this.#sessions) session.fail("drained");
  }

  /** The session of the next request: one with room, or the least full where there are no more to be; else undefined. */
  #next(): EndpointSession | undefined {
    let least: EndpointSession | undefined;
    for (const session of this.#sessions) {
      if (!session.usable) continue;
      if (session.room > 0) return session;
      if (least === undefined || session.room > least.room) least = session;
    }
    return this.#sessions.size >= sessionsMax ? least : undefined;
  }

  /** A stream of `session`, or of a new one. */
  #stream(session: EndpointSession | undefined, connectTimeoutMs: number, moves: number): EndpointStream {
    const admission = this.#admitted;
    this.#admitted = undefined;
    if (admission !== undefined) admission.used = true;
    return new EndpointStream(session ?? this.#newSession(connectTimeoutMs, admission), {
      connectTimeoutMs,
      moves,
      admission,
    });
  }

  #newSession(connectTimeoutMs: number, admission: Admission | undefined): EndpointSession {
    const session = new EndpointSession(this, connectTimeoutMs, admission);
    this.#sessions.add(session);
    // A request that began before the endpoint was taken out: the session goes with it.
    if (this.#retired) session.endWhenIdle();
    return session;
  }
}
