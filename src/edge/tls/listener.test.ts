/** HTTPS listeners, through Node's own TLS client. */
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { all, address, cluster, freePort, listener, Stage, through } from "../edge.suite.ts";
import type { Certificate, Edge, ListenerTls, RouteConfig } from "../ports.ts";
import { testAuthority, tlsOf } from "./authority.suite.ts";

const { ca, issue } = testAuthority();
const usual = issue(["default.example.com"]);

let stage: Stage;
let port: number;
let edge: Edge;

beforeEach(async () => {
  stage = new Stage();
  port = await freePort();
  edge = stage.edge();
});
afterEach(() => stage.strike());

/** A connection whose handshake is over. */
async function shake(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", ca, servername: "default.example.com", ...options });
  stage.later(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function get(path: string, headers: Record<string, string> = {}) {
  const options = { port, host: "127.0.0.1", ca, servername: "default.example.com", path, headers, agent: false };
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>((resolve, reject) => {
    const sent = request(options, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function run(tls: ListenerTls, epoch = 1): Promise<void> {
  const upstream = await stage.http((incoming, outgoing) => outgoing.end(JSON.stringify(incoming.headers)));
  await edge.apply(through(port, upstream, { tls }, epoch));
}

const shownTo = async (servername: string, options: ConnectionOptions = {}) => {
  const socket = await shake({ servername, rejectUnauthorized: false, ...options });
  const names = socket.getPeerX509Certificate()?.subjectAltName ?? "";
  socket.destroy();
  return names.replaceAll("DNS:", "");
};

describe("a listener with TLS", () => {
  it("answers over TLS, and tells the endpoint so", async () => {
    await run(tlsOf([usual]));
    const { status, body } = await get("/");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ "x-forwarded-proto": "https", "x-forwarded-port": String(port) });
  });

  it("passes long bodies both ways", async () => {
    const upstream = await stage.http((incoming, outgoing) => incoming.pipe(outgoing));
    await edge.apply(through(port, upstream, { tls: tlsOf([usual]) }));
    const body = "0123456789abcdef".repeat(1 << 16);
    const answer = await new Promise<string>((resolve, reject) => {
      const options = { port, host: "127.0.0.1", ca, servername: "default.example.com", method: "POST", agent: false };
      const sent = request(options, (response) => text(response).then(resolve, reject));
      sent.on("error", reject);
      sent.end(body);
    });
    expect(answer === body).toBe(true);
  });

  it("redirects to its own protocol", async () => {
    const action: RouteConfig["action"] = {
      kind: "redirect",
      status: 302,
      protocol: "#{protocol}",
      host: "#{host}",
      port: "#{port}",
      path: "/there",
      query: "",
    };
    const route: RouteConfig = { id: "default", conditions: [], action };
    await edge.apply({ epoch: 1, listeners: [listener(port, [route], { tls: tlsOf([usual]) })], clusters: [] });
    const { headers } = await get("/", { host: "a.example.com" });
    expect(headers["location"]).toBe(`https://a.example.com:${port}/there`);
  });

  it("closes on clear text, and goes on", async () => {
    await run(tlsOf([usual]));
    const client = stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.until(() => false);
    expect((await get("/")).status).toBe(200);
  });

  it("fails to apply with a key that is not the certificate's, and keeps the routing it had", async () => {
    await run(tlsOf([usual]));
    const wrong: Certificate = { ...usual, privateKey: issue(["b"]).privateKey };
    await expect(run(tlsOf([wrong]), 2)).rejects.toThrow(/key values mismatch/);
    expect((await get("/")).status).toBe(200);
  });
});

describe("certificates", () => {
  const exact = issue(["a.example.com"]);
  const wildcard = issue(["*.example.com"]);
  const other = issue(["other.test", "www.other.test"]);

  it.each([
    ["default.example.com", "default.example.com"],
    ["a.example.com", "a.example.com"],
    ["A.EXAMPLE.com", "a.example.com"],
    ["b.example.com", "*.example.com"],
    ["c.b.example.com", "default.example.com"],
    ["example.com", "default.example.com"],
    ["www.other.test", "other.test, www.other.test"],
    ["nobody.test", "default.example.com"],
    ["", "default.example.com"],
  ])("for %j is that of %s", async (servername, shown) => {
    await run(tlsOf([usual, exact, wildcard, other]));
    expect(await shownTo(servername)).toBe(shown);
  });

  it("is one that the client can verify, of two kinds of key", async () => {
    // A client says which signatures it can verify, the issuer's among them.
    const authority = testAuthority("rsa");
    const rsa = authority.issue(["two.example.com"], { keyType: "rsa", id: "rsa" });
    const ec = authority.issue(["two.example.com"], { keyType: "ec", id: "ec" });
    await run(tlsOf([usual, rsa, ec]));
    const keyOf = async (options: ConnectionOptions) => {
      const socket = await shake({ ca: authority.ca, servername: "two.example.com", ...options });
      return socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
    };
    expect(await keyOf({})).toBe("ec");
    expect(await keyOf({ sigalgs: "rsa_pss_rsae_sha256:rsa_pkcs1_sha256" })).toBe("rsa");
    expect(await keyOf({ maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" })).toBe("rsa");
  });

  it("that has expired yields to one that is valid", async () => {
    const expired = issue(["old.example.com"], { notAfter: Date.now() - 1000, id: "expired" });
    const valid = issue(["old.example.com", "new.example.com"], { id: "valid" });
    await run(tlsOf([usual, expired, valid]));
    expect(await shownTo("old.example.com", { rejectUnauthorized: true })).toContain("new.example.com");
  });

  it("is swapped without a connection lost", async () => {
    await run(tlsOf([usual]));
    const before = await shake();
    const next = issue(["default.example.com", "second.example.com"]);
    await run(tlsOf([next]), 2);
    expect(await shownTo("default.example.com")).toBe("default.example.com, second.example.com");
    before.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await text(before)).toContain("HTTP/1.1 200 OK");
  });
});

describe("handshakes", () => {
  it.each([
    ["TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    ["TLSv1.3", "TLS_AES_128_GCM_SHA256"],
  ] as const)("settle on %s, by the listener's order of ciphers", async (version, cipher) => {
    await run(tlsOf([usual]));
    const socket = await shake({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    expect(socket.getCipher().name).toBe(cipher);
  });

  it("fail below the listener's version", async () => {
    await run(tlsOf([usual], { minVersion: "TLSv1.3" }));
    await expect(shake({ maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/);
  });

  it("speak TLS 1.0 where the listener does", async () => {
    const rsa = issue(["rsa.example.com"], { keyType: "rsa" });
    await run(tlsOf([rsa], { minVersion: "TLSv1", ciphers: "ECDHE-RSA-AES128-SHA:AES128-SHA" }));
    const old = { servername: "rsa.example.com", minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" };
    const socket = await shake(old as ConnectionOptions);
    expect(socket.getProtocol()).toBe("TLSv1");
  });

  it("agree on http/1.1 with those who ask", async () => {
    await run(tlsOf([usual]));
    expect((await shake({ ALPNProtocols: ["h2", "http/1.1"] })).alpnProtocol).toBe("http/1.1");
    expect((await shake()).alpnProtocol).toBe(false);
    await expect(shake({ ALPNProtocols: ["smtp"] })).rejects.toThrow(/no application protocol/);
  });

  it("that nobody ends are given up with the listener", async () => {
    await run(tlsOf([usual]));
    const idle = connectTcp({ port, host: "127.0.0.1" });
    stage.later(() => void idle.destroy());
    await new Promise((resolve) => {
      idle.once("connect", resolve);
    });
    await shake();
    const closed = new Promise((resolve) => {
      idle.once("close", resolve);
    });
    await edge.apply({ epoch: 2, listeners: [], clusters: [] });
    await closed;
  });

  it("are exchanged for clear text, and back", async () => {
    const upstream = await stage.http((_, outgoing) => outgoing.end("hello"));
    const secure = { tls: tlsOf([usual]) };
    await edge.apply(through(port, upstream, secure));
    const before = await shake();
    const closed = new Promise((resolve) => {
      before.once("close", resolve);
    });
    await edge.apply(through(port, upstream, {}, 2));
    await closed;
    const client = stage.client(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).status).toBe(200);
    await edge.apply(through(port, upstream, secure, 3));
    await client.until(() => false);
    expect((await get("/")).status).toBe(200);
  });
});

describe("sessions", () => {
  /** The ticket of a session that a request has used. */
  async function ticketOf(options: ConnectionOptions): Promise<Buffer> {
    const socket = connect({ port, host: "127.0.0.1", ca, servername: "default.example.com", ...options });
    const session = new Promise<Buffer>((resolve) => {
      socket.once("session", resolve);
    });
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await text(socket);
    return session;
  }

  it.each(["TLSv1.2", "TLSv1.3"] as const)("of %s are resumed by whichever worker gets them", async (maxVersion) => {
    edge = stage.edge({ workers: 2 });
    await run(tlsOf([usual, issue(["a.example.com"])]));
    for (const servername of ["default.example.com", "a.example.com"]) {
      const session = await ticketOf({ maxVersion, servername });
      for (let i = 0; i < 8; i += 1) {
        expect((await shake({ maxVersion, servername, session })).isSessionReused()).toBe(true);
      }
    }
  });

  it("outlive a change of the certificates, and are nothing to another listener", async () => {
    await run(tlsOf([usual]));
    const session = await ticketOf({});
    const second = await freePort();
    const next = { tls: tlsOf([usual, issue(["a.example.com"])]) };
    await edge.apply({
      epoch: 2,
      listeners: [listener(port, [all("c")], next), listener(second, [all("c")], next)],
      clusters: [cluster("c", [address(await freePort())])],
    });
    expect((await shake({ session })).isSessionReused()).toBe(true);
    expect((await shake({ session, port: second })).isSessionReused()).toBe(false);
  });
});
