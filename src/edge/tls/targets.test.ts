/** Endpoints over TLS. */
import { createServer as createHttps, type ServerOptions } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTls, type TLSSocket, type TlsOptions } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import type { Certificate, ClusterTls, Edge } from "../ports.ts";
import { testAuthority } from "./authority.suite.ts";

const { ca, issue } = testAuthority();
const right = issue(["127.0.0.1", "target.example.com"]);

let stage: Stage;
let port: number;
let edge: Edge;

beforeEach(async () => {
  stage = new Stage();
  port = await freePort();
  edge = stage.edge();
});
afterEach(() => stage.strike());

const keysOf = ({ certificate, privateKey }: Certificate) => ({ cert: certificate, key: privateKey });

interface Target {
  port: number;
  connections: TLSSocket[];
  /** Of each connection: it went on with a session that another began. */
  resumed: boolean[];
}

async function target(options: ServerOptions, answer?: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createHttps(options, answer ?? ((_, response) => response.end("hello")));
  const connections: TLSSocket[] = [];
  const resumed: boolean[] = [];
  server.on("secureConnection", (socket) => {
    connections.push(socket);
    resumed.push(socket.isSessionReused());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections, resumed } satisfies Target;
}

async function run(upstream: number, tls: ClusterTls, epoch = 1): Promise<void> {
  const clusters = [cluster("c", [address(upstream)], { tls })];
  await edge.apply({ epoch, listeners: [listener(port, [all("c")])], clusters });
}

const get = async () => {
  const response = await stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").response();
  return response.status;
};

const failures = () => edge.stats()[0]?.edgeErrors;

describe("endpoints over TLS", () => {
  it("are asked over connections that are kept", async () => {
    const { port: upstream, connections } = await target(keysOf(right));
    await run(upstream, { verify: true, ca });
    for (let i = 0; i < 5; i += 1) expect(await get()).toBe(200);
    expect(connections.length).toBe(1);
    expect(connections[0]?.alpnProtocol).toBe("http/1.1");
    expect(connections[0]?.getProtocol()).toBe("TLSv1.3");
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("resume their sessions in %s", async (maxVersion) => {
    const { port: upstream, resumed } = await target({ ...keysOf(right), maxVersion }, (_, response) => {
      response.setHeader("Connection", "close");
      response.end();
    });
    await run(upstream, { verify: true, ca });
    for (let i = 0; i < 3; i += 1) expect(await get()).toBe(200);
    expect(resumed).toEqual([false, true, true]);
  });

  it("are told the name that they are verified by", async () => {
    const named = issue(["target.example.com"]);
    const { port: upstream, connections } = await target(keysOf(named));
    await run(upstream, { verify: true, ca, serverName: "target.example.com" });
    expect(await get()).toBe(200);
    expect(connections[0]?.servername).toBe("target.example.com");
  });

  it("pass bodies of any length both ways", async () => {
    const { port: upstream } = await target(keysOf(right), (request, response) => request.pipe(response));
    await run(upstream, { verify: true, ca });
    const body = "0123456789".repeat(200_000);
    const client = stage.client(port);
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect((await client.response()).body.toString("latin1") === body).toBe(true);
  });

  const other = testAuthority();
  const wrong: [string, Certificate][] = [
    ["nobody known issued", other.issue(["127.0.0.1"])],
    ["has another name", issue(["other.example.com"])],
    ["has expired", issue(["127.0.0.1"], { notAfter: Date.now() - 1000 })],
    ["is not valid yet", issue(["127.0.0.1"], { notBefore: Date.now() + 60_000 })],
  ];

  describe.each(wrong)("with a certificate that %s", (_, certificate) => {
    it.each(["TLSv1.2", "TLSv1.3"] as const)(
      "are told nothing, and answered for with 502, in %s",
      async (maxVersion) => {
        const heard: Buffer[] = [];
        const port_ = await secretKeeper({ ...keysOf(certificate), maxVersion }, heard);
        await run(port_, { verify: true, ca });
        expect(await get()).toBe(502);
        expect(failures()).toEqual({ "tls-failed": 1 });
        expect(Buffer.concat(heard).toString()).toBe("");
      },
    );

    it("are asked where nobody verifies", async () => {
      const { port: upstream } = await target(keysOf(certificate));
      await run(upstream, { verify: false });
      expect(await get()).toBe(200);
    });
  });

  /** Keeps all that it is told over TLS. */
  async function secretKeeper(options: TlsOptions, heard: Buffer[]): Promise<number> {
    const server = createTls(options, (socket) => {
      socket.on("data", (chunk: Buffer) => heard.push(chunk));
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    stage.later(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  it("that do not speak TLS are answered for with 502", async () => {
    const upstream = await stage.tcp((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    await run(upstream, { verify: false });
    expect(await get()).toBe(502);
    expect(failures()).toEqual({ "tls-failed": 1 });
  });

  it("that hang up in the handshake are answered for with 502", async () => {
    const upstream = await stage.tcp((socket) => void socket.once("data", () => socket.destroy()));
    await run(upstream, { verify: false });
    expect(await get()).toBe(502);
    expect(failures()).toEqual({ "tls-failed": 1 });
  });

  it("that are not there are refused as ever", async () => {
    await run(await freePort(), { verify: true });
    expect(await get()).toBe(502);
    expect(failures()).toEqual({ "connect-refused": 1 });
  });

  it("are verified anew when the configuration says so", async () => {
    const { port: upstream } = await target(keysOf(other.issue(["127.0.0.1"])));
    await run(upstream, { verify: false });
    expect(await get()).toBe(200);
    await run(upstream, { verify: true, ca }, 2);
    expect(await get()).toBe(502);
    await run(upstream, { verify: true, ca: other.ca }, 3);
    expect(await get()).toBe(200);
  });
});
