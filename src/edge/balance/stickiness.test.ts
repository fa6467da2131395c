import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../base/clock.ts";
import { healthBad } from "../board.ts";
import type { Cluster } from "../cluster.ts";
import { address, all, cluster, freePort, listener, Stage } from "../edge.suite.ts";
import type { ClusterConfig, EdgeConfig } from "../ports.ts";
import type { RawResponse } from "../raw-client.suite.ts";
import type { RequestRecord } from "../record.ts";
import { asked, clusterOf, cookieField, secret } from "./balance.suite.ts";
import { setsCookieIn } from "./cookies.ts";
import { createSeal } from "./seal.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const hourMs = 3_600_000;
const byEdge: Partial<ClusterConfig> = { stickiness: { kind: "lb-cookie", durationMs: hourMs } };
const byApplication: Partial<ClusterConfig> = {
  stickiness: { kind: "app-cookie", name: "SESSION", durationMs: hourMs },
};

/** Picks for a request as the pipeline does; gives the endpoint's id. */
function pick(from: Cluster, request: RequestRecord): string | undefined {
  request.endpoint = from.pick(request);
  request.cluster = from;
  return request.endpoint?.id;
}

describe("the edge's cookie", () => {
  it("leads back to the endpoint, and is renewed with every answer", async () => {
    const clock = new FakeClock();
    const { cluster: c } = clusterOf(3, byEdge);
    const first = asked(clock);
    const home = pick(c, first);
    let cookie = cookieField(first.responseLines);
    // Longer in all than its duration: each answer starts it anew.
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(hourMs / 2);
      const request = asked(clock, [cookie]);
      expect(pick(c, request)).toBe(home);
      cookie = cookieField(request.responseLines);
    }
  });

  it("is set twice, the second for requests from other sites; Secure where the client speaks TLS", () => {
    const clock = new FakeClock();
    const { cluster: c } = clusterOf(2, byEdge);
    const lines = (tls: boolean) => {
      const request = asked(clock, [], { tls });
      pick(c, request);
      return request.responseLines.replaceAll(/=[A-Za-z0-9+/=]{60,}/g, "=V");
    };
    const expires = "Expires=Thu, 08 Jan 2026 00:00:00 GMT; Path=/";
    expect(lines(false)).toBe(
      `Set-Cookie: AWSALB=V; ${expires}\r\nSet-Cookie: AWSALBCORS=V; ${expires}; SameSite=None\r\n`,
    );
    expect(lines(true)).toBe(
      `Set-Cookie: AWSALB=V; ${expires}\r\nSet-Cookie: AWSALBCORS=V; ${expires}; SameSite=None; Secure\r\n`,
    );
  });

  it("tells nothing of the endpoint", () => {
    const { cluster: c } = clusterOf(1, byEdge);
    const request = asked(new FakeClock());
    pick(c, request);
    const value = /AWSALB=([^;]+)/.exec(request.responseLines)?.[1] ?? "";
    expect(Buffer.from(value, "base64").toString("latin1")).not.toContain("e0");
    expect(createSeal("another secret").open("AWSALB", value)).toBeUndefined();
    expect(createSeal(secret).open("AWSALBTG", value)).toBeUndefined();
    expect(createSeal(secret).open("AWSALB", value)?.text).toMatch(/ e0$/);
  });

  /** A client's field after it came once: to `e1`, with `e0` as the next in turn. */
  const settled = (clock: FakeClock, changes: Partial<ClusterConfig>, id = "c") => {
    const made = clusterOf(3, changes, { id });
    let request = asked(clock);
    while (pick(made.cluster, request) !== "e1") request = asked(clock);
    request.answering?.(setsCookieIn(["Set-Cookie", "SESSION=1"]));
    pick(made.cluster, asked(clock));
    return { ...made, cookie: cookieField(request.responseLines) };
  };

  it.each([
    ["expired", async (clock: FakeClock, cookie: string) => (await clock.advance(hourMs + 1_001), cookie)],
    ["from elsewhere", (_: FakeClock, cookie: string) => cookie.replaceAll(/=[^;]{20}/g, "=AAAAAAAAAAAAAAAAAAAA")],
    ["cut off", (_: FakeClock, cookie: string) => cookie.replaceAll(/.{8}(;|$)/g, "$1")],
    ["URL-encoded", (_: FakeClock, cookie: string) => cookie.replaceAll(/(?<==[^=;]*)[+/]|=(?=;|$)/g, "%2B")],
    ["empty", () => "Cookie: AWSALB=; AWSALBCORS="],
    ["no cookie at all", () => "Cookie: ;;=; AWSALB"],
  ])("that is %s is replaced", async (_, spoil) => {
    const clock = new FakeClock();
    const { cluster: c, cookie } = settled(clock, byEdge);
    const request = asked(clock, [await spoil(clock, cookie)]);
    expect(pick(c, request)).toBe("e0");
    const again = asked(clock, [cookieField(request.responseLines)]);
    expect(pick(c, again)).toBe("e0");
  });

  it("of an endpoint that is not healthy, or gone, or another cluster's is replaced", () => {
    const clock = new FakeClock();
    const { cluster: c, judge, cookie } = settled(clock, byEdge);
    judge(1, healthBad);
    const request = asked(clock, [cookie]);
    const next = pick(c, request);
    expect(next).not.toBe("e1");
    expect(pick(c, asked(clock, [cookieField(request.responseLines)]))).toBe(next);
    const { cluster: fewer } = clusterOf(1, byEdge);
    expect(pick(fewer, asked(clock, [cookie]))).toBe("e0");
    const other = settled(clock, byEdge, "d");
    expect(pick(other.cluster, asked(clock, [cookie]))).toBe("e0");
  });

  it("is found among others, in several fields, and by its twin's name alone", () => {
    const clock = new FakeClock();
    const { cluster: c, cookie } = settled(clock, byEdge);
    const [own = "", twin = ""] = cookie.slice("Cookie: ".length).split("; ");
    expect(pick(c, asked(clock, ["Cookie: a=b; XAWSALB=1", `cookie:  ${own} ;c=d`]))).toBe("e1");
    expect(pick(c, asked(clock, [`Cookie: ${twin}`]))).toBe("e1");
    expect(pick(c, asked(clock, [`Cookie: AWSALB=old; ${own}`]))).toBe("e1");
    expect(pick(c, asked(clock, [`Cookie: ${own.replace("=", '="')}"`]))).toBe("e1");
  });

  it("does not bind a request that is tried again, and then names the endpoint that answered", () => {
    const clock = new FakeClock();
    const { cluster: c, cookie } = settled(clock, byEdge);
    const request = asked(clock, [cookie]);
    expect(pick(c, request)).toBe("e1");
    expect(pick(c, request)).toBe("e0");
    expect(request.responseLines.match(/AWSALB=/g)).toHaveLength(1);
    expect(pick(c, asked(clock, [cookieField(request.responseLines)]))).toBe("e0");
  });

  it.each([
    ["the edge's", byEdge],
    ["an application's", byApplication],
  ])("holds a place in each of several clusters: %s", (_, changes) => {
    const clock = new FakeClock();
    const clusters = ["a", "b", "c"].map((id, i) => clusterOf(4, changes, { id, random: () => i / 4 }).cluster);
    let cookie = "Cookie: x=y";
    const visit = (c: Cluster) => {
      const request = asked(clock, [`${cookie}; SESSION=1`]);
      const id = pick(c, request);
      request.answering?.(setsCookieIn(["Set-Cookie", "SESSION=1"]));
      cookie = cookieField(request.responseLines);
      return id;
    };
    const homes = clusters.map(visit);
    expect(new Set(homes).size).toBe(3);
    for (let i = 0; i < 3; i += 1) expect(clusters.map(visit)).toEqual(homes);
    expect(cookie.length).toBeLessThan(700);
  });

  it("does not grow with the clusters that were ever met", () => {
    const clock = new FakeClock();
    let cookie = "Cookie: x=y";
    for (let i = 0; i < 30; i += 1) {
      const request = asked(clock, [cookie]);
      pick(clusterOf(1, byEdge, { id: `cluster-${i}` }).cluster, request);
      cookie = cookieField(request.responseLines);
    }
    expect(cookie.length).toBeLessThan(1_500);
  });

  describe("for an application's", () => {
    const both = (cookie: string) => [`${cookie}; SESSION=1`];

    it("begins when the endpoint sets its own, and needs both from then on", () => {
      const clock = new FakeClock();
      const { cluster: c, cookie } = settled(clock, byApplication);
      expect(cookie).toMatch(/^Cookie: AWSALBAPP-0=[^;]{60,}; AWSALBAPP-1=_remove_; .*; AWSALBAPP-3=_remove_$/);
      expect(pick(c, asked(clock, both(cookie)))).toBe("e1");
      expect(pick(c, asked(clock, [cookie]))).toBe("e0");
    });

    it("is not there before, and says so as ALB does", () => {
      const clock = new FakeClock();
      const { cluster: c } = clusterOf(1, byApplication);
      const request = asked(clock);
      pick(c, request);
      expect(request.responseLines).toBe("");
      request.answering?.(setsCookieIn(["Set-Cookie", "OTHER=1", "X", "SESSION=1"]));
      expect(cookieField(request.responseLines)).toBe(
        "Cookie: AWSALBAPP-0=_remove_; AWSALBAPP-1=_remove_; AWSALBAPP-2=_remove_; AWSALBAPP-3=_remove_",
      );
      // What a client makes of that is not taken for a place.
      expect(pick(c, asked(clock, both(cookieField(request.responseLines))))).toBe("e0");
    });

    it("is renewed with each answer, and expires without", async () => {
      const clock = new FakeClock();
      const { cluster: c, cookie } = settled(clock, byApplication);
      await clock.advance(hourMs - 1);
      const request = asked(clock, both(cookie));
      expect(pick(c, request)).toBe("e1");
      request.answering?.(() => false);
      await clock.advance(2);
      expect(pick(c, asked(clock, both(cookie)))).toBe("e0");
      expect(pick(c, asked(clock, both(cookieField(request.responseLines))))).toBe("e1");
    });

    it("moves with the client when its endpoint fails", () => {
      const clock = new FakeClock();
      const { cluster: c, judge, cookie } = settled(clock, byApplication);
      judge(1, healthBad);
      const request = asked(clock, both(cookie));
      const next = pick(c, request);
      expect(next).not.toBe("e1");
      request.answering?.(() => false);
      judge(1, 1);
      for (let i = 0; i < 3; i += 1) expect(pick(c, asked(clock, both(cookieField(request.responseLines))))).toBe(next);
    });
  });
});

