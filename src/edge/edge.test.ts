import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { bytesOf, headerOf, type HttpRequest } from "../base/http.ts";
import {
  address,
  all,
  cluster,
  eventually,
  forwardedDefault,
  freePort,
  listener,
  Stage,
  through,
} from "./edge.suite.ts";
import { errorReasonHeader, type EdgeConfig, type ForwardedHeaders, type RouteConfig } from "./ports.ts";
import { fieldOf } from "./raw-client.suite.ts";

const stage = new Stage();
afterEach(() => stage.strike());

const get = (target = "/", ...fields: string[]) =>
  `${[`GET ${target} HTTP/1.1`, "Host: shop.test", ...fields].join("\r\n")}\r\n\r\n`;

/** An upstream that remembers what it got. */
async function recorder(name = "up") {
  const requests: IncomingMessage[] = [];
  const port = await stage.http((request, response) => {
    requests.push(request);
    request.resume();
    request.on("end", () => response.setHeader("X-From", name).end(`${name} ${request.url}`));
  });
  return { port, requests };
}

async function started(config: EdgeConfig, workers = 1) {
  const edge = stage.edge({ workers });
  await edge.apply(config);
  return edge;
}

describe("routes", () => {
  it("are tried in order, and the last takes the rest", async () => {
    const [one, two] = [await recorder("one"), await recorder("two")];
    const port = await freePort();
    const to = (clusterId: string): RouteConfig["action"] => ({ kind: "forward", targets: [{ clusterId, weight: 1 }] });
    await started({
      epoch: 1,
      listeners: [
        listener(port, [
          { id: "map", conditions: [{ kind: "path", patterns: ["/map/*"] }], action: to("one") },
          {
            id: "say",
            conditions: [{ kind: "path", patterns: ["/say"] }],
            action: { kind: "fixed", status: 418, contentType: "text/plain; charset=utf-8", body: "té" },
          },
          all("two"),
        ]),
      ],
      clusters: [cluster("one", [address(one.port)]), cluster("two", [address(two.port)])],
    });
    const client = stage.client(port);
    client.send(get("/map/1") + get("/") + get("/say"));
    const answers = [await client.response(), await client.response(), await client.response()];
    expect(answers.map(({ status, body }) => `${status} ${body.toString()}`)).toEqual([
      "200 one /map/1",
      "200 two /",
      "418 té",
    ]);
    expect(answers[2]?.fields.filter(([name]) => name !== "date")).toEqual([
      ["server", "edge/1"],
      ["content-type", "text/plain; charset=utf-8"],
      ["content-length", "3"],
      ["connection", "keep-alive"],
    ]);
  });

  it("redirect, with the parts of the request put in", async () => {
    const port = await freePort();
    const redirect = (change: object): RouteConfig["action"] => ({
      kind: "redirect",
      status: 302,
      protocol: "#{protocol}",
      host: "#{host}",
      port: "#{port}",
      path: "/#{path}",
      query: "#{query}",
      ...change,
    });
    await started({
      epoch: 1,
      listeners: [
        listener(port, [
          {
            id: "s",
            conditions: [{ kind: "path", patterns: ["/s/*"] }],
            action: redirect({ status: 301, protocol: "HTTPS", port: "443" }),
          },
          { id: "d", conditions: [], action: redirect({ path: "/new/#{path}", query: "" }) },
        ]),
      ],
      clusters: [],
    });
    const client = stage.client(port).send(get("/s/a/b?x=1&y=#".slice(0, -1)) + get("/old?x=1"));
    const [first, second] = [await client.response(), await client.response()];
    expect([first.status, fieldOf(first, "location")]).toEqual([301, "https://shop.test:443/s/a/b?x=1&y="]);
    expect([second.status, fieldOf(second, "location")]).toEqual([302, `http://shop.test:${port}/new/old`]);
  });

  it("share requests by weight, and the endpoints of a cluster in turn", async () => {
    const ups = [await recorder("a1"), await recorder("a2"), await recorder("b")];
    const port = await freePort();
    const [a1, a2, b] = ups.map((up) => up.port) as [number, number, number];
    await started({
      epoch: 1,
      listeners: [
        listener(port, [
          {
            id: "d",
            conditions: [],
            action: {
              kind: "forward",
              targets: [
                { clusterId: "a", weight: 8 },
                { clusterId: "b", weight: 2 },
                { clusterId: "off", weight: 0 },
              ],
            },
          },
        ]),
      ],
      clusters: [cluster("a", [address(a1), address(a2)]), cluster("b", [address(b)]), cluster("off", [])],
    });
    const client = stage.client(port).send(get().repeat(100));
    for (let i = 0; i < 100; i += 1) expect((await client.response()).status).toBe(200);
    expect(ups.map(({ requests }) => requests.length)).toEqual([40, 40, 20]);
  });
});

