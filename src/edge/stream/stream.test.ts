import { once } from "node:events";
import { createServer as createTls, connect as connectTls } from "node:tls";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { address, cluster, eventually, freePort, Stage } from "../edge.suite.ts";
import type { ClusterConfig, Edge, EdgeConfig, EndpointConfig, StreamListenerConfig, StreamPolicy } from "../ports.ts";
import { testAuthority, tlsOf } from "../tls/authority.suite.ts";
import { proxyHeader } from "./proxy-protocol.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const policy: StreamPolicy = {
  proxyProtocol: false,
  stickToSource: false,
  endAfterDrain: false,
  endWhenUnhealthy: true,
};

function config(
  port: number,
  endpoints: readonly EndpointConfig[],
  changes: Partial<StreamListenerConfig> = {},
  group: Partial<ClusterConfig> = {},
): EdgeConfig {
  const listener = {
    id: `stream-${port}`,
    address: "127.0.0.1",
    port,
    loadBalancerId: "net",
    targets: [{ clusterId: "c", weight: 1 }],
    idleTimeoutMs: 60_000,
    ...changes,
  };
  return { epoch: 1, listeners: [], streamListeners: [listener], clusters: [cluster("c", endpoints, group)] };
}

async function before(
  endpoints: readonly EndpointConfig[],
  changes: Partial<StreamListenerConfig> = {},
  group: Partial<ClusterConfig> = {},
): Promise<{ port: number; edge: Edge }> {
  const port = await freePort();
  const edge = stage.edge();
  await edge.apply(config(port, endpoints, changes, group));
  return { port, edge };
}

/** An endpoint that says back what it is told, behind its name. */
async function echo(name: string, onSocket: (socket: Socket) => void = () => {}): Promise<EndpointConfig> {
  const port = await stage.tcp((socket) => {
    socket.allowHalfOpen = true;
    onSocket(socket);
    socket.on("data", (bytes: Buffer) => socket.write(`${name}:${bytes.toString("latin1")}`));
    socket.on("end", () => socket.end(`${name} ends`));
  });
  return address(port);
}

const counts = (edge: Edge) => edge.loadBalancers()[0];

