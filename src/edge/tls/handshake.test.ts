/** Handshakes under a clock that moves when it is told. */
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { listener } from "../edge.suite.ts";
import { Wheel } from "../wheel.ts";
import { TlsAcceptor } from "./acceptor.ts";
import { testAuthority, tlsOf } from "./authority.suite.ts";
import { ContextStore } from "./contexts.ts";
import { handshakeMsMax, type Handshake, type TlsFacts } from "./handshake.ts";
import { ticketPeriodMs } from "./tickets.ts";

const { ca, issue } = testAuthority();
const usual = issue(["default.example.com"], { id: "usual" });

let clock: FakeClock;
let wheel: Wheel;
let server: Server;
let port: number;
let acceptor: TlsAcceptor;
let sockets: (Socket | TLSSocket)[];
/** What came of the handshakes, in order. */
let outcomes: (TlsFacts | Error | undefined)[];
let begun: Handshake[];
let changed: () => void;

const outcome = (count: number) =>
  new Promise<void>((resolve) => {
    changed = () => {
      if (outcomes.length >= count) resolve();
    };
    changed();
  });

beforeEach(async () => {
  clock = new FakeClock();
  wheel = new Wheel(clock);
  [sockets, outcomes, begun, changed] = [[], [], [], () => {}];
  acceptor = newAcceptor();
  server = createServer((raw) => {
    sockets.push(raw);
    const handshake = acceptor.accept(raw, wheel, {
      secured(_, socket, facts) {
        // Reading sends the session tickets on their way.
        socket.on("data", (bytes) => socket.write(bytes));
        socket.on("error", () => {});
        outcomes.push(facts);
        changed();
      },
      failed(_, error) {
        outcomes.push(error);
        changed();
      },
    });
    begun.push(handshake);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  ({ port } = server.address() as AddressInfo);
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  wheel.close();
});

function newAcceptor(certificates = [usual]): TlsAcceptor {
  const tls = tlsOf(certificates);
  const deps = { clock, contexts: new ContextStore(), ticketSecret: Buffer.alloc(32, 7) };
  return new TlsAcceptor(listener(443, [], { tls }), tls, deps);
}

/** A client that echoes a byte, and its session. */
async function visit(options: ConnectionOptions = {}): Promise<{ session: Buffer; reused: boolean }> {
  const socket = connect({ port, host: "127.0.0.1", ca, servername: "default.example.com", ...options });
  sockets.push(socket);
  let session = Buffer.alloc(0);
  socket.on("session", (ticket) => {
    session = ticket;
  });
  await new Promise((resolve, reject) => {
    socket.once("data", resolve);
    socket.once("error", reject);
    socket.write("a");
  });
  const reused = socket.isSessionReused();
  socket.destroy();
  return { session, reused };
}

describe("a handshake", () => {
  it("settles what is told of the connection", async () => {
    await visit({ ALPNProtocols: ["http/1.1"] });
    expect(outcomes).toEqual([
      {
        protocol: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        serverName: "default.example.com",
        certificateId: "usual",
        alpn: "http/1.1",
      },
    ]);
  });

  it("tells which of two certificates a client was shown", async () => {
    const authority = testAuthority("rsa");
    acceptor = newAcceptor([
      usual,
      authority.issue(["two.example.com"], { keyType: "rsa", id: "rsa" }),
      authority.issue(["two.example.com"], { keyType: "ec", id: "ec" }),
    ]);
    const two = { ca: authority.ca, servername: "two.example.com", maxVersion: "TLSv1.2" } as const;
    await visit(two);
    await visit({ ...two, ciphers: "ECDHE-RSA-AES128-GCM-SHA256" });
    expect(
      outcomes.map((facts) => (facts !== undefined && "certificateId" in facts ? facts.certificateId : "")),
    ).toEqual(["ec", "rsa"]);
  });

  it.each([
    ["says nothing", Buffer.alloc(0)],
    ["begins a message and does not end it", Buffer.from([22, 3, 1, 1, 0, 1, 0, 0, 252])],
  ])("with a client that %s is given up in time", async (_, bytes) => {
    const client = connectTcp({ port, host: "127.0.0.1" });
    sockets.push(client);
    client.on("error", () => {});
    await new Promise((resolve) => {
      client.once("connect", resolve);
    });
    if (bytes.length > 0) client.write(bytes);
    while (begun.length === 0) await new Promise(setImmediate);
    await clock.advance(handshakeMsMax - 100);
    expect(outcomes).toEqual([]);
    await clock.advance(200);
    await outcome(1);
    expect(outcomes[0]).toMatchObject({ message: `no handshake within ${handshakeMsMax} ms` });
  });

  it("that fails tells why, and is closed", async () => {
    const client = connectTcp({ port, host: "127.0.0.1" });
    sockets.push(client);
    const closed = new Promise((resolve) => {
      client.once("close", resolve);
    });
    client.on("error", () => {});
    client.write("GET / HTTP/1.1\r\n\r\n");
    await outcome(1);
    expect(outcomes[0]).toMatchObject({ message: expect.stringContaining("http request") as string });
    await closed;
  });

  it("with a client that goes away has failed, too", async () => {
    const client = connectTcp({ port, host: "127.0.0.1" });
    sockets.push(client);
    client.write(Buffer.from([22, 3, 1]), () => client.destroy());
    await outcome(1);
    expect(outcomes.length).toBe(1);
  });
});

describe("sessions", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "of %s are resumed until the keys of their tickets change",
    async (version) => {
      const maxVersion = version;
      const { session } = await visit({ maxVersion });
      expect((await visit({ maxVersion, session })).reused).toBe(true);
      await clock.advance(ticketPeriodMs);
      const later = await visit({ maxVersion, session });
      expect(later.reused).toBe(false);
      expect((await visit({ maxVersion, session: later.session })).reused).toBe(true);
    },
  );
});