describe("the request that the endpoint gets", () => {
  async function sent(request: string, changes: Partial<ForwardedHeaders> = {}) {
    const up = await recorder();
    const port = await freePort();
    await started(through(port, up.port, { forwarded: { ...forwardedDefault, ...changes } }));
    const client = stage.client(port).send(request);
    expect((await client.response()).status).toBe(200);
    return {
      headers: up.requests[0]?.headers ?? {},
      raw: up.requests[0]?.rawHeaders ?? [],
      url: up.requests[0]?.url,
      port,
    };
  }

  it("carries who asked, and where", async () => {
    const { headers, port } = await sent(get("/a?b", "X-A: 1", "x-a: 2"));
    expect(headers).toMatchObject({
      host: `shop.test:${port}`,
      "x-a": "1, 2",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-port": String(port),
    });
    expect(headers["x-trace-id"]).toMatch(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/);
  });

  it("has the client added to the proxies before it, and nobody's word for the rest", async () => {
    const came = [
      "X-Forwarded-For: 1.1.1.1",
      "X-Forwarded-For: 2.2.2.2, 3.3.3.3",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Port: 1",
    ];
    const { headers, raw, port } = await sent(get("/", ...came));
    expect(headers["x-forwarded-for"]).toBe("1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1");
    expect(raw.filter((_, i) => raw[i - 1]?.startsWith("X-Forwarded-P"))).toEqual(["http", String(port)]);
    expect((await sent(get("/", ...came), { xff: "remove" })).headers["x-forwarded-for"]).toBeUndefined();
    expect((await sent(get("/", ...came), { xff: "preserve" })).headers["x-forwarded-for"]).toBe(
      "1.1.1.1, 2.2.2.2, 3.3.3.3",
    );
  });

  it("keeps the trace that it came with", async () => {
    const root = "Root=1-67891233-abcdef012345678912345678";
    const { headers } = await sent(get("/", `x-trace-id: Self=1-1-1;${root};CalledFrom=app`));
    expect(headers["x-trace-id"]).toMatch(new RegExp(`^Self=1-[0-9a-f]{8}-[0-9a-f]{24};${root};CalledFrom=app$`));
    const long = await sent(get("/", `X-Trace-Id: ${root};X=${"x".repeat(8000)}`));
    expect(long.headers["x-trace-id"]).toBe(root);
  });

  it("has no field that belongs to the client's connection", async () => {
    const { headers, raw } = await sent(
      get(
        "/",
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: timeout=5",
        "X-Hop: 1",
        "Proxy-Connection: x",
        "TE: gzip",
        "X-Stay: 1",
      ),
    );
    expect(Object.keys(headers).filter((name) => /connection|keep-alive|hop|^te$/.test(name))).toEqual([]);
    expect(headers["x-stay"]).toBe("1");
    expect(raw).not.toContain("Connection");
  });

  it("keeps Host and drops odd names where it is told so", async () => {
    const odd = get("/", "X_Odd: 1", "X-Even: 2").replace("shop.test", "Shop.Test:99");
    const kept = await sent(odd, { preserveHost: true, dropInvalidNames: true });
    expect(kept.headers).toMatchObject({ host: "Shop.Test:99", "x-even": "2" });
    expect(kept.headers["x_odd"]).toBeUndefined();
    const changed = await sent(odd);
    expect(changed.headers).toMatchObject({ host: `Shop.Test:${changed.port}`, x_odd: "1" });
  });

  it("is written canonically, whatever white space it came with", async () => {
    const { raw, url } = await sent(
      "GET http://Other.test/x?y HTTP/1.1\r\nHost: shop.test\r\nX-A:\t 1 \t\r\nX-B:2\r\n\r\n",
    );
    expect(url).toBe("/x?y");
    expect(raw.slice(raw.indexOf("X-A"), raw.indexOf("X-A") + 4)).toEqual(["X-A", "1", "X-B", "2"]);
    expect(raw[1]).toMatch(/^Other.test:/);
  });

  it("is refused when it came through more than 30 proxies", async () => {
    const up = await recorder();
    const port = await freePort();
    await started(through(port, up.port));
    const addresses = (count: number) =>
      `X-Forwarded-For: ${Array.from({ length: count }, () => "1.1.1.1").join(", ")}`;
    const client = stage.client(port).send(get("/", addresses(31)) + get("/", addresses(30)));
    expect([(await client.response()).status, (await client.response()).status]).toEqual([463, 200]);
  });
});

