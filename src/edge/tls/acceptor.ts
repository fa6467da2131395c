/** The TLS of a listener: its certificates under the ticket keys of the hour, for every socket that comes. */
import { constants, createHash } from "node:crypto";
import type { Socket } from "node:net";
import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import type { ListenerConfig, ListenerTls } from "../ports.ts";
import type { Wheel } from "../wheel.ts";
import { CertificateBook } from "./book.ts";
import { ContextStore } from "./contexts.ts";
import { Handshake, protocolsOf, type HandshakeEvents } from "./handshake.ts";
import { ticketKeys, ticketPeriodOf } from "./tickets.ts";

/** A session may be resumed for this long, in seconds. */
const sessionSeconds = 6 * 60 * 60;

export interface AcceptorDeps {
  clock: Clock;
  contexts: ContextStore;
  /** Of the node, the same in all its workers. */
  ticketSecret: Uint8Array;
}

/** What of a listener its TLS goes by; `alpn` where it passes on what it does not understand. */
export type SecuredListener = Pick<ListenerConfig, "id" | "http2"> & { alpn?: readonly string[] };

export class TlsAcceptor {
  readonly #deps: AcceptorDeps;
  readonly #listener: SecuredListener;
  readonly #tls: ListenerTls;
  readonly #protocols: readonly string[];
  #book: CertificateBook;
  #period: number;

  /** Throws what OpenSSL says of a certificate, a key or a cipher list that it cannot use. */
  constructor(listener: SecuredListener, tls: ListenerTls, deps: AcceptorDeps) {
    this.#deps = deps;
    this.#listener = listener;
    this.#tls = tls;
    this.#protocols = listener.alpn ?? protocolsOf(listener.http2 === true);
    this.#period = ticketPeriodOf(deps.clock.now());
    this.#book = this.#newBook(deps.contexts);
  }

  /** Begins the handshake on a socket that nobody has read from. Exactly one of `events` follows. */
  accept(raw: Socket, wheel: Wheel, events: HandshakeEvents): Handshake {
    return new Handshake(raw, this.#current(), { wheel, clock: this.#deps.clock, events, protocols: this.#protocols });
  }

  /** The book under the ticket keys of this hour. */
  #current(): CertificateBook {
    const period = ticketPeriodOf(this.#deps.clock.now());
    if (period !== this.#period) {
      this.#period = period;
      // Not in the configuration's store, which would gather contexts until the next configuration.
      this.#book = this.#newBook(new ContextStore());
    }
    return this.#book;
  }

  #newBook(contexts: ContextStore): CertificateBook {
    const { clock, ticketSecret } = this.#deps;
    const { id } = this.#listener;
    return new CertificateBook({
      tls: this.#tls,
      contexts,
      settings: settingsOf(this.#tls, id, ticketKeys(ticketSecret, id, this.#period)),
      now: clock.now(),
    });
  }
}

function settingsOf(tls: ListenerTls, listenerId: string, keys: Buffer): SecureContextOptions {
  const old = tls.minVersion === "TLSv1" || tls.minVersion === "TLSv1.1";
  return {
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    // OpenSSL 3 has the digests of TLS 1.0 and 1.1 at its lowest level only.
    ciphers: old ? `${tls.ciphers}:@SECLEVEL=0` : tls.ciphers,
    ...(tls.groups === undefined ? {} : { ecdhCurve: tls.groups }),
    honorCipherOrder: true,
    // ALB renegotiates with targets only.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ticketKeys: keys,
    sessionTimeout: sessionSeconds,
    // 32 bytes at most.
    sessionIdContext: createHash("sha256").update(listenerId).digest("base64url").slice(0, 32),
  };
}
