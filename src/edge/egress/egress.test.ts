import { createServer as createHttps } from "node:https";
import { request, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, systemClock } from "../../base/clock.ts";
import { silentLog } from "../../telemetry/log.ts";
import { Stage } from "../edge.suite.ts";
import { testAuthority } from "../tls/authority.suite.ts";
import { destinationOf } from "./destination.ts";
import { createEgress, type Egress, type EgressOptions } from "./egress.ts";
import { createNames, Forbidden, type Answer } from "./names.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const authority = testAuthority();
const here = async (): Promise<Answer> => ({ addresses: [{ address: "127.0.0.1", family: 4 }], ttlSeconds: 60 });

async function opened(changes: Partial<EgressOptions> = {}): Promise<Egress> {
  const egress = await createEgress({
    port: 0,
    ca: authority.ca,
    clock: systemClock,
    log: silentLog,
    resolve: here,
    ...changes,
  });
  stage.later(() => egress.close());
  return egress;
}

/** A destination with a certificate for `shop.example`. */
async function shop(listener: RequestListener): Promise<number> {
  const { certificate, privateKey } = authority.issue(["shop.example"]);
  const server = createHttps({ cert: certificate, key: privateKey }, listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  stage.later(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

interface Asked {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

function ask(port: number, host: string, { method = "GET", headers = {}, body }: Asked = {}) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asked = request(
      { port, host: "127.0.0.1", path: "/a?b=c", method, headers: { ...headers, host } },
      (answer) => {
        text(answer).then((content) => resolve({ status: answer.statusCode ?? 0, body: content }), reject);
      },
    );
    asked.on("error", reject).end(body);
  });
}

describe("a destination", () => {
  it.each([
    ["example.com.ccnproxy", "http://example.com"],
    ["example.com.ccnproxy-https", "https://example.com"],
    ["example.com.ccnproxy-secure", "https://example.com"],
    ["Example.com.ccnproxy-ssl", "https://example.com"],
    ["example.com.ccnproxy-https:8443", "https://example.com:8443"],
    ["example.com.ccnproxy:9000", "http://example.com"],
  ])("of %s is %s", (host, origin) => {
    expect(destinationOf(host, 9000)?.origin).toBe(origin);
  });

  it.each(["example.com", ".ccnproxy", "a..b.ccnproxy", "user@a.ccnproxy", "a.ccnproxy-ftp", "a.ccnproxy:70000"])(
    "is not in %s",
    (host) => {
      expect(destinationOf(host, 9000)).toBeUndefined();
    },
  );
});

describe("the way out", () => {
  it("goes to the destination over TLS that is kept, and says what that saved", async () => {
    const seen: string[] = [];
    const port = await shop((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers.host} ${String(incoming.headers["x-a"])}`);
      incoming.pipe(response);
    });
    const egress = await opened();
    const host = `shop.example.ccnproxy-https:${port}`;
    const asked = { method: "POST", headers: { "x-a": "1", connection: "x-b", "x-b": "2" }, body: "hello" };
    for (let i = 0; i < 3; i += 1) expect(await ask(egress.port, host, asked)).toEqual({ status: 200, body: "hello" });
    expect(seen).toEqual(Array(3).fill(`POST /a?b=c shop.example:${port} 1`));
    expect(egress.report()).toMatchObject([
      {
        origin: `https://shop.example:${port}`,
        requests: 3,
        handshakes: 1,
        reused: 2,
        failures: 0,
        savedRoundTrips: 4,
      },
    ]);
    expect(egress.report()[0]?.savedMs).toBeGreaterThan(0);
  });

  it("verifies certificates, unless it is told otherwise", async () => {
    const port = await shop((_, response) => response.end("hello"));
    const host = `other.example.ccnproxy-https:${port}`;
    const strict = await opened();
    const refused = await ask(strict.port, host);
    expect(refused.status).toBe(502);
    expect(refused.body).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(strict.report()).toMatchObject([{ failures: 1 }]);
    expect((await ask((await opened({ verify: false })).port, host)).status).toBe(200);
  });

  it("sends a request again when the connection it was kept on had ended", async () => {
    let requests = 0;
    const port = await stage.tcp((socket) => {
      socket.on("data", () => {
        requests += 1;
        // It says that it stays, and goes when it is spoken to again.
        if (requests % 2 === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        else socket.resetAndDestroy();
      });
    });
    const egress = await opened();
    const host = `plain.example.ccnproxy:${port}`;
    expect((await ask(egress.port, host)).status).toBe(200);
    expect((await ask(egress.port, host)).status).toBe(200);
    expect(requests).toBe(3);
  });

  it("answers 508 to what came through it already", async () => {
    const outer: { port: number } = { port: 0 };
    const egress = await opened();
    outer.port = egress.port;
    // A name that leads back: the request's own host is the next one's destination.
    const loop = await stage.http((incoming, response) => {
      const again = request(
        {
          port: outer.port,
          host: "127.0.0.1",
          path: "/",
          headers: { via: incoming.headers.via, host: `a.ccnproxy:${loop}` },
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 0);
          answer.pipe(response);
        },
      );
      again.end();
    });
    expect((await ask(egress.port, `a.ccnproxy:${loop}`)).status).toBe(508);
    const via = Array(5).fill("1.1 mikan-egress-other").join(", ");
    expect((await ask(egress.port, "a.ccnproxy", { headers: { via } })).status).toBe(508);
  });

  it("does not go to the machine's metadata", async () => {
    expect((await ask((await opened()).port, "169.254.169.254.ccnproxy")).status).toBe(403);
  });

  it("does not go there by a name either", async () => {
    const resolve = async (): Promise<Answer> => ({
      addresses: [{ address: "169.254.169.254", family: 4 }],
      ttlSeconds: 60,
    });
    expect((await ask((await opened({ resolve })).port, "metadata.example.ccnproxy")).status).toBe(403);
  });

  it("says 504 of a destination that says nothing, 502 of one that is not there, 400 of none", async () => {
    const silent = await stage.tcp((socket) => void socket.resume());
    const egress = await opened({ answerMsMax: 100 });
    expect((await ask(egress.port, `a.ccnproxy:${silent}`)).status).toBe(504);
    expect((await ask(egress.port, "a.ccnproxy:1")).status).toBe(502);
    expect((await ask(egress.port, "example.com")).status).toBe(400);
  });
});