describe("answers of the edge itself", () => {
  it("look as a load balancer's do", async () => {
    const port = await freePort();
    const edge = await started({ epoch: 1, listeners: [listener(port, [all("c")])], clusters: [cluster("c", [])] });
    const client = stage.client(port).send(get());
    const response = await client.response();
    expect(response.body.toString()).toBe(
      "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n" +
        "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n",
    );
    expect(response.fields.map(([name]) => name)).toEqual([
      "server",
      "date",
      "content-type",
      "content-length",
      "connection",
    ]);
    expect(edge.stats()[0]).toMatchObject({ requests: 1, edgeErrors: { "no-endpoints": 1 } });
  });

  it.each([
    ["TRACE", get().replace("GET", "TRACE"), 405],
    ["a malformed request", get("/", "Content-Length: x"), 400],
    ["a field of 17 K", get("/", `X: ${"x".repeat(17_000)}`), 400],
    ["a long target", get(`/${"x".repeat(17_000)}`), 414],
    ["an unknown coding", get("/", "Transfer-Encoding: gzip"), 501],
    ["another version", get().replace("1.1", "2.0"), 505],
  ])("%s: %d", async (_, request, status) => {
    const up = await recorder();
    const port = await freePort();
    await started(through(port, up.port));
    expect((await stage.client(port).send(request).response()).status).toBe(status);
    expect(up.requests).toEqual([]);
  });
});

describe("functions", () => {
  async function withFunction(
    handler: (request: HttpRequest) => Promise<{ status: number; headers: string[]; body: Buffer | undefined }>,
    requestBytesMax = 1000,
  ) {
    const port = await freePort();
    const edge = stage.edge();
    edge.register("f", handler);
    await edge.apply({
      epoch: 1,
      listeners: [listener(port, [all("c")])],
      clusters: [cluster("c", [{ kind: "function", id: "f", requestBytesMax }])],
    });
    return { port, edge };
  }
  const echo = async (request: HttpRequest) => ({
    status: 200,
    headers: ["Content-Type", "application/json"],
    body: Buffer.from(
      JSON.stringify({ ...request, body: Buffer.from(await bytesOf(request.body, 10_000)).toString() }),
    ),
  });

  it("get the request that an address would get, and its body whole", async () => {
    const { port } = await withFunction(echo);
    const client = stage.client(port);
    client.send("POST /f?x=1 HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n");
    client.send("3\r\ndef\r\n0\r\n\r\n");
    const response = await client.response();
    const request = JSON.parse(response.body.toString()) as HttpRequest & { body: string };
    expect(request).toMatchObject({
      method: "POST",
      target: "/f?x=1",
      host: "shop.test",
      scheme: "http",
      body: "abcdef",
    });
    expect(request.client.address).toBe("127.0.0.1");
    expect(headerOf(request.headers, "x-forwarded-for")).toBe("127.0.0.1");
    expect(headerOf(request.headers, "host")).toBe(`shop.test:${port}`);
    expect(headerOf(request.headers, "transfer-encoding")).toBeUndefined();
    expect(fieldOf(response, "server")).toBe("edge/1");
  });

  it("answer HEAD with the length alone", async () => {
    const { port } = await withFunction(async () => ({ status: 200, headers: [], body: Buffer.from("hello") }));
    const client = stage.client(port).send(get().replace("GET", "HEAD") + get());
    expect(fieldOf(await client.response(true), "content-length")).toBe("5");
    expect((await client.response()).body.toString()).toBe("hello");
  });

  it("are asked for no body that is too long", async () => {
    const { port, edge } = await withFunction(echo, 5);
    const client = stage.client(port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
    expect((await client.response()).status).toBe(413);
    const chunked = stage.client(port);
    chunked.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
    expect((await chunked.response()).status).toBe(413);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "body-too-large": 2 }, active: 0 });
  });

  it("name the reason of an error, which stays here", async () => {
    const { port, edge } = await withFunction(async () => ({
      status: 502,
      headers: [errorReasonHeader, "LambdaThrottling"],
      body: undefined,
    }));
    const response = await stage.client(port).send(get()).response();
    expect([response.status, fieldOf(response, errorReasonHeader)]).toEqual([502, undefined]);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ LambdaThrottling: 1 });
  });

  it("that throw, answer badly or are not there: 502", async () => {
    const { port, edge } = await withFunction(async (request) => {
      if (request.target === "/throw") throw new Error("no");
      return { status: 200, headers: ["X-A", "1\r\nX-B: 2"], body: undefined };
    });
    const client = stage.client(port).send(get("/throw") + get("/split"));
    expect([(await client.response()).status, (await client.response()).status]).toEqual([502, 502]);
    edge.unregister("f");
    client.send(get());
    expect((await client.response()).status).toBe(502);
    expect(edge.stats()[0]).toMatchObject({ edgeErrors: { "function-failed": 3 }, active: 0 });
  });

  it("hear that the client is gone", async () => {
    let aborted: Promise<void> = Promise.resolve();
    let begun = () => {};
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { port, edge } = await withFunction(async ({ signal }) => {
      aborted = new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve());
      });
      begun();
      await aborted;
      return { status: 200, headers: [], body: undefined };
    });
    const client = stage.client(port).send(get());
    await running;
    client.destroy();
    await aborted;
    await eventually(() => edge.stats()[0]?.active === 0);
    expect(edge.stats()[0]?.edgeErrors).toEqual({ "client-closed": 1 });
  });
});
