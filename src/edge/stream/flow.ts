/** A client's connection and an endpoint's, joined byte for byte until both have ended, or nothing was said for long. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import type { Counts } from "../counts.ts";
import { peerOf } from "../peer.ts";
import type { EdgeErrorReason } from "../stats.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";
import { proxyHeader } from "./proxy-protocol.ts";
import type { Chosen, StreamEndpoint } from "./targets.ts";

export interface FlowDeps {
  clock: Clock;
  wheel: Wheel;
  counts: Counts;
  idleTimeoutMs: number;
  /** It is over, and so much was passed on, both ways. */
  ended(flow: Flow, bytes: number): void;
}

export class Flow {
  readonly chosen: Chosen;
  readonly #client: Socket;
  readonly #endpoint: Socket;
  readonly #deps: FlowDeps;
  readonly #timer: WheelEntry;
  #stands = false;
  #moved = -1;
  #over = false;
  /** Its end, where its endpoint was taken out. */
  #ending: Timer | undefined;

  /** @param client a connection of which nothing was read, or one whose TLS ended here */
  constructor(client: Socket, chosen: Chosen, deps: FlowDeps) {
    this.chosen = chosen;
    this.#client = client;
    this.#deps = deps;
    this.#timer = new WheelEntry(() => this.#onTimer());
    const { config } = chosen.cluster;
    chosen.cluster.stats.begin();
    if (chosen.failedOpen) deps.counts.add("connectionsUnrouted", 1);
    const raw = connectTcp({
      host: chosen.endpoint.config.host,
      port: chosen.endpoint.config.port,
      noDelay: true,
      allowHalfOpen: true,
    });
    if (chosen.cluster.policy.proxyProtocol) raw.write(proxyHeader(peerOf(client), localOf(client)));
    this.#endpoint = over(raw, chosen.endpoint);
    client.on("error", (error) => this.#onError("resetsByClient", error));
    client.on("close", () => this.#onClosed());
    // Of a socket in another both may fail, and are one.
    for (const socket of new Set([raw, this.#endpoint])) {
      socket.on("error", (error) => this.#onError("resetsByEndpoint", error));
      socket.on("close", () => this.#onClosed());
    }
    this.#endpoint.once(this.#endpoint === raw ? "connect" : "secureConnect", () => this.#onStands());
    deps.wheel.set(this.#timer, deps.clock.monotonicMs(), config.connectTimeoutMs);
  }

  /** Resets it after `delayMs`, unless that is set already. */
  resetAfter(delayMs: number): void {
    if (!this.#over) this.#ending ??= this.#deps.clock.after(delayMs, () => this.reset());
  }

  /** Takes back {@link resetAfter}. */
  goOn(): void {
    this.#ending?.cancel();
    this.#ending = undefined;
  }

  /** Ends it as the edge's own decision: both sides see a reset. */
  reset(): void {
    if (this.#over) return;
    this.#deps.counts.add("resetsByEdge", 1);
    this.#end(true);
  }

  /** Ends it at once, without a word to the counts. */
  destroy(): void {
    this.#end(false);
  }

  #onStands(): void {
    const { clock, wheel, idleTimeoutMs } = this.#deps;
    this.#stands = true;
    wheel.set(this.#timer, clock.monotonicMs(), idleTimeoutMs);
    this.#client.pipe(this.#endpoint);
    this.#endpoint.pipe(this.#client);
  }

  #onTimer(): void {
    const moved = this.#client.bytesRead + this.#endpoint.bytesRead;
    if (this.#stands && moved !== this.#moved) {
      // Looked at once in each timeout: silence is found within two, and no byte costs anything.
      this.#moved = moved;
      this.#deps.wheel.set(this.#timer, this.#deps.clock.monotonicMs(), this.#deps.idleTimeoutMs);
      return;
    }
    if (!this.#stands) this.#failed("connect-timeout");
    this.reset();
  }

  #onError(whose: "resetsByClient" | "resetsByEndpoint", error: Error): void {
    if (this.#over) return;
    if (!this.#stands && whose === "resetsByEndpoint") {
      this.#failed(reasonOf(error, this.chosen.endpoint));
      // What connect(2) says when every local port towards the endpoint is taken.
      if (errorCode(error) === "EADDRNOTAVAIL") this.#deps.counts.add("portsExhausted", 1);
    }
    this.#deps.counts.add(whose, 1);
    this.#end(true);
  }

  #failed(reason: EdgeErrorReason): void {
    this.chosen.cluster.stats.failed(reason);
  }

  /** One side is gone; the other has nobody to speak to, once it has read what was said. */
  #onClosed(): void {
    if (this.#over) return;
    if (this.#client.destroyed && this.#endpoint.destroyed) this.#end(false);
    else if (this.#client.destroyed) this.#endpoint.destroySoon();
    else this.#client.destroySoon();
  }

  #end(withReset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.goOn();
    this.#deps.wheel.remove(this.#timer);
    // Over before either side can know that it is.
    this.chosen.cluster.stats.end();
    const [received, sent] = [this.#client.bytesRead, this.#endpoint.bytesRead];
    this.#deps.counts.moved(received, sent);
    this.#deps.ended(this, received + sent);
    for (const socket of [this.#client, this.#endpoint]) {
      // A reset is TCP's: what is in TLS can only be closed.
      if (withReset && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
      else socket.destroy();
    }
  }
}

/** The way to an endpoint on a connection to it: PROXY protocol comes before TLS. */
function over(raw: Socket, { tls, config }: StreamEndpoint): Socket {
  if (tls === undefined) return raw;
  const serverName = tls.serverName ?? config.host;
  return connectTls({
    socket: raw,
    secureContext: tls.context,
    rejectUnauthorized: tls.verify,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  });
}

function localOf({ localAddress = "127.0.0.1", localPort = 0 }: Socket) {
  return { address: localAddress, port: localPort };
}

function reasonOf(error: Error, { tls }: StreamEndpoint): EdgeErrorReason {
  const code = errorCode(error) ?? "";
  if (code === "ECONNREFUSED") return "connect-refused";
  return tls !== undefined && !code.startsWith("E") ? "tls-failed" : "connect-failed";
}
