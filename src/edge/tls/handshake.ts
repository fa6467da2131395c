/** One handshake with a client: within its time, and with the certificate of the name that the client asks for. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { WheelEntry, type Wheel } from "../wheel.ts";
import type { CertificateBook, Choice } from "./book.ts";
import { serverNameOf } from "./client-hello.ts";

/** A handshake that takes longer is given up, as ALB does. */
export const handshakeMsMax = 10_000;

/** What ALPN offers, best first. Old clients name HTTP/1.0, and are served. */
const withHttp1 = ["http/1.1", "http/1.0"];
const withHttp2 = ["h2", ...withHttp1];

export function protocolsOf(http2: boolean): readonly string[] {
  return http2 ? withHttp2 : withHttp1;
}

/** What the handshake of a client's connection settled. */
export interface TlsFacts {
  /** In OpenSSL's words: `TLSv1.3`. */
  protocol: string;
  /** OpenSSL's name. */
  cipher: string;
  /** The name that the client asked for (SNI), or "". */
  serverName: string;
  /** ARN of the certificate that the client was shown. */
  certificateId: string;
  /** By ALPN: `h2`, `http/1.1`, or "" when the client did not ask. */
  alpn: string;
}

/** Exactly one of these is called. */
export interface HandshakeEvents {
  secured(handshake: Handshake, socket: TLSSocket, facts: TlsFacts): void;
  /** It failed, took too long, or was given up; the socket is closed. */
  failed(handshake: Handshake, error: Error | undefined): void;
}

export interface HandshakeDeps {
  clock: Clock;
  wheel: Wheel;
  events: HandshakeEvents;
  /** What ALPN offers, best first; nothing is said of protocols where it is empty. */
  protocols: readonly string[];
}

export class Handshake {
  readonly #raw: Socket;
  readonly #book: CertificateBook;
  readonly #deps: HandshakeDeps;
  readonly #timer: WheelEntry;
  /** What came, while the client's first message is not whole. */
  #hello: Buffer | undefined;
  #failure: Error | undefined;

  constructor(raw: Socket, book: CertificateBook, deps: HandshakeDeps) {
    this.#raw = raw;
    this.#book = book;
    this.#deps = deps;
    this.#timer = new WheelEntry(() => {
      this.#failure = new Error(`no handshake within ${handshakeMsMax} ms`);
      raw.destroy();
    });
    deps.wheel.set(this.#timer, deps.clock.monotonicMs(), handshakeMsMax);
    raw.on("error", this.#onError);
    raw.on("close", this.#onClose);
    raw.on("data", this.#onData);
  }

  /** Gives up. */
  destroy(): void {
    this.#raw.destroy();
  }

  readonly #onError = (error: Error) => {
    this.#failure ??= error;
  };

  readonly #onClose = () => {
    this.#deps.wheel.remove(this.#timer);
    this.#deps.events.failed(this, this.#failure);
  };

  readonly #onData = (chunk: Buffer) => {
    this.#hello = this.#hello === undefined ? chunk : Buffer.concat([this.#hello, chunk]);
    const serverName = serverNameOf(this.#hello);
    if (serverName === undefined) return;
    this.#raw.off("data", this.#onData);
    this.#raw.pause();
    this.#raw.unshift(this.#hello);
    this.#hello = undefined;
    this.#shake(serverName);
  };

  #shake(serverName: string): void {
    const choice = this.#book.of(serverName);
    const { protocols } = this.#deps;
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: choice.context,
      ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
    });
    socket.on("error", this.#onError);
    socket.once("secure", () => {
      this.#deps.wheel.remove(this.#timer);
      this.#raw.off("close", this.#onClose);
      this.#deps.events.secured(this, socket, factsOf(socket, choice));
      socket.off("error", this.#onError);
    });
  }
}

function factsOf(socket: TLSSocket, choice: Choice): TlsFacts {
  return {
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    serverName: typeof socket.servername === "string" ? socket.servername : "",
    certificateId: shown(socket, choice),
    alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : "",
  };
}

/** Which of a choice's certificates OpenSSL took. */
function shown(socket: TLSSocket, { certificates }: Choice): string {
  const [only, ...others] = certificates;
  if (others.length === 0) return only?.id ?? "";
  const fingerprint = socket.getX509Certificate()?.fingerprint256;
  return (certificates.find((certificate) => certificate.fingerprint === fingerprint) ?? only)?.id ?? "";
}
