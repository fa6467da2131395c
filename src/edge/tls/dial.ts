/** Connections to endpoints, in clear text or over TLS: of the pools, of health checks, of whoever else dials. */
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { ClusterTls } from "../ports.ts";
import type { ContextStore } from "./contexts.ts";

/** An endpoint that takes longer over its part of a handshake is given up, as ALB does. */
export const targetHandshakeMsMax = 10_000;

/** How an endpoint is spoken to over TLS. One for each endpoint: it remembers the session to resume. */
export interface TargetTls {
  readonly context: SecureContext;
  readonly verify: boolean;
  readonly serverName: string | undefined;
  /** What ALPN asks for. */
  readonly protocols: readonly string[];
  session: Buffer | undefined;
}

/**
 * @param protocols for ALPN, best first
 * @throws what OpenSSL says of a `ca` that it cannot use
 */
export function targetTls(tls: ClusterTls, protocols: readonly string[], contexts: ContextStore): TargetTls {
  const { verify, serverName, ca } = tls;
  const context = contexts.get(JSON.stringify(["target", verify, ca]), () => contextOf(verify, ca));
  return { context, verify, serverName, protocols, session: undefined };
}

function contextOf(verify: boolean, ca: string | undefined): SecureContext {
  // Going through the system's certificates takes a while, and is for those who ask about them.
  if (!verify) return createSecureContext({ ca: [] });
  return createSecureContext(ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] });
}

export interface DialOptions {
  host: string;
  port: number;
  tls: TargetTls | undefined;
  onread?: OnReadOpts;
}

/**
 * A socket that says `secureConnect` over TLS, and `connect` in clear text, when it stands; nothing that is written
 * before goes out to an endpoint that is not who it should be.
 */
export function dial({ host, port, tls, onread }: DialOptions): Socket {
  const reading = onread === undefined ? {} : { onread };
  if (tls === undefined) return connectTcp({ host, port, noDelay: true, ...reading });
  const serverName = tls.serverName ?? host;
  const socket = connectTls({
    host,
    port,
    secureContext: tls.context,
    rejectUnauthorized: tls.verify,
    // An address is no server name (RFC 6066 section 3); who answers is still asked for it.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ALPNProtocols: [...tls.protocols],
    ...(tls.session === undefined ? {} : { session: tls.session }),
    ...reading,
  });
  socket.setNoDelay(true);
  socket.on("session", (session) => {
    tls.session = session;
  });
  return socket;
}