describe("names", () => {
  function asking(answers: (Answer | Error)[]) {
    const clock = new FakeClock();
    let asked = 0;
    const names = createNames({
      clock,
      async resolve() {
        asked += 1;
        const next = answers.shift();
        if (next === undefined || next instanceof Error) throw next ?? new Error("no answer");
        return next;
      },
    });
    return { clock, names, asked: () => asked };
  }
  const answer = (address: string, ttlSeconds: number): Answer => ({ addresses: [{ address, family: 4 }], ttlSeconds });
  const first = async (found: Promise<readonly { address: string }[]>) => (await found)[0]?.address;

  it("hold as long as the DNS says, and are asked for once at a time", async () => {
    const { clock, names, asked } = asking([answer("10.0.0.1", 10), answer("10.0.0.2", 10)]);
    const both = await Promise.all([first(names.addresses("a")), first(names.addresses("a"))]);
    expect([both, asked()]).toEqual([["10.0.0.1", "10.0.0.1"], 1]);
    await clock.advance(9_000);
    expect([await first(names.addresses("a")), asked()]).toEqual(["10.0.0.1", 1]);
    await clock.advance(2_000);
    expect([await first(names.addresses("a")), asked()]).toEqual(["10.0.0.2", 2]);
  });

  it("are served stale while the DNS does not answer, and asked for again after a while", async () => {
    const { clock, names, asked } = asking([answer("10.0.0.1", 10), new Error("servfail"), answer("10.0.0.2", 10)]);
    await names.addresses("a");
    await clock.advance(11_000);
    expect(await first(names.addresses("a"))).toBe("10.0.0.1");
    expect([await first(names.addresses("a")), asked()]).toEqual(["10.0.0.1", 2]);
    await clock.advance(6_000);
    expect([await first(names.addresses("a")), asked()]).toEqual(["10.0.0.2", 3]);
    await clock.advance(25 * 60 * 60_000);
    await expect(names.addresses("a")).rejects.toThrow("no answer");
  });

  it("keep what is allowed of several addresses", async () => {
    const mixed: Answer = {
      addresses: [
        { address: "169.254.169.254", family: 4 },
        { address: "10.0.0.1", family: 4 },
      ],
      ttlSeconds: 1,
    };
    const { names } = asking([mixed]);
    expect(await names.addresses("a")).toEqual([{ address: "10.0.0.1", family: 4 }]);
    for (const address of ["169.254.0.1", "fe80::1", "fd00:ec2::254"]) {
      await expect(names.addresses(address)).rejects.toBeInstanceOf(Forbidden);
    }
  });
});
