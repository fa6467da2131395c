/** A way out with destinations made on the spot, for tests over real sockets. */
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { createServer as createHttps, type ServerOptions } from "node:https";
import { request, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { EdgeOptions } from "../edge.ts";
import { Stage } from "../edge.suite.ts";
import type { Edge, EgressPolicy, EgressReport, EgressSettings, WayOut } from "../ports.ts";
import { testAuthority } from "../tls/authority.suite.ts";
import type { Answer, Resolve } from "./names.ts";

export const authority = testAuthority();

/** A name's only address is this machine. */
export const here: Resolve = async () => at("127.0.0.1");

export const at = (...addresses: string[]): Answer => ({
  addresses: addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
  ttlSeconds: 60,
});

export interface Opened {
  edge: Edge & WayOut;
  port: number;
  /** Of the one destination, or the one with this port. */
  report(port?: number): EgressReport | undefined;
  policies(...policies: readonly EgressPolicy[]): Promise<void>;
}

export class EgressStage extends Stage {
  async open(
    { resolve = here, ...settings }: Partial<EgressSettings> & { resolve?: Resolve } = {},
    options: Partial<EdgeOptions> = {},
  ): Promise<Opened> {
    const edge = this.edge({ ...options, testing: { resolve } });
    const port = await edge.openEgress({ port: 0, ca: authority.ca, ...settings });
    let epoch = 0;
    return {
      edge,
      port,
      report: (of) =>
        edge.egressReport()?.destinations.find(({ origin }) => of === undefined || origin.endsWith(`:${of}`)),
      policies: (...egress) => edge.apply({ epoch: (epoch += 1), listeners: [], clusters: [], egress }),
    };
  }

  /** A destination with a certificate for `shop.example`; gives its port. */
  async shop(listener: RequestListener, options: ServerOptions = {}): Promise<number> {
    const { certificate, privateKey } = authority.issue(["shop.example"]);
    const server = createHttps({ cert: certificate, key: privateKey, keepAliveTimeout: 60_000, ...options }, listener);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    this.later(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  /** One that speaks HTTP/2, and HTTP/1.1 with who wants that. */
  async shopOfTwoProtocols(listener: RequestListener): Promise<{ server: Http2SecureServer; port: number }> {
    const { certificate, privateKey } = authority.issue(["shop.example"]);
    const server = createSecureServer({ cert: certificate, key: privateKey, allowHTTP1: true }, listener as never);
    const sockets = new Set<{ destroy(): void }>();
    server.on("secureConnection", (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    this.later(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return { server, port: (server.address() as AddressInfo).port };
  }
}

export interface Asked {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string;
}

/** A caller that lives for one request. */
export function ask(port: number, host: string, { method = "GET", headers = {}, body }: Asked = {}) {
  return new Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const asked = request(
      { port, host: "127.0.0.1", path: "/a?b=c", method, headers: { ...headers, host }, agent: false },
      (answer) => {
        text(answer).then(
          (content) => resolve({ status: answer.statusCode ?? 0, body: content, headers: answer.headers }),
          reject,
        );
      },
    );
    asked.on("error", reject).end(body);
  });
}
