/** Endpoints that speak HTTP/2, played by Node's own server; a listener in front of them, and clients for it. */
import { connect, createServer } from "node:http2";
import type { ClientHttp2Session, Http2Server, ServerHttp2Session, ServerHttp2Stream, Settings } from "node:http2";
import type { AddressInfo } from "node:net";
import { address, all, cluster, freePort, listener, type Stage } from "../edge.suite.ts";
import type { ClusterConfig, Edge, EdgeConfig } from "../ports.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";

export interface H2Target {
  port: number;
  /** Of every session that there was. */
  sessions: ServerHttp2Session[];
}

export type OnStream = (stream: ServerHttp2Stream, fields: string[]) => void;

/** An endpoint; `settings` are its own where it makes the server itself. */
export async function h2Target(
  stage: Stage,
  onStream: OnStream,
  { settings = {}, server = createServer({ settings }) }: { settings?: Settings; server?: Http2Server } = {},
): Promise<H2Target> {
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => session.destroy());
    session.on("stream", (stream, _fields, _flags, raw) => {
      stream.on("error", () => stream.destroy());
      onStream(stream, raw);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sessions };
}

const { ca, issue } = testAuthority();

/** What an endpoint or a listener for example.com shows, and who vouches for it. */
export const exampleCom = { ca, certificate: issue(["example.com"]) };

/** An HTTPS listener on `port` before one cluster that speaks HTTP/2. */
export function h2Config(port: number, upstream: number, changes: Partial<ClusterConfig> = {}, epoch = 1): EdgeConfig {
  return {
    epoch,
    listeners: [listener(port, [all("c")], { tls: tlsOf([exampleCom.certificate]), http2: true })],
    clusters: [cluster("c", [address(upstream)], { protocol: "http2", ...changes })],
  };
}

/** An edge with the listener of {@link h2Config}. */
export async function h2Front(
  stage: Stage,
  upstream: number,
  changes: Partial<ClusterConfig> = {},
): Promise<{ port: number; edge: Edge }> {
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply(h2Config(port, upstream, changes));
  return { port, edge };
}

/** A client's session over TLS. */
export function h2TlsClient(stage: Stage, port: number): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${port}`, { ca, servername: "example.com" });
  session.on("error", () => session.destroy());
  stage.later(() => session.destroy());
  return session;
}