describe("stickiness through an edge", () => {
  const cookiesOf = ({ fields }: RawResponse) =>
    cookieField(fields.flatMap(([name, value]) => (name === "set-cookie" ? [`Set-Cookie: ${value};`] : [])).join("\n"));

  it("holds over workers, epochs and edges with the same secret", async () => {
    const upstreams = await Promise.all(
      Array.from({ length: 4 }, () => stage.http((request, response) => response.end(`${request.socket.localPort}`))),
    );
    const front = await freePort();
    const endpoints = upstreams.map((port) => address(port));
    const config = (epoch: number): EdgeConfig => ({
      epoch,
      listeners: [listener(front, [all("c")])],
      clusters: [cluster("c", endpoints, byEdge)],
      cookieSecret: secret,
    });
    const ask = (cookie = "Cookie: a=b") =>
      stage.client(front).send(`GET / HTTP/1.1\r\nHost: a\r\n${cookie}\r\n\r\n`).response();
    const edge = stage.edge({ workers: 2 });
    await edge.apply(config(1));
    const first = await ask();
    const home = first.body.toString();
    const stays = async () => {
      for (let i = 0; i < 10; i += 1) expect((await ask(cookiesOf(first))).body.toString()).toBe(home);
    };
    await stays();
    await edge.apply(config(2));
    await stays();
    await edge.close(0);
    await stage.edge({ workers: 2 }).apply(config(1));
    await stays();
  });

  it.each([
    ["an address", false],
    ["a function", true],
  ])("begins with an application's cookie from %s", async (_, isFunction) => {
    const up = await stage.http((_request, response) => response.setHeader("Set-Cookie", "SESSION=1; Path=/").end());
    const front = await freePort();
    const edge = stage.edge();
    edge.register("f", () => Promise.resolve({ status: 200, headers: ["set-cookie", "SESSION=1"], body: undefined }));
    const endpoint = isFunction ? ({ kind: "function", id: "f", requestBytesMax: 1 } as const) : address(up);
    const clusters = [cluster("c", [endpoint], byApplication)];
    await edge.apply({ epoch: 1, listeners: [listener(front, [all("c")])], clusters });
    const response = await stage.client(front).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").response();
    expect(cookiesOf(response)).toMatch(/^Cookie: SESSION=1; AWSALBAPP-0=[^;]{60,}; AWSALBAPP-1=_remove_/);
  });
});