describe("a TCP listener", () => {
  it("passes bytes on, both ways, until each side has ended", async () => {
    const { port, edge } = await before([await echo("a")]);
    const client = stage.client(port).send("hello");
    await client.until((text) => text === "a:hello");
    expect(counts(edge)).toMatchObject({ loadBalancerId: "net", connections: 1, activeConnections: 1 });
    client.socket.end();
    expect(await client.until(() => false)).toBe("a:helloa ends");
    await eventually(() => counts(edge)?.activeConnections === 0);
    expect(counts(edge)).toMatchObject({ receivedBytes: 5, sentBytes: 13, resetsByClient: 0, resetsByEndpoint: 0 });
    expect(counts(edge)).toMatchObject({ tlsConnections: 0, activeTlsConnections: 0, tlsBytes: 0, portsExhausted: 0 });
    expect(edge.stats()[0]).toMatchObject({ requests: 1, active: 0 });
  });

  it("spreads flows, and keeps a source on one endpoint where it is told to", async () => {
    const endpoints = await Promise.all(["a", "b", "c"].map((name) => echo(name)));
    const names = async (stickToSource: boolean) => {
      const { port } = await before(endpoints, {}, { stream: { ...policy, stickToSource } });
      const said = await Promise.all(
        Array.from({ length: 24 }, () =>
          stage
            .client(port)
            .send("x")
            .until((text) => text !== ""),
        ),
      );
      return new Set(said).size;
    };
    expect(await names(false)).toBe(3);
    expect(await names(true)).toBe(1);
  });

  it("gives weighted groups their share", async () => {
    const port = await freePort();
    const edge = stage.edge();
    const [a, b] = [await echo("a"), await echo("b")];
    const targets = [
      { clusterId: "a", weight: 3 },
      { clusterId: "b", weight: 1 },
      { clusterId: "none", weight: 0 },
    ];
    await edge.apply({
      ...config(port, [], { targets }),
      clusters: [cluster("a", [a]), cluster("b", [b]), cluster("none", [])],
    });
    const said = await Promise.all(
      Array.from({ length: 80 }, () =>
        stage
          .client(port)
          .send("x")
          .until((text) => text !== ""),
      ),
    );
    const share = said.filter((text) => text === "a:x").length;
    expect(share).toBeGreaterThan(40);
    expect(share).toBeLessThan(78);
  });

  it("tells the endpoint who came, by PROXY protocol v2", async () => {
    let first = Buffer.alloc(0);
    const endpoint = await stage.tcp((socket) => {
      socket.on("data", (bytes: Buffer) => {
        first = Buffer.concat([first, bytes]);
        socket.write("ok");
      });
    });
    const { port } = await before([address(endpoint)], {}, { stream: { ...policy, proxyProtocol: true } });
    const client = stage.client(port).send("hello");
    await client.until((text) => text.endsWith("ok"));
    await eventually(() => first.toString("latin1").endsWith("hello"));
    const { port: clientPort } = client.socket.address() as AddressInfo;
    const header = proxyHeader({ address: "127.0.0.1", port: clientPort }, { address: "127.0.0.1", port });
    expect(first.subarray(0, header.length)).toEqual(header);
    expect(header.toString("hex", 0, 28)).toBe(
      `0d0a0d0a000d0a515549540a211100137f0000017f000001${clientPort.toString(16).padStart(4, "0")}${port
        .toString(16)
        .padStart(4, "0")}`,
    );
  });

  it("passes a reset on, from either side, and counts whose it was", async () => {
    const ended = Promise.withResolvers<string>();
    const endpoint = await echo("a", (socket) => {
      socket.on("error", (error: NodeJS.ErrnoException) => ended.resolve(error.code ?? ""));
      socket.on("data", (bytes: Buffer) => {
        if (bytes.toString() === "die") socket.resetAndDestroy();
      });
    });
    const { port, edge } = await before([endpoint]);
    const leaves = stage.client(port).send("x");
    await leaves.until((text) => text !== "");
    leaves.socket.resetAndDestroy();
    expect(await ended.promise).toBe("ECONNRESET");
    await eventually(() => counts(edge)?.resetsByClient === 1);
    const left = stage.client(port).send("die");
    await left.until(() => false);
    expect(left.error).toMatchObject({ code: "ECONNRESET" });
    expect(counts(edge)).toMatchObject({
      resetsByClient: 1,
      resetsByEndpoint: 1,
      resetsByEdge: 0,
      activeConnections: 0,
    });
  });

  it("resets who comes to an endpoint that is not there, and closes on who comes to none", async () => {
    const { port, edge } = await before([address(await freePort())]);
    const client = stage.client(port);
    await client.until(() => false);
    expect(client.error).toMatchObject({ code: "ECONNRESET" });
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "connect-refused": 1 }, active: 0 });
    const none = await before([]);
    await stage.client(none.port).until(() => false);
    expect(counts(none.edge)).toMatchObject({ connectionsRejected: 1, connections: 0 });
  });

  it("forgets a connection on which nobody says anything", async () => {
    const { port, edge } = await before([await echo("a")], { idleTimeoutMs: 100 });
    const client = stage.client(port).send("x");
    await client.until(() => false);
    expect(client.error).toMatchObject({ code: "ECONNRESET" });
    expect(counts(edge)).toMatchObject({ resetsByEdge: 1, activeConnections: 0 });
  });

  it("goes on over a change of its targets, or ends with the drain where that is wanted", async () => {
    const [a, b] = [await echo("a"), await echo("b")];
    const group = (endAfterDrain: boolean) => ({ drainMs: 50, stream: { ...policy, endAfterDrain } });
    const { port, edge } = await before([a], {}, group(false));
    const client = stage.client(port).send("1");
    await client.until((text) => text === "a:1");
    await edge.apply({ ...config(port, [b], {}, group(false)), epoch: 2 });
    client.send("2");
    await client.until((text) => text === "a:1a:2");
    const other = stage.client(port).send("3");
    await other.until((text) => text === "b:3");
    await edge.apply({ ...config(port, [a], {}, group(true)), epoch: 3 });
    await other.until(() => false);
    expect(other.error).toMatchObject({ code: "ECONNRESET" });
    client.send("4");
    await client.until((text) => text.endsWith("a:4"));
  });

  it("goes on where its target comes back before the drain is over", async () => {
    const [a, b] = [await echo("a"), await echo("b")];
    const group = { drainMs: 1_500, stream: { ...policy, endAfterDrain: true } };
    const { port, edge } = await before([a], {}, group);
    const client = stage.client(port).send("1");
    await client.until((text) => text === "a:1");
    await edge.apply({ ...config(port, [b], {}, group), epoch: 2 });
    const other = stage.client(port).send("2");
    await other.until((text) => text === "b:2");
    await edge.apply({ ...config(port, [a], {}, group), epoch: 3 });
    // Taken out later than the first was: when this one is over, the first would be.
    await other.until(() => false);
    expect(other.error).toMatchObject({ code: "ECONNRESET" });
    client.send("3");
    await client.until((text) => text === "a:1a:3");
  });

  it("leaves its port to nobody, and is left by a listener that goes", async () => {
    const { port, edge } = await before([await echo("a")]);
    await expect(stage.edge().apply(config(port, []))).rejects.toMatchObject({ name: "PortInUse", port });
    const client = stage.client(port).send("1");
    await client.until((text) => text === "a:1");
    await edge.apply({ epoch: 2, listeners: [], streamListeners: [], clusters: [] });
    client.send("2");
    await client.until((text) => text === "a:1a:2");
    const late = stage.client(port);
    await late.until(() => false);
    expect(late.error).toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("a TLS listener", () => {
  it("ends TLS, offers what its policy says, and speaks TLS to endpoints that want it", async () => {
    const authority = testAuthority();
    const certificate = authority.issue(["db.example"]);
    const target = createTls({ cert: certificate.certificate, key: certificate.privateKey }, (socket) => {
      socket.on("data", (bytes: Buffer) => socket.write(`secure:${bytes.toString()}`));
    });
    await new Promise<void>((resolve) => {
      target.listen(0, "127.0.0.1", resolve);
    });
    stage.later(() => void target.close());
    const endpoint = address((target.address() as AddressInfo).port);
    const group = { tls: { verify: false }, stream: { ...policy } };
    const { port, edge } = await before([endpoint], { tls: tlsOf([certificate]), alpn: ["h2"] }, group);
    const options = { port, host: "127.0.0.1", servername: "db.example", ca: authority.ca };
    const client = connectTls({ ...options, ALPNProtocols: ["h2", "http/1.1"] });
    stage.later(() => void client.destroy());
    await once(client, "secureConnect");
    expect(client.alpnProtocol).toBe("h2");
    client.write("hello");
    const [bytes] = (await once(client, "data")) as [Buffer];
    expect(bytes.toString()).toBe("secure:hello");
    expect(counts(edge)).toMatchObject({ tlsConnections: 1, activeTlsConnections: 1, connections: 1 });
    client.destroy();
    await eventually(() => counts(edge)?.activeTlsConnections === 0);
    const over = counts(edge);
    expect(over?.tlsBytes).toBe("hello".length + "secure:hello".length);
    expect(over).toMatchObject({ activeConnections: 0, tlsConnections: 1 });
    stage.client(port).send("no TLS at all\r\n\r\n");
    await eventually(() => counts(edge)?.handshakesFailed === 1);
  });
});
